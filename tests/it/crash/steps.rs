//! What the crash tests write: step after step of the same series, each value known.

use std::time::Duration;

use latewood_base::Shutdown;
use latewood_model::histogram::{HistogramParts, IntegerHistogram};
use latewood_model::{Sample, TimestampMs};
use latewood_proto::remote_write::encode::EncoderV2;
use tokio::sync::watch;

use crate::harness::write_v2;

/// Every fifth is one of native histograms.
pub const SERIES: i64 = 50;
/// When step 0 is; each further one is a millisecond later.
pub const START_MS: i64 = 1_700_000_000_000;

/// How long a client waits before it repeats what was not acknowledged.
const PAUSE: Duration = Duration::from_millis(10);

/// The value, or the count, of a series at a step, so that a wrong value is seen too.
pub fn value(series: i64, step: i64) -> f64 {
    (step * 1000 + series) as f64
}

/// The start timestamp of a series at a step: none, one that stays for a while, or another for each sample.
pub fn start(series: i64, step: i64) -> TimestampMs {
    match series % 3 {
        0 => 0,
        1 => START_MS - 1_000 + step / 100,
        _ => START_MS + step - 1,
    }
}

/// One step of every series.
fn request(at: i64) -> EncoderV2 {
    let mut encoder = EncoderV2::new();
    for series in 0..SERIES {
        let number = series.to_string();
        let labels = [("__name__", "steps"), ("series", number.as_str())];
        if series % 5 > 0 {
            let sample = Sample { timestamp: START_MS + at, value: value(series, at) };
            encoder.started(labels, &[(sample, start(series, at))]);
        } else {
            let count = value(series, at) as u64;
            let native = IntegerHistogram { count, zero_count: count, ..IntegerHistogram::default() }.into();
            let histograms = [(START_MS + at, HistogramParts::from(&native))];
            encoder.started_histograms(labels, &histograms, start(series, at));
        }
    }
    encoder
}

/// How many steps were acknowledged: all below this number.
pub struct Steps(watch::Sender<i64>);

impl Steps {
    pub fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    pub fn acknowledged(&self) -> i64 {
        *self.0.borrow()
    }

    /// Waits until one more is acknowledged than now.
    pub async fn advance(&self) {
        let now = self.acknowledged();
        self.0.subscribe().wait_for(|acknowledged| *acknowledged > now).await.unwrap();
    }

    /// Writes a step a request until told to stop; what is not acknowledged is written again.
    pub async fn write(&self, url: &str, stop: &Shutdown) {
        while !stop.has_begun() {
            let at = self.acknowledged();
            match write_v2(url, request(at)).await {
                Ok((204, _)) => drop(self.0.send_replace(at + 1)),
                Ok((503, _)) | Err(_) => tokio::time::sleep(PAUSE).await,
                Ok(refused) => panic!("refused: {refused:?}"),
            }
        }
    }
}
