//! What this binary was built from; empty where the build did not know.

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
