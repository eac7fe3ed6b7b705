//! What a write is in the journal: columns of samples that refer to series by number.

use latewood_model::{HistogramSample, LabelPair, NO_START, Sample, SeriesHash, TenantId, TimestampMs};

/// Everything a shard had queued when the entry was made, resolved against one open generation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntryBatch {
    /// The leader's term when the references were looked up.
    pub term: u64,
    /// The open generation then.
    pub generation: u64,
    /// A part per tenant.
    pub tenants: Vec<TenantEntry>,
}

impl EntryBatch {
    /// How many samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.tenants.iter().map(|part| part.values.len() + part.histograms.len()).sum()
    }
}

/// A tenant's part of an entry. A row is a series with its samples: first come the rows of known series,
/// then one row per definition.
#[derive(Clone, Debug)]
pub struct TenantEntry {
    /// Whose.
    pub tenant: TenantId,
    /// The texts that definitions use.
    pub symbols: Texts,
    /// Where each definition's pairs end in `pairs`, with its hash.
    pub(super) definitions: Vec<(SeriesHash, u32)>,
    /// Label name and value of the definitions, as numbers of `symbols`, names ascending in a definition.
    pub(super) pairs: Vec<(u32, u32)>,
    /// The known series, ascending; a series may stand in several rows.
    pub(super) references: Vec<u32>,
    /// How many samples each row has: those of references, then those of definitions.
    pub(super) counts: Vec<u32>,
    /// The times of all rows.
    pub(super) timestamps: Vec<TimestampMs>,
    /// The values of all rows, as many as times.
    pub(super) values: Vec<f64>,
    /// The start timestamps of all rows, as many as times; nothing when no sample has one.
    pub(super) starts: Vec<TimestampMs>,
    /// The rows that have histograms, ascending, and how many.
    pub(super) histogram_rows: Vec<(u32, u32)>,
    /// The histograms of these rows.
    pub(super) histograms: Vec<HistogramSample>,
}

impl PartialEq for TenantEntry {
    /// Values count by their bits.
    fn eq(&self, other: &Self) -> bool {
        let bits = |entry: &Self| entry.values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        self.tenant == other.tenant
            && self.symbols == other.symbols
            && self.definitions == other.definitions
            && self.pairs == other.pairs
            && self.references == other.references
            && self.counts == other.counts
            && self.timestamps == other.timestamps
            && bits(self) == bits(other)
            && self.starts == other.starts
            && self.histogram_rows == other.histogram_rows
            && self.histograms == other.histograms
    }
}

impl TenantEntry {
    /// A part without rows.
    #[must_use]
    pub fn new(tenant: TenantId) -> Self {
        Self {
            tenant,
            symbols: Texts::default(),
            definitions: Vec::new(),
            pairs: Vec::new(),
            references: Vec::new(),
            counts: Vec::new(),
            timestamps: Vec::new(),
            values: Vec::new(),
            starts: Vec::new(),
            histogram_rows: Vec::new(),
            histograms: Vec::new(),
        }
    }

    /// Whether it refers to series that are known.
    #[must_use]
    pub fn has_references(&self) -> bool {
        !self.references.is_empty()
    }

    /// How many series it defines.
    #[must_use]
    pub fn definitions(&self) -> usize {
        self.definitions.len()
    }

    /// The definitions: the hash of the labels, and the pairs as numbers of `symbols`.
    pub fn definition_pairs(&self) -> impl Iterator<Item = (SeriesHash, &[(u32, u32)])> {
        let mut start = 0;
        self.definitions.iter().map(move |&(hash, end)| {
            let pairs = self.pairs.get(start..end as usize).unwrap_or(&[]);
            start = end as usize;
            (hash, pairs)
        })
    }

    /// Name and value of a definition's pair.
    #[must_use]
    pub fn pair_text(&self, pair: (u32, u32)) -> LabelPair<'_> {
        (self.symbols.get(pair.0), self.symbols.get(pair.1))
    }

    /// Calls with every sample, the reference of its series and the sample's start timestamp; `defined` has the
    /// references that the definitions got.
    pub fn for_each_sample(&self, defined: &[u32], mut take: impl FnMut(u32, Sample, TimestampMs)) {
        let rows = self.references.iter().chain(defined).zip(&self.counts);
        let mut samples = self.timestamps.iter().zip(&self.values);
        if self.starts.is_empty() {
            for (&reference, &count) in rows {
                for (&timestamp, &value) in samples.by_ref().take(count as usize) {
                    take(reference, Sample { timestamp, value }, NO_START);
                }
            }
            return;
        }
        let mut samples = samples.zip(&self.starts);
        for (&reference, &count) in rows {
            for ((&timestamp, &value), &start) in samples.by_ref().take(count as usize) {
                take(reference, Sample { timestamp, value }, start);
            }
        }
    }

    /// Gives the samples that were added last their start timestamps: as many, or none.
    pub(super) fn push_starts(&mut self, starts: &[TimestampMs]) {
        if !self.starts.is_empty() || starts.iter().any(|&start| start != NO_START) {
            self.starts.resize(self.values.len() - starts.len(), NO_START);
            self.starts.extend_from_slice(starts);
        }
    }
}

impl TenantEntry {
    /// Calls with every histogram and the reference of its series, as [`TenantEntry::for_each_sample`] does.
    pub fn for_each_histogram(&self, defined: &[u32], mut take: impl FnMut(u32, &HistogramSample)) {
        let mut histograms = self.histograms.iter();
        for &(row, count) in &self.histogram_rows {
            let row = row as usize;
            let after = row.checked_sub(self.references.len());
            let reference = after.map_or_else(|| self.references.get(row), |row| defined.get(row));
            for histogram in histograms.by_ref().take(count as usize) {
                if let Some(&reference) = reference {
                    take(reference, histogram);
                }
            }
        }
    }

    /// Adds histograms to the row that was added last.
    pub(super) fn push_histograms(&mut self, histograms: &[HistogramSample]) {
        if let Some(row) = self.counts.len().checked_sub(1).filter(|_| !histograms.is_empty()) {
            self.histogram_rows.push((row as u32, histograms.len() as u32));
            self.histograms.extend_from_slice(histograms);
        }
    }
}

/// Texts one after another, known by their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    text: String,
    ends: Vec<u32>,
}

impl Texts {
    /// The text at a place; the empty one behind the end.
    #[must_use]
    pub fn get(&self, index: u32) -> &str {
        let index = index as usize;
        let end = self.ends.get(index).map_or(0, |&end| end as usize);
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before));
        let start = start.map_or(0, |&start| start as usize);
        self.text.get(start..end).unwrap_or("")
    }

    /// How many texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The texts in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len() as u32).map(|index| self.get(index))
    }

    /// Adds a text and returns its place.
    pub(super) fn push(&mut self, text: &str) -> u32 {
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
        self.ends.len() as u32 - 1
    }

    /// All texts without a gap.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Texts of these lengths; `None` when they do not fill the text, or cut a character in two.
    pub(super) fn from_lengths(text: &str, lengths: &[u32]) -> Option<Self> {
        let mut ends = Vec::with_capacity(lengths.len());
        let mut end = 0_u32;
        for &length in lengths {
            end = end.checked_add(length)?;
            if !text.is_char_boundary(end as usize) {
                return None;
            }
            ends.push(end);
        }
        (end as usize == text.len()).then(|| Self { text: text.to_owned(), ends })
    }
}
