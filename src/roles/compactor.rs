//! The compactor in this process.

use std::sync::Arc;

use latewood_compactor::Compactor;

use super::{Context, Started};

/// Starts its background task.
pub fn start(context: &mut Context, _started: &mut Started) -> anyhow::Result<()> {
    let compactor = Compactor::new(
        context.config.compactor.clone(),
        context.bucket.clone(),
        Arc::clone(&context.catalogs),
        context.clock.clone(),
        &mut context.registry,
    );
    context.tasks.spawn("compactor", compactor.run(context.shutdown.child()));
    Ok(())
}
