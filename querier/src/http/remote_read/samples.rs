//! All samples in one piece: a `ReadResponse`.

use std::sync::Arc;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use latewood_base::ErrorKind;
use latewood_model::histogram::HistogramParts;
use latewood_model::{Sample, SeriesSamples, TimestampMs};
use latewood_promql::QueryError;
use latewood_proto::remote_write::encode::{EncoderV1, compress, put_bytes};
use parking_lot::Mutex;

use super::super::Api;
use super::Asked;
use crate::ApiError;

/// Reads one query after another.
pub(super) async fn answer(api: &Arc<Api>, asked: Asked) -> Result<Response, ApiError> {
    let (mut out, mut left) = (Vec::new(), api.config.remote_read_sample_limit);
    for select in &asked.selects {
        let max_bytes = api.config.remote_read_max_bytes.saturating_sub(out.len());
        let found = Arc::new(Mutex::new((EncoderV1::new(), 0_u64)));
        let into = Arc::clone(&found);
        let each = move |series: SeriesSamples| {
            let mut found = into.lock();
            found.1 += (series.values.len() + series.histograms.len()) as u64;
            put(&mut found.0, &series);
            if found.0.len() > max_bytes { Err(too_large(max_bytes)) } else { Ok(()) }
        };
        api.evaluator.read(&asked.tenant, asked.read(api, select, left), each).await?;
        let mut found = found.lock();
        left = left.saturating_sub(found.1);
        // What a remote write has and what a QueryResult has is the same: series as field 1.
        put_bytes(&mut out, 1, &found.0.finish());
    }
    let body = compress(&out).map_err(|error| ApiError::new(ErrorKind::TooLarge, error.to_string()))?;
    let headers = [(header::CONTENT_TYPE, "application/x-protobuf"), (header::CONTENT_ENCODING, "snappy")];
    Ok((headers, body).into_response())
}

fn too_large(max_bytes: usize) -> QueryError {
    QueryError::Execution(format!(
        "the answer has more than {max_bytes} bytes (querier.remote_read_max_bytes): accept STREAMED_XOR_CHUNKS, or ask for less"
    ))
}

fn put(encoder: &mut EncoderV1, series: &SeriesSamples) {
    let floats = series.timestamps.iter().zip(&series.values);
    let samples: Vec<Sample> = floats.map(|(&timestamp, &value)| Sample { timestamp, value }).collect();
    let histograms: Vec<(TimestampMs, HistogramParts<'_>)> = series
        .histograms
        .iter()
        .map(|sample| (sample.timestamp, HistogramParts::from(&sample.histogram)))
        .collect();
    encoder.mixed(series.labels.iter(), &samples, &histograms);
}
