//! Starting real processes, Latewood and others, and talking to them.

mod deployment;
mod latewood;
pub mod peers;
pub mod process;
mod query;
mod write;

pub use deployment::{Deployment, Layout};
pub use latewood::Latewood;
pub use peers::{NodeExporter, Peers, Prometheus, SeaweedFs};
pub use query::{Answer, differences};
pub use write::{Written, write, write_v1, write_v2};

/// A variable that names something real to test beside. `None` skips the test on a developer's machine,
/// which says so; in CI it is a failure.
pub fn beside(variable: &str) -> Option<std::path::PathBuf> {
    let found = std::env::var_os(variable).map(std::path::PathBuf::from);
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{variable} must be set in CI: see CONTRIBUTING.md");
        eprintln!("skipped: {variable} is not set, see CONTRIBUTING.md");
    }
    found
}
