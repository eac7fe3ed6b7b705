//! Chunks as they come: frames of `ChunkedReadResponse`.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use latewood_model::SeriesSamples;
use latewood_promql::QueryError;
use latewood_proto::remote_read::wire::{ChunkedReadResponse, ChunkedSeries, Label};
use latewood_proto::remote_read::{put_frame, wire};
use latewood_tsdb::{Chunk, encode};
use tokio::sync::mpsc;

use super::super::Api;
use super::Asked;
use crate::ApiError;

const CONTENT_TYPE: &str = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
/// Frames that may wait for a slow client.
const AHEAD: usize = 4;

type Frame = Result<Bytes, ApiError>;

/// Answers with the first frame, or with why there is none; a stream that fails behind it is cut off.
pub(super) async fn answer(api: &Arc<Api>, asked: Asked) -> Result<Response, ApiError> {
    let (sender, mut frames) = mpsc::channel(AHEAD);
    let api = Arc::clone(api);
    tokio::spawn(async move {
        if let Err(error) = send(&api, &asked, &sender).await {
            super::super::log(&api.log, super::ENDPOINT, None, &error);
            let _client_has_gone = sender.send(Err(error)).await;
        }
    });
    let first = frames.recv().await.transpose()?;
    let rest = stream::unfold(frames, |mut frames| async { Some((frames.recv().await?, frames)) });
    let body = Body::from_stream(stream::iter(first.map(Ok)).chain(rest));
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response())
}

/// Reads one query after another; stops where nobody takes the frames any more.
async fn send(api: &Api, asked: &Asked, sender: &mpsc::Sender<Frame>) -> Result<(), ApiError> {
    let max_bytes = api.config.remote_read_max_bytes_in_frame;
    for (query, select) in (0..).zip(&asked.selects) {
        let read = asked.read(api, select, api.config.remote_read_sample_limit);
        let frames = sender.clone();
        let each = move |series: SeriesSamples| {
            let labels = labels(&series);
            for chunks in pieces(encode(&series), max_bytes) {
                let series = ChunkedSeries { labels: labels.clone(), chunks };
                let mut frame = Vec::new();
                put_frame(
                    &mut frame,
                    &ChunkedReadResponse { chunked_series: vec![series], query_index: query },
                );
                frames.blocking_send(Ok(frame.into())).map_err(|_| QueryError::Canceled)?;
            }
            Ok(())
        };
        tokio::select! {
            read = api.evaluator.read(&asked.tenant, read, each) => read?,
            // Also while stores are waited for.
            () = sender.closed() => return Ok(()),
        }
    }
    Ok(())
}

fn labels(series: &SeriesSamples) -> Vec<Label> {
    let pairs = series.labels.iter();
    pairs.map(|(name, value)| Label { name: name.to_owned(), value: value.to_owned() }).collect()
}

/// Chunks for one frame each, as full as may be.
fn pieces(chunks: Vec<Chunk>, max_bytes: usize) -> Vec<Vec<wire::Chunk>> {
    let (mut pieces, mut bytes): (Vec<Vec<wire::Chunk>>, _) = (Vec::new(), 0);
    for Chunk { encoding, first, last, data } in chunks {
        bytes += data.len();
        let chunk = wire::Chunk { min_time_ms: first, max_time_ms: last, r#type: encoding.into(), data };
        match pieces.last_mut().filter(|_| bytes <= max_bytes) {
            Some(piece) => piece.push(chunk),
            None => {
                bytes = chunk.data.len();
                pieces.push(vec![chunk]);
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_what_fits_and_one_chunk_at_least() {
        let chunk = |bytes: usize| Chunk { encoding: 1, first: 0, last: 1, data: vec![0; bytes] };
        let sizes = |chunks: &[usize]| -> Vec<Vec<usize>> {
            let pieces = pieces(chunks.iter().map(|bytes| chunk(*bytes)).collect(), 10);
            pieces.iter().map(|piece| piece.iter().map(|chunk| chunk.data.len()).collect()).collect()
        };
        assert_eq!(
            sizes(&[4, 6, 1, 20, 3, 3, 3, 3]),
            [vec![4, 6], vec![1], vec![20], vec![3, 3, 3], vec![3]]
        );
        assert!(sizes(&[]).is_empty());
    }
}
