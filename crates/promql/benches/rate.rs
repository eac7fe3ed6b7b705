//! `sum by (rate)` over an hour: 1,000 counters scraped every 15 s, 60 steps.

use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use latewood_base::Clock;
use latewood_model::{Labels, SeriesSamples};
use latewood_promql::parse::{ParseOptions, parse};
use latewood_promql::{
    Control, Engine, EngineConfig, QueryLimits, RangeQuery, ReportOptions, Select, SeriesCursor,
    SeriesSource, SourceError,
};

const SERIES: usize = 1_000;
const SAMPLES: usize = 260;
const SCRAPE_MS: i64 = 15_000;
/// Series that a cursor hands out at once.
const BATCH: usize = 256;

/// The same series for every selector, shared as a store hands them out.
struct Counters(Arc<Vec<SeriesSamples>>);

struct Cursor {
    series: Arc<Vec<SeriesSamples>>,
    next: usize,
}

impl SeriesSource for Counters {
    fn select(&self, _: &Select) -> Result<Box<dyn SeriesCursor>, SourceError> {
        Ok(Box::new(Cursor { series: Arc::clone(&self.0), next: 0 }))
    }
}

impl SeriesCursor for Cursor {
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesSamples>>, SourceError> {
        let batch: Vec<_> = self.series.iter().skip(self.next).take(BATCH).cloned().collect();
        self.next += batch.len();
        Ok((!batch.is_empty()).then_some(batch))
    }
}

fn counters() -> Counters {
    let times: Arc<[i64]> = (0..SAMPLES as i64).map(|k| k * SCRAPE_MS).collect();
    let series = |number: usize| {
        let (instance, job) = (format!("host-{number:04}"), format!("job-{}", number % 10));
        let pairs = [("__name__", "requests_total"), ("instance", &instance), ("job", &job)];
        SeriesSamples {
            labels: Labels::from_pairs(pairs),
            timestamps: Arc::clone(&times),
            values: (0..SAMPLES).map(|k| (k * (number + 1)) as f64).collect(),
            starts: latewood_model::StartTimestamps::none(),
            histograms: Vec::new(),
        }
    };
    Counters(Arc::new((0..SERIES).map(series).collect()))
}

fn rate(criterion: &mut Criterion) {
    let query = RangeQuery {
        expr: parse("sum by (job) (rate(requests_total[5m]))", &ParseOptions::default())
            .expect("a good query"),
        start: 300_000,
        end: 300_000 + 59 * 60_000,
        step: Duration::from_secs(60),
        lookback: None,
        report: ReportOptions::default(),
    };
    let (engine, source) = (Engine::new(EngineConfig::default()), Arc::new(counters()));
    let mut group = criterion.benchmark_group("promql");
    group.throughput(Throughput::Elements((SERIES * SAMPLES) as u64)).sample_size(20);
    group.bench_function("sum_by_rate", |bencher| {
        bencher.iter(|| {
            let control = Control::new(Clock::manual(0).0, QueryLimits::NONE);
            engine.range(&query, Arc::clone(&source) as Arc<dyn SeriesSource>, &control).expect("an answer")
        });
    });
    group.finish();
}

criterion_group!(benches, rate);
criterion_main!(benches);
