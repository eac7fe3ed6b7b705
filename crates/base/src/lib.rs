//! What every crate stands on: the clock, randomness and ids, shutdown and supervised tasks,
//! CPU work off the async runtime, durable folders, and the kinds of errors.
//!
//! Time, randomness and ids come in through here and nowhere else (clippy refuses the rest), so that
//! a simulation can replay one seed. This crate knows nothing of metrics.

mod clock;
mod error;
mod folders;
mod ids;
mod offload;
mod pieces;
mod priority;
mod shutdown;
mod threads;
mod turns;

pub use clock::{Clock, ManualClock};
pub use error::{ErrorKind, Kinded};
pub use folders::{make_folder, sync_parent};
pub use ids::{Ids, Rng};
pub use offload::{Offload, OffloadError};
pub use pieces::Pieces;
pub use priority::lower_priority;
pub use shutdown::{Shutdown, Tasks};
pub use threads::Threads;
pub use turns::Turns;
pub use ulid::Ulid;
