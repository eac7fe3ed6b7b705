//! Replicated state machines over the journal.
