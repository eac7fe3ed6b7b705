//! PromQL over a fan-out of stores.
