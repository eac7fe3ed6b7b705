//! The other side of TLS: whom it trusts, and what it shows.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use super::pem::{Pem, certified_key, roots};
use crate::reload::Files;

/// Whom a client trusts and what it shows, by paths of PEM files. An error names the field.
pub(crate) fn client_config(
    ca_file: Option<&Path>,
    identity: Option<(&Path, &Path)>,
    protocols: &[&str],
    files: &mut Files,
) -> Result<Arc<ClientConfig>, String> {
    let ca = Pem { field: "ca", file: ca_file, text: None };
    let roots = match ca.read(files)? {
        Some((at, text)) => roots(&at, &text)?,
        None => of_system(),
    };
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let mut made = match identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let cert = Pem { field: "cert", file: Some(cert), text: None };
            let key = Pem { field: "key", file: Some(key), text: None };
            let certified = certified_key(files, &cert, &key, &provider)?;
            builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)))
        }
    };
    made.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(Arc::new(made))
}

/// Whom the system trusts.
fn of_system() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (taken, refused) = roots.add_parsable_certificates(found.certs);
    if taken == 0 || refused > 0 {
        tracing::warn!(
            taken,
            refused,
            "the system's authorities are not all there: ca_file says whom to trust"
        );
    }
    roots
}
