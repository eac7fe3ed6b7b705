//! Prometheus's remote read: what a client asks, and the frames of a streamed answer.

use latewood_model::{MatchOp, Matcher, MatcherError};
use prost::Message;
use wire::label_matcher::Type;

use crate::remote_write::encode::put_varint;

/// The messages as generated from `remote_read.proto`.
#[allow(missing_docs, clippy::pedantic, unused_qualifications)]
pub mod wire {
    tonic::include_proto!("prometheus");
}

/// Appends a message of a streamed answer: its length as a varint, the CRC-32C of its bytes, its bytes.
pub fn put_frame(out: &mut Vec<u8>, message: &wire::ChunkedReadResponse) {
    let bytes = message.encode_to_vec();
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
    out.extend_from_slice(&bytes);
}

/// Why a query cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A matcher of a kind that is not known.
    #[error("a matcher of {label:?} has the unknown type {number}")]
    Type {
        /// The label.
        label: String,
        /// The type.
        number: i32,
    },
    /// A matcher that cannot be.
    #[error(transparent)]
    Matcher(#[from] MatcherError),
}

/// The matchers of a query.
///
/// # Errors
/// [`QueryError`] for one that cannot be.
pub fn matchers(query: &wire::Query) -> Result<Vec<Matcher>, QueryError> {
    let matcher = |matcher: &wire::LabelMatcher| {
        let op = match Type::try_from(matcher.r#type) {
            Ok(Type::Eq) => MatchOp::Equal,
            Ok(Type::Neq) => MatchOp::NotEqual,
            Ok(Type::Re) => MatchOp::Regex,
            Ok(Type::Nre) => MatchOp::NotRegex,
            Err(_) => return Err(QueryError::Type { label: matcher.name.clone(), number: matcher.r#type }),
        };
        Ok(Matcher::new(op, &matcher.name, &matcher.value)?)
    };
    query.matchers.iter().map(matcher).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_length_checksum_and_message() {
        let message = wire::ChunkedReadResponse { chunked_series: Vec::new(), query_index: 300 };
        let mut out = vec![7];
        put_frame(&mut out, &message);
        let bytes = [0x10, 0xac, 0x02];
        assert_eq!(out[..2], [7, 3]);
        assert_eq!(out[2..6], crc32c::crc32c(&bytes).to_be_bytes());
        assert_eq!(out[6..], bytes);
    }

    #[test]
    fn matchers_are_prometheus_s() {
        let matcher = |kind, value: &str| wire::LabelMatcher {
            r#type: kind,
            name: "job".to_owned(),
            value: value.to_owned(),
        };
        let query = |all| wire::Query { matchers: all, ..wire::Query::default() };
        let read = matchers(&query((0..4).map(|kind| matcher(kind, "a|b")).collect())).unwrap();
        let texts: Vec<String> = read.iter().map(ToString::to_string).collect();
        assert_eq!(texts, [r#"job="a|b""#, r#"job!="a|b""#, r#"job=~"a|b""#, r#"job!~"a|b""#]);
        assert!(matchers(&query(vec![matcher(2, "(")])).unwrap_err().to_string().contains("regexp"));
        assert!(matchers(&query(vec![matcher(4, "a")])).unwrap_err().to_string().contains("unknown type 4"));
    }
}
