//! The store-gateway in this process.

use std::sync::Arc;

use latewood_store_gateway::StoreGateway;

use super::{Context, Started};

/// Starts it: blocks are opened when they are asked for.
pub fn start(context: &mut Context, started: &mut Started) -> anyhow::Result<()> {
    let gateway = StoreGateway::new(
        context.config.store_gateway.clone(),
        context.bucket.clone(),
        Arc::clone(&context.catalogs),
        context.offload.clone(),
        &mut context.registry,
    );
    started.blocks = Some(Arc::new(gateway));
    Ok(())
}
