//! Store errors as gRPC statuses and back.
//!
//! The status code is for other people's tools and for errors that the transport itself makes; between
//! our own roles the kind travels by name in the metadata, so that every kind survives the way.

use std::error::Error;

use latewood_base::{ErrorKind, Kinded};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Response, Status};

use super::StoreError;

/// The metadata key of an error's kind.
const KIND_KEY: &str = "latewood-error-kind";
/// The metadata key of the catalog version that a stale view must be replaced by.
const MIN_VERSION_KEY: &str = "latewood-min-version";
/// The metadata key of the shards that a store does not lead, joined by commas.
const NOT_LED_KEY: &str = "latewood-not-led";
/// The most of them that are named: like the text they travel in a header.
const MAX_NOT_LED: usize = 500;
/// The longest text sent, in bytes: it travels in a header, percent-encoded, and peers cap those at 16 KiB.
const MAX_MESSAGE_BYTES: usize = 4096;

/// Kinds, their names on the wire (never change one) and their codes.
const KINDS: [(ErrorKind, &str, Code); 12] = [
    (ErrorKind::Invalid, "invalid", Code::InvalidArgument),
    (ErrorKind::Unprocessable, "unprocessable", Code::FailedPrecondition),
    (ErrorKind::NotFound, "not-found", Code::NotFound),
    (ErrorKind::Conflict, "conflict", Code::Aborted),
    (ErrorKind::TooLarge, "too-large", Code::OutOfRange),
    (ErrorKind::Unsupported, "unsupported", Code::Unimplemented),
    (ErrorKind::Overloaded, "overloaded", Code::ResourceExhausted),
    (ErrorKind::Unavailable, "unavailable", Code::Unavailable),
    (ErrorKind::Timeout, "timeout", Code::DeadlineExceeded),
    (ErrorKind::Canceled, "canceled", Code::Cancelled),
    (ErrorKind::Corrupt, "corrupt", Code::DataLoss),
    (ErrorKind::Internal, "internal", Code::Internal),
];

/// A store's error as a status.
pub(crate) fn status_from_error(error: &StoreError) -> Status {
    let kind = error.kind();
    let (name, code) = KINDS
        .iter()
        .find(|entry| entry.0 == kind)
        .map_or(("internal", Code::Internal), |entry| (entry.1, entry.2));
    let mut message = error.to_string();
    message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
    let mut status = Status::new(code, message);
    let metadata = status.metadata_mut();
    metadata.insert(KIND_KEY, MetadataValue::<Ascii>::from_static(name));
    match error {
        StoreError::StaleView { min_version } => {
            metadata.insert(MIN_VERSION_KEY, MetadataValue::from(*min_version));
        }
        StoreError::NotLeader { shards } => {
            let named: Vec<String> = shards.iter().take(MAX_NOT_LED).map(u32::to_string).collect();
            if let Ok(named) = MetadataValue::<Ascii>::try_from(named.join(",")) {
                metadata.insert(NOT_LED_KEY, named);
            }
        }
        StoreError::Other { .. } => {}
    }
    status
}

/// A status as the store's error. One that no store sent, such as a broken connection, counts by its code.
pub(crate) fn error_from_status(status: &Status) -> StoreError {
    let text = |key: &str| status.metadata().get(key)?.to_str().ok();
    if let Some(min_version) = text(MIN_VERSION_KEY).and_then(|version| version.parse().ok()) {
        return StoreError::StaleView { min_version };
    }
    if let Some(named) = text(NOT_LED_KEY) {
        let shards = named.split(',').take(MAX_NOT_LED).filter_map(|shard| shard.parse().ok());
        return StoreError::NotLeader { shards: shards.collect() };
    }
    let named = text(KIND_KEY).and_then(|name| KINDS.iter().find(|entry| entry.1 == name));
    match named {
        Some(&(kind, ..)) => StoreError::new(kind, status.message()),
        None => transport_error(status),
    }
}

/// The answer of a server over one of our traits.
pub(crate) fn reply<T>(answer: Result<T, StoreError>) -> Result<Response<T>, Status> {
    answer.map(Response::new).map_err(|error| status_from_error(&error))
}

/// The answer of one of our traits over a client.
pub(crate) fn take<T>(answer: Result<Response<T>, Status>) -> Result<T, StoreError> {
    answer.map(Response::into_inner).map_err(|status| error_from_status(&status))
}

/// Whether one of us sent the status, and not the transport.
pub(crate) fn is_from_a_peer(status: &Status) -> bool {
    status.metadata().contains_key(KIND_KEY)
}

/// An error that tonic or something between the roles made.
fn transport_error(status: &Status) -> StoreError {
    let kind = match status.code() {
        // What the transport says of a connection that broke in the middle of a stream.
        Code::Unknown | Code::Unavailable => ErrorKind::Unavailable,
        // And what it says of one whose other end is gone: nobody sent that.
        Code::Internal if status.source().is_some() => ErrorKind::Unavailable,
        // And of a request on a connection that is being closed. Whoever cancels does not read the answer.
        Code::Cancelled => ErrorKind::Unavailable,
        // What tonic says of a message that is larger than the limit once decompressed.
        Code::ResourceExhausted => ErrorKind::TooLarge,
        code => KINDS.iter().find(|entry| entry.2 == code).map_or(ErrorKind::Internal, |entry| entry.0),
    };
    let message = status.message();
    StoreError::new(kind, format!("store over gRPC: {}: {message}", status.code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_broke_is_no_defect_of_whoever_was_asked() {
        let sent = Status::internal("a defect");
        let mut made_here = sent.clone();
        made_here.set_source(std::sync::Arc::new(std::io::Error::other("http2 error")));
        let kinds = [sent, made_here].map(|status| error_from_status(&status).kind());
        assert_eq!(kinds, [ErrorKind::Internal, ErrorKind::Unavailable]);
    }

    #[test]
    fn every_kind_and_the_stale_view_survive_the_way() {
        for (kind, ..) in KINDS {
            let error = error_from_status(&status_from_error(&StoreError::new(kind, "why")));
            assert_eq!((error.kind(), error.to_string()), (kind, "why".to_owned()));
        }
        let stale = StoreError::StaleView { min_version: u64::MAX };
        let back = error_from_status(&status_from_error(&stale));
        assert!(matches!(back, StoreError::StaleView { min_version: u64::MAX }));
    }

    #[test]
    fn shards_that_are_not_led_are_named_as_far_as_a_header_goes() {
        let back = |shards: Vec<u32>| {
            let status = status_from_error(&StoreError::NotLeader { shards });
            assert_eq!(status.code(), Code::Unavailable);
            match error_from_status(&status) {
                StoreError::NotLeader { shards } => shards,
                other => panic!("became {other:?}"),
            }
        };
        assert_eq!(back(vec![7, u32::MAX]), [7, u32::MAX]);
        assert_eq!(back(Vec::new()), [0; 0]);
        let many: Vec<u32> = (u32::MAX - 5_000..u32::MAX).collect();
        assert_eq!(back(many.clone()), many[..MAX_NOT_LED]);
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let error = StoreError::new(ErrorKind::Internal, "ä".repeat(9000));
        assert_eq!(status_from_error(&error).message().len(), MAX_MESSAGE_BYTES);
    }

    #[test]
    fn a_status_that_no_store_sent_counts_by_its_code() {
        for (code, kind) in [
            (Code::Unavailable, ErrorKind::Unavailable),
            (Code::Unknown, ErrorKind::Unavailable),
            (Code::DeadlineExceeded, ErrorKind::Timeout),
            (Code::PermissionDenied, ErrorKind::Internal),
        ] {
            assert_eq!(error_from_status(&Status::new(code, "x")).kind(), kind);
        }
    }
}
