//! For simulations of groups on one thread: disks and wires that fail by a seed.

mod disk;
mod wires;

pub use disk::Disk;
pub use wires::{Plug, Wires};
