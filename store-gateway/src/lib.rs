//! Serves blocks from the bucket.
