//! The gRPC listener.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use latewood_base::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::grpc_stream::GrpcStream;
use crate::{GrpcTls, ServiceConfig, ServiceError};

/// Handshakes that are under way at once; further connections wait.
const MAX_HANDSHAKES: usize = 256;

/// Binds the configured address and serves until the signal; the future that is returned ends when the
/// last request was answered.
///
/// # Errors
/// [`ServiceError::Listen`] when the address cannot be had.
pub async fn serve_grpc(
    config: &ServiceConfig,
    tls: &GrpcTls,
    routes: Routes,
    shutdown: Shutdown,
) -> Result<(SocketAddr, impl Future<Output = ()> + Send + 'static), ServiceError> {
    let failed = |source| ServiceError::Listen { addr: config.grpc_addr.clone(), what: "gRPC", source };
    let listener = config.grpc_addr.bind().await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let server = Server::builder().http2_keepalive_interval(Some(config.header_timeout())).add_routes(routes);
    let drain = config.drain_timeout();
    let accepted = accepted(listener, tls.clone(), config.header_timeout(), shutdown.clone());
    let serving = async move {
        let served = server.serve_with_incoming_shutdown(accepted, shutdown.begun());
        let late = async {
            shutdown.begun().await;
            tokio::time::sleep(drain).await;
        };
        tokio::select! {
            ended = served => if let Err(error) = ended {
                tracing::error!(%error, "the gRPC listener ended");
            },
            () = late => tracing::warn!("gRPC requests were still being answered at the end of the drain timeout"),
        }
    };
    Ok((addr, serving))
}

/// The connections of a listener, those with TLS after their handshakes.
fn accepted(
    listener: TcpListener,
    tls: GrpcTls,
    patience: Duration,
    shutdown: Shutdown,
) -> BoxStream<'static, io::Result<GrpcStream>> {
    let plain = incoming(listener);
    if tls.server().is_none() {
        return plain.map(|stream| stream.map(GrpcStream::Plain)).boxed();
    }
    let handshake = move |stream: io::Result<TcpStream>| {
        // As the files are now: each handshake has the newest certificate.
        let acceptor = tls.server().map(TlsAcceptor::from);
        async move {
            let acceptor = acceptor.ok_or_else(|| io::Error::other("TLS is not there any more"))?;
            let accepted = tokio::time::timeout(patience, acceptor.accept(stream?)).await;
            accepted.map_err(io::Error::from)?.map(|stream| GrpcStream::Encrypted(Box::new(stream)))
        }
    };
    // A handshake that failed is one client's trouble.
    let good = async |stream: io::Result<GrpcStream>| match stream {
        Ok(stream) => Some(Ok(stream)),
        Err(error) => {
            tracing::debug!(%error, "a gRPC connection was not opened");
            None
        }
    };
    let ended = async move { shutdown.begun().await };
    plain.take_until(ended).map(handshake).buffer_unordered(MAX_HANDSHAKES).filter_map(good).boxed()
}

/// The connections of a listener, without Nagle's delay: with it the end of an answer waits until the client has
/// acknowledged its beginning, which clients put off by 40 ms. [`Server::tcp_nodelay`] does not reach a listener that
/// was bound elsewhere.
fn incoming(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener).with_nodelay(Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_do_not_wait_for_acknowledgements() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let accepted = incoming(listener).next().await.unwrap().unwrap();
        assert!(accepted.nodelay().unwrap());
    }
}
