//! The web configuration file in the form of Prometheus's exporter-toolkit.
//! <https://prometheus.io/docs/prometheus/latest/configuration/https/>

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::passwords::check_hash;
use crate::{FileError, Secret, yaml};

/// Headers that may be set, and the values that each may have; none is any.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebConfig {
    /// TLS; without it HTTP is plain.
    pub tls_server_config: Option<TlsServerConfig>,
    /// HTTP.
    pub http_server_config: HttpServerConfig,
    /// Users and the bcrypt hashes of their passwords; with any, whoever is none of them is refused.
    pub basic_auth_users: BTreeMap<String, Secret>,
    /// Not spoken here.
    rate_limit: Option<IgnoredAny>,
}

/// TLS of the HTTP listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsServerConfig {
    /// The certificate chain, PEM.
    pub cert_file: Option<PathBuf>,
    /// Its private key, PEM.
    pub key_file: Option<PathBuf>,
    /// The certificate chain in the file itself.
    pub cert: Option<Secret>,
    /// The key in the file itself.
    pub key: Option<Secret>,
    /// What clients must show.
    pub client_auth_type: ClientAuthType,
    /// Who signs clients' certificates, PEM.
    pub client_ca_file: Option<PathBuf>,
    /// The same in the file itself.
    pub client_ca: Option<Secret>,
    /// Names of which a client's certificate must have one: DNS names, IP addresses, URIs.
    pub client_allowed_sans: Option<Vec<String>>,
    /// The oldest version.
    pub min_version: TlsVersion,
    /// The newest version.
    pub max_version: TlsVersion,
    /// Cipher suites of TLS 1.2, by Go's names; those of TLS 1.3 are always all.
    pub cipher_suites: Vec<String>,
    /// Key exchange groups, by Go's names.
    pub curve_preferences: Vec<String>,
    /// Whether this side's order of cipher suites counts.
    pub prefer_server_cipher_suites: bool,
}

impl Default for TlsServerConfig {
    fn default() -> Self {
        Self {
            cert_file: None,
            key_file: None,
            cert: None,
            key: None,
            client_auth_type: ClientAuthType::default(),
            client_ca_file: None,
            client_ca: None,
            client_allowed_sans: None,
            min_version: TlsVersion::Tls12,
            max_version: TlsVersion::Tls13,
            cipher_suites: Vec::new(),
            curve_preferences: Vec::new(),
            prefer_server_cipher_suites: true,
        }
    }
}

/// What clients must show: the names and meanings of Go's `tls.ClientAuthType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ClientAuthType {
    /// Nothing.
    #[default]
    #[serde(rename = "NoClientCert", alias = "")]
    None,
    /// They are asked; what they show, if anything, is not verified.
    #[serde(rename = "RequestClientCert")]
    Request,
    /// Any certificate, which is not verified.
    #[serde(rename = "RequireAnyClientCert", alias = "RequireClientCert")]
    RequireAny,
    /// If they show one, it is verified.
    #[serde(rename = "VerifyClientCertIfGiven")]
    VerifyIfGiven,
    /// One that is verified.
    #[serde(rename = "RequireAndVerifyClientCert")]
    RequireAndVerify,
}

/// Versions of TLS by exporter-toolkit's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum TlsVersion {
    /// Not spoken here.
    #[serde(rename = "TLS10")]
    Tls10,
    /// Not spoken here.
    #[serde(rename = "TLS11")]
    Tls11,
    /// 1.2.
    #[serde(rename = "TLS12")]
    Tls12,
    /// 1.3.
    #[serde(rename = "TLS13")]
    Tls13,
}

/// HTTP of the HTTP listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpServerConfig {
    /// Whether HTTP/2 is offered where there is TLS.
    pub http2: bool,
    /// Headers of all answers.
    pub headers: BTreeMap<String, String>,
}

impl Default for HttpServerConfig {
    fn default() -> Self {
        Self { http2: true, headers: BTreeMap::new() }
    }
}

impl WebConfig {
    /// Reads the file's text. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// [`FileError`] that names the field.
    pub fn parse(file: &Path, text: &str) -> Result<Self, FileError> {
        let wrong = |message: String| FileError::new(file, message);
        let mut config: Self = yaml::parse(text).map_err(wrong)?;
        if config.rate_limit.is_some() {
            return Err(wrong(
                "rate_limit: is not supported; limits of tenants are in the configuration".into(),
            ));
        }
        check_headers(&config.http_server_config.headers).map_err(wrong)?;
        for (user, hash) in &config.basic_auth_users {
            check_user(user, hash).map_err(|error| wrong(format!("basic_auth_users.{user}: {error}")))?;
        }
        let folder = file.parent().unwrap_or(Path::new(""));
        if let Some(tls) = &mut config.tls_server_config {
            for path in [&mut tls.cert_file, &mut tls.key_file, &mut tls.client_ca_file] {
                // An empty path is none, as there.
                *path = path.take().filter(|path| !path.as_os_str().is_empty()).map(|path| folder.join(path));
            }
        }
        config.tls_server_config = config.tls_server_config.filter(TlsServerConfig::says_anything);
        Ok(config)
    }
}

impl TlsServerConfig {
    /// Whether the section asks for TLS: there may be one with nothing in it.
    fn says_anything(&self) -> bool {
        self.cert_file.is_some()
            || self.cert.is_some()
            || self.key_file.is_some()
            || self.key.is_some()
            || self.client_ca_file.is_some()
            || self.client_ca.is_some()
            || self.client_auth_type != ClientAuthType::None
    }
}

fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in headers {
        let at = format!("http_server_config.headers.{name}");
        let Some((_, allowed)) = HEADERS.iter().find(|(known, _)| known == name) else {
            let known = HEADERS.map(|(known, _)| known).join(", ");
            return Err(format!("{at}: cannot be set; {known} can"));
        };
        if !allowed.is_empty() && !allowed.contains(&value.as_str()) {
            return Err(format!("{at}: is {value:?}; it may be {}", allowed.join(" or ")));
        }
        if value.chars().any(char::is_control) {
            return Err(format!("{at}: has a control character"));
        }
    }
    Ok(())
}

pub(crate) fn check_user(user: &str, hash: &Secret) -> Result<(), String> {
    if user.is_empty() || user.contains(':') {
        return Err("a user's name is not empty and has no colon".to_owned());
    }
    check_hash(hash.reveal())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash() -> String {
        bcrypt::hash_with_salt("secret", 4, [7; 16]).unwrap().to_string()
    }

    fn parse(text: &str) -> Result<WebConfig, String> {
        WebConfig::parse(Path::new("/etc/latewood/web.yml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_as_the_documentation_of_prometheus_has_it() {
        let text = format!(
            "tls_server_config:\n  cert_file: tls.crt\n  key_file: /keys/tls.key\n  client_ca_file: ca.crt\n  \
             client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [a.example]\n  min_version: TLS13\n  \
             max_version: TLS13\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n  \
             prefer_server_cipher_suites: true\n  curve_preferences: [X25519]\n\
             http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n\
             basic_auth_users:\n  ann: {}\n",
            hash()
        );
        let config = parse(&text).unwrap();
        let tls = config.tls_server_config.unwrap();
        assert_eq!(tls.cert_file.unwrap(), Path::new("/etc/latewood/tls.crt"));
        assert_eq!(tls.key_file.unwrap(), Path::new("/keys/tls.key"));
        assert_eq!(tls.client_auth_type, ClientAuthType::RequireAndVerify);
        assert_eq!((tls.min_version, config.http_server_config.http2), (TlsVersion::Tls13, false));
        assert_eq!(config.basic_auth_users["ann"].reveal(), hash());
    }

    #[test]
    fn what_is_not_said_is_as_there() {
        for text in
            ["", "# nothing\n", "tls_server_config: {}\n", "tls_server_config:\n  client_auth_type: \"\"\n"]
        {
            let config = parse(text).unwrap();
            assert!(config.tls_server_config.is_none(), "{text}");
            assert!(config.http_server_config.http2 && config.basic_auth_users.is_empty());
        }
        let tls = parse("tls_server_config: {cert_file: a, key_file: b}").unwrap().tls_server_config.unwrap();
        assert_eq!((tls.min_version, tls.max_version), (TlsVersion::Tls12, TlsVersion::Tls13));
        assert_eq!(tls.client_auth_type, ClientAuthType::None);
    }

    #[test]
    fn every_kind_of_client_authentication_is_known() {
        for (name, kind) in [
            ("NoClientCert", ClientAuthType::None),
            ("RequestClientCert", ClientAuthType::Request),
            ("RequireClientCert", ClientAuthType::RequireAny),
            ("RequireAnyClientCert", ClientAuthType::RequireAny),
            ("VerifyClientCertIfGiven", ClientAuthType::VerifyIfGiven),
            ("RequireAndVerifyClientCert", ClientAuthType::RequireAndVerify),
        ] {
            let config =
                parse(&format!("tls_server_config: {{cert_file: a, client_auth_type: {name}}}")).unwrap();
            assert_eq!(config.tls_server_config.unwrap().client_auth_type, kind);
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_file_and_no_secret_is_told() {
        for (text, names) in [
            ("tls_config: {}", "tls_config"),
            ("tls_server_config: {cert: a, client_auth_type: Sometimes}", "RequireAndVerifyClientCert"),
            ("tls_server_config: {min_version: SSL3}", "SSL3"),
            ("http_server_config: {headers: {Server: x}}", "headers.Server: cannot be set"),
            ("http_server_config: {headers: {X-Frame-Options: maybe}}", "deny or sameorigin"),
            ("rate_limit: {burst: 1}", "rate_limit"),
            ("basic_auth_users: {ann: hunter2}", "basic_auth_users.ann: is no bcrypt hash"),
            ("basic_auth_users: {\"a:b\": x}", "has no colon"),
            ("basic_auth_users: [hunter2]", "line 1"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("/etc/latewood/web.yml: ") && error.contains(names), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let config = parse(&format!("basic_auth_users: {{ann: {}}}", hash())).unwrap();
        assert!(!format!("{config:?}").contains("$2b$"));
    }
}
