//! Secrets are told to nobody, and a whole process lets in whom its files name.

use std::process::Command;

use crate::harness::Latewood;

const PLANTED: [&str; 4] = ["planted-secret-key", "planted-bearer-token", "planted-password", "$2b$04$"];

#[tokio::test]
async fn no_secret_is_in_logs_metrics_or_on_pages() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let hash = bcrypt::hash_with_salt("planted-password", 4, [7; 16]).unwrap();
    std::fs::write(at("web.yml"), format!("basic_auth_users:\n  root: {hash}\n")).unwrap();
    std::fs::write(at("token"), "planted-bearer-token").unwrap();
    let auth = "users:\n  - {name: root, all_tenants: true, rights: [read, write, admin, metrics]}\n  \
                - {name: scraper, bearer_token_files: [token], rights: [metrics]}\n";
    std::fs::write(at("auth.yml"), auth).unwrap();
    std::fs::write(at("latewood.yml"), format!("service: {{auth_config_file: {}}}\n", at("auth.yml")))
        .unwrap();
    let (config, web) =
        (format!("--config={}", at("latewood.yml")), format!("--web.config.file={}", at("web.yml")));
    let (data, environment) = (folder.path().join("data"), [("AWS_SECRET_ACCESS_KEY", PLANTED[0])]);
    let flags = [config.as_str(), web.as_str(), "--log-level=trace"];
    let latewood = Latewood::try_start(&data, &flags, &environment).unwrap();

    let client = reqwest::Client::new();
    let mut told = String::new();
    for path in
        ["/api/v1/status/config", "/api/v1/status/flags", "/metrics", "/api/v1/query?query=up", "/nowhere"]
    {
        let url = format!("{}{path}", latewood.url);
        assert_eq!(client.get(&url).send().await.unwrap().status(), 401, "{path}");
        let wrong = client.get(&url).basic_auth("root", Some("planted-password2")).send().await.unwrap();
        assert_eq!(wrong.status(), 401, "{path}");
        let right = client.get(&url).basic_auth("root", Some("planted-password")).send().await.unwrap();
        assert_eq!(right.status().as_u16(), if path == "/nowhere" { 404 } else { 200 }, "{path}");
        told += &right.text().await.unwrap();
    }
    let scraped = client.get(format!("{}/metrics", latewood.url)).bearer_auth("planted-bearer-token");
    assert_eq!(scraped.send().await.unwrap().status(), 200);
    let denied = client.get(format!("{}/api/v1/labels", latewood.url)).bearer_auth("planted-bearer-token");
    assert_eq!(denied.send().await.unwrap().status(), 403);
    let flush = client.post(format!("{}/ingester/flush", latewood.url));
    let flushed =
        flush.try_clone().unwrap().basic_auth("root", Some("planted-password")).send().await.unwrap();
    assert_eq!(flushed.status(), 204);
    assert_eq!(flush.bearer_auth("planted-bearer-token").send().await.unwrap().status(), 403);
    let done =
        Latewood::logged(&data, &["audit", r#""user":"root""#, r#""status":204,"outcome":"done""#]).await;
    assert!(done.contains(r#""path":"/ingester/flush""#), "{done}");
    Latewood::logged(&data, &["audit", r#""user":"scraper""#, r#""status":403,"outcome":"denied""#]).await;

    let printed = Command::new(env!("CARGO_BIN_EXE_latewood"))
        .args(["config", &config, &web])
        .envs(environment)
        .output()
        .unwrap();
    told += &String::from_utf8(printed.stdout).unwrap();
    told += &std::fs::read_to_string(data.with_extension("log")).unwrap();
    assert!(told.contains("auth.yml") && told.contains("latewood_service_auth_requests_total"), "{told}");
    for secret in PLANTED {
        assert!(!told.contains(secret), "{secret} is told");
    }
    latewood.stop();
}
