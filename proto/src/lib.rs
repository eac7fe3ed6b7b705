//! Wire formats: the Store API and deletion between roles, and the decoding of remote write. The one bridge between
//! wire types and `latewood_model`.
//!
//! Roles talk only through the traits of this crate, so that a local implementation and a remote one
//! look the same ([`store::StoreApi`]).

pub mod deletion;
pub mod remote_write;
pub mod store;
