//! `latewood block`: looking into one block.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use latewood_base::{Clock, Ids, Offload, Rng};
use latewood_block::{Block, ReaderConfig};
use latewood_objstore::{Bucket, BucketConfig, open_bucket};
use prometheus_client::registry::Registry;

use crate::cli::{BlockArgs, BlockCommand};
