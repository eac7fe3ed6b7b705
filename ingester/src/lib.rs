//! Remote write in, journal, head, flush.
