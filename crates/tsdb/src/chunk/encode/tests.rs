//! What is packed is what is unpacked, whatever it is.

use latewood_model::histogram::{HistogramParts, PartCounts, ResetHint, Span};
use latewood_model::{HistogramSample, Labels, NativeHistogram, StartTimestamps, stale_nan};
use proptest::prelude::*;

use super::super::{Fault, Sink, decode};
use super::*;

#[derive(Default)]
struct Collected {
    floats: Vec<(TimestampMs, u64)>,
    histograms: Vec<(TimestampMs, NativeHistogram)>,
}

impl Sink for Collected {
    fn float(&mut self, at: TimestampMs, value: f64) -> Result<(), Fault> {
        self.floats.push((at, value.to_bits()));
        Ok(())
    }

    fn histogram(&mut self, at: TimestampMs, histogram: NativeHistogram) -> Result<(), Fault> {
        self.histograms.push((at, histogram));
        Ok(())
    }
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (0..50_i32).prop_map(f64::from),
        2 => any::<u64>().prop_map(f64::from_bits),
        1 => Just(stale_nan()),
        1 => Just(0.0),
    ]
}

fn histogram() -> impl Strategy<Value = NativeHistogram> {
    let counts = prop::collection::vec(1..9_u64, 0..4);
    let shape = (prop_oneof![Just(3), Just(0), Just(-53)], 0..3_usize, any::<bool>(), 0..4_i32);
    (shape, counts, float(), 0..12_u8).prop_map(|((schema, threshold, is_float, hint), counts, sum, kind)| {
        if kind == 0 {
            return NativeHistogram::stale();
        }
        let sum = if sum.is_nan() { 1.5 } else { sum };
        let total: u64 = counts.iter().sum();
        let spans = vec![Span { offset: i32::from(schema != -53), length: counts.len() as u32 }];
        let is_custom = schema == -53;
        let counts = if is_float {
            PartCounts::Float {
                count: total as f64 + if is_custom { 0.0 } else { 2.0 },
                zero_count: if is_custom { 0.0 } else { 2.0 },
                positive_counts: counts.iter().map(|count| *count as f64).collect::<Vec<_>>().into(),
                negative_counts: vec![].into(),
            }
        } else {
            let mut before = 0;
            let deltas = counts.iter().map(|count| {
                let delta = *count as i64 - before;
                before = *count as i64;
                delta
            });
            PartCounts::Integer {
                count: total + if is_custom { 0 } else { 2 },
                zero_count: if is_custom { 0 } else { 2 },
                positive_deltas: deltas.collect::<Vec<_>>().into(),
                negative_deltas: vec![].into(),
            }
        };
        let parts = HistogramParts {
            schema,
            zero_threshold: if is_custom { 0.0 } else { [0.0, 0.001, 2f64.powi(-128)][threshold] },
            sum,
            reset_hint: hint,
            custom_bounds: if is_custom {
                vec![0.1, 0.25, 1e9, 1.0 / 3.0 + 2e9].into()
            } else {
                vec![].into()
            },
            positive_spans: spans.into(),
            negative_spans: vec![].into(),
            counts,
        };
        parts.into_native().unwrap()
    })
}

fn series() -> impl Strategy<Value = SeriesSamples> {
    let sample = prop_oneof![
        2 => float().prop_map(Ok),
        1 => histogram().prop_map(Err),
    ];
    let gap = prop_oneof![4 => Just(15_000_i64), 2 => 1..40_000_i64, 1 => 1..(1_i64 << 40)];
    let start = prop_oneof![Just(1_700_000_000_000_i64), Just(-5_i64)];
    (start, prop::collection::vec((gap, sample), 0..400)).prop_map(|(start, samples)| {
        let (mut at, mut times, mut values, mut histograms) = (start, vec![], vec![], vec![]);
        for (gap, sample) in samples {
            at += gap;
            match sample {
                Ok(float) => {
                    times.push(at);
                    values.push(float);
                }
                Err(histogram) => histograms.push(HistogramSample::new(at, histogram)),
            }
        }
        let labels = Labels::from_pairs([("__name__", "m")]);
        SeriesSamples {
            labels,
            timestamps: times.into(),
            values,
            starts: StartTimestamps::none(),
            histograms,
        }
    })
}

proptest! {
    #[test]
    fn samples_are_read_as_they_were_written(series in series()) {
        let mut all = Collected::default();
        let mut last = i64::MIN;
        for chunk in encode(&series) {
            prop_assert!(last < chunk.first && chunk.first <= chunk.last);
            last = chunk.last;
            let before = (all.floats.len(), all.histograms.len());
            decode(chunk.encoding, &chunk.data, &mut all).unwrap();
            let times = all.floats[before.0..].iter().map(|(at, _)| *at);
            let times: Vec<_> = times.chain(all.histograms[before.1..].iter().map(|(at, _)| *at)).collect();
            prop_assert!(times.len() <= MAX_SAMPLES);
            prop_assert_eq!((times.first(), times.last()), (Some(&chunk.first), Some(&chunk.last)));
        }
        let floats: Vec<_> = series.timestamps.iter().copied().zip(series.values.iter().map(|value| value.to_bits())).collect();
        prop_assert_eq!(all.floats, floats);
        prop_assert_eq!(all.histograms.len(), series.histograms.len());
        let mut before: Option<&NativeHistogram> = None;
        for ((at, read), written) in all.histograms.iter().zip(&series.histograms) {
            prop_assert_eq!((*at, read.clone().without_hint()), (written.timestamp, written.histogram.clone().without_hint()));
            let hint = |histogram: &NativeHistogram| ResetHint::from_wire(HistogramParts::from(histogram).reset_hint);
            if hint(read) == ResetHint::NoReset && hint(&written.histogram) != ResetHint::NoReset {
                prop_assert!(hint(&written.histogram) == ResetHint::Unknown);
                prop_assert!(!written.histogram.to_float().is_reset_after(&before.unwrap().to_float()));
            }
            before = Some(&written.histogram);
        }
    }
}

#[test]
fn steady_floats_take_little() {
    let times: Vec<i64> = (0..120).map(|step| 1_700_000_000_000 + step * 15_000).collect();
    let labels = Labels::from_pairs([("__name__", "up")]);
    let series = SeriesSamples {
        labels,
        timestamps: times.into(),
        values: vec![1.0; 120],
        starts: StartTimestamps::none(),
        histograms: Vec::new(),
    };
    let chunks = encode(&series);
    // Two bytes of number, first time and value, a difference, then two bits a sample.
    assert_eq!((chunks.len(), chunks[0].data.len()), (1, 48));
}
