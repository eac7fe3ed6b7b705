//! One connection: its handshake, and the requests that come over it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::Watcher;
use hyper_util::service::TowerToHyperService;
use latewood_base::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::ServiceConfig;
use crate::stall::StallTimeout;

/// Streams of one HTTP/2 connection at once.
const MAX_STREAMS: u32 = 128;

/// Where a request comes from: the other end of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller(pub(crate) SocketAddr);

/// How connections are served.
#[derive(Debug)]
pub(crate) struct Connections {
    plain: Builder<TokioExecutor>,
    http2: Builder<TokioExecutor>,
    handshake_timeout: Duration,
    write_timeout: Duration,
    routes: Router,
    shutdown: Shutdown,
}

impl Connections {
    /// As the settings have it; no handshake goes on after the signal.
    pub(crate) fn new(config: &ServiceConfig, routes: Router, shutdown: Shutdown) -> Arc<Self> {
        let mut plain = Builder::new(TokioExecutor::new()).http1_only();
        plain.http1().timer(TokioTimer::new()).header_read_timeout(config.header_timeout());
        let mut http2 = Builder::new(TokioExecutor::new()).http2_only();
        http2
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(config.header_timeout())
            .keep_alive_timeout(config.header_timeout())
            .max_concurrent_streams(MAX_STREAMS);
        let (handshake_timeout, write_timeout) = (config.header_timeout(), config.write_timeout());
        Arc::new(Self { plain, http2, handshake_timeout, write_timeout, routes, shutdown })
    }

    /// Serves one until it ends.
    pub(crate) async fn serve(
        &self,
        stream: TcpStream,
        caller: SocketAddr,
        tls: Option<TlsAcceptor>,
        watcher: Watcher,
    ) {
        let stream = StallTimeout::new(stream, self.write_timeout);
        let Some(tls) = tls else {
            return self.answer(&self.plain, stream, caller, watcher).await;
        };
        let handshake = tokio::time::timeout(self.handshake_timeout, tls.accept(stream));
        let outcome = tokio::select! {
            () = self.shutdown.begun() => return,
            outcome = handshake => outcome,
        };
        match outcome {
            Ok(Ok(stream)) => {
                let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let builder = if speaks_http2 { &self.http2 } else { &self.plain };
                self.answer(builder, stream, caller, watcher).await;
            }
            Ok(Err(error)) => tracing::debug!(%caller, %error, "the TLS handshake failed"),
            Err(_) => tracing::debug!(%caller, "the TLS handshake took too long"),
        }
    }

    async fn answer<S>(
        &self,
        builder: &Builder<TokioExecutor>,
        stream: S,
        caller: SocketAddr,
        watcher: Watcher,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = self.routes.clone().map_request(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Caller(caller));
            request
        });
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        if let Err(error) = watcher.watch(connection.into_owned()).await {
            tracing::debug!(%caller, %error, "HTTP connection ended");
        }
    }
}
