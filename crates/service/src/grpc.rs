//! The gRPC listener.

use std::net::SocketAddr;

use latewood_base::Shutdown;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::Routes;
use tonic::transport::Server;

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
    let server = Server::builder()
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(config.header_timeout()))
        .add_routes(routes);
    let drain = config.drain_timeout();
    let serving = async move {
        let served = server.serve_with_incoming_shutdown(TcpListenerStream::new(listener), shutdown.begun());
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
