//! Checking a block from end to end: checksums, footers, order, spans, counts.

use std::fmt;

use bytes::Bytes;
use latewood_base::Offload;
use latewood_model::RollupWindows;
use latewood_objstore::{Bucket, BucketError};

use crate::index::{IndexEntry, page_ranges};
use crate::read::{
    HistogramEnds, SeriesTable, SpanTable, check_file, check_histograms, check_index, check_parts,
    check_rollups, check_samples, check_scrapes, open_files, parse_entry,
};
use crate::schema::{HISTOGRAMS, INDEX, SCRAPES, SERIES, SPANS};
use crate::{BlockError, BlockMeta, FileMeta, ReaderConfig};

/// Problems of one file after which its others are only counted.
const MAX_PROBLEMS: usize = 20;

/// What [`verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// What is wrong; empty when the block is whole.
    pub problems: Vec<Problem>,
    /// Files whose bytes were read and compared.
    pub files: u64,
    /// Samples that were read and compared with their spans.
    pub samples: u64,
    /// Native histograms that were read and compared with their spans.
    pub histograms: u64,
}

/// Something that is wrong with a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to the block's folder.
    pub file: String,
    /// The row, from 0, where one can be named.
    pub row: Option<u64>,
    /// What is wrong.
    pub text: String,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }

    fn add(&mut self, file: &str, row: Option<u64>, text: impl fmt::Display) {
        let of_file = self.problems.iter().filter(|problem| problem.file == file).count();
        if of_file <= MAX_PROBLEMS {
            let text = if of_file < MAX_PROBLEMS { text.to_string() } else { "and more".to_owned() };
            self.problems.push(Problem { file: file.to_owned(), row, text });
        }
    }

    fn add_error(&mut self, file: &str, error: &BlockError) {
        match error {
            BlockError::Corrupt { file, problem } => self.add(file, None, problem),
            BlockError::Missing { file } => self.add(file, None, "the file is missing"),
            other => self.add(file, None, other),
        }
    }

    fn merge(&mut self, other: Self) {
        self.problems.extend(other.problems);
        self.files += other.files;
        self.samples += other.samples;
        self.histograms += other.histograms;
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            let row = problem.row.map_or(String::new(), |row| format!(" row {row}"));
            writeln!(out, "{}{row}: {}", problem.file, problem.text)?;
        }
        let verdict = if self.is_whole() { "whole" } else { "BROKEN" };
        write!(out, "{verdict}: {} files and {} samples", self.files, self.samples)?;
        if self.histograms > 0 {
            write!(out, " and {} histograms", self.histograms)?;
        }
        write!(out, " compared")
    }
}

/// What later checks need of earlier ones.
struct Context {
    meta: BlockMeta,
    entries: Vec<IndexEntry>,
    series: Option<SeriesTable>,
    spans: Option<SpanTable>,
    times: Option<Vec<i64>>,
    ends: HistogramEnds,
}

/// Reads every byte of the block in `folder` and compares all there is to compare. One file is in memory at
/// a time, besides the decoded spans and scrape times.
///
/// # Errors
/// [`BlockError::Bucket`] when the bucket does not answer: what is wrong with the block itself is in the report.
pub async fn verify(bucket: &Bucket, folder: &str, offload: &Offload) -> Result<VerifyReport, BlockError> {
    let mut report = VerifyReport::default();
    let most = ReaderConfig::default().max_table_bytes;
    let Some(json) = read(bucket, folder, BlockMeta::FILE, BlockMeta::MAX_BYTES, &mut report).await? else {
        return Ok(report);
    };
    let meta = match BlockMeta::from_json(&json) {
        Ok(meta) => meta,
        Err(error) => {
            report.add_error(BlockMeta::FILE, &error);
            return Ok(report);
        }
    };
    let index = read(bucket, folder, INDEX, most, &mut report).await?;
    let entries = index.map(|index| check_index(&meta, &index)).transpose().unwrap_or_else(|error| {
        report.add_error(INDEX, &error);
        None
    });
    if let Some(Err(error)) = entries.as_ref().map(|entries| open_files(folder, &meta, entries)) {
        report.add_error(INDEX, &error);
    }
    let mut context = Context {
        entries: entries.unwrap_or_default(),
        series: None,
        spans: None,
        times: None,
        ends: HistogramEnds::new(),
        meta,
    };
    for file in context.in_order() {
        let size = file.size.max(1);
        let Some(bytes) = read(bucket, folder, &file.path, size.min(most), &mut report).await? else {
            continue;
        };
        let checked = offload.run(move || {
            let report = context.check(&file, &bytes);
            (context, report)
        });
        let (returned, found) = checked.await?;
        context = returned;
        report.merge(found);
    }
    Ok(report)
}

/// A file of the block; one that is missing or too large is a problem, a bucket that is silent an error.
async fn read(
    bucket: &Bucket,
    folder: &str,
    name: &str,
    most: u64,
    report: &mut VerifyReport,
) -> Result<Option<Bytes>, BlockError> {
    match bucket.get(&format!("{folder}/{name}"), most).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(BucketError::NotFound { .. }) => {
            report.add(name, None, "the file is missing");
            Ok(None)
        }
        Err(BucketError::TooLarge { size, max, .. }) => {
            report.add(name, None, format!("it has {size} bytes; {max} were expected at most"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

impl Context {
    /// The files, those first that the checks of others need.
    fn in_order(&self) -> Vec<FileMeta> {
        let rank = |file: &&FileMeta| match file.path.as_str() {
            SERIES => 0,
            SPANS => 1,
            SCRAPES => 2,
            // Histograms of windows stand where these end.
            path if path.starts_with(HISTOGRAMS) => 4,
            _ => 3,
        };
        let mut files: Vec<&FileMeta> = self.meta.files.iter().collect();
        files.sort_by_key(rank);
        files.into_iter().cloned().collect()
    }

    fn check(&mut self, file: &FileMeta, bytes: &Bytes) -> VerifyReport {
        let mut report = VerifyReport { files: 1, ..VerifyReport::default() };
        if let Err(error) = check_file(file, bytes) {
            report.add_error(&file.path, &error);
            return report;
        }
        self.check_entry(file, bytes, &mut report);
        let checked = match file.path.as_str() {
            SERIES => self.check_series(bytes, &mut report),
            SPANS => self.check_spans(bytes),
            SCRAPES => check_scrapes(bytes, &self.meta).map(|times| self.times = Some(times)),
            path => self.check_part(path, bytes, &mut report),
        };
        if let Err(error) = checked {
            report.add_error(&file.path, &error);
        }
        report
    }

    /// The file's tail and pages against its index entry.
    fn check_entry(&self, file: &FileMeta, bytes: &Bytes, report: &mut VerifyReport) {
        let Some(entry) = self.entries.iter().find(|entry| entry.path == file.path) else {
            return;
        };
        if !bytes.ends_with(&entry.tail) {
            report.add(&file.path, None, "its last bytes are not those in the index");
        }
        let metadata = parse_entry(entry);
        let pages = metadata.and_then(|metadata| page_ranges(&entry.path, &metadata, entry.size));
        match pages {
            Ok(pages) => {
                let sums = pages.iter().map(|page| {
                    let range = page.bytes.start as usize..page.bytes.end as usize;
                    bytes.get(range).map(crc32c::crc32c)
                });
                if !sums.eq(entry.pages.iter().copied().map(Some)) {
                    report.add(&file.path, None, "the checksums of its pages are not those in the index");
                }
            }
            Err(error) => report.add_error(&file.path, &error),
        }
    }

    fn check_series(&mut self, bytes: &Bytes, report: &mut VerifyReport) -> Result<(), BlockError> {
        let series = SeriesTable::decode(bytes, self.meta.series)?;
        let mut before = None;
        for row in 0..series.len() {
            let labels = series.labels(row);
            let ordered =
                before.as_ref().is_none_or(|before| latewood_model::storage_order(before, &labels).is_lt());
            if !ordered {
                let problem = format!("{labels} does not come after its predecessor in storage order");
                report.add(SERIES, Some(row as u64), problem);
            }
            before = Some(labels);
        }
        self.series = Some(series);
        Ok(())
    }

    /// Spans and what they point to; not without the series table, whose own problem is in the report.
    fn check_spans(&mut self, bytes: &Bytes) -> Result<(), BlockError> {
        if let Some(series) = self.series.take() {
            let spans = self.spans.insert(SpanTable::decode(bytes, &self.meta, &series)?);
            check_parts(&self.meta, spans, &series)?;
        }
        Ok(())
    }

    fn check_part(&mut self, path: &str, bytes: &Bytes, report: &mut VerifyReport) -> Result<(), BlockError> {
        let mut parts = self.meta.parts.iter().chain(&self.meta.histogram_parts);
        let number = parts.position(|part| part.path == path);
        let (Some(number), Some(spans), Some(times)) = (number, &self.spans, &self.times) else {
            return Ok(());
        };
        let spans: Vec<_> = spans.iter().filter(|span| span.part as usize == number).collect();
        let (samples, histograms) = (&mut report.samples, &mut report.histograms);
        let mut problems = Vec::new();
        let note = |row, text| {
            // One more than are shown, so that it is said that there are more.
            if problems.len() <= MAX_PROBLEMS {
                problems.push((row, text));
            }
        };
        let windows = RollupWindows::of(self.meta.resolution);
        match (number < self.meta.parts.len(), windows) {
            (true, None) => *samples = check_samples(path, bytes, &spans, times, note)?,
            (true, Some(windows)) => {
                *samples = check_rollups(path, bytes, &spans, (times, windows), &mut self.ends, note)?;
            }
            (false, _) => *histograms = check_histograms(path, bytes, &spans, (times, &self.ends), note)?,
        }
        problems.into_iter().for_each(|(row, text)| report.add(path, Some(row), text));
        Ok(())
    }
}
