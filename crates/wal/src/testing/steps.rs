//! A journal's writer without its thread.

use crate::writer::Writer;

/// Writes a journal's appends when a simulation says so.
pub struct Steps(Writer);

impl Steps {
    pub(crate) fn new(writer: Writer) -> Self {
        Self(writer)
    }

    /// Waits until there is something to write, or the journal was closed.
    pub async fn due(&mut self) {
        if self.0.held.is_empty() {
            self.0.shared.queue.something().await;
        }
    }

    /// Whether the disk has no room for what is next.
    #[must_use]
    pub fn is_full(&self) -> bool {
        !self.0.held.is_empty()
    }

    /// Writes what is queued, syncs it and tells who waits; whether there may be more. Call it when it is due: it waits
    /// like the thread that it stands for.
    pub fn step(&mut self) -> bool {
        self.0.write_next()
    }
}
