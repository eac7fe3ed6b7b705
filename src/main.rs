//! `latewood`: long-term storage for Prometheus metrics. One binary holds every role and the tools.

mod app;
mod bench;
mod block_tool;
mod build_info;
mod cli;
mod config;
mod features;
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
            eprintln!("latewood: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Config(args) => config::print(&args),
        Command::Block(command) => runtime()?.block_on(block_tool::run(command)),
        Command::Bench(command) => runtime()?.block_on(bench::run(command)),
        Command::All(args) => run_role(&roles::ALL, config::load(&args)?),
        Command::Ingester(args) => run_role(&roles::INGESTER, config::load(&args)?),
        Command::StoreGateway(args) => run_role(&roles::STORE_GATEWAY, config::load(&args)?),
        Command::Querier(args) => run_role(&roles::QUERIER, config::load_querier(&args)?),
        Command::Compactor(args) => run_role(&roles::COMPACTOR, config::load(&args)?),
    }
}

fn run_role(role: &roles::Role, config: config::Config) -> anyhow::Result<()> {
    runtime()?.block_on(app::run(role, config))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
