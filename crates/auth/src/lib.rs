//! Who may do what: the files that say so, and the decisions that follow from them.
//!
//! Credentials become a [`Principal`], and what a principal may is decided by [`Principal::may`]. All here is pure: files are
//! read, and passwords checked, by whoever asks. Nothing that is secret is written by `Debug` or `Display`.

mod auth_config;
mod authenticator;
mod credentials;
mod error;
mod jwt;
mod passwords;
mod principal;
mod rights;
mod secret;
mod tokens;
mod web_config;
mod yaml;

pub use auth_config::{AnonymousUser, AuthConfig, AuthUser, JwtIssuer};
pub use authenticator::{Authenticator, Fetch, ReadFile, Refusal, Verdict};
pub use credentials::Credentials;
pub use error::FileError;
pub use jwt::{KeyCell, Keys, KeysError, TokenError};
pub use passwords::{PasswordCheck, Passwords, SeenPasswords};
pub use principal::{Denial, Principal, Tenants};
pub use rights::{Need, Right, Rights};
pub use secret::Secret;
pub use web_config::{ClientAuthType, HttpServerConfig, TlsServerConfig, TlsVersion, WebConfig};
