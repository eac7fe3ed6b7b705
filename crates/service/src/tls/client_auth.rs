//! What clients must show, as Go's `tls.ClientAuthType` has it, and whose names they may have.

use std::net::IpAddr;
use std::sync::Arc;

use latewood_auth::ClientAuthType;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use webpki::EndEntityCert;

/// Who is let in by certificates.
pub(super) fn verifier(
    kind: ClientAuthType,
    roots: Option<RootCertStore>,
    allowed: Option<&[String]>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let names = allowed.map(Names::new).transpose()?;
    if names.is_some() && !matches!(kind, ClientAuthType::RequireAny | ClientAuthType::RequireAndVerify) {
        return Err("client_allowed_sans: needs client_auth_type RequireAnyClientCert or \
                    RequireAndVerifyClientCert"
            .to_owned());
    }
    let unverified = |is_mandatory| {
        let provider = Arc::clone(provider);
        Arc::new(Unverified { is_mandatory, provider }) as Arc<dyn ClientCertVerifier>
    };
    let inner = match (kind, roots) {
        (ClientAuthType::None, None) => return Ok(WebPkiClientVerifier::no_client_auth()),
        (ClientAuthType::None, Some(_)) => {
            return Err("client_ca_file: is of no use without client_auth_type".to_owned());
        }
        (ClientAuthType::Request, _) => unverified(false),
        (ClientAuthType::RequireAny, _) => unverified(true),
        (ClientAuthType::VerifyIfGiven | ClientAuthType::RequireAndVerify, None) => {
            return Err(
                "client_ca_file: is missing: it says who signs the certificates of clients".to_owned()
            );
        }
        (ClientAuthType::VerifyIfGiven | ClientAuthType::RequireAndVerify, Some(roots)) => {
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
            let builder =
                if kind == ClientAuthType::VerifyIfGiven { builder.allow_unauthenticated() } else { builder };
            builder.build().map_err(|error| format!("client_ca_file: {error}"))?
        }
    };
    Ok(match names {
        Some(names) => Arc::new(Named { inner, names }),
        None => inner,
    })
}

/// Takes any certificate whose key the client has.
#[derive(Debug)]
struct Unverified {
    is_mandatory: bool,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Unverified {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The names of which a certificate must have one.
#[derive(Debug)]
struct Names {
    texts: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl Names {
    fn new(allowed: &[String]) -> Result<Self, String> {
        if let Some(mail) = allowed.iter().find(|name| name.contains('@') && !name.contains("://")) {
            return Err(format!("client_allowed_sans: {mail}: mail addresses are not looked at"));
        }
        let addresses = allowed.iter().filter_map(|name| name.parse().ok()).collect();
        Ok(Self { texts: allowed.to_vec(), addresses })
    }

    fn has_one_of(&self, cert: &CertificateDer<'_>) -> Result<bool, Error> {
        let wrong = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
        let cert = EndEntityCert::try_from(cert).map_err(wrong)?;
        let is_allowed = |name: &str| self.texts.iter().any(|text| text == name);
        let has_address = |address: &IpAddr| {
            cert.verify_is_valid_for_subject_name(&ServerName::IpAddress((*address).into())).is_ok()
        };
        Ok(cert.valid_dns_names().any(is_allowed)
            || cert.valid_uri_names().any(is_allowed)
            || self.addresses.iter().any(has_address))
    }
}

/// Takes what another takes, if it has one of these names.
#[derive(Debug)]
struct Named {
    inner: Arc<dyn ClientCertVerifier>,
    names: Names,
}

impl ClientCertVerifier for Named {
    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        cert: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(cert, intermediates, now)?;
        if self.names.has_one_of(cert)? {
            Ok(verified)
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
