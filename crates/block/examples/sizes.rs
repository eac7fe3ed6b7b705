//! Writes blocks of recorded sample sets and prints what their files cost.
//!
//! `cargo run -p latewood-block --example sizes -- FOLDER SET…` where FOLDER holds `SET.samples.parquet`
//! (series INT32, ts_ms INT64, value DOUBLE) and `SET.series.ndjson.gz` (the labels of series n on line n).

#[path = "../tests/block/data_set.rs"]
mod data_set;

use std::error::Error;
use std::path::Path;

use latewood_block::{BlockHeader, BlockWriter, WriterConfig};
use latewood_model::{Resolution, TenantId};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: sizes FOLDER SET… [-- keeps the blocks in $KEEP]")?;
    for set in arguments {
        let series = data_set::load(Path::new(&folder), &set)?;
        let temporary = tempfile::tempdir()?;
        let target =
            std::env::var_os("KEEP").map_or(temporary.path().to_owned(), |keep| Path::new(&keep).join(&set));
        let id = latewood_base::Ulid::from_parts(1_700_000_000_000, 1);
        let header = BlockHeader::new(id, TenantId::anonymous(), Resolution::Raw);
        let clock = latewood_base::Clock::system();
        let mut writer = BlockWriter::create(&target, header, WriterConfig::default())?;
        for one in &series {
            writer.push(one, None)?;
        }
        let meta = writer.finish()?;
        let json = meta.to_json()?.len() as u64;
        let seconds = clock.elapsed().as_secs_f64();
        println!("{set}: {} series, {} samples, {seconds:.1} s", meta.series, meta.samples);
        for file in &meta.files {
            println!("  {:>10} {:.4} {}", file.size, file.size as f64 / meta.samples as f64, file.path);
        }
        println!("  {json:>10} meta.json");
        println!("  {:.4} bytes a sample", (meta.bytes() + json) as f64 / meta.samples as f64);
    }
    Ok(())
}
