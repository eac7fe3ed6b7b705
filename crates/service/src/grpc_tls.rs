//! TLS between processes, as it is now.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use latewood_auth::{ClientAuthType, FileError, TlsServerConfig};
use latewood_base::Shutdown;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use serde::{Deserialize, Serialize};

use crate::reload::{Files, ReloadMetrics, Reloaded};
use crate::tls::{client_config, server_config};
use crate::{ServiceConfig, ServiceError};

/// What is spoken between processes.
const PROTOCOLS: [&str; 1] = ["h2"];

/// TLS of the gRPC listener. The files are read again when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcServerTls {
    /// The certificate chain, PEM. Default: none; gRPC is plain.
    pub cert_file: Option<PathBuf>,
    /// The certificate's private key, PEM.
    pub key_file: Option<PathBuf>,
    /// Who signs the certificates of clients, PEM: whoever shows none of these is refused. Default: none; anybody is served,
    /// so give one wherever others reach the port: gRPC knows no tenants' rights.
    pub client_ca_file: Option<PathBuf>,
    /// Names of which a client's certificate must have one: DNS names, IP addresses, URIs. Default: none; any name will do.
    pub client_allowed_sans: Vec<String>,
}

/// TLS of connections to the gRPC listeners of other processes. The files are read again when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcClientTls {
    /// Whether connections are encrypted.
    pub enabled: bool,
    /// Who signs the certificates of listeners, PEM. Default: whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// The certificate chain that is shown, PEM. Default: none.
    pub cert_file: Option<PathBuf>,
    /// Its private key, PEM.
    pub key_file: Option<PathBuf>,
    /// The name that the certificates of listeners must have: addresses are often found by DNS, and are in no
    /// certificate. Default: none; the host by which a listener is reached.
    pub server_name: Option<String>,
}

impl GrpcServerTls {
    pub(crate) fn validate(&self) -> Result<(), String> {
        both(self.cert_file.as_deref(), self.key_file.as_deref())?;
        if self.cert_file.is_none() && self.client_ca_file.is_some() {
            return Err("client_ca_file: is of no use without cert_file".to_owned());
        }
        if self.client_ca_file.is_none() && !self.client_allowed_sans.is_empty() {
            return Err("client_allowed_sans: is of no use without client_ca_file".to_owned());
        }
        Ok(())
    }

    fn load(&self, files: &mut Files) -> Result<Arc<ServerConfig>, String> {
        let asks = self.client_ca_file.is_some();
        let config = TlsServerConfig {
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
            client_auth_type: if asks { ClientAuthType::RequireAndVerify } else { ClientAuthType::None },
            client_ca_file: self.client_ca_file.clone(),
            client_allowed_sans: Some(self.client_allowed_sans.clone()).filter(|names| !names.is_empty()),
            ..TlsServerConfig::default()
        };
        server_config(&config, &PROTOCOLS, files)
    }
}

impl GrpcClientTls {
    pub(crate) fn validate(&self) -> Result<(), String> {
        both(self.cert_file.as_deref(), self.key_file.as_deref())?;
        let is_set = self.ca_file.is_some() || self.cert_file.is_some() || self.server_name.is_some();
        if is_set && !self.enabled {
            return Err("enabled: is false, and the other settings are of no use".to_owned());
        }
        self.name().map(drop)
    }

    fn name(&self) -> Result<Option<ServerName<'static>>, String> {
        let name = self.server_name.clone().map(ServerName::try_from).transpose();
        name.map_err(|_| "server_name: is neither a DNS name nor an address".to_owned())
    }

    fn load(&self, files: &mut Files) -> Result<Arc<ClientConfig>, String> {
        let identity = self.cert_file.as_deref().zip(self.key_file.as_deref());
        client_config(self.ca_file.as_deref(), identity, &PROTOCOLS, files)
    }
}

fn both(cert: Option<&Path>, key: Option<&Path>) -> Result<(), String> {
    match (cert, key) {
        (Some(_), None) => Err("key_file: is missing".to_owned()),
        (None, Some(_)) => Err("cert_file: is missing".to_owned()),
        _ => Ok(()),
    }
}

/// TLS between processes, read again when its files change. Clones share it.
#[derive(Clone, Debug)]
pub struct GrpcTls {
    server: Option<Reloaded<Arc<ServerConfig>>>,
    client: Option<Reloaded<Arc<ClientConfig>>>,
    server_name: Option<ServerName<'static>>,
}

impl GrpcTls {
    /// Reads the files that the settings name.
    ///
    /// # Errors
    /// [`ServiceError::File`] names the field and the file.
    pub fn open(config: &ServiceConfig, metrics: &ReloadMetrics) -> Result<Self, ServiceError> {
        let (served, called) = (config.grpc_tls.clone(), config.client_tls.clone());
        let server_name =
            called.name().map_err(|error| FileError::new(Path::new("service.client_tls"), error))?;
        let server = served.cert_file.is_some().then(|| {
            Reloaded::open("grpc_tls", metrics, move |files, _| {
                served.load(files).map_err(|error| FileError::new(Path::new("service.grpc_tls"), error))
            })
        });
        let client = called.enabled.then(|| {
            Reloaded::open("client_tls", metrics, move |files, _| {
                called.load(files).map_err(|error| FileError::new(Path::new("service.client_tls"), error))
            })
        });
        Ok(Self { server: server.transpose()?, client: client.transpose()?, server_name })
    }

    /// Reads the files again when they change, and at SIGHUP, until the signal to stop.
    pub async fn follow(self, shutdown: Shutdown) {
        let server = async {
            if let Some(server) = self.server {
                server.follow(shutdown.clone()).await;
            }
        };
        let client = async {
            if let Some(client) = self.client {
                client.follow(shutdown.clone()).await;
            }
        };
        tokio::join!(server, client);
    }

    /// What handshakes of the listener are made with now; none where it is plain.
    #[must_use]
    pub fn server(&self) -> Option<Arc<ServerConfig>> {
        self.server.as_ref().map(|server| Arc::clone(&*server.current()))
    }

    /// What connections to others are opened with now, and the name that they must have; none where they are plain.
    #[must_use]
    pub fn client(&self) -> Option<(Arc<ClientConfig>, Option<ServerName<'static>>)> {
        let client = self.client.as_ref()?;
        Some((Arc::clone(&*client.current()), self.server_name.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_do_not_go_together_are_named() {
        let path = || Some(PathBuf::from("x"));
        let server = |cert_file, key_file, client_ca_file, names: &[&str]| {
            let client_allowed_sans = names.iter().map(ToString::to_string).collect();
            GrpcServerTls { cert_file, key_file, client_ca_file, client_allowed_sans }.validate()
        };
        assert_eq!(server(None, None, None, &[]), Ok(()));
        assert_eq!(server(path(), path(), path(), &["a"]), Ok(()));
        assert!(server(path(), None, None, &[]).unwrap_err().starts_with("key_file: "));
        assert!(server(None, path(), None, &[]).unwrap_err().starts_with("cert_file: "));
        assert!(server(None, None, path(), &[]).unwrap_err().starts_with("client_ca_file: "));
        assert!(server(path(), path(), None, &["a"]).unwrap_err().starts_with("client_allowed_sans: "));
        let client = |enabled, ca_file, name: Option<&str>| {
            let server_name = name.map(str::to_owned);
            GrpcClientTls { enabled, ca_file, server_name, ..GrpcClientTls::default() }.validate()
        };
        assert_eq!((client(false, None, None), client(true, path(), Some("a.test"))), (Ok(()), Ok(())));
        assert!(client(false, path(), None).unwrap_err().starts_with("enabled: "));
        assert!(client(true, None, Some("a b")).unwrap_err().starts_with("server_name: "));
    }
}
