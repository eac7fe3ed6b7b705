//! The labels of a series, with external ones.

use latewood_model::{Labels, METRIC_NAME};

use crate::TsdbError;
use crate::index::{Index, SeriesEntry};
use crate::limits::LABEL_BYTES;

/// Makes labels of what an index says of series.
#[derive(Debug)]
pub(crate) struct Labelling<'a> {
    index: &'a Index,
    external: Labels,
}

impl<'a> Labelling<'a> {
    /// External labels take the place of a series' own ones of the same name, as Thanos reads blocks. A metric's name is
    /// never external.
    pub(crate) fn new(index: &'a Index, external: &Labels) -> Self {
        Self { index, external: external.without(&[METRIC_NAME]) }
    }

    /// The labels of a series of a metric.
    pub(crate) fn labels(&self, entry: &SeriesEntry, metric: Option<&str>) -> Result<Labels, TsdbError> {
        let corrupt = |problem: String| self.index.file().corrupt(entry.at, problem);
        let (mut pairs, mut bytes) = (Vec::with_capacity(entry.labels.len() + self.external.len()), 0);
        for &(name, value) in &entry.labels {
            let text =
                |reference| self.index.symbols().get(reference).map_err(|text| corrupt(text.to_owned()));
            let pair = (text(name)?, text(value)?);
            bytes += (pair.0.len() + pair.1.len()) as u64;
            if bytes > LABEL_BYTES {
                let what = "a series with more bytes of labels";
                return Err(self.index.file().too_large(entry.at, what, LABEL_BYTES));
            }
            pairs.push(pair);
        }
        // Early writers of Thanos left some unsorted.
        pairs.sort_unstable();
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) || pairs.first().is_some_and(|pair| pair.0.is_empty()) {
            return Err(corrupt("a series has a label twice, or one without a name".to_owned()));
        }
        let own = pairs.iter().find(|pair| pair.0 == METRIC_NAME).map(|pair| pair.1);
        if own != metric {
            return Err(corrupt(format!("a series of {own:?} is listed among those of {metric:?}")));
        }
        if !self.external.is_empty() {
            pairs.retain(|pair| self.external.get(pair.0).is_none());
            pairs.extend(self.external.iter());
            pairs.sort_unstable();
        }
        Ok(Labels::from_sorted(pairs.into_iter().filter(|pair| !pair.1.is_empty())))
    }
}
