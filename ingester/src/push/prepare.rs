//! From the bytes of a request to a validated batch: pure but for the pool of buffers.

use std::sync::Arc;

use latewood_model::TenantId;
use latewood_proto::remote_write::{decode_v1, decode_v2, decompress};

use super::Protocol;
use super::type_labels::add_type_and_unit;
use super::validate::{Rules, hash_rows, validate};
use crate::write::{Buffers, BuffersPool, WriteBatch};
use crate::{IngestError, PushConfig, Refusals};

/// Decompresses, decodes, validates and hashes. Returns what can be stored, and what is refused.
pub(super) fn prepare(
    compressed: &[u8],
    protocol: Protocol,
    tenant: TenantId,
    rules: &Rules<'_>,
    pool: &Arc<BuffersPool>,
) -> Result<(WriteBatch, Refusals), IngestError> {
    let mut buffers = pool.take();
    if let Err(error) = decode(compressed, protocol, rules.config, &mut buffers) {
        pool.give_back(buffers);
        return Err(error);
    }
    if rules.config.type_and_unit_labels {
        add_type_and_unit(&mut buffers);
    }
    let refusals = validate(&mut buffers, rules);
    hash_rows(&mut buffers, &rules.config.replica_labels);
    let batch = WriteBatch::new(tenant, buffers, Some(Arc::clone(pool)));
    Ok((batch, refusals))
}

fn decode(
    compressed: &[u8],
    protocol: Protocol,
    config: &PushConfig,
    buffers: &mut Buffers,
) -> Result<(), IngestError> {
    buffers.rows.clear();
    decompress(compressed, config.max_decompressed_bytes, &mut buffers.body)?;
    let decode = match protocol {
        Protocol::V1 => decode_v1,
        Protocol::V2 => decode_v2,
    };
    decode(&buffers.body, config.max_items_per_request, &mut buffers.columns)?;
    Ok(())
}
