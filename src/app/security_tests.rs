//! Every route with all kinds of credentials.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine as _;
use latewood_auth::{Need, Right};
use latewood_proto::cluster::RemoteCluster;
use latewood_proto::cluster::wire::WhoRequest;
use latewood_proto::deletion::wire::CleanRequest;
use latewood_proto::deletion::{DeletionApi as _, RemoteDeletion};
use latewood_proto::store::wire::LabelNamesRequest;
use latewood_proto::store::{RemoteStore, StoreApi as _};
use latewood_service::{GrpcClientTls, ServiceConfig};
use latewood_testkit::{Authority, Issued, TokenIssuer};
use serde_json::json;
use tower::ServiceExt as _;

use super::*;
use crate::roles::{ALL, COMPACTOR, INGESTER, STORE_GATEWAY};

/// An ingester that is all of its cluster, so that it has all of its routes.
fn config_of_all(folder: &Path) -> Config {
    let mut config = Config { data_dir: folder.to_owned(), ..Config::default() };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    config.service.grpc_addr = ([127, 0, 0, 1], port).into();
    let ring = &mut config.ingester.ring;
    ring.join_members = vec![format!("127.0.0.1:{port}").parse().unwrap()];
    ring.instance_addr = Some(format!("127.0.0.1:{port}"));
    (ring.founders, ring.replication_factor) = (Some(1), 1);
    config
}

/// The patterns of all routes, as `Debug` tells them.
fn patterns(routes: &Router) -> BTreeSet<String> {
    let told = format!("{routes:?}");
    let texts = told.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/'));
    let texts = texts.filter(|text| !text.contains("__private__axum_fallback"));
    texts.map(str::to_owned).collect()
}

async fn start_plain(role: &Role, config: Config) -> anyhow::Result<Running> {
    let tls = GrpcTls::open(&config.service, &ReloadMetrics::default())?;
    start(role, config, tls).await
}

/// All that a role serves over HTTP.
fn routes_of(role: &'static Role, running: &mut Running) -> Router {
    let routes = std::mem::take(&mut running.started.routes).merge(metrics_routes(Arc::default()));
    routes.merge(services_routes(role, Health::new())).merge(Health::new().routes())
}

const AUTH: &str = "
users:
  - {name: root, all_tenants: true, rights: [read, write, admin, metrics]}
  - {name: reader, tenants: [a], rights: [read]}
  - {name: writer, tenants: [a], rights: [write], bearer_token_files: [writer.token]}
  - {name: admin, tenants: [a], rights: [admin]}
  - {name: scraper, rights: [metrics]}
  - {name: other, tenants: [b], rights: [read, write, admin]}
jwt:
  - {issuer: issuer, audiences: [latewood], jwks_file: jwks.json, tenants_claim: tenants, rights_claim: scope}
";

fn write_files(folder: &Path, root: &str, token: &str, issuer: &TokenIssuer) {
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    let hash = |password: &str| bcrypt::hash_with_salt(password, 4, [7; 16]).unwrap().to_string();
    let users = ["reader", "writer", "admin", "scraper", "other"];
    let users: String = users.iter().map(|user| format!("  {user}: {}\n", hash(user))).collect();
    write("auth.yml", AUTH);
    write("writer.token", token);
    write("jwks.json", &issuer.keys());
    write("web.yml", &format!("basic_auth_users:\n  root: {}\n{users}", hash(root)));
}

fn basic(user: &str, password: &str) -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {pair}")
}

/// How a route is asked; what it does is the same for all who may.
fn method(path: &str) -> Method {
    let posted =
        ["/write", "/push", "/receive", "/flush", "/delete_tenant", "/delete_series", "/clean_tombstones"];
    if posted.iter().any(|end| path.ends_with(end)) { Method::POST } else { Method::GET }
}

/// What is answered: whether the request was let in, or the status that says why not.
async fn ask(routes: &Router, pattern: &str, shown: Option<&str>, tenant: Option<&str>) -> Result<(), u16> {
    let path = pattern.replace("{name}", "job");
    let mut request = Request::builder().method(method(&path)).uri(&path);
    for (header, value) in [("authorization", shown), ("x-scope-orgid", tenant)] {
        if let Some(value) = value {
            request = request.header(header, value);
        }
    }
    let answer = routes.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    assert_eq!(answer.headers().contains_key("www-authenticate"), status == 401, "{pattern}");
    if [401, 403].contains(&status) { Err(status) } else { Ok(()) }
}

#[tokio::test]
async fn every_route_of_every_role_has_its_right() {
    let mut found = BTreeSet::new();
    for role in [&ALL, &INGESTER, &STORE_GATEWAY, &COMPACTOR] {
        let folder = tempfile::tempdir().unwrap();
        let mut running = start_plain(role, config_of_all(folder.path())).await.unwrap();
        found.extend(patterns(&routes_of(role, &mut running)));
    }
    let without: Vec<_> = found.iter().filter(|pattern| needs(pattern).is_none()).collect();
    assert!(without.is_empty(), "say in src/roles/rights.rs what they need: {without:?}");
    for known in ["/api/v1/label/{name}/values", "/prometheus/api/v1/query", "/ingester/ring", "/-/ready"] {
        assert!(found.contains(known), "routes are not told any more: {found:?}");
    }
}

/// What it should open.
type Opens = fn(Need) -> bool;
/// What is shown, the tenant that is named, how it is refused, and what it opens.
type Case<'a> = (&'a str, Option<String>, Option<&'a str>, u16, Opens);

#[tokio::test]
async fn every_route_lets_in_whom_it_should_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (issuer, forger) = (TokenIssuer::new("key"), TokenIssuer::new("key"));
    write_files(folder.path(), "root", "the token of the writer", &issuer);
    let mut config = config_of_all(folder.path());
    (config.querier.enable_admin_api, config.compactor.enable_admin_api) = (true, true);
    let mut running = start_plain(&ALL, config).await.unwrap();
    let service = ServiceConfig {
        web_config_file: Some(folder.path().join("web.yml")),
        auth_config_file: Some(folder.path().join("auth.yml")),
        ..ServiceConfig::default()
    };
    let web = Web::open(&service, &Rng::seeded(1), &ReloadMetrics::default()).unwrap();
    tokio::spawn(web.clone().follow(Shutdown::new()));
    let routes = routes_of(&ALL, &mut running);
    let patterns = patterns(&routes);
    let (guard, unguarded) = (Guard::new(web, needs, Clock::system()), with_fallbacks(routes, &ALL));
    let routes = guard.protect(unguarded.clone());

    let now = Clock::system().now_ms() / 1_000;
    let token = |issuer: &TokenIssuer, expires: i64, audience: &str| {
        let claims = json!({
            "iss": "issuer", "aud": audience, "sub": "s", "exp": expires, "tenants": ["a"], "scope": "read",
        });
        format!("Bearer {}", issuer.token(&claims))
    };
    let nobody: Opens = |_| false;
    let reads: Opens = |need| need == Need::Tenant(Right::Read);
    let writes: Opens = |need| need == Need::Tenant(Right::Write);
    let root = basic("root", "root");
    let of_writer = "Bearer the token of the writer";
    let cases: Vec<Case<'_>> = vec![
        ("none", None, Some("a"), 401, nobody),
        ("wrong password", Some(basic("root", "toor")), Some("a"), 401, nobody),
        ("unknown user", Some(basic("eve", "root")), Some("a"), 401, nobody),
        ("unknown token", Some("Bearer nobody's token at all".into()), Some("a"), 401, nobody),
        ("rubbish", Some("Basic".into()), Some("a"), 401, nobody),
        ("expired", Some(token(&issuer, now - 61, "latewood")), Some("a"), 401, nobody),
        ("forged", Some(token(&forger, now + 60, "latewood")), Some("a"), 401, nobody),
        ("for others", Some(token(&issuer, now + 60, "others")), Some("a"), 401, nobody),
        ("other tenant", Some(basic("other", "other")), Some("a"), 403, nobody),
        ("JWT, other tenant", Some(token(&issuer, now + 60, "latewood")), Some("b"), 403, nobody),
        ("JWT", Some(token(&issuer, now + 60, "latewood")), Some("a"), 403, reads),
        ("read-only", Some(basic("reader", "reader")), Some("a"), 403, reads),
        ("read-only, no tenant named", Some(basic("reader", "reader")), None, 403, reads),
        ("write-only", Some(basic("writer", "writer")), Some("a"), 403, writes),
        ("write-only by token", Some(of_writer.into()), Some("a"), 403, writes),
        ("admin of a tenant", Some(basic("admin", "admin")), Some("a"), 403, |need| {
            matches!(need, Need::Tenant(Right::Admin) | Need::NamedTenant(Right::Admin))
        }),
        ("metrics", Some(basic("scraper", "scraper")), Some("a"), 403, |need| {
            need == Need::Process(Right::Metrics)
        }),
        ("everything", Some(root.clone()), Some("a"), 403, |_| true),
    ];
    for pattern in &patterns {
        let need = needs(pattern).unwrap();
        for (case, shown, tenant, refusal, opens) in &cases {
            let is_somebody = *refusal == 403 && need == Need::Somebody;
            let expected =
                if need == Need::Nothing || is_somebody || opens(need) { Ok(()) } else { Err(*refusal) };
            let answer = ask(&routes, pattern, shown.as_deref(), *tenant).await;
            assert_eq!(answer, expected, "{pattern}: {case}");
        }
    }
    assert_eq!(ask(&routes, "/nowhere", None, None).await, Err(401));
    assert_eq!(ask(&routes, "/nowhere", Some(&basic("scraper", "scraper")), None).await, Ok(()));
    assert!(patterns.len() > 60, "{patterns:?}");

    for (serves, opens) in [
        (Serves::AllButAdmin, (|need| need.right() != Some(Right::Admin)) as Opens),
        (Serves::AdminAlone, |need| {
            matches!(need, Need::Nothing | Need::Somebody) || need.right() == Some(Right::Admin)
        }),
    ] {
        let served = guard.of(serves).protect(unguarded.clone());
        // Nobody is told that there is anything.
        for pattern in patterns.iter().filter(|pattern| !opens(needs(pattern).unwrap())) {
            let request = Request::builder().method(method(pattern)).uri(pattern.replace("{name}", "job"));
            let answer = served.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{pattern}: {serves:?}");
        }
        for pattern in patterns.iter().filter(|pattern| opens(needs(pattern).unwrap())) {
            let answer = ask(&served, pattern, None, Some("a")).await;
            assert_eq!(answer.is_ok(), needs(pattern) == Some(Need::Nothing), "{pattern}: {serves:?}");
        }
    }

    // Everything that opened a door is taken back.
    write_files(folder.path(), "changed", "another token of the writer", &forger);
    for _ in 0..100 {
        if ask(&routes, "/", Some(&root), None).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let jwt = token(&issuer, now + 60, "latewood");
    for pattern in patterns.iter().filter(|pattern| needs(pattern) != Some(Need::Nothing)) {
        for shown in [&*root, of_writer, &jwt] {
            assert_eq!(ask(&routes, pattern, Some(shown), Some("a")).await, Err(401), "{pattern}: revoked");
        }
    }
    assert_eq!(ask(&routes, "/metrics", Some(&basic("root", "changed")), None).await, Ok(()));
}

/// Files of a party of gRPC.
fn write_identity(folder: &Path, name: &str, issued: &Issued) {
    std::fs::write(folder.join(format!("{name}.crt")), &issued.cert).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), &issued.key).unwrap();
}

/// What a process has that calls others: whom it trusts, and what it shows.
fn calling(folder: &Path, identity: Option<&str>, server_name: &str) -> Dialer {
    let file = |name: &str, end: &str| folder.join(format!("{name}.{end}"));
    let client_tls = GrpcClientTls {
        enabled: true,
        ca_file: Some(folder.join("ca.crt")),
        cert_file: identity.map(|name| file(name, "crt")),
        key_file: identity.map(|name| file(name, "key")),
        server_name: Some(server_name.to_owned()),
    };
    let service = ServiceConfig { client_tls, ..ServiceConfig::default() };
    dialer(&GrpcTls::open(&service, &ReloadMetrics::default()).unwrap())
}

/// Which of the services answer at all.
async fn answering(address: &str, dialer: &Dialer) -> [bool; 3] {
    let settings = IngesterConfig::default();
    let channel = latewood_proto::channel(address, dialer);
    let node = RemoteCluster::at(address, settings.ring.wire(&settings.group), dialer);
    let store = RemoteStore::new(channel.clone(), &WireLimits::default());
    let deletion = RemoteDeletion::new(channel);
    let is_there = |kind: Option<ErrorKind>| kind != Some(ErrorKind::Unavailable);
    [
        is_there(node.who(WhoRequest {}).await.err().map(|error| error.kind())),
        is_there(store.label_names(LabelNamesRequest::default()).await.err().map(|error| error.kind())),
        is_there(deletion.clean(CleanRequest::default()).await.err().map(|error| error.kind())),
    ]
}

#[tokio::test]
async fn every_service_between_processes_answers_whom_it_should_and_nobody_else() {
    let (ours, foreign) = (Authority::new("ours"), Authority::new("foreign"));
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("ca.crt"), &ours.pem).unwrap();
    std::fs::write(at("clients.crt"), &ours.pem).unwrap();
    write_identity(folder.path(), "server", &ours.issue(&["latewood.test"]));
    write_identity(folder.path(), "good", &ours.issue(&["querier.test"]));
    write_identity(folder.path(), "unnamed", &ours.issue(&["stranger.test"]));
    write_identity(folder.path(), "expired", &ours.issue_expired(&["querier.test"]));
    write_identity(folder.path(), "foreign", &foreign.issue(&["querier.test"]));
    let mut config = config_of_all(&at("data"));
    config.querier.enable_admin_api = true;
    let service = &mut config.service;
    service.grpc_tls.cert_file = Some(at("server.crt"));
    service.grpc_tls.key_file = Some(at("server.key"));
    service.grpc_tls.client_ca_file = Some(at("clients.crt"));
    service.grpc_tls.client_allowed_sans = vec!["querier.test".to_owned()];
    // The node of a cluster of one finds itself over TLS, too.
    service.client_tls = GrpcClientTls {
        enabled: true,
        ca_file: Some(at("ca.crt")),
        cert_file: Some(at("good.crt")),
        key_file: Some(at("good.key")),
        server_name: Some("latewood.test".to_owned()),
    };
    let tls = GrpcTls::open(service, &ReloadMetrics::default()).unwrap();
    tokio::spawn(tls.clone().follow(Shutdown::new()));
    let running = start(&ALL, config, tls).await.unwrap();
    let address = running.grpc_addr.to_string();
    let called = |identity, name| calling(folder.path(), identity, name);
    let good = called(Some("good"), "latewood.test");
    for (case, dialer, expected) in [
        ("no TLS", Dialer::plain(), false),
        ("none", called(None, "latewood.test"), false),
        ("foreign", called(Some("foreign"), "latewood.test"), false),
        ("expired", called(Some("expired"), "latewood.test"), false),
        ("a name that is not allowed", called(Some("unnamed"), "latewood.test"), false),
        ("a server of another name", called(Some("good"), "other.test"), false),
        ("good", good.clone(), true),
    ] {
        assert_eq!(answering(&address, &dialer).await, [expected; 3], "{case}");
    }

    // Clients of the old authority are let in no more.
    std::fs::write(at("clients.crt"), &foreign.pem).unwrap();
    let newly = called(Some("foreign"), "latewood.test");
    for _ in 0..100 {
        if answering(&address, &newly).await == [true; 3] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(answering(&address, &newly).await, [true; 3], "let in by the reload");
    assert_eq!(answering(&address, &good).await, [false; 3], "revoked by the reload");
}
