//! Certificates and keys as they stand in files.

use std::path::Path;
use std::sync::Arc;

use latewood_auth::Secret;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::reload::Files;

/// Where PEM stands, and how the settings call it.
pub(super) struct Pem<'a> {
    pub(super) field: &'a str,
    pub(super) file: Option<&'a Path>,
    pub(super) text: Option<&'a Secret>,
}

impl Pem<'_> {
    /// The text, with the name of the field that it is of; none where nothing is set.
    pub(super) fn read(&self, files: &mut Files) -> Result<Option<(String, Vec<u8>)>, String> {
        if let Some(file) = self.file {
            let at = format!("{}_file: {}", self.field, file.display());
            let bytes = files.read(file).map_err(|error| format!("{at}: {error}"))?;
            return Ok(Some((at, bytes)));
        }
        let text = self.text.filter(|text| !text.reveal().is_empty());
        Ok(text.map(|text| (self.field.to_owned(), text.reveal().as_bytes().to_vec())))
    }

    fn needed(&self, files: &mut Files) -> Result<(String, Vec<u8>), String> {
        self.read(files)?.ok_or_else(|| format!("{}_file: is missing", self.field))
    }
}

/// A certificate chain and its key, which must fit each other.
pub(super) fn certified_key(
    files: &mut Files,
    cert: &Pem<'_>,
    key: &Pem<'_>,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, String> {
    let (cert_at, chain) = cert.needed(files)?;
    let (key_at, key) = key.needed(files)?;
    let chain = certificates(&cert_at, &chain)?;
    let key =
        PrivateKeyDer::from_pem_slice(&key).map_err(|_| format!("{key_at}: has no private key in PEM"))?;
    CertifiedKey::from_der(chain, key, provider).map(Arc::new).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => format!("{key_at}: is not the key of the certificate"),
        error => format!("{key_at}: {error}"),
    })
}

/// The authorities in a text.
pub(super) fn roots(at: &str, text: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(at, text)? {
        roots.add(certificate).map_err(|error| format!("{at}: {error}"))?;
    }
    Ok(roots)
}

fn certificates(at: &str, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.map_err(|error| format!("{at}: {error}"))?;
    if found.is_empty() { Err(format!("{at}: has no certificate in PEM")) } else { Ok(found) }
}
