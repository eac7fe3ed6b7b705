//! Go's names for what rustls has, and for what it has not.

use std::sync::Arc;

use latewood_auth::{TlsServerConfig, TlsVersion};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::{NamedGroup, SupportedCipherSuite, SupportedProtocolVersion, version};

/// The groups by Go's names.
const CURVES: [(&str, NamedGroup); 3] = [
    ("X25519", NamedGroup::X25519),
    ("CurveP256", NamedGroup::secp256r1),
    ("CurveP384", NamedGroup::secp384r1),
];

/// What the settings leave of what there is.
pub(super) fn provider(config: &TlsServerConfig) -> Result<Arc<CryptoProvider>, String> {
    let mut provider = ring::default_provider();
    if !config.cipher_suites.is_empty() {
        provider.cipher_suites = suites(&config.cipher_suites, &provider.cipher_suites)?;
    }
    if !config.curve_preferences.is_empty() {
        provider.kx_groups = groups(&config.curve_preferences, &provider.kx_groups)?;
    }
    Ok(Arc::new(provider))
}

/// The versions from the oldest to the newest that is wanted.
pub(super) fn versions(config: &TlsServerConfig) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let (oldest, newest) = (config.min_version, config.max_version);
    for (field, version) in [("min_version", oldest), ("max_version", newest)] {
        if version < TlsVersion::Tls12 {
            return Err(format!("{field}: TLS before 1.2 is not spoken: TLS12 or TLS13"));
        }
    }
    let known = [(TlsVersion::Tls12, &version::TLS12), (TlsVersion::Tls13, &version::TLS13)];
    let wanted = known.into_iter().filter(|(version, _)| (oldest..=newest).contains(version));
    let wanted: Vec<_> = wanted.map(|(_, version)| version).collect();
    if wanted.is_empty() { Err("max_version: is below min_version".to_owned()) } else { Ok(wanted) }
}

/// Those of TLS 1.3, of which Go lets none be chosen, and of TLS 1.2 the named ones in their order.
fn suites(names: &[String], all: &[SupportedCipherSuite]) -> Result<Vec<SupportedCipherSuite>, String> {
    let of_13 = all.iter().filter(|suite| suite.tls13().is_some());
    let mut chosen: Vec<SupportedCipherSuite> = of_13.copied().collect();
    for name in names {
        let go_name =
            |suite: &SupportedCipherSuite| format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1);
        let found = all.iter().find(|suite| go_name(suite) == *name).ok_or_else(|| {
            let known: Vec<String> = all.iter().map(go_name).collect();
            format!("cipher_suites: {name} is not spoken; {} are", known.join(", "))
        })?;
        if !chosen.contains(found) {
            chosen.push(*found);
        }
    }
    Ok(chosen)
}

fn groups(
    names: &[String],
    all: &[&'static dyn SupportedKxGroup],
) -> Result<Vec<&'static dyn SupportedKxGroup>, String> {
    let group = |name: &String| {
        let found = CURVES.iter().find(|(known, _)| known == name);
        let group = found.and_then(|(_, wanted)| all.iter().find(|group| group.name() == *wanted));
        group.copied().ok_or_else(|| {
            let known = CURVES.map(|(known, _)| known).join(", ");
            format!("curve_preferences: {name} is not spoken; {known} are")
        })
    };
    names.iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(change: impl FnOnce(&mut TlsServerConfig)) -> TlsServerConfig {
        let mut config = TlsServerConfig::default();
        change(&mut config);
        config
    }

    #[test]
    fn versions_are_a_range_of_those_that_are_spoken() {
        let count = |min, max| {
            versions(&config(|config| (config.min_version, config.max_version) = (min, max)))
                .map(|versions| versions.len())
        };
        use TlsVersion::{Tls10, Tls11, Tls12, Tls13};
        assert_eq!((count(Tls12, Tls13), count(Tls13, Tls13), count(Tls12, Tls12)), (Ok(2), Ok(1), Ok(1)));
        assert!(count(Tls10, Tls13).unwrap_err().starts_with("min_version: "));
        assert!(count(Tls12, Tls11).unwrap_err().starts_with("max_version: "));
        assert!(count(Tls13, Tls12).unwrap_err().starts_with("max_version: is below"));
    }

    #[test]
    fn suites_and_curves_have_gos_names_and_others_are_refused_by_name() {
        let suites = |names: &[&str]| {
            let names = names.iter().map(ToString::to_string).collect();
            provider(&config(|config| config.cipher_suites = names))
                .map(|provider| provider.cipher_suites.len())
        };
        assert_eq!(suites(&["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]), Ok(4));
        assert_eq!(suites(&["TLS_AES_128_GCM_SHA256"]), Ok(3), "those of 1.3 are always all");
        assert_eq!(suites(&["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"; 2]), Ok(4));
        let error = suites(&["TLS_RSA_WITH_AES_128_CBC_SHA"]).unwrap_err();
        assert!(
            error.contains("TLS_RSA_WITH_AES_128_CBC_SHA is not spoken; ") && error.contains("TLS_AES_"),
            "{error}"
        );
        let curves = |names: &[&str]| {
            let names = names.iter().map(ToString::to_string).collect();
            provider(&config(|config| config.curve_preferences = names))
                .map(|provider| provider.kx_groups.iter().map(|group| group.name()).collect::<Vec<_>>())
        };
        assert_eq!(curves(&["CurveP384", "X25519"]), Ok(vec![NamedGroup::secp384r1, NamedGroup::X25519]));
        assert!(curves(&["CurveP521"]).unwrap_err().contains("CurveP521 is not spoken"));
    }
}
