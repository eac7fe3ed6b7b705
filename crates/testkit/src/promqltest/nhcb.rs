//! Classic histograms as native ones with custom buckets: `load_with_nhcb`.

use std::collections::BTreeMap;

use latewood_model::histogram::{Buckets, CUSTOM_BUCKETS, Histogram};
use latewood_model::{FloatHistogram, Labels, LabelsBuilder, METRIC_NAME};

use super::series::{Item, SeriesLine};

/// What is known of a histogram at one step.
#[derive(Clone, Debug, Default)]
struct Parts {
    /// Upper bounds and cumulative counts.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

/// The native histograms of the classic ones among some series, by step.
pub(super) fn convert(series: &[SeriesLine]) -> Vec<(Labels, Vec<(usize, FloatHistogram)>)> {
    let mut found: BTreeMap<Labels, BTreeMap<usize, Parts>> = BTreeMap::new();
    for line in series {
        let Some((base, part)) = split(&line.labels) else { continue };
        let upper = line.labels.get("le").and_then(super::series::number);
        let steps = found.entry(base).or_default();
        for (step, item) in line.values.iter().enumerate() {
            let Some(Item::Float(value)) = item else { continue };
            let parts = steps.entry(step).or_default();
            match (part, upper) {
                ("_bucket", Some(upper)) => parts.buckets.push((upper, *value)),
                ("_count", _) => parts.count = Some(*value),
                ("_sum", _) => parts.sum = *value,
                _ => {}
            }
        }
    }
    let assemble = |steps: BTreeMap<usize, Parts>| {
        steps.into_iter().filter_map(|(step, parts)| Some((step, parts.assemble()?))).collect()
    };
    found.into_iter().map(|(labels, steps)| (labels, assemble(steps))).collect()
}

/// The labels of the histogram that a series belongs to, and which part of it the series is.
fn split(labels: &Labels) -> Option<(Labels, &'static str)> {
    let name = labels.metric_name()?;
    let part = ["_bucket", "_sum", "_count"].into_iter().find(|part| name.ends_with(part))?;
    let mut builder = LabelsBuilder::from(labels);
    Some((builder.remove("le").set(METRIC_NAME, name.strip_suffix(part)?).build(), part))
}

impl Parts {
    fn assemble(mut self) -> Option<FloatHistogram> {
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let count = self.count.or(self.buckets.last().map(|bucket| bucket.1))?;
        let finite: Vec<(f64, f64)> =
            self.buckets.into_iter().filter(|(upper, _)| upper.is_finite()).collect();
        let cumulative = finite.iter().map(|(_, count)| *count).chain([count]);
        let mut before = 0.0;
        let counts = cumulative.map(|total| total - std::mem::replace(&mut before, total));
        let positive = Buckets::from_pairs((0..).zip(counts));
        let custom_bounds = finite.iter().map(|(upper, _)| *upper).collect();
        Some(Histogram {
            schema: CUSTOM_BUCKETS,
            custom_bounds,
            sum: self.sum,
            count,
            positive,
            ..Histogram::default()
        })
    }
}
