//! The authorisation file: who there is, with which rights on which tenants.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use latewood_model::TenantId;
use serde::Deserialize;

use crate::web_config::check_user;
use crate::{FileError, Principal, Right, Secret, Tenants, yaml};

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Who shows a password or a token.
    pub users: Vec<AuthUser>,
    /// Who issues JWTs.
    pub jwt: Vec<JwtIssuer>,
    /// What may be done by who shows nothing; default: nothing.
    pub anonymous: Option<AnonymousUser>,
}

/// Somebody.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthUser {
    /// The user of basic auth, and how logs call them.
    pub name: String,
    /// bcrypt of the password; it may stand in the web configuration file instead.
    pub password_hash: Option<Secret>,
    /// SHA-256 of bearer tokens, in hex.
    pub bearer_token_sha256: Vec<String>,
    /// Files with a bearer token each.
    pub bearer_token_files: Vec<PathBuf>,
    /// Whose data.
    pub tenants: BTreeSet<TenantId>,
    /// Everybody's data.
    pub all_tenants: bool,
    /// What with it.
    pub rights: Vec<Right>,
}

/// Who shows nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnonymousUser {
    /// Whose data.
    pub tenants: BTreeSet<TenantId>,
    /// Everybody's data.
    pub all_tenants: bool,
    /// What with it.
    pub rights: Vec<Right>,
}

/// Who issues JWTs, and what is made of their claims.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JwtIssuer {
    /// The claim `iss`.
    pub issuer: String,
    /// Of these the claim `aud` must have one.
    pub audiences: Vec<String>,
    /// The issuer's keys, a JWK set.
    pub jwks_file: Option<PathBuf>,
    /// Where the issuer's keys are fetched, `http` or `https`.
    pub jwks_url: Option<String>,
    /// Who signs the certificate of that place, PEM; default: whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// How often they are fetched, in seconds.
    pub refresh_seconds: u64,
    /// How far the issuer's clock may be off, in seconds.
    pub leeway_seconds: u32,
    /// The claim with the name that logs have; a path such as `/a/b` leads into objects.
    pub name_claim: String,
    /// The claim with the tenants, a text or a list.
    pub tenants_claim: Option<String>,
    /// Tenants of all tokens.
    pub tenants: BTreeSet<TenantId>,
    /// Everybody's data, for all tokens.
    pub all_tenants: bool,
    /// The claim with the rights, a list or a text of words.
    pub rights_claim: Option<String>,
    /// What values of that claim mean; without any they are rights' own names.
    pub rights_by_value: BTreeMap<String, Vec<Right>>,
    /// Rights of all tokens.
    pub rights: Vec<Right>,
}

impl Default for JwtIssuer {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audiences: Vec::new(),
            jwks_file: None,
            jwks_url: None,
            ca_file: None,
            refresh_seconds: 300,
            leeway_seconds: 60,
            name_claim: "sub".to_owned(),
            tenants_claim: None,
            tenants: BTreeSet::new(),
            all_tenants: false,
            rights_claim: None,
            rights_by_value: BTreeMap::new(),
            rights: Vec::new(),
        }
    }
}

impl AuthConfig {
    /// Reads the file's text. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// [`FileError`] that names the field.
    pub fn parse(file: &Path, text: &str) -> Result<Self, FileError> {
        let wrong = |message: String| FileError::new(file, message);
        let mut config: Self = yaml::parse(text).map_err(wrong)?;
        let folder = file.parent().unwrap_or(Path::new(""));
        for user in &mut config.users {
            user.bearer_token_files.iter_mut().for_each(|path| *path = folder.join(&*path));
        }
        for issuer in &mut config.jwt {
            for path in [&mut issuer.jwks_file, &mut issuer.ca_file] {
                *path = path.take().map(|path| folder.join(path));
            }
        }
        config.check().map_err(wrong)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        for (at, user) in self.users.iter().enumerate() {
            user.check().map_err(|error| format!("users[{at}].{error}"))?;
            if !names.insert(&user.name) {
                return Err(format!("users[{at}].name: {} is there twice", user.name));
            }
        }
        let mut issuers = BTreeSet::new();
        for (at, jwt) in self.jwt.iter().enumerate() {
            jwt.check().map_err(|error| format!("jwt[{at}].{error}"))?;
            if !issuers.insert(&jwt.issuer) {
                return Err(format!("jwt[{at}].issuer: {} is there twice", jwt.issuer));
            }
        }
        match &self.anonymous {
            Some(who) => check_grant(&who.tenants, who.all_tenants, &who.rights)
                .map_err(|error| format!("anonymous.{error}")),
            None => Ok(()),
        }
    }
}

impl AuthUser {
    fn check(&self) -> Result<(), String> {
        let hash = self.password_hash.as_ref();
        if self.name.is_empty() || self.name.contains(':') || self.name.chars().any(char::is_control) {
            return Err("name: is empty, or has a colon or a control character".to_owned());
        }
        hash.map_or(Ok(()), |hash| check_user(&self.name, hash))
            .map_err(|error| format!("password_hash: {error}"))?;
        check_grant(&self.tenants, self.all_tenants, &self.rights)
    }

    pub(crate) fn principal(&self) -> Arc<Principal> {
        granted(&self.name, &self.tenants, self.all_tenants, &self.rights)
    }
}

impl AnonymousUser {
    pub(crate) fn principal(&self) -> Arc<Principal> {
        granted("anonymous", &self.tenants, self.all_tenants, &self.rights)
    }
}

impl JwtIssuer {
    fn check(&self) -> Result<(), String> {
        if self.issuer.is_empty() {
            return Err("issuer: is missing".to_owned());
        }
        if self.audiences.is_empty() {
            return Err("audiences: is empty, and tokens that are meant for others would be taken".to_owned());
        }
        if self.jwks_file.is_some() == self.jwks_url.is_some() {
            return Err("jwks_url: either this or jwks_file is needed".to_owned());
        }
        let is_url = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        if !self.jwks_url.as_ref().is_none_or(is_url) {
            return Err("jwks_url: must begin with https:// or http://".to_owned());
        }
        if self.jwks_url.as_ref().is_some_and(|url| url.contains('@')) {
            return Err("jwks_url: takes no user or password: logs have it".to_owned());
        }
        if self.refresh_seconds == 0 {
            return Err("refresh_seconds: must be at least 1".to_owned());
        }
        if self.tenants_claim.is_none() && !self.all_tenants && self.tenants.is_empty() {
            return Err("tenants_claim: without it tenants or all_tenants is needed".to_owned());
        }
        if self.rights_claim.is_none() && self.rights.is_empty() {
            return Err("rights_claim: without it rights is needed".to_owned());
        }
        Ok(())
    }
}

fn check_grant(tenants: &BTreeSet<TenantId>, all: bool, rights: &[Right]) -> Result<(), String> {
    if rights.is_empty() {
        return Err("rights: is empty: read, write, admin, metrics".to_owned());
    }
    if all && !tenants.is_empty() {
        return Err("tenants: are given beside all_tenants".to_owned());
    }
    let needs_none = rights.iter().all(|right| *right == Right::Metrics);
    if tenants.is_empty() && !all && !needs_none {
        return Err("tenants: is empty: name some, or say all_tenants: true".to_owned());
    }
    Ok(())
}

fn granted(name: &str, tenants: &BTreeSet<TenantId>, all: bool, rights: &[Right]) -> Arc<Principal> {
    let tenants = if all { Tenants::All } else { Tenants::These(tenants.clone()) };
    Arc::new(Principal { name: name.into(), tenants, rights: rights.iter().copied().collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<AuthConfig, String> {
        AuthConfig::parse(Path::new("/etc/latewood/auth.yml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_is_read_and_its_paths_are_relative_to_it() {
        let text = "
users:
  - {name: prometheus, bearer_token_files: [token], tenants: [a, b], rights: [write]}
  - {name: scraper, rights: [metrics]}
jwt:
  - {issuer: i, audiences: [l], jwks_file: /keys.json, tenants_claim: t, rights: [read]}
anonymous: {all_tenants: true, rights: [read]}
";
        let config = parse(text).unwrap();
        assert_eq!(config.users[0].bearer_token_files, [Path::new("/etc/latewood/token")]);
        assert_eq!(config.jwt[0].jwks_file.as_deref(), Some(Path::new("/keys.json")));
        assert_eq!(config.anonymous.unwrap().principal().tenants, Tenants::All);
        assert_eq!(config.users[0].principal().rights, [Right::Write].into_iter().collect());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_field() {
        let user = |more: &str| format!("users: [{{name: ann, tenants: [a], rights: [read]{more}}}]");
        let jwt = |more: &str| format!("jwt: [{{{more}}}]");
        let good = "issuer: i, audiences: [l], jwks_url: \"https://i/\", tenants: [a], rights: [read]";
        assert!(parse(&user("")).is_ok() && parse(&jwt(good)).is_ok());
        for (text, names) in [
            ("user: []".to_owned(), "unknown field"),
            ("users: [{tenants: [a], rights: [read]}]".to_owned(), "users[0].name: is empty"),
            ("users: [{name: \"a:b\", rights: [metrics]}]".to_owned(), "has a colon"),
            ("users: [{name: ann, tenants: [a]}]".to_owned(), "users[0].rights: is empty"),
            ("users: [{name: ann, rights: [read]}]".to_owned(), "users[0].tenants: is empty"),
            ("users: [{name: ann, rights: [root]}]".to_owned(), "root"),
            ("users: [{name: ann, tenants: [a/b], rights: [read]}]".to_owned(), "tenant id"),
            (user(", all_tenants: true"), "beside all_tenants"),
            (user(", password_hash: hunter2"), "users[0].password_hash: is no bcrypt hash"),
            (format!("{}\nanonymous: {{rights: [read]}}", user("")), "anonymous.tenants"),
            (
                "users: [{name: a, rights: [metrics]}, {name: a, rights: [metrics]}]".to_owned(),
                "users[1].name: a is there twice",
            ),
            (jwt("issuer: i"), "jwt[0].audiences"),
            (jwt("audiences: [l]"), "jwt[0].issuer"),
            (jwt("issuer: i, audiences: [l]"), "jwt[0].jwks_url: either"),
            (jwt(&good.replace("https", "file")), "must begin with"),
            (jwt(&good.replace("//i", "//a:hunter2@i")), "takes no user"),
            (jwt(&good.replace("tenants: [a], ", "")), "jwt[0].tenants_claim"),
            (jwt(&good.replace(", rights: [read]", "")), "jwt[0].rights_claim"),
            (jwt(&format!("{good}, refresh_seconds: 0")), "refresh_seconds"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(
                error.starts_with("/etc/latewood/auth.yml: ") && error.contains(names),
                "{text}: {error}"
            );
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
