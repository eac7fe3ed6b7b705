//! Writes blocks of recorded sample sets and of their rollups, and prints what their files cost.
//!
//! `cargo run -p latewood-block --example sizes -- FOLDER SET…` where FOLDER holds `SET.samples.parquet`
//! (series INT32, ts_ms INT64, value DOUBLE) and `SET.series.ndjson.gz` (the labels of series n on line n).
//! Sizes of rollups are a raw sample. KEEP names a folder where the blocks stay.

#[path = "../tests/block/data_set.rs"]
mod data_set;

use std::error::Error;
use std::path::{Path, PathBuf};

use latewood_block::{BlockHeader, BlockMeta, BlockWriter, WriterConfig};
use latewood_model::{Resolution, RollupWindows, SeriesRollups, TenantId};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: sizes FOLDER SET… [-- keeps the blocks in $KEEP]")?;
    for set in arguments {
        let series = data_set::load(Path::new(&folder), &set)?;
        let temporary = tempfile::tempdir()?;
        let kept = std::env::var_os("KEEP").map_or(temporary.path().to_owned(), PathBuf::from);
        let raw = write(&kept.join(format!("{set}-raw")), Resolution::Raw, |writer| {
            series.iter().try_for_each(|one| Ok(writer.push(one, None)?))
        })?;
        let mut rollups: Vec<SeriesRollups> = Vec::new();
        for resolution in Resolution::ALL {
            let Some(windows) = RollupWindows::of(resolution) else {
                report(&set, &raw, raw.samples)?;
                continue;
            };
            rollups = match rollups.is_empty() {
                true => series.iter().map(|one| SeriesRollups::of(one, windows)).collect(),
                false => rollups.iter().map(|one| one.coarsened(windows)).collect(),
            };
            let meta = write(&kept.join(format!("{set}-{resolution}")), resolution, |writer| {
                rollups.iter().try_for_each(|one| Ok(writer.push_rollups(one, None)?))
            })?;
            report(&format!("{set} {resolution}"), &meta, raw.samples)?;
        }
    }
    Ok(())
}

fn write(
    target: &Path,
    resolution: Resolution,
    push: impl FnOnce(&mut BlockWriter) -> Outcome<()>,
) -> Outcome<BlockMeta> {
    let id = latewood_base::Ulid::from_parts(1_700_000_000_000, 1);
    let header = BlockHeader::new(id, TenantId::anonymous(), resolution);
    let clock = latewood_base::Clock::system();
    let mut writer = BlockWriter::create(target, header, WriterConfig::default())?;
    push(&mut writer)?;
    let meta = writer.finish()?;
    println!("written in {:.1} s", clock.elapsed().as_secs_f64());
    Ok(meta)
}

/// Bytes in all and a raw sample.
fn report(name: &str, meta: &BlockMeta, raw: u64) -> Outcome<()> {
    let json = meta.to_json()?.len() as u64;
    println!("{name}: {} series, {} rows of {raw} samples", meta.series, meta.samples);
    for file in &meta.files {
        println!("  {:>10} {:.4} {}", file.size, file.size as f64 / raw as f64, file.path);
    }
    println!("  {json:>10} meta.json");
    println!("  {:>10} {:.4} bytes a sample", meta.bytes() + json, (meta.bytes() + json) as f64 / raw as f64);
    Ok(())
}
