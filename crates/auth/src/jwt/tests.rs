use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA384, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::json;

use super::*;
use crate::{Right, Tenants};

/// A moment, in seconds.
const NOW: i64 = 1_800_000_000;

/// A key of RSA for tests alone: `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -outform DER`, which is PKCS #1
const RSA_KEY: &[u8] = include_bytes!("testdata/rsa.der");

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Keys to sign with.
struct Signer {
    curve: EcdsaKeyPair,
    edwards: Ed25519KeyPair,
    rsa: RsaKeyPair,
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let curve = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let edwards = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Self {
            curve: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, curve.as_ref(), &random)
                .unwrap(),
            edwards: Ed25519KeyPair::from_pkcs8(edwards.as_ref()).unwrap(),
            rsa: RsaKeyPair::from_der(RSA_KEY).unwrap(),
        }
    }

    fn keys(&self) -> Value {
        let point = self.curve.public_key().as_ref();
        let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        json!({"keys": [
            {"kty": "oct", "kid": "shared", "k": encoded("a shared secret that anybody could have")},
            {"kty": "EC", "crv": "P-521", "kid": "large", "x": "AA", "y": "AA"},
            {"kty": "nonsense"},
            {"kty": "EC", "crv": "P-256", "kid": "curve", "x": encoded(&point[1..33]), "y": encoded(&point[33..])},
            {"kty": "OKP", "crv": "Ed25519", "kid": "edwards", "use": "sig", "x": encoded(self.edwards.public_key())},
            {"kty": "RSA", "kid": "rsa", "n": encoded(&n), "e": encoded(e)},
            {"kty": "RSA", "kid": "secretive", "use": "enc", "n": encoded(n), "e": "AQAB"},
        ]})
    }

    fn token(&self, algorithm: &str, id: Option<&str>, claims: &Value) -> String {
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": id});
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let (message, random) = (signed.as_bytes(), SystemRandom::new());
        let mut of_rsa = vec![0; self.rsa.public().modulus_len()];
        let signature = match algorithm {
            "ES256" => self.curve.sign(&random, message).unwrap().as_ref().to_vec(),
            "EdDSA" => self.edwards.sign(message).as_ref().to_vec(),
            "RS256" => {
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, message, &mut of_rsa).map(|()| of_rsa).unwrap()
            }
            "PS384" => {
                self.rsa.sign(&RSA_PSS_SHA384, &random, message, &mut of_rsa).map(|()| of_rsa).unwrap()
            }
            _ => b"a shared secret".to_vec(),
        };
        format!("{signed}.{}", encoded(signature))
    }
}

fn issuer(signer: &Signer, change: impl FnOnce(&mut JwtIssuer)) -> Vec<Issuer> {
    let mut config = JwtIssuer {
        issuer: "https://issuer.test".to_owned(),
        audiences: vec!["latewood".to_owned()],
        tenants_claim: Some("tenants".to_owned()),
        rights_claim: Some("scope".to_owned()),
        ..JwtIssuer::default()
    };
    change(&mut config);
    let keys = Keys::parse(signer.keys().to_string().as_bytes()).unwrap();
    vec![Issuer::new(&config, KeyCell::new(keys))]
}

fn claims(change: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://issuer.test", "aud": "latewood", "sub": "grafana", "exp": NOW + 600, "iat": NOW,
        "tenants": ["a", "b"], "scope": "openid read write",
    });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn judge(issuers: &[Issuer], token: &str) -> Result<Principal, TokenError> {
    principal(issuers, &Secret::new(token), NOW * 1_000)
}

#[test]
fn each_kind_of_key_signs_and_what_is_claimed_is_had() {
    let signer = Signer::new();
    let issuers = issuer(&signer, |_| ());
    let tenant = |name: &str| latewood_model::TenantId::new(name).unwrap();
    let expected = Principal {
        name: "grafana".into(),
        tenants: Tenants::These([tenant("a"), tenant("b")].into()),
        rights: [Right::Read, Right::Write].into_iter().collect(),
    };
    for (algorithm, id) in [("ES256", "curve"), ("EdDSA", "edwards"), ("RS256", "rsa"), ("PS384", "rsa")] {
        let token = signer.token(algorithm, Some(id), &claims(&json!({})));
        assert_eq!(judge(&issuers, &token), Ok(expected.clone()), "{algorithm}");
        let token = signer.token(algorithm, None, &claims(&json!({})));
        assert_eq!(judge(&issuers, &token), Ok(expected.clone()), "{algorithm} without a key's id");
    }
}

#[test]
fn tokens_that_are_not_good_are_refused_and_why_is_known() {
    let signer = Signer::new();
    let issuers = issuer(&signer, |_| ());
    for (change, expected) in [
        (json!({"exp": NOW - 59}), Ok(())),
        (json!({"exp": NOW - 60}), Err(TokenError::Expired)),
        (json!({"exp": null}), Err(TokenError::Claims)),
        (json!({"exp": "never"}), Err(TokenError::Claims)),
        (json!({"exp": f64::MAX}), Err(TokenError::Claims)),
        (json!({"nbf": NOW + 60}), Ok(())),
        (json!({"nbf": NOW + 61}), Err(TokenError::NotYet)),
        (json!({"nbf": "soon"}), Err(TokenError::Claims)),
        (json!({"iss": "https://other.test"}), Err(TokenError::Issuer)),
        (json!({"iss": null}), Err(TokenError::Issuer)),
        (json!({"aud": "others"}), Err(TokenError::Audience)),
        (json!({"aud": ["others", "latewood"]}), Ok(())),
        (json!({"aud": null}), Err(TokenError::Claims)),
        (json!({"sub": null}), Err(TokenError::Claims)),
        (json!({"tenants": ["a/b"]}), Err(TokenError::Claims)),
        (json!({"tenants": 7}), Err(TokenError::Claims)),
        (json!({"tenants": null}), Err(TokenError::Claims)),
        (
            json!({"tenants": (0..1_001).map(|n| format!("t{n}")).collect::<Vec<_>>()}),
            Err(TokenError::Claims),
        ),
    ] {
        let token = signer.token("ES256", Some("curve"), &claims(&change));
        assert_eq!(judge(&issuers, &token).map(drop), expected, "{change}");
    }
}

#[test]
fn signatures_are_those_of_the_issuers_own_keys() {
    let (signer, forger) = (Signer::new(), Signer::new());
    let issuers = issuer(&signer, |_| ());
    let good = claims(&json!({}));
    let token = forger.token("ES256", Some("curve"), &good);
    assert_eq!(judge(&issuers, &token), Err(TokenError::Signature));
    assert!(!issuers[0].keys.are_new_wanted());
    let token = signer.token("ES256", Some("new"), &good);
    assert_eq!(judge(&issuers, &token), Err(TokenError::Key));
    assert!(issuers[0].keys.are_new_wanted() && !issuers[0].keys.are_new_wanted());
    for (algorithm, id) in [("HS256", "shared"), ("RS256", "secretive"), ("HS256", "rsa"), ("ES384", "curve")]
    {
        let token = signer.token(algorithm, Some(id), &good);
        assert_eq!(judge(&issuers, &token), Err(TokenError::Key), "{algorithm} {id}");
    }
    let token = signer.token("none", Some("curve"), &good);
    assert_eq!(judge(&issuers, &token), Err(TokenError::Unknown));
    let token = signer.token("ES256", Some("curve"), &good);
    let other = signer.token("ES256", Some("curve"), &claims(&json!({"tenants": ["c"]})));
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (of_token, of_other) = (parts(&token), parts(&other));
    let swapped = format!("{}.{}.{}", of_token[0], of_other[1], of_token[2]);
    assert_eq!(judge(&issuers, &swapped), Err(TokenError::Signature));
    for rubbish in ["", "a", "a.b", "a.b.c", "..", &token[..token.len() - 20]] {
        assert!(judge(&issuers, rubbish).is_err(), "{rubbish}");
    }
    assert_eq!(judge(&[], &token), Err(TokenError::Unknown));
    issuers[0].keys.set(Keys::parse(forger.keys().to_string().as_bytes()).unwrap());
    assert_eq!(judge(&issuers, &token), Err(TokenError::Signature), "the key was taken back");
}

#[test]
fn claims_may_lie_deep_and_have_words_of_their_own() {
    let signer = Signer::new();
    let issuers = issuer(&signer, |config| {
        config.rights_claim = Some("/resource/latewood/roles".to_owned());
        config.rights_by_value = [
            ("viewer".to_owned(), vec![Right::Read]),
            ("owner".to_owned(), vec![Right::Write, Right::Admin]),
        ]
        .into();
        config.rights = vec![Right::Metrics];
        config.tenants_claim = Some("https://latewood/tenant".to_owned());
        config.name_claim = "email".to_owned();
    });
    let claimed = |roles: Value| {
        let change = json!({
            "resource": {"latewood": {"roles": roles}}, "https://latewood/tenant": "a", "email": "ann@a\n.test",
        });
        judge(&issuers, &signer.token("ES256", None, &claims(&change))).unwrap()
    };
    let rights = |rights: &[Right]| rights.iter().copied().collect();
    assert_eq!(claimed(json!(["viewer", "other"])).rights, rights(&[Right::Read, Right::Metrics]));
    assert_eq!(claimed(json!(["owner"])).rights, rights(&[Right::Write, Right::Admin, Right::Metrics]));
    assert_eq!(
        claimed(json!(["admin"])).rights,
        rights(&[Right::Metrics]),
        "rights' own names mean nothing then"
    );
    assert_eq!(claimed(json!({})).rights, rights(&[Right::Metrics]));
    assert_eq!(claimed(json!([])).name.as_ref(), "ann@a.test", "what logs cannot have is left out");
}
