//! Whatever one of a block's files holds, reading the block ends without a panic and without more memory than
//! its limits allow: an error, or an answer, and a report of `verify`.
//!
//! The first byte says which file of the golden block the others replace, and whether sizes and checksums
//! are made to match, so that the decoders see the damage.

#![no_main]

use std::sync::{Arc, LazyLock};

use futures::TryStreamExt;
use latewood_base::Offload;
use latewood_block::testing::{Files, reseal};
use latewood_block::{Block, BlockError, ReaderConfig, SelectSpec, verify};
use latewood_model::{MatchOp, Matcher, TimeRange};
use latewood_objstore::{Bucket, MemoryBucket, ObjectClient};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

const FOLDER: &str = "anonymous/raw/block=01";
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/block/tests/golden/v3");
/// The numbers that seeds have in their first byte: do not reorder.
const FILES: [&str; 7] = [
    "meta.json",
    "index",
    "series.parquet",
    "spans.parquet",
    "scrapes.parquet",
    "samples/w=0000-01-01T00:00:00Z/part-0.parquet",
    "hist/w=0000-01-01T00:00:00Z/part-0.parquet",
];
/// In the first byte: checksums stay as they are.
const UNSEALED: u8 = 0x80;

static WHOLE: LazyLock<Files> = LazyLock::new(|| {
    let read = |path: &str| (path.to_owned(), std::fs::read(format!("{GOLDEN}/{path}")).unwrap());
    FILES.map(read).into()
});
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());

fuzz_target!(
    init: {
        // The reader contains panics of the Parquet crate. One that gets out still ends the run.
        std::panic::set_hook(Box::new(|_| {}));
    },
    |bytes: &[u8]| {
        let Some((&mode, body)) = bytes.split_first() else { return };
        let mut files = WHOLE.clone();
        files[usize::from(mode & !UNSEALED) % FILES.len()].1 = body.to_vec();
        if mode & UNSEALED == 0 {
            reseal(&mut files);
        }
        RUNTIME.block_on(read(files));
    }
);

async fn read(files: Files) {
    let memory = MemoryBucket::new();
    for (name, body) in files {
        memory.put(&format!("{FOLDER}/{name}"), body.into()).await.unwrap();
    }
    let bucket: Bucket = Arc::new(memory);
    if let Err(error) = ask(&bucket).await {
        assert!(!matches!(error, BlockError::Offload(_)), "{error}");
    }
    verify(&bucket, FOLDER, &Offload::new(1)).await.unwrap();
}

async fn ask(bucket: &Bucket) -> Result<(), BlockError> {
    let block = Block::open(Arc::clone(bucket), FOLDER, Offload::new(1), ReaderConfig::default()).await?;
    let matcher = Matcher::new(MatchOp::Regex, "job", ".+").unwrap();
    block.label_names(&[], TimeRange::ALL).await?;
    block.label_values("job", std::slice::from_ref(&matcher), TimeRange::ALL).await?;
    block.metadata(None).await?;
    block.statistics(10).await?;
    for matchers in [vec![], vec![matcher]] {
        let spec = SelectSpec { matchers, range: TimeRange::ALL, skip_samples: false, skip_starts: false };
        let mut batches = block.select(spec);
        while let Some(batch) = batches.try_next().await? {
            for series in batch {
                assert_eq!(series.timestamps.len(), series.values.len());
                assert!(series.timestamps.is_sorted_by(|a, b| a < b));
                assert!(series.histograms.is_sorted_by(|a, b| a.timestamp < b.timestamp));
            }
        }
    }
    Ok(())
}
