//! The operating system's priority of a thread, which can be lowered and, without privileges, not raised again.

use std::cell::Cell;

thread_local! {
    static IS_LOW: Cell<bool> = const { Cell::new(false) };
}

/// Steps of niceness: at 10 a thread gets a tenth of a core that somebody else wants, and is put aside
/// for a thread that wakes up, but is never starved.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Lowers this thread's priority, for good. Call it only on threads that do not go back to other work, such as
/// those of [`Threads`](crate::Threads). Where priorities belong to whole processes it does nothing but remember.
pub fn lower_priority() {
    if IS_LOW.replace(true) {
        return;
    }
    // On Linux niceness is a thread's own.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "cannot lower a thread's priority");
    }
}

/// Whether this thread has lowered its priority.
pub(crate) fn is_low() -> bool {
    IS_LOW.get()
}
