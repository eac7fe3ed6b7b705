//! What may be done.

use serde::{Deserialize, Serialize};

/// A right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// To ask for a tenant's data.
    Read,
    /// To send a tenant's data.
    Write,
    /// To delete a tenant's data; of all tenants, to have a process flush or leave its cluster, too.
    Admin,
    /// To see how processes are: metrics, settings and members, of no tenant in particular.
    Metrics,
}

impl Right {
    const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Admin, Self::Metrics];

    /// As files say it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }

    /// A right by its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.as_str() == name)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
            Self::Admin => 4,
            Self::Metrics => 8,
        }
    }
}

/// A set of rights. None includes another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// All there are.
    #[must_use]
    pub fn all() -> Self {
        Right::ALL.into_iter().collect()
    }

    /// Whether a right is among them.
    #[must_use]
    pub fn has(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().fold(0, |bits, right| bits | right.bit()))
    }
}

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: probes come without credentials.
    Nothing,
    /// To be somebody.
    Somebody,
    /// A right on the tenant of the request.
    Tenant(Right),
    /// The same, where the tenant must be named by the request, also by who has one alone.
    NamedTenant(Right),
    /// A right on the process, hence on all its tenants.
    Process(Right),
}

impl Need {
    /// The right, if it needs one.
    #[must_use]
    pub fn right(self) -> Option<Right> {
        match self {
            Self::Nothing | Self::Somebody => None,
            Self::Tenant(right) | Self::NamedTenant(right) | Self::Process(right) => Some(right),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_apart_and_have_their_names() {
        for right in Right::ALL {
            let alone: Rights = [right].into_iter().collect();
            assert!(Right::ALL.into_iter().all(|other| alone.has(other) == (other == right)));
            assert_eq!(Right::named(right.as_str()), Some(right));
            assert_eq!(serde_json::to_value(right).unwrap(), right.as_str());
            assert!(Rights::all().has(right) && !alone.is_empty());
        }
        assert!(Rights::default().is_empty() && Right::named("root").is_none());
    }
}
