//! Tenants.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The id of a tenant: 1 to 150 characters, as Mimir takes them (letters, digits and `!-_.*'()`), and
/// neither `.`, `..` nor a name that the bucket keeps for itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Arc<str>);

/// Why a text is no tenant id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    /// No text at all.
    #[error("the tenant id is empty")]
    Empty,
    /// More than 150 characters.
    #[error("the tenant id has {0} characters; at most 150 are allowed")]
    TooLong(usize),
    /// A character that is not allowed.
    #[error("the tenant id has the character {0:?}; letters, digits and !-_.*'() are allowed")]
    Character(char),
    /// A reserved name.
    #[error("the tenant id {0:?} is reserved")]
    Reserved(String),
}

impl TenantId {
    /// The tenant of requests that name none, as in Mimir.
    pub const ANONYMOUS: &'static str = "anonymous";

    const MAX_CHARACTERS: usize = 150;

    /// Checks and takes a tenant id.
    ///
    /// # Errors
    /// [`TenantError`] says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, TenantError> {
        let count = text.chars().count();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "!-_.*'()".contains(c);
        match text {
            "" => Err(TenantError::Empty),
            _ if count > Self::MAX_CHARACTERS => Err(TenantError::TooLong(count)),
            "." | ".." | "__latewood__" => Err(TenantError::Reserved(text.to_owned())),
            _ => match text.chars().find(|&c| !allowed(c)) {
                Some(character) => Err(TenantError::Character(character)),
                None => Ok(Self(text.into())),
            },
        }
    }

    /// The tenant of requests that name none.
    #[must_use]
    pub fn anonymous() -> Self {
        Self(Self::ANONYMOUS.into())
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl TryFrom<String> for TenantId {
    type Error = TenantError;

    fn try_from(text: String) -> Result<Self, TenantError> {
        Self::new(&text)
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> Self {
        tenant.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_safe_as_folders_pass() {
        for good in ["a", "team-1", "a.b", "x!()*'_"] {
            assert!(TenantId::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a|b", "ü", "__latewood__"] {
            assert!(TenantId::new(bad).is_err(), "{bad}");
        }
        assert_eq!(TenantId::new(&"x".repeat(151)), Err(TenantError::TooLong(151)));
    }
}
