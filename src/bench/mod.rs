//! `latewood bench`: load on any Prometheus-compatible server, the same bytes for the same seed.

mod dataset;
mod queries;
mod query;
mod report;
mod write;

pub use query::QueryArgs;
pub use write::WriteArgs;

use crate::cli::BenchCommand;

/// Runs one kind of load and prints its report as a line of JSON.
///
/// # Errors
/// When the server cannot be reached, or refuses what is sent.
pub async fn run(command: BenchCommand) -> anyhow::Result<()> {
    let report = match command {
        BenchCommand::Write(args) => write::run(args).await?,
        BenchCommand::Query(args) => query::run(args).await?,
    };
    println!("{report}");
    Ok(())
}
