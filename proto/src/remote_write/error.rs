//! Why a request cannot be decoded.

use latewood_base::{ErrorKind, Kinded};

/// Why a remote-write body cannot be decoded. Offsets count the bytes of the decompressed body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body is not in the snappy block format.
    #[error("the body is not in snappy's block format: {0}; send `Content-Encoding: snappy` without framing")]
    Snappy(String),
    /// The header of the snappy block claims more than is allowed.
    #[error(
        "the body would decompress to {claimed} bytes; at most {limit} are allowed (max_decompressed_bytes): send smaller requests"
    )]
    DecompressedTooLarge {
        /// What the header claims.
        claimed: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The header of the snappy block claims more than snappy can reach from this many bytes.
    #[error("the snappy header claims {claimed} bytes, which {compressed} compressed bytes cannot hold")]
    ImpossibleRatio {
        /// What the header claims.
        claimed: u64,
        /// How long the compressed body is.
        compressed: u64,
    },
    /// More series, labels, samples and so on than are allowed.
    #[error("the request has more than {limit} items (max_items_per_request): send smaller requests")]
    TooManyItems {
        /// How many are allowed.
        limit: usize,
    },
    /// The message ends inside a field.
    #[error("protobuf: the message ends inside a field at byte {at}")]
    Truncated {
        /// Where.
        at: usize,
    },
    /// A number of more than ten bytes, or above 64 bits.
    #[error("protobuf: a number at byte {at} is longer than 64 bits")]
    LongVarint {
        /// Where.
        at: usize,
    },
    /// A field number of 0, or above what protobuf allows.
    #[error("protobuf: invalid field number at byte {at}")]
    FieldNumber {
        /// Where.
        at: usize,
    },
    /// A wire type that does not fit the field, or that nobody uses any more.
    #[error("protobuf: wire type {wire_type} does not fit field {field} of {message} at byte {at}")]
    WireType {
        /// The message.
        message: &'static str,
        /// The field's number.
        field: u32,
        /// The wire type found.
        wire_type: u8,
        /// Where.
        at: usize,
    },
    /// 2.0: the first symbol must be the empty text.
    #[error("the first of the request's symbols must be the empty string")]
    FirstSymbol,
    /// Nothing of the claimed message is in it, but of the other one.
    #[error(
        "the content type says remote write {claimed}, the body is remote write {found}: make the sender's `proto` parameter match"
    )]
    OtherVersion {
        /// The version of the content type.
        claimed: &'static str,
        /// The version that the body looks like.
        found: &'static str,
    },
}

impl Kinded for DecodeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::DecompressedTooLarge { .. } | Self::TooManyItems { .. } => ErrorKind::TooLarge,
            _ => ErrorKind::Invalid,
        }
    }
}
