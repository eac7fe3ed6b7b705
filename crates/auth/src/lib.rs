//! Who may do what: the files that say so, and the decisions that follow from them.
//!
//! Credentials become a [`Principal`], and what a principal may is decided by [`Principal::may`]. All here is pure: files are
//! read, and passwords checked, by whoever asks. Nothing that is secret is written by `Debug` or `Display`.

mod authenticator;
mod credentials;
mod error;
mod passwords;
mod principal;
mod rights;
mod secret;
mod web_config;
mod yaml;

pub use authenticator::{Authenticator, Refusal, Verdict};
pub use credentials::Credentials;
pub use error::FileError;
pub use passwords::{PasswordCheck, Passwords, SeenPasswords};
pub use principal::{Denial, Principal, Tenants};
pub use rights::{Need, Right, Rights};
pub use secret::Secret;
pub use web_config::{ClientAuthType, HttpServerConfig, TlsServerConfig, TlsVersion, WebConfig};
