//! The gRPC listener.

use std::net::SocketAddr;

use latewood_base::Shutdown;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::{ServiceConfig, ServiceError};

/// Binds the configured address and serves until the signal; the future that is returned ends when the
/// last request was answered.
///
/// # Errors
/// [`ServiceError::Listen`] when the address cannot be had.
pub async fn serve_grpc(
    config: &ServiceConfig,
    routes: Routes,
    shutdown: Shutdown,
) -> Result<(SocketAddr, impl Future<Output = ()> + Send + 'static), ServiceError> {
    let failed = |source| ServiceError::Listen { addr: config.grpc_addr.clone(), what: "gRPC", source };
    let listener = config.grpc_addr.bind().await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let server = Server::builder().http2_keepalive_interval(Some(config.header_timeout())).add_routes(routes);
    let drain = config.drain_timeout();
    let serving = async move {
        let served = server.serve_with_incoming_shutdown(incoming(listener), shutdown.begun());
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

/// The connections of a listener, without Nagle's delay: with it the end of an answer waits until the client has
/// acknowledged its beginning, which clients put off by 40 ms. [`Server::tcp_nodelay`] does not reach a listener that
/// was bound elsewhere.
fn incoming(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener).with_nodelay(Some(true))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;
    use tokio_stream::StreamExt;

    use super::*;

    #[tokio::test]
    async fn answers_do_not_wait_for_acknowledgements() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let accepted = incoming(listener).next().await.unwrap().unwrap();
        assert!(accepted.nodelay().unwrap());
    }
}
