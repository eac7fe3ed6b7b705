//! Errors of listeners and logs.

use latewood_auth::FileError;

use crate::ListenAddr;

/// Why a listener or the logs could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {addr} for {what}: {source}")]
    Listen {
        /// The address.
        addr: ListenAddr,
        /// What was to be served there.
        what: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file of the settings cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The log level is none.
    #[error(
        "{setting} {level:?} is no level: it is one of error, warn, info, debug, trace, or a list with directives \
         per module such as info,latewood_ingester=debug"
    )]
    LogLevel {
        /// Where it was given.
        setting: &'static str,
        /// As given.
        level: String,
    },
}
