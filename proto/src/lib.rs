//! Wire formats: the Store API, deletion and the cluster of ingesters between processes, the decoding of remote write, and
//! remote read.
//! The one bridge between wire types and `latewood_model`.
//!
//! Roles talk only through the traits of this crate, so that a local implementation and a remote one
//! look the same ([`store::StoreApi`]).

mod channel;
pub mod cluster;
pub mod deletion;
mod dialer;
pub mod remote_read;
pub mod remote_write;
pub mod store;

pub use channel::{channel, near_channel};
pub use dialer::{Dialer, TlsClient};
