//! Bearer tokens that are known by their digests.

use std::fmt;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::{Principal, Secret};

/// The shortest token that a file may have: shorter ones are guessed.
const MIN_CHARACTERS: usize = 16;

/// Tokens, and whose they are. Only digests are kept.
#[derive(Clone, Default)]
pub(crate) struct Tokens(Vec<([u8; 32], Arc<Principal>)>);

impl fmt::Debug for Tokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.0.iter().map(|(_, principal)| &principal.name)).finish()
    }
}

impl Tokens {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one whose SHA-256 is given in hex.
    pub(crate) fn add_digest(&mut self, hex: &str, principal: &Arc<Principal>) -> Result<(), &'static str> {
        let digest = from_hex(hex).ok_or("is no SHA-256 in hex: `printf %s TOKEN | sha256sum`")?;
        self.0.push((digest, Arc::clone(principal)));
        Ok(())
    }

    /// Adds one as a file has it.
    pub(crate) fn add_text(&mut self, text: &[u8], principal: &Arc<Principal>) -> Result<(), &'static str> {
        let text = str::from_utf8(text).map_err(|_| "is not UTF-8")?.trim();
        if text.len() < MIN_CHARACTERS {
            return Err("has a token of less than 16 characters");
        }
        self.0.push((sha256(text), Arc::clone(principal)));
        Ok(())
    }

    /// Whose token this is. How long it takes depends on how many there are alone.
    pub(crate) fn owner(&self, token: &Secret) -> Option<Arc<Principal>> {
        let shown = sha256(token.reveal());
        let (mut found, mut owner) = (Choice::from(0), 0_u64);
        for (at, (digest, _)) in (0_u64..).zip(&self.0) {
            let is_equal = digest.ct_eq(&shown);
            owner.conditional_assign(&at, is_equal);
            found |= is_equal;
        }
        let at = usize::try_from(owner).ok().filter(|_| bool::from(found))?;
        self.0.get(at).map(|(_, principal)| Arc::clone(principal))
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

fn from_hex(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: &str = "7f8b1d5a2f4be7bd3aa6d5a3f8a3f0d2";

    #[test]
    fn a_token_is_its_owners_whether_it_was_given_as_a_digest_or_in_a_file() {
        let [ann, bob] = ["ann", "bob"].map(|name| Arc::new(Principal::all_powerful(name)));
        let hex: String = sha256("a token of ann's").iter().map(|byte| format!("{byte:02X}")).collect();
        let mut tokens = Tokens::default();
        tokens.add_digest(&hex, &ann).unwrap();
        tokens.add_text(b" a token of bob's\n", &bob).unwrap();
        let owner = |token: &str| tokens.owner(&Secret::new(token)).map(|owner| owner.name.to_string());
        assert_eq!(owner("a token of ann's").as_deref(), Some("ann"));
        assert_eq!(owner("a token of bob's").as_deref(), Some("bob"));
        for wrong in ["", "a token of eve's", &hex, HALF] {
            assert_eq!(owner(wrong), None, "{wrong}");
        }
        assert!(Tokens::default().owner(&Secret::new("")).is_none());
    }

    #[test]
    fn what_is_no_digest_or_too_short_is_refused() {
        let (mut tokens, ann) = (Tokens::default(), Arc::new(Principal::all_powerful("ann")));
        for wrong in ["", HALF, &"g".repeat(64), &"+f".repeat(32)] {
            assert!(tokens.add_digest(wrong, &ann).is_err(), "{wrong}");
        }
        assert!(tokens.add_text(b"short\n", &ann).is_err() && tokens.add_text(b"\xff", &ann).is_err());
        assert!(tokens.is_empty());
        assert_eq!(from_hex(&"ab".repeat(32)), Some([0xab; 32]));
    }
}
