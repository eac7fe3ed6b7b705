//! Credentials to principals.

use std::sync::Arc;

use crate::{Credentials, PasswordCheck, Passwords, Principal};

/// Who there is, as the files say.
#[derive(Clone, Debug)]
pub struct Authenticator {
    passwords: Passwords,
}

/// What credentials come to.
#[derive(Debug)]
pub enum Verdict {
    /// Somebody.
    Principal(Arc<Principal>),
    /// Nobody.
    Refused(Refusal),
    /// Somebody, if the password is right, which takes long to say.
    IfRight(PasswordCheck, Arc<Principal>),
}

/// Why a request is nobody's. The texts say nothing that helps to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It shows nothing.
    #[error("no credentials")]
    Missing,
    /// It shows what nobody can read.
    #[error("{0}")]
    Malformed(&'static str),
    /// No such user, or not this password.
    #[error("the user or the password is wrong")]
    Password,
    /// No such token.
    #[error("the token is not known")]
    Token,
}

impl Authenticator {
    /// Users of basic auth alone, who may everything.
    #[must_use]
    pub fn of_users(passwords: Passwords) -> Self {
        Self { passwords }
    }

    /// Whether nobody need say who they are.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.passwords.is_empty()
    }

    /// Who shows these credentials.
    #[must_use]
    pub fn authenticate(&self, credentials: &Credentials) -> Verdict {
        match credentials {
            Credentials::None => Verdict::Refused(Refusal::Missing),
            Credentials::Malformed(why) => Verdict::Refused(Refusal::Malformed(why)),
            Credentials::Bearer(_) => Verdict::Refused(Refusal::Token),
            Credentials::Basic { user, password } => {
                let principal = Arc::new(Principal::all_powerful(user));
                match self.passwords.known(user, password) {
                    Ok(true) => Verdict::Principal(principal),
                    Ok(false) => Verdict::Refused(Refusal::Password),
                    Err(check) => Verdict::IfRight(check, principal),
                }
            }
        }
    }

    /// What `WWW-Authenticate` says to who is refused.
    #[must_use]
    pub fn challenges(&self, _refusal: Refusal) -> Vec<String> {
        vec!["Basic realm=\"latewood\"".to_owned()]
    }
}
