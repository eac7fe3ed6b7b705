//! What this binary was built from; empty where the build did not know.

use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// The release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit.
pub const REVISION: &str = env!("LATEWOOD_REVISION");
/// The branch.
pub const BRANCH: &str = env!("LATEWOOD_BRANCH");
/// The time of that commit, `YYYYMMDD-hh:mm:ss` in UTC: building the same twice gives the same.
pub const DATE: &str = env!("LATEWOOD_BUILD_DATE");
/// The compiler.
pub const COMPILER: &str = env!("LATEWOOD_COMPILER");

/// Registers `latewood_build_info`, which is always 1: what counts are its labels.
pub fn register(registry: &mut Registry) {
    let labels = [("version", VERSION), ("revision", REVISION), ("branch", BRANCH), ("compiler", COMPILER)];
    registry.register("latewood_build", "What this binary was built from", Info::new(labels));
}
