//! The web configuration file: TLS, client certificates, users, and all of it read again.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::HeaderMap;
use latewood_auth::{Need, Right};
use latewood_base::{Clock, Rng, Shutdown};
use latewood_service::{
    Guard, HttpServer, ReloadMetrics, ServiceConfig, TenantFromRequest, Web, with_middleware,
};
use latewood_testkit::{Authority, Issued, TokenIssuer};
use prometheus_client::registry::Registry;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A server, its files and its counts.
struct Served {
    folder: TempDir,
    addr: std::net::SocketAddr,
    registry: Registry,
    shutdown: Shutdown,
    serving: JoinHandle<()>,
}

fn needs(path: &str) -> Option<Need> {
    match path {
        "/open" => Some(Need::Nothing),
        "/read" => Some(Need::Tenant(Right::Read)),
        _ => None,
    }
}

fn bcrypt(password: &str) -> String {
    bcrypt::hash_with_salt(password, 4, [7; 16]).unwrap().to_string()
}

fn open_web(folder: &TempDir, metrics: &ReloadMetrics) -> Result<Web, String> {
    let auth = folder.path().join("auth.yml");
    let config = ServiceConfig {
        web_config_file: Some(folder.path().join("web.yml")),
        auth_config_file: auth.exists().then_some(auth),
        ..Default::default()
    };
    Web::open(&config, &Rng::seeded(1), metrics).map_err(|error| error.to_string())
}

impl Served {
    /// Serves by these files, of which `web.yml` is the first to be read.
    async fn start(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
        let (metrics, mut registry, shutdown) =
            (ReloadMetrics::default(), Registry::default(), Shutdown::new());
        let web = open_web(&folder, &metrics).unwrap();
        let guard = Guard::new(web.clone(), needs, Clock::system());
        guard.register_metrics(&mut registry);
        metrics.register(&mut registry);
        tokio::spawn(web.clone().follow(shutdown.clone()));
        let config = ServiceConfig { http_addr: ([127, 0, 0, 1], 0).into(), ..Default::default() };
        let server = HttpServer::bind(&config, &web).await.unwrap();
        let addr = server.addr();
        let who = async |headers: HeaderMap, TenantFromRequest(tenant): TenantFromRequest| {
            let user = headers.get("x-forwarded-user").map_or("nobody", |user| user.to_str().unwrap());
            format!("{user} of {tenant}")
        };
        let routes = Router::new().route("/open", get(async || "open")).route("/read", get(who));
        let routes = with_middleware(guard.protect(routes.route("/forgotten", get(async || ""))), &web);
        let serving = tokio::spawn(server.serve(routes, shutdown.clone()));
        Self { folder, addr, registry, shutdown, serving }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn metric(&self, name: &str) -> f64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find(|line| line.starts_with(name));
        line.map_or(0.0, |line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
    }

    /// Waits until files were read again so often.
    async fn reloads(&self, count: f64) {
        for _ in 0..200 {
            if self.metric("latewood_service_file_reloads_total{") >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("files were not read again");
    }

    async fn plain(&self, path: &str, headers: &str) -> String {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        exchange(stream, path, headers).await.unwrap()
    }

    async fn tls(&self, client: &Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let name = ServerName::try_from("latewood.test").unwrap();
        TlsConnector::from(Arc::clone(client)).connect(name, stream).await
    }

    /// What is answered over TLS; none where the connection is refused, which clients of TLS 1.3 see as they read.
    async fn encrypted(&self, client: &Arc<ClientConfig>, path: &str) -> Option<String> {
        exchange(self.tls(client).await.ok()?, path, "").await
    }

    async fn stop(self) {
        self.shutdown.begin();
        self.serving.await.unwrap();
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    path: &str,
    headers: &str,
) -> Option<String> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    Some(String::from_utf8(answer).unwrap()).filter(|answer| !answer.is_empty())
}

fn basic(user: &str, password: &str) -> String {
    // In the client's words, not in the server's.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let pair = format!("{user}:{password}");
    let encoded: String = pair
        .as_bytes()
        .chunks(3)
        .flat_map(|chunk| {
            let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            (0..4).map(move |at| {
                let index = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap();
                if at <= chunk.len() { char::from(alphabet[index]) } else { '=' }
            })
        })
        .collect();
    format!("authorization: Basic {encoded}\r\n")
}

fn client(authority: &Authority, identity: Option<&Issued>, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Issued { cert, key }) => {
            let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![cert], key).unwrap()
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

#[tokio::test]
async fn users_are_let_in_by_their_passwords_until_a_reload_revokes_them() {
    let file = |users: &str| format!("http_server_config: {{headers: {{X-Frame-Options: deny}}}}\n{users}");
    let users =
        |ann: &str| file(&format!("basic_auth_users:\n  ann: {}\n  bob: {}\n", bcrypt(ann), bcrypt("b")));
    let served = Served::start(&[("web.yml", &users("spring"))]).await;
    let status = async |path: &str, headers: &str| served.plain(path, headers).await[9..12].to_owned();
    assert_eq!(status("/open", "").await, "200");
    for (headers, code) in [
        (String::new(), "401"),
        (basic("ann", "wrong"), "401"),
        (basic("ann", "wrong"), "401"),
        (basic("eve", "spring"), "401"),
        ("authorization: Bearer spring\r\n".to_owned(), "401"),
        (format!("{0}{0}", basic("ann", "spring")), "401"),
        (basic("ann", "spring"), "200"),
        (basic("ann", "spring"), "200"),
        (format!("{}x-scope-orgid: a/b\r\n", basic("ann", "spring")), "400"),
    ] {
        assert_eq!(status("/read", &headers).await, code, "{headers}");
    }
    assert_eq!(status("/nowhere", "").await, "401");
    assert_eq!(status("/nowhere", &basic("bob", "b")).await, "404");
    assert_eq!(status("/forgotten", "").await, "401");
    let refused = served.plain("/read", "").await;
    assert!(refused.contains("www-authenticate: Basic realm=\"latewood\"\r\n"), "{refused}");
    assert!(refused.contains("x-frame-options: deny\r\n"), "{refused}");
    let told = format!("{}x-scope-orgid: a\r\nx-forwarded-user: root\r\n", basic("ann", "spring"));
    assert!(served.plain("/read", &told).await.ends_with("ann of a"));

    served.write("web.yml", &users("autumn"));
    served.reloads(1.0).await;
    assert_eq!(status("/read", &basic("ann", "spring")).await, "401");
    assert_eq!(status("/read", &basic("ann", "autumn")).await, "200");

    for (round, broken) in ["", "nonsense: 1\n", &file(""), "basic_auth_users: {ann: x}\n"].iter().enumerate()
    {
        served.write("web.yml", broken);
        served.reloads(2.0 + f64::from(u32::try_from(round).unwrap())).await;
        assert_eq!(status("/read", "").await, "401", "the door stays closed: {broken}");
        assert_eq!(status("/read", &basic("ann", "autumn")).await, "200");
    }
    assert_eq!(served.metric("latewood_service_file_reload_failures_total{").to_bits(), 4.0_f64.to_bits());
    assert_eq!(served.metric("latewood_service_file_last_reload_successful{").to_bits(), 0.0_f64.to_bits());
    served.stop().await;
}

/// A file with TLS and whatever else.
fn tls_file(more: &str) -> String {
    format!("tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n{more}")
}

#[tokio::test]
async fn each_kind_of_client_authentication_lets_in_whom_go_would() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let server = ours.issue(&["latewood.test"]);
    let none = client(&ours, None, &[]);
    let good = client(&ours, Some(&ours.issue(&["client.test", "10.0.0.1"])), &[]);
    let foreign = client(&ours, Some(&other.issue(&["client.test"])), &[]);
    let expired = client(&ours, Some(&ours.issue_expired(&["client.test"])), &[]);
    let verified = "  client_ca_file: ca.crt\n  client_auth_type: RequireAndVerifyClientCert\n";
    for (more, lets_in) in [
        ("", [true; 4]),
        ("  client_auth_type: RequestClientCert\n", [true; 4]),
        ("  client_auth_type: RequireAnyClientCert\n", [false, true, true, true]),
        (
            "  client_ca_file: ca.crt\n  client_auth_type: VerifyClientCertIfGiven\n",
            [true, true, false, false],
        ),
        (verified, [false, true, false, false]),
        (&format!("{verified}  client_allowed_sans: [client.test]\n"), [false, true, false, false]),
        (&format!("{verified}  client_allowed_sans: [10.0.0.1]\n"), [false, true, false, false]),
        (&format!("{verified}  client_allowed_sans: [test, 10.0.0.2]\n"), [false; 4]),
    ] {
        let files = [
            ("web.yml", tls_file(more)),
            ("tls.crt", server.cert.clone()),
            ("tls.key", server.key.clone()),
            ("ca.crt", ours.pem.clone()),
        ];
        let served = Served::start(&files.each_ref().map(|(name, text)| (*name, text.as_str()))).await;
        let clients = [&none, &good, &foreign, &expired];
        for (client, lets_in) in clients.into_iter().zip(lets_in) {
            let answer = served.encrypted(client, "/open").await;
            assert_eq!(answer.is_some_and(|answer| answer.ends_with("open")), lets_in, "{more}");
        }
        served.stop().await;
    }
}

#[tokio::test]
async fn certificates_and_authorities_are_read_again_for_each_handshake() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let [first, second] = [&old, &new].map(|authority| authority.issue(&["latewood.test"]));
    let config = tls_file("  client_ca_file: ca.crt\n  client_auth_type: RequireAndVerifyClientCert\n");
    let served = Served::start(&[
        ("web.yml", &config),
        ("tls.crt", &first.cert),
        ("tls.key", &first.key),
        ("ca.crt", &old.pem),
    ])
    .await;
    let by_old = client(&old, Some(&old.issue(&["c.test"])), &[]);
    let by_new = client(&new, Some(&new.issue(&["c.test"])), &[]);
    let lets_in = async |client| served.encrypted(client, "/open").await.is_some();
    assert_eq!((lets_in(&by_old).await, lets_in(&by_new).await), (true, false));
    // Between the two files there is a moment at which they do not fit.
    served.write("tls.crt", &second.cert);
    served.reloads(1.0).await;
    assert_eq!(served.metric("latewood_service_file_last_reload_successful{").to_bits(), 0.0_f64.to_bits());
    assert!(lets_in(&by_old).await);
    served.write("tls.key", &second.key);
    served.write("ca.crt", &new.pem);
    for _ in 0..100 {
        if lets_in(&by_new).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((lets_in(&by_old).await, lets_in(&by_new).await), (false, true));
    std::fs::remove_file(served.path("ca.crt")).unwrap();
    served.reloads(3.0).await;
    assert!(lets_in(&by_new).await, "what was read before stays");
    served.stop().await;
}

/// Serves the keys of an issuer at `/keys`, with a certificate for `localhost`.
async fn serve_keys(folder: &TempDir, authority: &Authority, keys: String) -> u16 {
    let server = authority.issue(&["localhost"]);
    for (name, text) in [("web.yml", tls_file("")), ("tls.crt", server.cert), ("tls.key", server.key)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let web = open_web(folder, &ReloadMetrics::default()).unwrap();
    let config = ServiceConfig { http_addr: ([127, 0, 0, 1], 0).into(), ..Default::default() };
    let server = HttpServer::bind(&config, &web).await.unwrap();
    let port = server.addr().port();
    tokio::spawn(server.serve(Router::new().route("/keys", get(async || keys)), Shutdown::new()));
    port
}

#[tokio::test]
async fn keys_of_issuers_are_fetched_over_tls_from_whom_is_trusted() {
    let (ours, other, issuer) = (Authority::new("ours"), Authority::new("other"), TokenIssuer::new("key"));
    let folder = tempfile::tempdir().unwrap();
    let port = serve_keys(&folder, &ours, issuer.keys()).await;
    let now = Clock::system().now_ms() / 1_000;
    let claims = serde_json::json!({"iss": "i", "aud": "latewood", "sub": "ann", "exp": now + 60});
    let token = format!("authorization: Bearer {}\r\n", issuer.token(&claims));
    let auth = format!(
        "jwt: [{{issuer: i, audiences: [latewood], jwks_url: \"https://localhost:{port}/keys\", ca_file: ca.crt, \
         tenants: [a], rights: [read]}}]\n"
    );
    let start = async |ca: &Authority| {
        Served::start(&[("web.yml", ""), ("auth.yml", &auth), ("ca.crt", &ca.pem)]).await
    };
    let served = start(&ours).await;
    served.reloads(1.0).await;
    assert!(served.plain("/read", &token).await.ends_with("ann of a"), "the only tenant is meant");
    served.stop().await;
    let served = start(&other).await;
    served.reloads(1.0).await;
    let refused = served.plain("/read", &token).await;
    assert!(refused.contains("error_description=\"the token's key is not known\""), "{refused}");
    assert_eq!(served.metric("latewood_service_file_reload_failures_total{").to_bits(), 1.0_f64.to_bits());
    served.stop().await;
}

#[tokio::test]
async fn http2_is_spoken_where_it_is_offered_and_old_versions_are_not() {
    let ours = Authority::new("ours");
    let server = ours.issue(&["latewood.test"]);
    let start = async |more: &str| {
        let config = tls_file(more);
        Served::start(&[("web.yml", &config), ("tls.crt", &server.cert), ("tls.key", &server.key)]).await
    };
    let both = client(&ours, None, &["h2", "http/1.1"]);
    let served = start("").await;
    let stream = served.tls(&both).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://latewood.test/open").body(axum::body::Body::empty()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
    drop(sender);
    // One who says nothing does not hold up the stop.
    let _silent = TcpStream::connect(served.addr).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), served.stop()).await.unwrap();

    let served = start("http_server_config: {http2: false}\n").await;
    let stream = served.tls(&both).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    drop(stream);
    served.stop().await;

    let served = start("  max_version: TLS12\n").await;
    let stream = served.tls(&both).await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
    drop(stream);
    served.stop().await;
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_its_field_at_the_start() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let (server, another) = (ours.issue(&["latewood.test"]), other.issue(&["latewood.test"]));
    let folder = tempfile::tempdir().unwrap();
    let open = |config: &str| {
        std::fs::write(folder.path().join("web.yml"), config).unwrap();
        open_web(&folder, &ReloadMetrics::default())
    };
    for (name, text) in [
        ("tls.crt", &server.cert),
        ("tls.key", &server.key),
        ("other.key", &another.key),
        ("ca.crt", &ours.pem),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    assert!(open(&tls_file("")).is_ok());
    let inline = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let texts = format!("  cert: |\n{}  key: |\n{}", inline(&server.cert), inline(&server.key));
    assert!(open(&format!("tls_server_config:\n{texts}")).is_ok(), "PEM may stand in the file itself");
    for (config, names) in [
        (
            tls_file("  client_auth_type: RequireAndVerifyClientCert\n"),
            "tls_server_config.client_ca_file: is missing",
        ),
        (tls_file("  client_ca_file: ca.crt\n"), "without client_auth_type"),
        (tls_file("  client_allowed_sans: [a]\n"), "tls_server_config.client_allowed_sans: needs"),
        (
            tls_file("  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: [a@b.c]\n"),
            "a@b.c: mail addresses",
        ),
        (tls_file("  min_version: TLS10\n"), "tls_server_config.min_version"),
        (tls_file("  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]\n"), "TLS_RSA_WITH_RC4_128_SHA is not spoken"),
        ("tls_server_config: {cert_file: tls.crt}".into(), "tls_server_config.key_file: is missing"),
        ("tls_server_config: {key_file: tls.key}".into(), "tls_server_config.cert_file: is missing"),
        ("tls_server_config: {cert_file: gone.crt, key_file: tls.key}".into(), "gone.crt: No such file"),
        ("tls_server_config: {cert_file: tls.key, key_file: tls.key}".into(), "has no certificate in PEM"),
        ("tls_server_config: {cert_file: tls.crt, key_file: ca.crt}".into(), "has no private key in PEM"),
        (
            "tls_server_config: {cert_file: tls.crt, key_file: other.key}".into(),
            "is not the key of the certificate",
        ),
    ] {
        let error = open(&config).unwrap_err();
        assert!(error.contains("web.yml: ") && error.contains(names), "{config}: {error}");
    }
    std::fs::remove_file(folder.path().join("web.yml")).unwrap();
    let gone = open_web(&folder, &ReloadMetrics::default()).unwrap_err();
    assert!(gone.contains("web.yml: No such file"), "{gone}");
}
