//! Segments of opaque records for many groups, one fsync.
