//! Why a look-up led nowhere.

use hickory_resolver::net::NetError;
use latewood_base::{ErrorKind, Kinded};

/// Why a look-up has no answer. That a name has no records is an answer.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// No server gave one.
    #[error("no DNS server answered for {name}: {source}")]
    NoAnswer {
        /// What was looked up.
        name: String,
        /// The last server's failing.
        source: NetError,
    },
    /// No server gave one in time.
    #[error("no DNS server answered for {0} in time")]
    Timeout(String),
    /// An answer names a target that is no host.
    #[error("an SRV record of {name} has the target {target:?}, which is no host with a port")]
    Target {
        /// What was looked up.
        name: String,
        /// What the record says.
        target: String,
    },
    /// An answer has more records than peers are taken.
    #[error("{name} has {found} records; at most {most} are taken")]
    TooMany {
        /// What was looked up.
        name: String,
        /// How many records it has.
        found: usize,
        /// How many are taken.
        most: usize,
    },
    /// The machine's own settings cannot be read.
    #[error("cannot read how this machine looks names up: {0}")]
    System(NetError),
}

impl Kinded for LookupError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoAnswer { .. } => ErrorKind::Unavailable,
            Self::Timeout(_) => ErrorKind::Timeout,
            Self::Target { .. } | Self::TooMany { .. } => ErrorKind::Invalid,
            Self::System(_) => ErrorKind::Internal,
        }
    }
}
