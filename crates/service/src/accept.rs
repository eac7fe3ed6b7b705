//! What a client wants to be answered as, where a page is JSON, too.

use http::{HeaderMap, header};

/// Whether a client asks for JSON by `Accept: application/json`, in the place of a page or a text.
#[must_use]
pub fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_for_those_who_name_it() {
        let headers =
            |accept: &'static str| HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
        assert!(
            wants_json(&headers("application/json"))
                && wants_json(&headers("text/html, application/json;q=0.9"))
        );
        assert!(!wants_json(&headers("text/html")) && !wants_json(&HeaderMap::new()));
    }
}
