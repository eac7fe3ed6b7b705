//! Errors of listeners and logs.

use std::net::SocketAddr;

/// Why a listener or the logs could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {addr} for {what}: {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What was to be served there.
        what: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The log level is none.
    #[error("log.level {level:?} is not a level or a list of directives: {message}")]
    LogLevel {
        /// As given.
        level: String,
        /// What is wrong with it.
        message: String,
    },
}
