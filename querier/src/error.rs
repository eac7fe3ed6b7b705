//! Why a request to the Prometheus API has no answer.

use latewood_base::{ErrorKind, Kinded};
use latewood_promql::QueryError;
use latewood_proto::store::StoreError;

/// An error as the API tells it: a kind, which decides status and `errorType`, and a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    kind: ErrorKind,
    /// What Prometheus calls it, where that does not follow from the kind.
    error_type: Option<&'static str>,
    message: String,
}

impl ApiError {
    /// An error of any kind with its text.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, error_type: None, message: message.into() }
    }

    /// What is not enabled: Prometheus answers 500, and calls it unavailable.
    #[must_use]
    pub(crate) fn disabled(message: impl Into<String>) -> Self {
        Self { error_type: Some("unavailable"), ..Self::new(ErrorKind::Internal, message) }
    }

    /// A request that is wrong.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// A parameter that is wrong, in Prometheus's words.
    #[must_use]
    pub fn parameter(name: &str, message: impl std::fmt::Display) -> Self {
        Self::invalid(format!("invalid parameter {name:?}: {message}"))
    }

    /// What Prometheus calls the error.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        if let Some(error_type) = self.error_type {
            return error_type;
        }
        match self.kind {
            ErrorKind::Invalid | ErrorKind::TooLarge | ErrorKind::Unsupported => "bad_data",
            ErrorKind::Unprocessable => "execution",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Canceled => "canceled",
            ErrorKind::Overloaded | ErrorKind::Unavailable | ErrorKind::Conflict => "unavailable",
            ErrorKind::Corrupt | ErrorKind::Internal => "internal",
        }
    }
}

impl Kinded for ApiError {
    fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let kind = match error.kind() {
            // A view that went stale twice: the client can only try again.
            ErrorKind::Conflict => ErrorKind::Unavailable,
            // The querier made the store's request: what is wrong with it is not the client's doing.
            ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Unsupported | ErrorKind::TooLarge => {
                ErrorKind::Internal
            }
            kind => kind,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        match store_error(&error) {
            Some(store) => {
                let kind = Self::from(store.clone()).kind;
                Self::new(kind, error.to_string())
            }
            None => Self::new(error.kind(), error.to_string()),
        }
    }
}

/// The store's error inside a query's, if that is why it failed.
pub(crate) fn store_error(error: &QueryError) -> Option<&StoreError> {
    match error {
        QueryError::Source(source) => source.0.downcast_ref(),
        _ => None,
    }
}
