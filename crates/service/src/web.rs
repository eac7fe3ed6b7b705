//! What the files say of who is served over HTTP and how, as it is now.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use latewood_auth::{AuthConfig, Authenticator, FileError, SeenPasswords, WebConfig};
use latewood_base::{Rng, Shutdown};
use rustls::ServerConfig;

use crate::key_fetch;
use crate::reload::{Files, ReloadMetrics, Reloaded};
use crate::tls::server_config;
use crate::{ServiceConfig, ServiceError};

/// TLS, headers and users of HTTP listeners, read again when their files change. Clones share them.
#[derive(Clone, Debug)]
pub struct Web {
    settings: Reloaded<WebSettings>,
    metrics: ReloadMetrics,
}

/// The same at one moment.
#[derive(Debug)]
pub(crate) struct WebSettings {
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) auth: Authenticator,
}

/// Where to read.
struct Sources {
    web: Option<PathBuf>,
    auth: Option<PathBuf>,
    seen: Arc<SeenPasswords>,
}

impl Web {
    /// Reads the files that the settings name; without any HTTP is plain and open.
    ///
    /// # Errors
    /// [`ServiceError::File`] names the file and the field.
    pub fn open(config: &ServiceConfig, rng: &Rng, metrics: &ReloadMetrics) -> Result<Self, ServiceError> {
        let (web, auth) = (config.web_config_file.clone(), config.auth_config_file.clone());
        let sources = Sources { web, auth, seen: SeenPasswords::new(rng) };
        let opened = Reloaded::open("web", metrics, move |files, before| sources.load(files, before));
        Ok(Self { settings: opened?, metrics: metrics.clone() })
    }

    /// Reads the files again when they change, and at SIGHUP, and fetches the keys of issuers, until the signal to stop.
    pub async fn follow(self, shutdown: Shutdown) {
        let keys = key_fetch::follow(self.clone(), self.metrics.clone(), shutdown.clone());
        tokio::join!(self.settings.follow(shutdown), keys);
    }

    /// As it is now.
    pub(crate) fn current(&self) -> Arc<WebSettings> {
        self.settings.current()
    }

    /// Whether it is asked who somebody is.
    #[must_use]
    pub fn asks(&self) -> bool {
        !self.current().auth.is_open()
    }
}

impl Sources {
    fn load(&self, files: &mut Files, before: Option<&WebSettings>) -> Result<WebSettings, FileError> {
        let config = match &self.web {
            Some(file) => WebConfig::parse(file, &read_text(files, file)?)?,
            None => WebConfig::default(),
        };
        let of_web = |message: String| FileError::new(self.web.as_deref().unwrap_or(Path::new("")), message);
        let protocols = if config.http_server_config.http2 { &["h2", "http/1.1"][..] } else { &["http/1.1"] };
        let tls =
            config.tls_server_config.as_ref().map(|tls| server_config(tls, protocols, files)).transpose();
        let tls = tls.map_err(|error| of_web(format!("tls_server_config.{error}")))?;
        let headers = config.http_server_config.headers.iter();
        // What cannot stand in a header was refused with the file.
        let headers = headers.filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
        let auth = self.authenticator(&config, files, before)?;
        let made = WebSettings { tls, headers: headers.collect(), auth };
        made.may_follow(before).map_err(|error| of_web(error.to_owned()))?;
        Ok(made)
    }

    fn authenticator(
        &self,
        config: &WebConfig,
        files: &mut Files,
        before: Option<&WebSettings>,
    ) -> Result<Authenticator, FileError> {
        let (hashes, seen) = (config.basic_auth_users.clone(), Arc::clone(&self.seen));
        let Some(file) = &self.auth else { return Ok(Authenticator::of_users(hashes, seen)) };
        let auth = AuthConfig::parse(file, &read_text(files, file)?)?;
        let before = before.map(|before| &before.auth);
        let made = Authenticator::new(hashes, &auth, seen, before, &mut |path| files.read(path));
        made.map_err(|error| FileError::new(file, error))
    }
}

impl WebSettings {
    /// A file that is being written is empty for a moment, and must not open the door.
    fn may_follow(&self, before: Option<&Self>) -> Result<(), &'static str> {
        let Some(before) = before else { return Ok(()) };
        if self.tls.is_some() != before.tls.is_some() {
            return Err("tls_server_config: TLS is switched on or off by a restart alone");
        }
        if self.auth.is_open() && !before.auth.is_open() {
            return Err("nobody would have to say who they are any more: that takes a restart");
        }
        Ok(())
    }
}

fn read_text(files: &mut Files, file: &Path) -> Result<String, FileError> {
    let bytes = files.read(file).map_err(|error| FileError::new(file, error.to_string()))?;
    String::from_utf8(bytes).map_err(|_| FileError::new(file, "is not UTF-8"))
}
