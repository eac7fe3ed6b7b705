//! HTTP and gRPC listeners, status mapping, health, telemetry.
