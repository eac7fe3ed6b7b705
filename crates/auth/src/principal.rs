//! Somebody, and what they may.

use std::collections::BTreeSet;
use std::sync::Arc;

use latewood_model::TenantId;

use crate::{Need, Right, Rights};

/// Somebody whose credentials were right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who: a user, the name of a token, or the subject of a JWT.
    pub name: Arc<str>,
    /// Whose data.
    pub tenants: Tenants,
    /// What with it.
    pub rights: Rights,
}

/// Tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenants {
    /// All there are and will be.
    All,
    /// These.
    These(BTreeSet<TenantId>),
}

/// Why somebody may not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Not this.
    #[error("{who} has no right to {}", .right.as_str())]
    Right {
        /// Who.
        who: Arc<str>,
        /// What would be needed.
        right: Right,
    },
    /// Not here.
    #[error("{who} has no right on tenant {tenant}")]
    Tenant {
        /// Who.
        who: Arc<str>,
        /// The tenant.
        tenant: TenantId,
    },
    /// Not for everybody.
    #[error("{who} has rights on some tenants; this needs {} on all", .right.as_str())]
    Process {
        /// Who.
        who: Arc<str>,
        /// What would be needed.
        right: Right,
    },
    /// It is not said where.
    #[error("the request names no tenant, and {who} has rights on several: send X-Scope-OrgID")]
    WhichTenant {
        /// Who.
        who: Arc<str>,
    },
}

impl Denial {
    /// Who may not.
    #[must_use]
    pub fn who(&self) -> &str {
        match self {
            Self::Right { who, .. }
            | Self::Tenant { who, .. }
            | Self::Process { who, .. }
            | Self::WhichTenant { who } => who,
        }
    }
}

impl Principal {
    /// Somebody who may everything.
    #[must_use]
    pub fn all_powerful(name: &str) -> Self {
        Self { name: name.into(), tenants: Tenants::All, rights: Rights::all() }
    }

    /// Whether they may what a route needs, where the request names this tenant, or none. Returns the tenant that the
    /// request is of, if it is of one that is not named and not `anonymous` by custom.
    ///
    /// # Errors
    /// [`Denial`] says why not.
    pub fn may(&self, need: Need, named: Option<&TenantId>) -> Result<Option<TenantId>, Denial> {
        let who = || Arc::clone(&self.name);
        match need {
            Need::Nothing | Need::Somebody => Ok(None),
            Need::Process(Right::Metrics) if self.rights.has(Right::Metrics) => Ok(None),
            Need::Process(right) => {
                self.has(right)?;
                match self.tenants {
                    Tenants::All => Ok(None),
                    Tenants::These(_) => Err(Denial::Process { who: who(), right }),
                }
            }
            Need::Tenant(right) | Need::NamedTenant(right) => {
                self.has(right)?;
                match (&self.tenants, named) {
                    (Tenants::All, _) => Ok(None),
                    (Tenants::These(these), Some(named)) if these.contains(named) => Ok(None),
                    (Tenants::These(_), Some(named)) => {
                        Err(Denial::Tenant { who: who(), tenant: named.clone() })
                    }
                    // The handler asks for the name.
                    (Tenants::These(_), None) if matches!(need, Need::NamedTenant(_)) => Ok(None),
                    (Tenants::These(these), None) => {
                        own(these).map(Some).ok_or_else(|| match these.is_empty() {
                            true => Denial::Tenant { who: who(), tenant: TenantId::anonymous() },
                            false => Denial::WhichTenant { who: who() },
                        })
                    }
                }
            }
        }
    }

    fn has(&self, right: Right) -> Result<(), Denial> {
        if self.rights.has(right) {
            Ok(())
        } else {
            Err(Denial::Right { who: Arc::clone(&self.name), right })
        }
    }
}

/// The tenant that is meant by naming none: the only one, or `anonymous` where that is among them.
fn own(these: &BTreeSet<TenantId>) -> Option<TenantId> {
    let anonymous = TenantId::anonymous();
    match these.len() {
        1 => these.first().cloned(),
        _ => these.get(&anonymous).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    fn principal(tenants: &[&str], rights: &[Right]) -> Principal {
        let these = tenants.iter().map(|name| tenant(name)).collect();
        let rights = rights.iter().copied().collect();
        Principal { name: "ann".into(), tenants: Tenants::These(these), rights }
    }

    #[test]
    fn a_right_counts_on_ones_own_tenants_alone() {
        let ann = principal(&["a"], &[Right::Read]);
        let (read, write) = (Need::Tenant(Right::Read), Need::Tenant(Right::Write));
        assert_eq!(ann.may(read, Some(&tenant("a"))), Ok(None));
        let other = ann.may(read, Some(&tenant("b"))).unwrap_err().to_string();
        assert_eq!(other, "ann has no right on tenant b");
        let wrong = ann.may(write, Some(&tenant("a"))).unwrap_err().to_string();
        assert_eq!(wrong, "ann has no right to write");
        assert_eq!(ann.may(Need::Somebody, Some(&tenant("b"))), Ok(None));
    }

    #[test]
    fn who_names_no_tenant_means_the_only_one() {
        let read = Need::Tenant(Right::Read);
        let may = |tenants: &[&str]| principal(tenants, &[Right::Read]).may(read, None);
        assert_eq!(may(&["a"]), Ok(Some(tenant("a"))));
        assert_eq!(may(&["a", "anonymous"]), Ok(Some(tenant("anonymous"))));
        assert!(matches!(may(&["a", "b"]), Err(Denial::WhichTenant { .. })));
        assert!(matches!(may(&[]), Err(Denial::Tenant { .. })), "nobody's principal is not anonymous");
        assert_eq!(Principal::all_powerful("root").may(read, None), Ok(None));
        let admin = principal(&["a"], &[Right::Admin]);
        assert_eq!(admin.may(Need::NamedTenant(Right::Admin), None), Ok(None), "it is not filled in");
    }

    #[test]
    fn what_concerns_all_needs_a_right_on_all() {
        let ann = principal(&["a"], &[Right::Admin]);
        assert!(matches!(ann.may(Need::Process(Right::Admin), None), Err(Denial::Process { .. })));
        assert!(matches!(ann.may(Need::Process(Right::Metrics), None), Err(Denial::Right { .. })));
        assert_eq!(Principal::all_powerful("root").may(Need::Process(Right::Admin), None), Ok(None));
        let scraper = principal(&[], &[Right::Metrics]);
        assert_eq!(scraper.may(Need::Process(Right::Metrics), None), Ok(None));
        assert!(scraper.may(Need::Tenant(Right::Read), None).is_err());
    }
}
