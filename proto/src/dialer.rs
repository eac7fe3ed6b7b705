//! How connections to other processes are opened.

use std::fmt;
use std::io;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Uri;

/// TLS as it is to be spoken by a connection that is opened now.
#[derive(Clone, Debug)]
pub struct TlsClient {
    /// Whom it trusts, and what it shows.
    pub config: Arc<ClientConfig>,
    /// The name that the other side must have; that by which it is reached where none is said.
    pub server_name: Option<ServerName<'static>>,
}

/// Opens connections: plain ones, or with TLS as it is at that moment.
#[derive(Clone, Default)]
pub struct Dialer(Option<Arc<dyn Fn() -> TlsClient + Send + Sync>>);

impl fmt::Debug for Dialer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Dialer").field("tls", &self.0.is_some()).finish()
    }
}

impl Dialer {
    /// Plain connections.
    #[must_use]
    pub fn plain() -> Self {
        Self::default()
    }

    /// Connections with TLS, which is asked for as each is opened.
    #[must_use]
    pub fn encrypted(tls: impl Fn() -> TlsClient + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tls)))
    }

    /// TLS for a connection that is opened now; none where it is to be plain.
    pub(crate) fn tls(&self) -> Option<TlsClient> {
        self.0.as_ref().map(|tls| tls())
    }
}

/// Opens a connection and shakes hands.
pub(crate) async fn dial(uri: Uri, tls: TlsClient) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, format!("{uri} names no host and port"));
    let host = uri.host().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().ok_or_else(wrong)?;
    let name = match tls.server_name {
        Some(name) => name,
        None => ServerName::try_from(host.clone()).map_err(|_| wrong())?,
    };
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(TlsConnector::from(tls.config).connect(name, stream).await?))
}
