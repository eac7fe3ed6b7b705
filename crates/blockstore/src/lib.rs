//! Blocks in the bucket, as the catalog names them: what everybody needs who brings blocks there or reads them together
//! with the deletions that bind them. `block` knows no catalogs, `catalog` no blocks; this crate knows both and decides
//! nothing.

mod entry;
mod error;
mod masks;
mod masks_rollups;
mod publisher;
mod read_entry;
mod verify_files;

pub use entry::block_entry;
pub use error::BlockStoreError;
pub use masks::{Mask, Masks};
pub use publisher::Publisher;
pub use read_entry::read_entry;
pub use verify_files::verify_files;
