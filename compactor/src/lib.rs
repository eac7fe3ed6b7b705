//! Compacts, downsamples, collects garbage.
