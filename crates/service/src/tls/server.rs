//! The listener's side of TLS.

use std::sync::Arc;

use latewood_auth::{ClientAuthType, TlsServerConfig};
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::client_auth::verifier;
use super::names::{provider, versions};
use super::pem::{Pem, certified_key, roots};
use crate::reload::Files;

/// The one certificate.
#[derive(Debug)]
struct Only(Arc<CertifiedKey>);

impl ResolvesServerCert for Only {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// What handshakes are made with, and which protocols are spoken above it. An error names the field.
pub(crate) fn server_config(
    config: &TlsServerConfig,
    protocols: &[&str],
    files: &mut Files,
) -> Result<Arc<ServerConfig>, String> {
    let provider = provider(config)?;
    let (cert, key, ca) = (
        Pem { field: "cert", file: config.cert_file.as_deref(), text: config.cert.as_ref() },
        Pem { field: "key", file: config.key_file.as_deref(), text: config.key.as_ref() },
        Pem { field: "client_ca", file: config.client_ca_file.as_deref(), text: config.client_ca.as_ref() },
    );
    let certified = certified_key(files, &cert, &key, &provider)?;
    let roots = ca.read(files)?.map(|(at, text)| roots(&at, &text)).transpose()?;
    let allowed = config.client_allowed_sans.as_deref();
    let verifier = verifier(config.client_auth_type, roots, allowed, &provider)?;
    let mut made = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(config)?)
        .map_err(|error| format!("cipher_suites: {error}"))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Only(certified)));
    made.ignore_client_order = config.prefer_server_cipher_suites;
    if config.client_auth_type != ClientAuthType::None {
        // A session that is taken up again would not be asked whether its certificate is still good.
        made.session_storage = Arc::new(NoServerSessionStorage {});
        made.send_tls13_tickets = 0;
    }
    made.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(Arc::new(made))
}
