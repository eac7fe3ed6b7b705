//! What a request shows of who sends it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Secret;

/// The longest `Authorization` header that is looked at, in bytes.
const MAX_BYTES: usize = 16 << 10;

/// The `Authorization` header, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// There is none.
    None,
    /// A user and a password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Bearer(Secret),
    /// There is one that says nothing; why.
    Malformed(&'static str),
}

impl Credentials {
    /// Reads the header, which may stand once.
    pub fn read<'a>(mut headers: impl Iterator<Item = &'a [u8]>) -> Self {
        match (headers.next(), headers.next()) {
            (None, _) => Self::None,
            (Some(header), None) => Self::of(header),
            _ => Self::Malformed("there are several Authorization headers"),
        }
    }

    fn of(header: &[u8]) -> Self {
        if header.len() > MAX_BYTES {
            return Self::Malformed("the Authorization header is too long");
        }
        let Ok(text) = str::from_utf8(header) else {
            return Self::Malformed("the Authorization header is no text");
        };
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text, ""));
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("basic") {
            Self::basic(rest)
        } else if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
            Self::Bearer(Secret::new(rest))
        } else {
            Self::Malformed("the Authorization header is neither Basic nor Bearer")
        }
    }

    fn basic(encoded: &str) -> Self {
        let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        match decoded.as_deref().and_then(|pair| pair.split_once(':')) {
            Some((user, password)) => Self::Basic { user: user.to_owned(), password: Secret::new(password) },
            None => Self::Malformed("the Basic credentials are not user:password in base64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[&str]) -> Credentials {
        Credentials::read(headers.iter().map(|header| header.as_bytes()))
    }

    #[test]
    fn both_schemes_are_read_in_any_case() {
        assert_eq!(read(&[]), Credentials::None);
        let ann = Credentials::Basic { user: "ann".to_owned(), password: Secret::new("a:b") };
        assert_eq!(read(&["Basic YW5uOmE6Yg=="]), ann);
        assert_eq!(read(&["bAsIc  YW5uOmE6Yg== "]), ann);
        assert_eq!(read(&["bearer t"]), Credentials::Bearer(Secret::new("t")));
        assert!(!format!("{ann:?}").contains("a:b"));
    }

    #[test]
    fn what_is_neither_is_malformed() {
        let long = format!("Bearer {}", "x".repeat(MAX_BYTES));
        for headers in [
            &["Basic"][..],
            &["Basic ???"],
            &["Basic YW5u"],
            &["Bearer"],
            &["Digest x"],
            &[""],
            &["Bearer a", "Bearer a"],
            &[&long],
        ] {
            assert!(matches!(read(headers), Credentials::Malformed(_)), "{headers:?}");
        }
    }
}
