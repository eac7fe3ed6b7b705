//! JSON web tokens: who issued them, whether they are good now, and whom they make of their claims.

mod claims;
mod crypto;
mod keys;

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

pub use keys::{KeyCell, Keys, KeysError};

use crate::auth_config::JwtIssuer;
use crate::{Principal, Secret};

/// Why a token is none of ours, or not good now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token that is known, and no JWT.
    #[error("the token is not known")]
    Unknown,
    /// It is not of an issuer that is known.
    #[error("the token's issuer is not known")]
    Issuer,
    /// It is not signed by a key that is known.
    #[error("the token's key is not known")]
    Key,
    /// It was changed, or somebody else signed it.
    #[error("the token's signature is wrong")]
    Signature,
    /// It is meant for others.
    #[error("the token is for another audience")]
    Audience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYet,
    /// What it claims is not what was agreed on.
    #[error("the token's claims are not understood")]
    Claims,
}

/// Who issues tokens.
#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    pub(crate) config: JwtIssuer,
    pub(crate) keys: Arc<KeyCell>,
}

impl Issuer {
    pub(crate) fn new(config: &JwtIssuer, keys: Arc<KeyCell>) -> Self {
        crypto::install();
        Self { config: config.clone(), keys }
    }

    /// Whose token it is, at this moment in milliseconds since the Unix epoch.
    fn principal(&self, token: &str, now_ms: i64) -> Result<Principal, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Unknown)?;
        let keys = self.keys.fitting(header.kid.as_deref(), header.alg);
        if keys.is_empty() {
            self.keys.ask_for_new();
            return Err(TokenError::Key);
        }
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&self.config.audiences);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        // Below, by the clock of this process.
        validation.validate_exp = false;
        let verified = keys.iter().map(|key| verify(token, key, &validation));
        let claims = verified.reduce(|one, other| if one.is_ok() { one } else { other });
        let claims = claims.unwrap_or(Err(TokenError::Key))?;
        self.check_time(&claims, now_ms)?;
        claims::principal(&self.config, &claims).ok_or(TokenError::Claims)
    }

    fn check_time(&self, claims: &Value, now_ms: i64) -> Result<(), TokenError> {
        let (now, leeway) = (now_ms.div_euclid(1_000), i64::from(self.config.leeway_seconds));
        let expires = claims.get("exp").and_then(claims::seconds).ok_or(TokenError::Claims)?;
        if expires.saturating_add(leeway) <= now {
            return Err(TokenError::Expired);
        }
        let begins = claims.get("nbf").filter(|begins| !begins.is_null());
        let begins = begins.map(|begins| claims::seconds(begins).ok_or(TokenError::Claims)).transpose()?;
        match begins {
            Some(begins) if begins > now.saturating_add(leeway) => Err(TokenError::NotYet),
            _ => Ok(()),
        }
    }
}

fn verify(token: &str, key: &DecodingKey, validation: &Validation) -> Result<Value, TokenError> {
    let decoded = decode::<Value>(token, key, validation);
    decoded.map(|decoded| decoded.claims).map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAudience => TokenError::Audience,
        ErrorKind::InvalidIssuer => TokenError::Issuer,
        ErrorKind::MissingRequiredClaim(_) => TokenError::Claims,
        _ => TokenError::Unknown,
    })
}

/// Whose JWT this is, of those that one of the issuers has issued.
pub(crate) fn principal(issuers: &[Issuer], token: &Secret, now_ms: i64) -> Result<Principal, TokenError> {
    let token = token.reveal();
    if issuers.is_empty() || token.split('.').count() != 3 {
        return Err(TokenError::Unknown);
    }
    // Nothing is believed yet: it says by whose keys the token is to be judged.
    let claimed: Value =
        jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| TokenError::Unknown)?;
    let claimed = claimed.get("iss").and_then(Value::as_str).ok_or(TokenError::Issuer)?;
    let issuer = issuers.iter().find(|issuer| issuer.config.issuer == claimed).ok_or(TokenError::Issuer)?;
    issuer.principal(token, now_ms)
}

#[cfg(test)]
mod tests;
