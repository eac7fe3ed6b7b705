//! What the files say of who is served over HTTP and how, as it is now.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use latewood_auth::{Authenticator, FileError, Passwords, SeenPasswords, WebConfig};
use latewood_base::{Rng, Shutdown};
use rustls::ServerConfig;

use crate::reload::{Files, ReloadMetrics, Reloaded};
use crate::tls::server_config;
use crate::{ServiceConfig, ServiceError};

/// TLS, headers and users of HTTP listeners, read again when their files change. Clones share them.
#[derive(Clone, Debug)]
pub struct Web(Reloaded<WebSettings>);

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
    seen: Arc<SeenPasswords>,
}

impl Web {
    /// Reads the files that the settings name; without any HTTP is plain and open.
    ///
    /// # Errors
    /// [`ServiceError::File`] names the file and the field.
    pub fn open(config: &ServiceConfig, rng: &Rng, metrics: &ReloadMetrics) -> Result<Self, ServiceError> {
        let sources = Sources { web: config.web_config_file.clone(), seen: SeenPasswords::new(rng) };
        let opened = Reloaded::open("web", metrics, move |files, before| sources.load(files, before));
        Ok(Self(opened?))
    }

    /// Reads the files again when they change, and at SIGHUP, until the signal to stop.
    pub fn follow(&self, shutdown: Shutdown) -> impl Future<Output = ()> + Send + use<> {
        self.0.clone().follow(shutdown)
    }

    /// As it is now.
    pub(crate) fn current(&self) -> Arc<WebSettings> {
        self.0.current()
    }

    /// Whether connections are encrypted.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.current().tls.is_some()
    }
}

impl Sources {
    fn load(&self, files: &mut Files, before: Option<&WebSettings>) -> Result<WebSettings, FileError> {
        let Some(file) = &self.web else { return Ok(self.settings(&WebConfig::default(), None)) };
        let text = read_text(files, file)?;
        let config = WebConfig::parse(file, &text)?;
        let wrong = |message: String| FileError::new(file, message);
        let protocols = if config.http_server_config.http2 { &["h2", "http/1.1"][..] } else { &["http/1.1"] };
        let tls =
            config.tls_server_config.as_ref().map(|tls| server_config(tls, protocols, files)).transpose();
        let tls = tls.map_err(|error| wrong(format!("tls_server_config.{error}")))?;
        let made = self.settings(&config, tls);
        made.may_follow(before).map_err(|error| wrong(error.to_owned()))?;
        Ok(made)
    }

    fn settings(&self, config: &WebConfig, tls: Option<Arc<ServerConfig>>) -> WebSettings {
        let headers = config.http_server_config.headers.iter();
        // What cannot stand in a header was refused with the file.
        let headers = headers.filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
        let passwords = Passwords::new(config.basic_auth_users.clone(), Arc::clone(&self.seen));
        WebSettings { tls, headers: headers.collect(), auth: Authenticator::of_users(passwords) }
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
