//! What is written: each sample has a number, and a place of its own that follows from it.

use std::sync::Arc;

use latewood_ingester::BatchBuilder;
use latewood_ingester::distributor::ShardPart;
use latewood_model::{Labels, Sample, SeriesSamples, TenantId};

/// When the world begins, in milliseconds since the Unix epoch.
pub const START_MS: i64 = 1_700_000_000_000;
/// How many series there are.
const SERIES: u32 = 5;
const STEP_MS: i64 = 1_000;

pub fn tenant() -> TenantId {
    TenantId::anonymous()
}

fn labels(number: u32) -> Labels {
    Labels::from_pairs([("__name__", "up"), ("n", &(number % SERIES).to_string())])
}

fn sample(number: u32) -> Sample {
    // Some times come late.
    Sample { timestamp: START_MS + i64::from(number ^ 7) * STEP_MS, value: f64::from(number) }
}

/// A write of these samples.
pub fn part(numbers: &[u32]) -> ShardPart {
    let mut batch = BatchBuilder::new(tenant(), &[]);
    for &number in numbers {
        batch.push(&labels(number), &[sample(number)]);
    }
    ShardPart::whole(Arc::new(batch.build()), 0)
}

/// The samples of a series, by their numbers; `Err` for what nobody wrote.
pub fn numbers(series: &SeriesSamples) -> Result<Vec<u32>, String> {
    let number = |found: Sample| {
        let step = u32::try_from((found.timestamp - START_MS) / STEP_MS).ok();
        let number = step.map(|step| step ^ 7).filter(|number| {
            let written = sample(*number);
            let is_it =
                written.timestamp == found.timestamp && written.value.to_bits() == found.value.to_bits();
            is_it && labels(*number) == series.labels
        });
        number.ok_or_else(|| format!("nobody wrote {found:?} of {}", series.labels))
    };
    series.samples().map(number).collect()
}
