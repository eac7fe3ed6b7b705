//! Golden block.
