//! The keys of issuers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::RwLock;
use serde_json::Value;

/// The most keys of a set that are looked at.
const MAX_KEYS: usize = 100;

/// The keys of one issuer that can be used: public ones, for signatures.
#[derive(Clone, Default)]
pub struct Keys(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

/// Why a text is no set of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// It is not JSON.
    #[error("is no JWK set")]
    NoSet,
    /// There is nothing in it that can be used.
    #[error("has no key that can be used: RSA, P-256, P-384 or Ed25519, for signatures")]
    NoKey,
}

impl Keys {
    /// Reads a JWK set; what is in it and cannot be used is passed over.
    ///
    /// # Errors
    /// [`KeysError`] where nothing can be used.
    pub fn parse(text: &[u8]) -> Result<Self, KeysError> {
        let set: Value = serde_json::from_slice(text).map_err(|_| KeysError::NoSet)?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(KeysError::NoSet)?;
        let keys: Vec<Key> = keys.iter().take(MAX_KEYS).filter_map(Key::new).collect();
        if keys.is_empty() { Err(KeysError::NoKey) } else { Ok(Self(keys)) }
    }
}

impl Key {
    fn new(value: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
        let of_kind: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                &[Algorithm::ES256]
            }
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => {
                &[Algorithm::ES384]
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                &[Algorithm::EdDSA]
            }
            // A shared secret would let whoever checks tokens make them.
            _ => return None,
        };
        if jwk.common.public_key_use.as_ref().is_some_and(|of| *of != PublicKeyUse::Signature) {
            return None;
        }
        let algorithms = match jwk.common.key_algorithm {
            None => of_kind.to_vec(),
            Some(only) => of_kind.iter().copied().filter(|one| KeyAlgorithm::from(*one) == only).collect(),
        };
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { id: jwk.common.key_id, algorithms, key })
    }
}

/// The keys of an issuer as they are now. Who looks after it may change them.
#[derive(Default)]
pub struct KeyCell {
    keys: RwLock<Arc<Keys>>,
    wanted: AtomicBool,
}

impl fmt::Debug for KeyCell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.read().fmt(out)
    }
}

impl KeyCell {
    /// These, until others are set.
    #[must_use]
    pub fn new(keys: Keys) -> Arc<Self> {
        Arc::new(Self { keys: RwLock::new(Arc::new(keys)), wanted: AtomicBool::default() })
    }

    /// From now on these.
    pub fn set(&self, keys: Keys) {
        *self.keys.write() = Arc::new(keys);
    }

    /// Whether a token came whose key is not known, since this was last asked.
    pub fn are_new_wanted(&self) -> bool {
        self.wanted.swap(false, Ordering::Relaxed)
    }

    pub(super) fn ask_for_new(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Those that may have signed a token of this key id and algorithm.
    pub(super) fn fitting(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
        let keys = Arc::clone(&self.keys.read());
        let fits = |key: &&Key| {
            key.algorithms.contains(&algorithm)
                && id.is_none_or(|id| key.id.as_deref().is_none_or(|own| own == id))
        };
        keys.0.iter().filter(fits).map(|key| key.key.clone()).collect()
    }
}
