//! Room on the stack for what recurses over an expression: checks, printing, plans, operators that pull each other.

use crate::QueryError;
use crate::parse::ParseError;

/// Levels for which any thread's stack has room: without optimisation the engine then takes most of 2 MiB.
const LEVELS_ANYWHERE: usize = 128;

/// What a level takes at most, without optimisation and with operators watched. Only what is used is ever backed by memory.
const BYTES_PER_LEVEL: usize = 32 << 10;

/// No thread could be started for an expression of so many levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot start a thread for an expression of {0} levels; try again later")]
pub struct NoRoom(pub usize);

impl From<NoRoom> for QueryError {
    fn from(error: NoRoom) -> Self {
        Self::Execution(error.to_string())
    }
}

impl From<NoRoom> for ParseError {
    fn from(error: NoRoom) -> Self {
        Self::whole(error.to_string())
    }
}

/// Does work that recurses through so many levels, here or, if these are many, on a thread made for it, which is
/// waited for.
///
/// # Errors
/// [`NoRoom`]
pub fn with_room<T: Send>(levels: usize, work: impl FnOnce() -> T + Send) -> Result<T, NoRoom> {
    if levels <= LEVELS_ANYWHERE {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("deep-query".to_owned());
        let builder = builder.stack_size(levels.saturating_mul(BYTES_PER_LEVEL));
        let thread = builder.spawn_scoped(scope, work).map_err(|_| NoRoom(levels))?;
        thread.join().map_or_else(|panic| std::panic::resume_unwind(panic), Ok)
    })
}
