//! Credentials to principals.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::auth_config::AuthConfig;
use crate::jwt::{self, Issuer, KeyCell, Keys, TokenError};
use crate::tokens::Tokens;
use crate::{Credentials, PasswordCheck, Passwords, Principal, Rights, Secret, SeenPasswords, Tenants};

/// Who there is, as the files say.
#[derive(Clone, Debug)]
pub struct Authenticator {
    passwords: Passwords,
    /// Users of basic auth; none where all of them may everything.
    users: Option<BTreeMap<String, Arc<Principal>>>,
    tokens: Tokens,
    issuers: Vec<Issuer>,
    anonymous: Option<Arc<Principal>>,
}

/// What credentials come to.
#[derive(Debug)]
pub enum Verdict {
    /// Somebody.
    Principal(Arc<Principal>),
    /// Nobody.
    Refused(Refusal),
    /// Somebody, if the password is right, which takes long to say.
    IfRight(PasswordCheck, Arc<Principal>),
}

/// Why a request is nobody's. The texts say nothing that helps to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It shows nothing.
    #[error("no credentials")]
    Missing,
    /// It shows what nobody can read.
    #[error("{0}")]
    Malformed(&'static str),
    /// No such user, or not this password.
    #[error("the user or the password is wrong")]
    Password,
    /// No such token, or not now.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Keys that are to be fetched now and then.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Where.
    pub url: String,
    /// Who signs the certificate of that place; whom the system trusts where none is said.
    pub ca_file: Option<PathBuf>,
    /// How often.
    pub every: Duration,
    /// Where they are put.
    pub keys: Arc<KeyCell>,
}

/// Reads a file that another one names.
pub type ReadFile<'a> = dyn FnMut(&Path) -> std::io::Result<Vec<u8>> + 'a;

impl Authenticator {
    /// Users of basic auth alone, who may everything; without any, everybody may.
    #[must_use]
    pub fn of_users(hashes: BTreeMap<String, Secret>, seen: Arc<SeenPasswords>) -> Self {
        let passwords = Passwords::new(hashes, seen);
        Self { passwords, users: None, tokens: Tokens::default(), issuers: Vec::new(), anonymous: None }
    }

    /// Who an authorisation file names, and the users of the web configuration file, who may what it says. Keys that were
    /// fetched for the authenticator before are kept.
    ///
    /// # Errors
    /// A text that names the field.
    pub fn new(
        mut hashes: BTreeMap<String, Secret>,
        config: &AuthConfig,
        seen: Arc<SeenPasswords>,
        before: Option<&Self>,
        read: &mut ReadFile<'_>,
    ) -> Result<Self, String> {
        let (mut tokens, mut users) = (Tokens::default(), BTreeMap::new());
        for (at, user) in config.users.iter().enumerate() {
            let principal = user.principal();
            for digest in &user.bearer_token_sha256 {
                let wrong = |error| format!("users[{at}].bearer_token_sha256: {error}");
                tokens.add_digest(digest, &principal).map_err(wrong)?;
            }
            for file in &user.bearer_token_files {
                let wrong = |error| format!("users[{at}].bearer_token_files: {}: {error}", file.display());
                let text = read(file).map_err(|error| wrong(error.to_string()))?;
                tokens.add_text(&text, &principal).map_err(|error| wrong(error.to_owned()))?;
            }
            if let Some(hash) = &user.password_hash
                && hashes.insert(user.name.clone(), hash.clone()).is_some()
            {
                return Err(format!(
                    "users[{at}].password_hash: {} has one in the web configuration file, too",
                    user.name
                ));
            }
            users.insert(user.name.clone(), principal);
        }
        let mut issuers = Vec::new();
        for (at, jwt) in config.jwt.iter().enumerate() {
            let keys = match &jwt.jwks_file {
                Some(file) => {
                    let wrong = |error| format!("jwt[{at}].jwks_file: {}: {error}", file.display());
                    let text = read(file).map_err(|error| wrong(error.to_string()))?;
                    KeyCell::new(Keys::parse(&text).map_err(|error| wrong(error.to_string()))?)
                }
                None => before.and_then(|before| before.fetched(jwt.jwks_url.as_deref())).unwrap_or_default(),
            };
            issuers.push(Issuer::new(jwt, keys));
        }
        let anonymous = config.anonymous.as_ref().map(|who| who.principal());
        Ok(Self { passwords: Passwords::new(hashes, seen), users: Some(users), tokens, issuers, anonymous })
    }

    /// Whether nobody need say who they are.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.users.is_none() && self.passwords.is_empty()
    }

    /// Who shows these credentials, at this moment in milliseconds since the Unix epoch.
    #[must_use]
    pub fn authenticate(&self, credentials: &Credentials, now_ms: i64) -> Verdict {
        match credentials {
            Credentials::None => match &self.anonymous {
                Some(anonymous) => Verdict::Principal(Arc::clone(anonymous)),
                None => Verdict::Refused(Refusal::Missing),
            },
            Credentials::Malformed(why) => Verdict::Refused(Refusal::Malformed(why)),
            Credentials::Bearer(token) => match self.tokens.owner(token) {
                Some(owner) => Verdict::Principal(owner),
                None => match jwt::principal(&self.issuers, token, now_ms) {
                    Ok(principal) => Verdict::Principal(Arc::new(principal)),
                    Err(error) => Verdict::Refused(error.into()),
                },
            },
            Credentials::Basic { user, password } => match self.passwords.known(user, password) {
                Ok(true) => Verdict::Principal(self.user(user)),
                Ok(false) => Verdict::Refused(Refusal::Password),
                Err(check) => Verdict::IfRight(check, self.user(user)),
            },
        }
    }

    /// What `WWW-Authenticate` says to who is refused.
    #[must_use]
    pub fn challenges(&self, refusal: Refusal) -> Vec<String> {
        let mut challenges = Vec::new();
        if !self.passwords.is_empty() {
            challenges.push("Basic realm=\"latewood\"".to_owned());
        }
        if !self.tokens.is_empty() || !self.issuers.is_empty() || challenges.is_empty() {
            challenges.push(match refusal {
                Refusal::Token(error) => {
                    format!(
                        "Bearer realm=\"latewood\", error=\"invalid_token\", error_description=\"{error}\""
                    )
                }
                _ => "Bearer realm=\"latewood\"".to_owned(),
            });
        }
        challenges
    }

    /// The keys that must be fetched.
    #[must_use]
    pub fn fetches(&self) -> Vec<Fetch> {
        let fetch = |issuer: &Issuer| {
            let (config, keys) = (&issuer.config, Arc::clone(&issuer.keys));
            let every = Duration::from_secs(config.refresh_seconds);
            Some(Fetch { url: config.jwks_url.clone()?, ca_file: config.ca_file.clone(), every, keys })
        };
        self.issuers.iter().filter_map(fetch).collect()
    }

    fn fetched(&self, url: Option<&str>) -> Option<Arc<KeyCell>> {
        let same = |issuer: &&Issuer| url.is_some() && issuer.config.jwks_url.as_deref() == url;
        self.issuers.iter().find(same).map(|issuer| Arc::clone(&issuer.keys))
    }

    fn user(&self, name: &str) -> Arc<Principal> {
        match &self.users {
            None => Arc::new(Principal::all_powerful(name)),
            // Who is in the web configuration file alone may nothing.
            Some(users) => users.get(name).cloned().unwrap_or_else(|| {
                let (tenants, rights) = (Tenants::These([].into()), Rights::default());
                Arc::new(Principal { name: name.into(), tenants, rights })
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use latewood_base::Rng;

    use super::*;
    use crate::Right;

    const NO_FILES: fn(&Path) -> std::io::Result<Vec<u8>> = |_| Err(std::io::ErrorKind::NotFound.into());

    fn hashed(password: &str) -> Secret {
        Secret::new(bcrypt::hash_with_salt(password, 4, [7; 16]).unwrap().to_string())
    }

    fn made(web: &[(&str, &str)], auth: &str, read: &mut ReadFile<'_>) -> Result<Authenticator, String> {
        let hashes = web.iter().map(|(user, password)| ((*user).to_owned(), hashed(password))).collect();
        let config = AuthConfig::parse(Path::new("auth.yml"), auth).unwrap();
        Authenticator::new(hashes, &config, SeenPasswords::new(&Rng::seeded(1)), None, read)
    }

    fn show(all: &Authenticator, credentials: &Credentials) -> Result<Arc<Principal>, Refusal> {
        match all.authenticate(credentials, 0) {
            Verdict::Principal(principal) => Ok(principal),
            Verdict::Refused(refusal) => Err(refusal),
            Verdict::IfRight(check, principal) => check.run().then_some(principal).ok_or(Refusal::Password),
        }
    }

    fn basic(user: &str, password: &str) -> Credentials {
        Credentials::Basic { user: user.to_owned(), password: Secret::new(password) }
    }

    #[test]
    fn users_of_either_file_have_what_the_authorisation_file_gives_them() {
        let auth = format!(
            "users:\n  - {{name: ann, tenants: [a], rights: [read]}}\n  \
             - {{name: bob, password_hash: {}, tenants: [b], rights: [write], bearer_token_files: [token]}}\n",
            hashed("b").reveal()
        );
        let mut read = |path: &Path| {
            assert_eq!(path, Path::new("token"));
            Ok(b"sixteen characters\n".to_vec())
        };
        let all = made(&[("ann", "a"), ("eve", "e")], &auth, &mut read).unwrap();
        let rights = |credentials: &Credentials| show(&all, credentials).map(|principal| principal.rights);
        assert_eq!(rights(&basic("ann", "a")), Ok([Right::Read].into_iter().collect()));
        assert_eq!(rights(&basic("bob", "b")), Ok([Right::Write].into_iter().collect()));
        assert_eq!(rights(&basic("eve", "e")), Ok(Rights::default()), "somebody, who may nothing");
        assert_eq!(rights(&basic("ann", "b")), Err(Refusal::Password));
        assert_eq!(rights(&basic("zoe", "a")), Err(Refusal::Password));
        let bearer = Credentials::Bearer(Secret::new("sixteen characters"));
        assert_eq!(show(&all, &bearer).unwrap().name.as_ref(), "bob");
        assert_eq!(rights(&Credentials::None), Err(Refusal::Missing));
        assert!(!all.is_open());
        let told = format!("{all:?}");
        assert!(!told.contains("$2b$") && !told.contains("sixteen"), "{told}");
    }

    #[test]
    fn who_shows_nothing_is_anonymous_where_that_is_said_and_who_shows_rubbish_is_not() {
        let all = made(&[], "anonymous: {tenants: [a], rights: [read]}", &mut NO_FILES.clone()).unwrap();
        assert_eq!(show(&all, &Credentials::None).unwrap().name.as_ref(), "anonymous");
        assert!(show(&all, &Credentials::Malformed("x")).is_err());
        let token = Credentials::Bearer(Secret::new("x"));
        assert_eq!(show(&all, &token), Err(TokenError::Unknown.into()));
        let empty = made(&[], "", &mut NO_FILES.clone()).unwrap();
        assert!(!empty.is_open(), "a file that names nobody lets nobody in");
        assert_eq!(empty.challenges(Refusal::Missing), ["Bearer realm=\"latewood\""]);
    }

    #[test]
    fn what_the_file_names_and_is_wrong_is_named_with_its_field() {
        let user = |more: &str| format!("users: [{{name: ann, tenants: [a], rights: [read], {more}}}]");
        let jwt = "jwt: [{issuer: i, audiences: [l], jwks_file: k, tenants: [a], rights: [read]}]";
        for (auth, names) in [
            (user("bearer_token_sha256: [abc]"), "users[0].bearer_token_sha256: is no SHA-256"),
            (user("bearer_token_files: [gone]"), "users[0].bearer_token_files: gone: "),
            (user(&format!("password_hash: {}", hashed("x").reveal())), "in the web configuration file, too"),
            (jwt.to_owned(), "jwt[0].jwks_file: k: "),
        ] {
            let error = made(&[("ann", "a")], &auth, &mut NO_FILES.clone()).unwrap_err();
            assert!(error.contains(names), "{auth}: {error}");
        }
        let error = made(&[], jwt, &mut |_: &Path| Ok(b"{\"keys\":[]}".to_vec())).unwrap_err();
        assert!(error.contains("has no key that can be used"), "{error}");
    }

    #[test]
    fn keys_that_were_fetched_outlive_a_reload() {
        let auth =
            "jwt: [{issuer: i, audiences: [l], jwks_url: \"https://i/\", tenants: [a], rights: [read]}]";
        let first = made(&[], auth, &mut NO_FILES.clone()).unwrap();
        let config = AuthConfig::parse(Path::new("auth.yml"), auth).unwrap();
        let seen = SeenPasswords::new(&Rng::seeded(1));
        let second =
            Authenticator::new(BTreeMap::new(), &config, seen, Some(&first), &mut NO_FILES.clone()).unwrap();
        assert!(Arc::ptr_eq(&first.fetches()[0].keys, &second.fetches()[0].keys));
        assert_eq!(second.fetches()[0].every, Duration::from_secs(300));
    }
}
