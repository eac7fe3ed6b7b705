//! Test support: failing store, generators, peers.
