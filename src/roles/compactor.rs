//! The compactor in this process.

use std::sync::Arc;

use latewood_compactor::Compactor;

use super::Context;

/// Starts its background task.
pub fn start(context: &mut Context) {
    let catalogs = Arc::clone(&context.catalogs);
    let compactor = Compactor::new(context.config.compactor.clone(), catalogs, &mut context.registry);
    context.tasks.spawn("compactor", compactor.run(context.shutdown.child()));
}
