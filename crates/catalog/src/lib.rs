//! The catalog of blocks: a log of commits per tenant.
