//! `latewood`: long-term storage for Prometheus metrics. One binary holds every role and the tools.

mod app;
mod bench;
mod block_tool;
mod bucket;
mod build_info;
mod cli;
mod config;
mod features;
mod import;
mod roles;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The logs may not have been started: the last word goes to standard error as it is.
            eprintln!("latewood: {}", whole_text(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each once: the texts of our own errors end with their causes'.
fn whole_text(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| {
        if text.is_empty() {
            cause
        } else if text.ends_with(&cause) {
            text
        } else {
            format!("{text}: {cause}")
        }
    })
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Config(args) => config::print(&args),
        Command::Block(command) => runtime()?.block_on(block_tool::run(command)),
        Command::Bucket(command) => runtime()?.block_on(bucket::run(command)),
        Command::Import(command) => runtime()?.block_on(import::run(command)),
        Command::Bench(command) => runtime()?.block_on(bench::run(command)),
        Command::All(args) => run_role(&roles::ALL, config::load(&args)?),
        Command::Ingester(args) => run_role(&roles::INGESTER, config::load(&args)?),
        Command::StoreGateway(args) => run_role(&roles::STORE_GATEWAY, config::load(&args)?),
        Command::Querier(args) => run_role(&roles::QUERIER, config::load_querier(&args)?),
        Command::Compactor(args) => run_role(&roles::COMPACTOR, config::load(&args)?),
    }
}

fn run_role(role: &'static roles::Role, config: config::Config) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(app::run(role, config));
    // An orderly stop has ended all tasks. What goes on is a start that was cut short, and may end as in a crash.
    runtime.shutdown_background();
    outcome
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn each_cause_is_told_once() {
        let taken = || std::io::Error::from_raw_os_error(98);
        let listen = latewood_service::ServiceError::Listen {
            addr: ([127, 0, 0, 1], 1).into(),
            what: "HTTP",
            source: taken(),
        };
        let cause = taken().to_string();
        let text = whole_text(&anyhow::Error::new(listen).context("no start"));
        assert_eq!(text, format!("no start: cannot listen on 127.0.0.1:1 for HTTP: {cause}"));
        let error = Err::<(), _>(taken()).context("cannot read a").unwrap_err();
        assert_eq!(whole_text(&error), format!("cannot read a: {cause}"));
    }
}
