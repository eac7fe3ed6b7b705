//! What every role's listeners share: HTTP and gRPC servers with a bounded number of connections and an
//! orderly stop, TLS, the guard that lets requests in, health, metrics, logs, and the one mapping from error kinds to HTTP
//! statuses.
//!
//! This crate knows nothing of metrics data: routes come from the roles.

mod accept;
mod asked_by;
mod audit;
mod config;
mod connection;
mod error;
mod grpc;
mod grpc_stream;
mod grpc_tls;
mod guard;
mod health;
mod http;
mod key_fetch;
mod late_routes;
mod listen_addr;
mod log_limit;
mod metrics;
mod process;
mod reload;
mod stall;
mod status;
mod telemetry;
mod tenant;
mod text_format;
mod tls;
mod web;

pub use accept::wants_json;
pub use asked_by::asked_by;
pub use config::{LogConfig, LogFormat, ServiceConfig};
pub use error::ServiceError;
pub use grpc::serve_grpc;
pub use grpc_tls::{GrpcClientTls, GrpcServerTls, GrpcTls};
pub use guard::{Guard, Needs, Serves};
pub use health::Health;
pub use http::{HttpServer, with_middleware};
pub use late_routes::LateRoutes;
pub use listen_addr::ListenAddr;
pub use log_limit::LogLimit;
pub use metrics::{SharedRegistry, metrics_routes};
pub use process::register_process_metrics;
pub use reload::ReloadMetrics;
pub use status::http_status;
pub use telemetry::init_logs;
pub use tenant::{TENANT_HEADERS, TenantFromRequest, TenantRejection};
pub use web::Web;
