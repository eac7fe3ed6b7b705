//! What claims make of their bearer.

use std::collections::BTreeSet;

use latewood_model::TenantId;
use serde_json::Value;

use crate::auth_config::JwtIssuer;
use crate::{Principal, Right, Rights, Tenants};

/// The most tenants that a token may name.
const MAX_TENANTS: usize = 1_000;
/// The longest name that logs have, in characters.
const MAX_NAME: usize = 150;

/// Who the bearer is; none if the claims are not of the agreed shape.
pub(super) fn principal(config: &JwtIssuer, claims: &Value) -> Option<Principal> {
    let name = at(claims, &config.name_claim).and_then(Value::as_str)?;
    let name: String = name.chars().filter(char::is_ascii_graphic).take(MAX_NAME).collect();
    Some(Principal { name: name.into(), tenants: tenants(config, claims)?, rights: rights(config, claims) })
}

fn tenants(config: &JwtIssuer, claims: &Value) -> Option<Tenants> {
    if config.all_tenants {
        return Some(Tenants::All);
    }
    let mut these = config.tenants.clone();
    if let Some(value) = config.tenants_claim.as_ref().and_then(|claim| at(claims, claim)) {
        let named: Option<BTreeSet<TenantId>> =
            texts(value)?.into_iter().take(MAX_TENANTS + 1).map(|text| TenantId::new(text).ok()).collect();
        these.extend(named.filter(|named| named.len() <= MAX_TENANTS)?);
    }
    Some(Tenants::These(these))
}

fn rights(config: &JwtIssuer, claims: &Value) -> Rights {
    let claimed = config.rights_claim.as_ref().and_then(|claim| at(claims, claim)).and_then(texts);
    let words = claimed.unwrap_or_default().into_iter().flat_map(str::split_whitespace);
    let meant = words.flat_map(|word| -> Vec<Right> {
        if config.rights_by_value.is_empty() {
            Right::named(word).into_iter().collect()
        } else {
            config.rights_by_value.get(word).cloned().unwrap_or_default()
        }
    });
    meant.chain(config.rights.iter().copied()).collect()
}

/// A claim by its name, or by a path into objects.
fn at<'a>(claims: &'a Value, claim: &str) -> Option<&'a Value> {
    if claim.starts_with('/') { claims.pointer(claim) } else { claims.get(claim) }
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(values) => values.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// A time in seconds; a part of a second counts as none.
pub(super) fn seconds(value: &Value) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "times beyond 64 bits are as good as the last")]
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
}
