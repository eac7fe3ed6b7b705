//! Who sends a request, as far as it says: for audit entries.

use http::{HeaderMap, header};

/// The most bytes that are told.
const MAX_BYTES: usize = 200;

/// What proxies and the client say of who sends a request: `X-Forwarded-User`, `X-Forwarded-For` and `User-Agent`. Behind
/// a guard that asks who they are the first is proved, and nothing else is.
#[must_use]
pub fn asked_by(headers: &HeaderMap) -> String {
    let names = ["x-forwarded-user", "x-forwarded-for", header::USER_AGENT.as_str()];
    let told = names.into_iter().filter_map(|name| Some((name, headers.get(name)?.to_str().ok()?)));
    let mut all = told.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
    all.truncate(all.floor_char_boundary(MAX_BYTES));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_in_order_and_cut() {
        let mut headers = HeaderMap::new();
        assert_eq!(asked_by(&headers), "");
        headers.insert("user-agent", "curl".parse().unwrap());
        headers.insert("x-forwarded-user", "ann".parse().unwrap());
        assert_eq!(asked_by(&headers), "x-forwarded-user=ann user-agent=curl");
        headers.insert("user-agent", "c".repeat(999).parse().unwrap());
        assert_eq!(asked_by(&headers).len(), MAX_BYTES);
    }
}
