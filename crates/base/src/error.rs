//! The kinds of errors, by what the caller should do about them.

/// What a caller should do about an error. Every crate's error type maps to one of these; one file of
/// `service` maps these to HTTP statuses, and one of `proto` to gRPC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is wrong: mend it, do not retry.
    Invalid,
    /// The request is well-formed but cannot be executed (PromQL semantics, a limit of the query).
    Unprocessable,
    /// What was asked for does not exist.
    NotFound,
    /// Somebody else was first: look again, then decide.
    Conflict,
    /// The request is larger than a named limit.
    TooLarge,
    /// The media type or encoding is not spoken here.
    Unsupported,
    /// Too much at once: retry later, as it is.
    Overloaded,
    /// A part that is needed does not answer: retry.
    Unavailable,
    /// The deadline passed.
    Timeout,
    /// The caller went away.
    Canceled,
    /// Stored bytes are not what was written: a person must look.
    Corrupt,
    /// A defect or a failing machine: a person must look.
    Internal,
}

impl ErrorKind {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Overloaded | Self::Unavailable | Self::Timeout | Self::Conflict)
    }
}

/// An error that says what its caller should do.
pub trait Kinded: std::error::Error {
    /// What the caller should do.
    fn kind(&self) -> ErrorKind;
}
