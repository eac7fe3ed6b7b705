//! The compactor in this process.

use std::sync::Arc;

use latewood_compactor::{Compactor, CompactorDeps};

use super::{Context, Started};

/// Starts its background task.
pub fn start(context: &mut Context, started: &mut Started) -> anyhow::Result<()> {
    let deps = CompactorDeps {
        bucket: Arc::clone(&context.bucket),
        catalogs: Arc::clone(&context.catalogs),
        clock: context.clock.clone(),
        ids: context.ids.clone(),
        offload: context.offload.clone(),
        scratch_dir: context.config.data_dir.join("compactor"),
    };
    let compactor = Compactor::new(&context.config.compactor, deps, &mut context.registry)?;
    started.mount(compactor.routes());
    context.tasks.spawn("compactor", compactor.run(context.shutdown.child()));
    Ok(())
}
