//! Logs: structured, on standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::{LogConfig, LogFormat, ServiceError};

/// Libraries whose every step is an `info`, and each request to a node that is away a `warn`, of which the cluster's own code
/// tells once; a directive of their own wins over this one.
const QUIET: &str = "openraft=error";

/// What administrators do is told at every level, unless a directive for this target says otherwise.
const AUDIT: &str = "audit=info";

/// Starts the logs of this process. The variable `RUST_LOG` wins over the configured level.
///
/// # Errors
/// [`ServiceError::LogLevel`] when the level is none. Starting twice keeps the first.
pub fn init_logs(config: &LogConfig) -> Result<(), ServiceError> {
    let of_environment = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|level| !level.is_empty());
    let filter = match of_environment {
        Some(level) => filter(EnvFilter::DEFAULT_ENV, &level),
        None => filter(LogConfig::LEVEL, &config.level),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter?).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logs were started before");
    }
    Ok(())
}

/// What a level, or a list of directives, lets through; `setting` is where it was given. A word alone must be a
/// level: `EnvFilter` takes any other for a module, so that a level that was misspelt would end all logs.
pub(crate) fn filter(setting: &'static str, level: &str) -> Result<EnvFilter, ServiceError> {
    let wrong = || ServiceError::LogLevel { setting, level: level.to_owned() };
    let directives = level.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    let directives: Vec<&str> = directives.collect();
    let is_misspelt = |word: &&str| !word.contains(['=', '[']) && word.parse::<LevelFilter>().is_err();
    if directives.is_empty() || directives.iter().any(is_misspelt) {
        return Err(wrong());
    }
    EnvFilter::try_new(format!("{QUIET},{AUDIT},{}", directives.join(","))).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_or_directives_per_module_and_nothing_else() {
        let filter = |level| filter(LogConfig::LEVEL, level).map(|filter| filter.to_string());
        for level in ["error", "WARN", "off", "info, latewood_ingester=debug", "latewood::app=trace"] {
            assert!(filter(level).is_ok(), "{level}");
        }
        for level in ["banana", "nope,latewood_ingester=debug", "latewood_ingester=loud", "", ","] {
            let error = filter(level).unwrap_err().to_string();
            assert!(error.contains("error, warn, info, debug, trace"), "{level}: {error}");
            assert!(error.contains(&format!("{level:?}")), "{level}: {error}");
        }
    }
}
