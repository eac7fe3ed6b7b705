//! Why a query has no answer.

use latewood_base::{ErrorKind, Kinded};

use crate::SourceError;
use crate::functions::FunctionError;

/// Why a query failed. The texts are Prometheus's wherever Prometheus has the error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueryError {
    /// A parameter of the request cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// The expression cannot be evaluated over these data.
    #[error("{0}")]
    Execution(String),
    /// More samples would be held at once than the limit allows.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// More memory would be held at once than the limit allows.
    #[error(
        "query would use more than {limit} bytes of memory; select fewer series, a shorter range or a wider step, or raise max_bytes"
    )]
    TooMuchMemory {
        /// The limit in bytes.
        limit: u64,
    },
    /// All queries together would hold more memory than they may.
    #[error(
        "the queries of this process hold the {limit} bytes of memory that they may (querier.engine.max_total_bytes); try again later"
    )]
    OutOfMemory {
        /// The limit in bytes.
        limit: u64,
    },
    /// The deadline passed.
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// The caller went away.
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// The data could not be had.
    #[error("expanding series: {0}")]
    Source(#[from] SourceError),
}

impl QueryError {
    /// An [`QueryError::Execution`].
    pub(crate) fn execution(text: impl Into<String>) -> Self {
        Self::Execution(text.into())
    }
}

impl From<FunctionError> for QueryError {
    fn from(error: FunctionError) -> Self {
        Self::Execution(error.0)
    }
}

impl Kinded for QueryError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Execution(_) | Self::TooManySamples | Self::TooMuchMemory { .. } => {
                ErrorKind::Unprocessable
            }
            Self::OutOfMemory { .. } => ErrorKind::Overloaded,
            Self::Timeout => ErrorKind::Timeout,
            Self::Canceled => ErrorKind::Canceled,
            Self::Source(_) => ErrorKind::Unavailable,
        }
    }
}
