//! The keys of those who issue JWTs, fetched now and then.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use latewood_auth::{Fetch, Keys};
use latewood_base::Shutdown;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::reload::{Files, ReloadMetrics};
use crate::tls::client_config;
use crate::web::Web;

/// The largest set of keys, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// How long a fetch may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon after a fetch the next may be, where it failed or a token came whose key is not known.
const PAUSE: Duration = Duration::from_secs(30);
/// How often it is looked whether a fetch is due.
const LOOK: Duration = Duration::from_secs(1);

type Failure = Box<dyn Error + Send + Sync>;

/// Fetches what is due until the signal to stop. What cannot be fetched leaves the keys that were there.
pub(crate) async fn follow(web: Web, metrics: ReloadMetrics, shutdown: Shutdown) {
    let mut last: HashMap<String, (Instant, bool)> = HashMap::new();
    loop {
        for fetch in web.current().auth.fetches() {
            if is_due(&fetch, last.get(&fetch.url)) {
                let outcome = tokio::select! {
                    () = shutdown.begun() => return,
                    outcome = tokio::time::timeout(PATIENCE, keys(&fetch)) => outcome,
                };
                let outcome = outcome.unwrap_or_else(|_| Err("no answer in time".into()));
                let is_good = outcome.is_ok();
                metrics.fetched("jwks", is_good);
                match outcome {
                    Ok(keys) => fetch.keys.set(keys),
                    Err(error) => {
                        tracing::error!(url = fetch.url, error, "the keys of an issuer cannot be fetched");
                    }
                }
                last.insert(fetch.url, (Instant::now(), is_good));
            }
        }
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn is_due(fetch: &Fetch, last: Option<&(Instant, bool)>) -> bool {
    let Some((at, is_good)) = last else { return true };
    let passed = at.elapsed();
    passed >= fetch.every || (passed >= PAUSE && (!is_good || fetch.keys.are_new_wanted()))
}

async fn keys(fetch: &Fetch) -> Result<Keys, Failure> {
    let uri: Uri = fetch.url.parse()?;
    let host = uri.host().ok_or("the address has no host")?.to_owned();
    let is_secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let bare = host.trim_matches(['[', ']']);
    let stream = TcpStream::connect((bare, port)).await?;
    let body = if is_secure {
        let ca_file = fetch.ca_file.clone();
        let config = tokio::task::spawn_blocking(move || trusting(ca_file.as_deref())).await??;
        let name = ServerName::try_from(bare.to_owned())?;
        get(TlsConnector::from(config).connect(name, stream).await?, &uri).await?
    } else {
        get(stream, &uri).await?
    };
    Ok(Keys::parse(&body)?)
}

fn trusting(ca_file: Option<&Path>) -> Result<std::sync::Arc<rustls::ClientConfig>, String> {
    client_config(ca_file, None, &["http/1.1"], &mut Files::default())
}

async fn get(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    uri: &Uri,
) -> Result<Bytes, Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, "latewood")
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    if answer.status() != http::StatusCode::OK {
        return Err(format!("it answers {}", answer.status()).into());
    }
    let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
    connection.abort();
    Ok(body?.to_bytes())
}
