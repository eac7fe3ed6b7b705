//! The HTTP listener: bounded connections, timeouts for slow clients, an orderly stop.
//!
//! Without TLS HTTP/1.1 alone is spoken: no client of Prometheus uses HTTP/2 there, and telling the two apart would have to
//! wait without end for a first byte. With TLS the handshake tells.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;

use http::Method;
use hyper_util::server::graceful::GracefulShutdown;
use latewood_base::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{Any, CorsLayer};

use crate::connection::Connections;
use crate::guard::with_headers;
use crate::{ListenAddr, ServiceConfig, ServiceError, Web};

/// An HTTP listener that is bound but not serving yet, so that a taken port is known at the start.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    addr: SocketAddr,
    config: ServiceConfig,
    web: Web,
}

impl HttpServer {
    /// Binds the configured address.
    ///
    /// # Errors
    /// [`ServiceError::Listen`] when the address cannot be had.
    pub async fn bind(config: &ServiceConfig, web: &Web) -> Result<Self, ServiceError> {
        Self::bind_at(&config.http_addr, "HTTP", config, web).await
    }

    /// Binds the address of administrators, if there is one.
    ///
    /// # Errors
    /// As [`HttpServer::bind`].
    pub async fn bind_admin(config: &ServiceConfig, web: &Web) -> Result<Option<Self>, ServiceError> {
        match &config.admin_addr {
            Some(addr) => Self::bind_at(addr, "administrators", config, web).await.map(Some),
            None => Ok(None),
        }
    }

    async fn bind_at(
        addr: &ListenAddr,
        what: &'static str,
        config: &ServiceConfig,
        web: &Web,
    ) -> Result<Self, ServiceError> {
        let failed = |source| ServiceError::Listen { addr: addr.clone(), what, source };
        let listener = addr.bind().await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, addr, config: config.clone(), web: web.clone() })
    }

    /// The address that was bound: the port is a real one where 0 was configured.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until the signal, then waits for the requests that are being answered, at most as long as
    /// configured.
    pub async fn serve(self, routes: Router, shutdown: Shutdown) {
        let served = Connections::new(&self.config, routes, shutdown.clone());
        let places = Arc::new(Semaphore::new(self.config.max_connections.min(Semaphore::MAX_PERMITS)));
        let connections = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.begun() => break,
                accepted = accept(&self.listener, &places) => accepted,
            };
            let Some((stream, caller, place)) = accepted else { continue };
            let (served, watcher) = (Arc::clone(&served), connections.watcher());
            // As the files are now: each handshake has the newest certificate.
            let tls = self.web.current().tls.clone().map(TlsAcceptor::from);
            tokio::spawn(async move {
                let _held_while_open = place;
                served.serve(stream, caller, tls, watcher).await;
            });
        }
        drop(self.listener);
        if tokio::time::timeout(self.config.drain_timeout(), connections.shutdown()).await.is_err() {
            tracing::warn!("requests were still being answered at the end of the drain timeout");
        }
    }
}

/// Takes the next connection once there is a place for it; `None` when the system refused one.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, caller)) => {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "cannot set TCP_NODELAY");
            }
            Some((stream, caller, place))
        }
        Err(error) => {
            // Out of file descriptors, most often: others must end first.
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            None
        }
    }
}

/// What stands around all routes: gzip for those who ask, CORS as Prometheus has it, a handler's panic contained as a 500, and
/// the headers that the web configuration file has.
pub fn with_middleware(routes: Router, web: &Web) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::OPTIONS])
        .allow_headers(Any);
    let routes = routes.layer(CompressionLayer::new()).layer(cors).layer(CatchPanicLayer::new());
    with_headers(routes, web)
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use latewood_base::Rng;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn open() -> Web {
        Web::open(&ServiceConfig::default(), &Rng::seeded(1), &crate::ReloadMetrics::default()).unwrap()
    }

    async fn exchange(addr: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_request_in_flight_is_answered_before_the_stop_and_a_panic_is_a_500() {
        let config = ServiceConfig { http_addr: ([127, 0, 0, 1], 0).into(), ..Default::default() };
        let server = HttpServer::bind(&config, &open()).await.unwrap();
        let addr = server.addr();
        let shutdown = Shutdown::new();
        let stop = shutdown.clone();
        let slow = move || async move {
            stop.begin();
            tokio::task::yield_now().await;
            "answered"
        };
        let panics = || async {
            if true {
                panic!("contained")
            }
        };
        let routes =
            with_middleware(Router::new().route("/slow", get(slow)).route("/panics", get(panics)), &open());
        let served = tokio::spawn(server.serve(routes, shutdown));
        let request = |path| format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        assert!(exchange(addr, &request("/panics")).await.starts_with("HTTP/1.1 500"));
        assert!(exchange(addr, &request("/slow")).await.ends_with("answered"));
        served.await.unwrap();
        assert!(TcpStream::connect(addr).await.is_err());
    }

    #[tokio::test]
    async fn clients_that_send_nothing_or_not_all_of_their_headers_do_not_keep_their_place() {
        let config = ServiceConfig {
            http_addr: ([127, 0, 0, 1], 0).into(),
            max_connections: 3,
            header_timeout_seconds: 1,
            ..Default::default()
        };
        let server = HttpServer::bind(&config, &open()).await.unwrap();
        let addr = server.addr();
        let shutdown = Shutdown::new();
        let routes = with_middleware(Router::new().route("/", get(|| async { "answered" })), &open());
        let served = tokio::spawn(server.serve(routes, shutdown.clone()));
        let mut held = Vec::new();
        for sent in ["", "P", "PRI * HTTP/2.0\r\n"] {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            held.push(stream);
        }
        let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        assert!(exchange(addr, request).await.ends_with("answered"));
        shutdown.begin();
        served.await.unwrap();
    }
}
