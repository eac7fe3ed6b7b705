//! Logs: structured, on standard error.

use tracing_subscriber::EnvFilter;

use crate::{LogConfig, LogFormat, ServiceError};

/// Libraries whose every step is an `info`; a directive of their own wins over this one.
const QUIET: &str = "openraft=warn";

/// Starts the logs of this process. The variable `RUST_LOG` wins over the configured level.
///
/// # Errors
/// [`ServiceError::LogLevel`] when the level is none. Starting twice keeps the first.
pub fn init_logs(config: &LogConfig) -> Result<(), ServiceError> {
    let level = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_| config.level.clone());
    let filter = EnvFilter::try_new(format!("{QUIET},{level}"))
        .map_err(|error| ServiceError::LogLevel { level, message: error.to_string() })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logs were started before");
    }
    Ok(())
}
