//! JSON web tokens for tests.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

/// Somebody who issues tokens.
#[derive(Debug)]
pub struct TokenIssuer {
    id: &'static str,
    key: Ed25519KeyPair,
}

impl TokenIssuer {
    /// With a new key of this id.
    ///
    /// # Panics
    /// When no key can be made.
    #[must_use]
    pub fn new(id: &'static str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self { id, key: Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key") }
    }

    /// Its key as a JWK set.
    #[must_use]
    pub fn keys(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": x}]}).to_string()
    }

    /// A token that claims this.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": "EdDSA", "kid": self.id}).to_string();
        let [header, claims] = [header, claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
        let signed = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}
