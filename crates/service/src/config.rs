//! Settings of listeners and logs.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::grpc_tls::{GrpcClientTls, GrpcServerTls};
use crate::telemetry::filter;
use crate::{ListenAddr, ServiceError};

/// Settings of the listeners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceConfig {
    /// Where HTTP is served: the write path, the Prometheus API, health and metrics. `host:port`, or `:port` for
    /// all addresses of the machine.
    pub http_addr: ListenAddr,
    /// Where gRPC is served: the Store API between roles. `host:port`, or `:port` for all.
    pub grpc_addr: ListenAddr,
    /// Where what needs an administrator's right is served, and nowhere else then: flushes, deletions, leaving the cluster.
    /// `host:port`, or `:port` for all. Default: none; at `http_addr`.
    pub admin_addr: Option<ListenAddr>,
    /// TLS, basic auth and headers of HTTP: a file in the form of Prometheus's `--web.config.file` (exporter-toolkit). It and the
    /// files that it names are read again when they change. Default: none; HTTP is plain and open.
    pub web_config_file: Option<PathBuf>,
    /// Who may do what over HTTP: users, bearer tokens and JWTs with their tenants and rights, a file as docs/operating.md
    /// describes it. It and the files that it names are read again when they change. Default: none; users of
    /// `web_config_file` may everything.
    pub auth_config_file: Option<PathBuf>,
    /// TLS of the gRPC listener.
    pub grpc_tls: GrpcServerTls,
    /// TLS of connections to the gRPC listeners of other processes.
    pub client_tls: GrpcClientTls,
    /// Connections that one listener holds at once; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// How long a client may take to send a request's headers, in seconds.
    pub header_timeout_seconds: u64,
    /// How long a client may take nothing of an answer that is being sent, in seconds.
    pub write_timeout_seconds: u64,
    /// How long a stop waits for requests that are being answered, in seconds.
    pub drain_timeout_seconds: u64,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            http_addr: (Ipv4Addr::LOCALHOST, 9009).into(),
            grpc_addr: (Ipv4Addr::LOCALHOST, 9095).into(),
            admin_addr: None,
            web_config_file: None,
            auth_config_file: None,
            grpc_tls: GrpcServerTls::default(),
            client_tls: GrpcClientTls::default(),
            max_connections: 4096,
            header_timeout_seconds: 30,
            write_timeout_seconds: 60,
            drain_timeout_seconds: 30,
        }
    }
}

impl ServiceConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A text that names the field and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        self.grpc_tls.validate().map_err(|error| format!("service.grpc_tls.{error}"))?;
        self.client_tls.validate().map_err(|error| format!("service.client_tls.{error}"))?;
        if self.max_connections == 0 {
            return Err("service.max_connections must be at least 1".to_owned());
        }
        if self.header_timeout_seconds == 0 {
            return Err("service.header_timeout_seconds must be at least 1".to_owned());
        }
        if self.write_timeout_seconds == 0 {
            return Err("service.write_timeout_seconds must be at least 1".to_owned());
        }
        Ok(())
    }

    pub(crate) fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_seconds)
    }

    pub(crate) fn write_timeout(&self) -> Duration {
        Duration::from_secs(self.write_timeout_seconds)
    }

    pub(crate) fn drain_timeout(&self) -> Duration {
        Duration::from_secs(self.drain_timeout_seconds)
    }
}

/// Settings of the logs, which go to standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// What is logged: a level (`error`, `warn`, `info`, `debug`, `trace`), or directives per module such
    /// as `info,latewood_ingester=debug`.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

impl LogConfig {
    pub(crate) const LEVEL: &str = "log.level";

    /// Checks what types cannot.
    ///
    /// # Errors
    /// [`ServiceError::LogLevel`].
    pub fn validate(&self) -> Result<(), ServiceError> {
        filter(Self::LEVEL, &self.level).map(drop)
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
