//! Remote read as a Prometheus asks it.

use latewood_proto::remote_read::wire::{ChunkedReadResponse, LabelMatcher, Query, ReadRequest};
use latewood_proto::remote_write::encode::compress;
use latewood_proto::remote_write::{Columns, decode_v1, decompress};
use prost::Message;

use super::*;

const AT: i64 = NOW * 1000;
const EQUAL: i32 = 0;
const CUT_OFF: &str = "the answer was cut off";

fn query(name: &str, matchers: &[(i32, &str, &str)]) -> Query {
    let all = [(EQUAL, "__name__", name)].into_iter().chain(matchers.iter().copied());
    let matcher = |(kind, name, value): (i32, &str, &str)| LabelMatcher {
        r#type: kind,
        name: name.to_owned(),
        value: value.to_owned(),
    };
    Query { start_timestamp_ms: AT - 60_000, end_timestamp_ms: AT, matchers: all.map(matcher).collect() }
}

async fn post(server: &Server, queries: Vec<Query>, types: &[i32]) -> (u16, String, Vec<u8>) {
    let request = ReadRequest { queries, accepted_response_types: types.to_vec() };
    let body = compress(&request.encode_to_vec()).unwrap();
    let request = Request::post("/api/v1/read").header("Content-Encoding", "snappy");
    let response = server.routes.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    let body = to_bytes(response.into_body(), 10 << 20).await;
    (
        status,
        kind.unwrap_or_default(),
        body.map_or_else(|_| CUT_OFF.as_bytes().to_vec(), |body| body.to_vec()),
    )
}

/// The frames of a streamed answer.
fn frames(mut bytes: &[u8]) -> Vec<ChunkedReadResponse> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let length = prost::encoding::decode_varint(&mut bytes).unwrap() as usize;
        let (sum, rest) = bytes.split_at(4);
        let (message, rest) = rest.split_at(length);
        assert_eq!(sum, crc32c::crc32c(message).to_be_bytes());
        frames.push(ChunkedReadResponse::decode(message).unwrap());
        bytes = rest;
    }
    frames
}

/// The labels of each series of a frame, as text, and how many chunks it has.
fn shown(frame: &ChunkedReadResponse) -> (i64, Vec<(String, usize)>) {
    let series = frame.chunked_series.iter().map(|series| {
        let labels: Vec<String> =
            series.labels.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
        (labels.join(","), series.chunks.len())
    });
    (frame.query_index, series.collect())
}

#[tokio::test]
async fn chunks_are_streamed_query_by_query() {
    let server = Server::over(vec![Arc::new(data())]);
    let queries = vec![query("up", &[]), query("up", &[(2, "job", "b|c")]), query("none", &[])];
    let (status, kind, body) = post(&server, queries, &[1, 0]).await;
    assert_eq!(status, 200);
    assert_eq!(kind, "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse");
    let frames = frames(&body);
    let (a, b) = ("__name__=up,job=a".to_owned(), "__name__=up,job=b".to_owned());
    let expected = [(0, vec![(a, 1)]), (0, vec![(b.clone(), 1)]), (1, vec![(b, 1)])];
    assert_eq!(frames.iter().map(shown).collect::<Vec<_>>(), expected);
    let chunk = &frames[0].chunked_series[0].chunks[0];
    assert_eq!((chunk.min_time_ms, chunk.max_time_ms, chunk.r#type), (AT - 15_000, AT, 1));
    assert_eq!(chunk.data[..2], [0, 2], "two samples");
}

#[tokio::test]
async fn samples_come_in_one_piece_where_chunks_are_not_known() {
    let server = Server::over(vec![Arc::new(data())]);
    for types in [&[][..], &[0], &[7, 0, 1]] {
        let (status, kind, body) = post(&server, vec![query("up", &[]), query("down", &[])], types).await;
        assert_eq!((status, kind.as_str()), (200, "application/x-protobuf"));
        let mut plain = Vec::new();
        decompress(&body, 1 << 20, &mut plain).unwrap();
        let mut rest = plain.as_slice();
        for (series, samples) in [(2, 3), (1, 1)] {
            assert_eq!(prost::encoding::decode_varint(&mut rest).unwrap(), 10, "field 1, with a length");
            let length = prost::encoding::decode_varint(&mut rest).unwrap() as usize;
            let (result, after) = rest.split_at(length);
            let mut columns = Columns::default();
            decode_v1(result, 1 << 20, &mut columns).unwrap();
            assert_eq!((columns.series.len(), columns.samples.len()), (series, samples));
            rest = after;
        }
        assert!(rest.is_empty());
    }
}

#[tokio::test]
async fn a_replica_that_reads_gets_the_pair_as_one_series() {
    let pair = ["1", "2"].map(|replica| {
        series(&[("__name__", "up"), ("job", "a"), ("replica", replica)], &[(AT - 1_000, 1.0), (AT, 1.0)])
    });
    let server = Server::over(vec![Arc::new(FakeStore::holding(pair.into()))]);
    let (_, _, body) = post(&server, vec![query("up", &[(EQUAL, "replica", "2")])], &[1]).await;
    let all: Vec<_> = frames(&body).iter().map(shown).collect();
    assert_eq!(all, [(0, vec![("__name__=up,job=a".to_owned(), 1)])]);
}

#[tokio::test]
async fn what_cannot_be_read_is_told_in_plain_text() {
    let server = Server::over(vec![Arc::new(data())]);
    let text = |(status, _, body): (u16, String, Vec<u8>)| (status, String::from_utf8(body).unwrap());
    let (status, told) = text(post(&server, vec![query("up", &[(9, "job", "a")])], &[1]).await);
    assert!(status == 400 && told.contains("unknown type 9"), "{status} {told}");
    let (status, told) = text(post(&server, vec![query("up", &[(2, "job", "(")])], &[1]).await);
    assert!(status == 400 && told.contains("regexp"), "{status} {told}");
    let (status, told) = text(post(&server, vec![query("up", &[])], &[7]).await);
    assert!(status == 400 && told.contains("STREAMED_XOR_CHUNKS"), "{status} {told}");
    let broken = Request::post("/api/v1/read").body(Body::from("no snappy")).unwrap();
    assert_eq!(server.send(broken).await.0, 400);
    let gzip = Request::post("/api/v1/read").header("Content-Encoding", "gzip").body(Body::empty()).unwrap();
    assert_eq!(server.send(gzip).await.0, 415);
    let limited = |samples, bytes| {
        let config = QuerierConfig {
            remote_read_sample_limit: samples,
            remote_read_max_bytes: bytes,
            ..QuerierConfig::default()
        };
        Server::with(config, vec![Arc::new(data())])
    };
    let (status, told) = text(post(&limited(2, 1 << 20), vec![query("up", &[])], &[0]).await);
    assert!(status == 422 && told.contains("too many samples"), "{status} {told}");
    let (status, told) = text(post(&limited(2, 1 << 20), vec![query("up", &[])], &[1]).await);
    assert_eq!((status, told.as_str()), (200, CUT_OFF), "a frame has been sent by then");
    let (status, told) = text(post(&limited(1, 1 << 20), vec![query("up", &[])], &[1]).await);
    assert!(status == 422 && told.contains("too many samples"), "{status} {told}");
    let (status, told) = text(post(&limited(100, 60), vec![query("up", &[])], &[0]).await);
    assert!(status == 422 && told.contains("remote_read_max_bytes"), "{status} {told}");
    for types in [0, 1] {
        let gone = Server::over(vec![FakeStore::failing([unavailable()]).shared()]);
        assert_eq!(post(&gone, vec![query("up", &[])], &[types]).await.0, 503);
    }
}
