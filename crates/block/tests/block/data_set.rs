//! Loads a recorded sample set into storage order.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use latewood_model::{Labels, SeriesSamples, StartTimestamps, storage_order};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// All series of `set` in `folder`, in storage order.
pub fn load(folder: &Path, set: &str) -> Result<Vec<SeriesSamples>, Box<dyn Error>> {
    let labels = File::open(folder.join(format!("{set}.series.ndjson.gz")))?;
    let mut series = Vec::new();
    for line in BufReader::new(flate2::read::GzDecoder::new(labels)).lines() {
        let pairs: std::collections::BTreeMap<String, String> = serde_json::from_str(&line?)?;
        series.push((Labels::from_pairs(pairs), Vec::new(), Vec::new()));
    }
    let samples = File::open(folder.join(format!("{set}.samples.parquet")))?;
    for batch in ParquetRecordBatchReaderBuilder::try_new(samples)?.with_batch_size(65_536).build()? {
        let batch = batch?;
        let ids = batch.column(0).as_primitive::<Int32Type>().values();
        let times = batch.column(1).as_primitive::<Int64Type>().values();
        let values = batch.column(2).as_primitive::<Float64Type>().values();
        for (row, &id) in ids.iter().enumerate() {
            let one = series.get_mut(id as usize).ok_or("a sample of no series")?;
            one.1.push(times[row]);
            one.2.push(values[row]);
        }
    }
    series.sort_by(|a, b| storage_order(&a.0, &b.0));
    let samples = |(labels, times, values): (Labels, Vec<i64>, Vec<f64>)| SeriesSamples {
        labels,
        timestamps: Arc::from(times),
        values,
        starts: StartTimestamps::none(),
        histograms: Vec::new(),
    };
    Ok(series.into_iter().map(samples).collect())
}
