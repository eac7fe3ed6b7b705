//! Passwords of basic auth, and those that were seen before.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bcrypt::HashParts;
use latewood_base::Rng;
use moka::sync::Cache;
use ring::hmac;

use crate::Secret;

/// How many right passwords, and as many wrong ones, are remembered.
const REMEMBERED: u64 = 1_000;
/// A hash of more rounds than two to the power of this would hold a core for many seconds.
const MAX_COST: u32 = 16;

/// The users of basic auth.
#[derive(Clone)]
pub struct Passwords {
    hashes: BTreeMap<String, Secret>,
    /// Checked for users that there are not, which so take as long as those that there are.
    decoy: Secret,
    seen: Arc<SeenPasswords>,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.hashes.keys()).finish()
    }
}

/// Passwords that were checked, so that one is not checked for each request: bcrypt is slow by intent. They are kept as
/// keyed digests, with the hash that they were checked against, so that they end with it.
pub struct SeenPasswords {
    key: hmac::Key,
    right: Cache<[u8; 32], ()>,
    wrong: Cache<[u8; 32], ()>,
}

impl fmt::Debug for SeenPasswords {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SeenPasswords")
    }
}

/// A password that must be checked.
pub struct PasswordCheck {
    password: Secret,
    hash: Secret,
    is_user: bool,
    digest: [u8; 32],
    seen: Arc<SeenPasswords>,
}

impl fmt::Debug for PasswordCheck {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PasswordCheck")
    }
}

impl SeenPasswords {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(rng: &Rng) -> Arc<Self> {
        let bytes: Vec<u8> = (0..4).flat_map(|_| rng.next_u64().to_le_bytes()).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        Arc::new(Self { key, right: Cache::new(REMEMBERED), wrong: Cache::new(REMEMBERED) })
    }

    fn digest(&self, parts: [&str; 3]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }

    fn recall(&self, digest: &[u8; 32]) -> Option<bool> {
        if self.right.contains_key(digest) {
            return Some(true);
        }
        self.wrong.get(digest).map(|()| false)
    }
}

impl Passwords {
    /// The users with their hashes, which were checked to be some.
    #[must_use]
    pub fn new(hashes: BTreeMap<String, Secret>, seen: Arc<SeenPasswords>) -> Self {
        let costs = hashes.values().filter_map(|hash| cost(hash.reveal()));
        let decoy = format!("$2b${:02}${}", costs.max().unwrap_or(10), ".".repeat(53));
        Self { hashes, decoy: Secret::new(decoy), seen }
    }

    /// Whether there are any users.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// What is known of a password, or how to know it.
    ///
    /// # Errors
    /// The check that must be made.
    pub fn known(&self, user: &str, password: &Secret) -> Result<bool, PasswordCheck> {
        let hash = self.hashes.get(user);
        let is_user = hash.is_some();
        let hash = hash.unwrap_or(&self.decoy);
        let digest = self.seen.digest([user, hash.reveal(), password.reveal()]);
        self.seen.recall(&digest).ok_or_else(|| PasswordCheck {
            password: password.clone(),
            hash: hash.clone(),
            is_user,
            digest,
            seen: Arc::clone(&self.seen),
        })
    }
}

impl PasswordCheck {
    /// Whether it is right, which takes a core for as long as the hash's cost says: off the runtime.
    #[must_use]
    pub fn run(self) -> bool {
        let fits = bcrypt::verify(self.password.reveal(), self.hash.reveal()).unwrap_or(false);
        let right = fits && self.is_user;
        let kept = if right { &self.seen.right } else { &self.seen.wrong };
        kept.insert(self.digest, ());
        right
    }
}

fn cost(hash: &str) -> Option<u32> {
    hash.parse::<HashParts>().ok().map(|parts| parts.get_cost())
}

/// Whether a text is a hash that can be checked.
pub(crate) fn check_hash(hash: &str) -> Result<(), String> {
    match cost(hash) {
        None => Err("is no bcrypt hash: make one by `htpasswd -nBC 10 \"\"`".to_owned()),
        Some(cost) if cost > MAX_COST => Err(format!("has the cost {cost}; at most {MAX_COST} is allowed")),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(password: &str) -> Secret {
        Secret::new(bcrypt::hash_with_salt(password, 4, [7; 16]).unwrap().to_string())
    }

    fn passwords(seen: &Arc<SeenPasswords>, users: &[(&str, &str)]) -> Passwords {
        let hashes = users.iter().map(|(user, password)| ((*user).to_owned(), hashed(password)));
        Passwords::new(hashes.collect(), Arc::clone(seen))
    }

    #[test]
    fn a_password_is_checked_once_and_known_until_its_hash_changes() {
        let seen = SeenPasswords::new(&Rng::seeded(1));
        let old = passwords(&seen, &[("ann", "spring")]);
        let [spring, autumn] = ["spring", "autumn"].map(Secret::new);
        assert!(old.known("ann", &spring).unwrap_err().run());
        assert!(!old.known("ann", &autumn).unwrap_err().run());
        assert_eq!(old.known("ann", &spring).ok(), Some(true));
        assert_eq!(old.known("ann", &autumn).ok(), Some(false));
        let new = passwords(&seen, &[("ann", "autumn")]);
        assert!(!new.known("ann", &spring).unwrap_err().run(), "revoked");
        assert!(new.known("ann", &autumn).unwrap_err().run());
    }

    #[test]
    fn users_that_there_are_not_cost_as_much_and_are_none() {
        let seen = SeenPasswords::new(&Rng::seeded(1));
        let all = passwords(&seen, &[("ann", "spring")]);
        let spring = Secret::new("spring");
        let check = all.known("bob", &spring).unwrap_err();
        assert_eq!(cost(check.hash.reveal()), Some(4), "the cost of those that there are");
        assert!(bcrypt::verify("spring", check.hash.reveal()).is_ok(), "bcrypt is run to its end");
        assert!(!check.run());
        assert_eq!(all.known("bob", &spring).ok(), Some(false));
        let (name_of_one, other) = (Secret::new("b"), Secret::new("ab"));
        assert_ne!(seen.digest(["a", "", other.reveal()]), seen.digest(["aa", "", name_of_one.reveal()]));
    }

    #[test]
    fn wrong_passwords_do_not_drive_out_right_ones() {
        let seen = SeenPasswords::new(&Rng::seeded(1));
        let all = passwords(&seen, &[("ann", "spring")]);
        assert!(all.known("ann", &Secret::new("spring")).unwrap_err().run());
        for wrong in 0..3 * REMEMBERED {
            seen.wrong.insert(seen.digest(["ann", "", &wrong.to_string()]), ());
        }
        seen.wrong.run_pending_tasks();
        assert!(seen.wrong.entry_count() <= REMEMBERED);
        assert_eq!(all.known("ann", &Secret::new("spring")).ok(), Some(true));
    }

    #[test]
    fn hashes_of_all_makes_are_taken_and_others_not() {
        let made = hashed("x").reveal().to_owned();
        for version in ["$2a$", "$2b$", "$2y$"] {
            assert_eq!(check_hash(&made.replacen("$2b$", version, 1)), Ok(()));
        }
        assert!(check_hash(&made.replacen("$04$", "$31$", 1)).unwrap_err().contains("at most 16"));
        for wrong in ["", "secret", "{SHA}x", "$2b$04$short"] {
            assert!(check_hash(wrong).is_err(), "{wrong}");
        }
    }
}
