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

pub fn tenants() -> [TenantId; 2] {
    [TenantId::anonymous(), TenantId::new("other").unwrap()]
}

/// Whose a sample is. One has more, so that there are generations without the other.
pub fn tenant_of(number: u32) -> TenantId {
    let [most, other] = tenants();
    if number % 4 == 3 { other } else { most }
}

fn labels(number: u32) -> Labels {
    Labels::from_pairs([("__name__", "up"), ("n", &(number % SERIES).to_string())])
}

fn sample(number: u32) -> Sample {
    // Some times come late.
    Sample { timestamp: START_MS + i64::from(number ^ 7) * STEP_MS, value: f64::from(number) }
}

/// Writes of these samples, one for each tenant.
pub fn parts(numbers: &[u32]) -> Vec<ShardPart> {
    let part = |tenant: TenantId| {
        let its: Vec<u32> = numbers.iter().copied().filter(|number| tenant_of(*number) == tenant).collect();
        let mut batch = BatchBuilder::new(tenant, &[]);
        for &number in &its {
            batch.push(&labels(number), &[sample(number)]);
        }
        (!its.is_empty()).then(|| ShardPart::whole(Arc::new(batch.build()), 0))
    };
    tenants().into_iter().filter_map(part).collect()
}

/// The samples of a tenant's series, by their numbers; `Err` for what nobody wrote.
pub fn numbers(tenant: &TenantId, series: &SeriesSamples) -> Result<Vec<u32>, String> {
    let number = |found: Sample| {
        let step = u32::try_from((found.timestamp - START_MS) / STEP_MS).ok();
        let number = step.map(|step| step ^ 7).filter(|number| {
            let written = sample(*number);
            let is_it =
                written.timestamp == found.timestamp && written.value.to_bits() == found.value.to_bits();
            is_it && labels(*number) == series.labels && tenant_of(*number) == *tenant
        });
        number.ok_or_else(|| format!("nobody wrote {found:?} of {} of {tenant}", series.labels))
    };
    series.samples().map(number).collect()
}
