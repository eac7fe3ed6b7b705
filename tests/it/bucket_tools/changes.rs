//! The tools that have the compactor's work done now: rewrite, retention, downsample.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::*;

/// The live blocks: id and resolution.
fn live(bucket: &Path) -> Vec<(String, String)> {
    let listed = well(bucket, &["ls", "--output=json"]);
    let rows = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.map(|row| (text(&row, "id"), text(&row, "resolution"))).collect()
}

fn count(bucket: &Path, resolution: &str) -> usize {
    live(bucket).iter().filter(|(_, other)| other == resolution).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollups_are_made_now_and_samples_go_when_they_have_outlived_their_retention() {
    let world = World::new().await;
    let bucket = world.bucket("rolled");
    let keep = ["retention", "--retention.resolution-raw=30d"];
    assert!(well(&bucket, &keep).contains("stays until its window is downsampled"));
    assert!(well(&bucket, &["downsample", "--dry-run"]).contains("would align 2 blocks"));
    assert_eq!((count(&bucket, "raw"), count(&bucket, "1d")), (2, 0));
    // Killed while it is at it, and run again.
    let url = format!("--bucket=file://{}", bucket.display());
    let data = format!("--data-dir={}", bucket.with_extension("killed").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_latewood"));
    let mut child =
        command.args(["bucket", "downsample", &url, &data]).stderr(Stdio::piped()).spawn().unwrap();
    let first = BufReader::new(child.stderr.take().unwrap()).lines().next().unwrap().unwrap();
    assert!(first.contains("align"), "it says how far it is: {first}");
    child.kill().unwrap();
    child.wait().unwrap();
    let lease = bucket.join("anonymous/lease");
    if lease.exists() {
        // The dead one's lease would run out by itself.
        fs::remove_dir_all(lease).unwrap();
    }
    assert!(well(&bucket, &["downsample"]).contains("nothing is owed"));
    assert_eq!(["raw", "5m", "1h", "1d"].map(|resolution| count(&bucket, resolution)), [2; 4]);
    assert_answers(&bucket, "kept", AT_MS).await;
    assert!(well(&bucket, &keep).contains("2 blocks have outlived their retention, 0 wait; give --yes"));
    assert_eq!(count(&bucket, "raw"), 2);
    well(&bucket, &[&keep[..], &["--yes"]].concat());
    assert_eq!(["raw", "5m", "1h", "1d"].map(|resolution| count(&bucket, resolution)), [0, 2, 2, 2]);
    well(&bucket, &["verify", "--full"]);
    wrong(&bucket, &["retention", "--retention.resolution-raw=1h"], &["at least 86400"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_are_deleted_from_blocks_that_are_named() {
    let world = World::new().await;
    let bucket = world.bucket("rewritten");
    let before = objects(&bucket);
    let (kept, hurt) = (format!("--id={}", world.id(0)), format!("--id={}", world.id(1)));
    let until = LATER_MS + 20 * 15_000 - 1;
    let yaml =
        format!("--rewrite.to-delete-config=[{{matchers: hurt, intervals: [{{mint: 0, maxt: {until}}}]}}]");
    let shown = well(&bucket, &["rewrite", &hurt, &yaml]);
    assert!(shown.contains("would rewrite") && shown.contains("give --yes"), "{shown}");
    assert_eq!(objects(&bucket), before, "nothing was done");
    wrong(&bucket, &["rewrite", &hurt, "--rewrite.to-delete-config=[{matchers: sum(up)}]"], &["selector"]);
    let unknown = format!("--id={}", world.id(0).replace('0', "1"));
    wrong(&bucket, &["rewrite", &kept, &unknown, &yaml, "--yes"], &["is not live", "nothing was deleted"]);
    let done = well(&bucket, &["rewrite", &kept, &hurt, &yaml, "--yes"]);
    assert_eq!(done.matches("was written anew").count(), 2, "{done}");
    assert!(live(&bucket).iter().all(|(id, _)| id != world.id(1)));
    assert_answers(&bucket, "kept", AT_MS).await;
    let left = answer(&bucket, "count_over_time(hurt[1s])", LATER_MS).await.unwrap();
    assert_eq!(left.0.values().map(BTreeMap::len).sum::<usize>(), 21, "of 41 the last");
    well(&bucket, &["verify", "--full"]);
    let audit = well(&bucket, &["audit"]);
    assert!(audit.contains("rewrite") && audit.contains("hurt") && audit.contains(world.id(1)), "{audit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_block_is_named_and_the_other_is_worked_on() {
    let world = World::new().await;
    let damaged = |name: &str| {
        let bucket = world.bucket(name);
        let path = bucket.join(world.file("samples/"));
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle - 200..middle].fill(0);
        fs::write(path, bytes).unwrap();
        bucket
    };
    let bucket = damaged("hurt-downsample");
    wrong(&bucket, &["downsample"], &[world.id(1), "is damaged, and not compacted any more"]);
    assert_eq!(count(&bucket, "1d"), 1, "of the other");
    assert_answers(&bucket, "kept", AT_MS).await;
    let bucket = damaged("hurt-rewrite");
    let (hurt, yaml) = (format!("--id={}", world.id(1)), "--rewrite.to-delete-config=[{matchers: hurt}]");
    wrong(&bucket, &["rewrite", &hurt, yaml, "--yes"], &[world.id(1), "is damaged", "is masked"]);
    assert_answers(&bucket, "kept", AT_MS).await;
    // A catalog that cannot be read keeps no other tenant's from being worked on, and is not made worse.
    let bucket = world.bucket("lost");
    fs::write(bucket.join("anonymous/catalog/00000000000000000001"), "x").unwrap();
    let before = objects(&bucket);
    for args in [&["downsample"][..], &["retention", "--yes"], &["rewrite", &hurt, yaml, "--yes"]] {
        wrong(&bucket, args, &["anonymous"]);
    }
    assert_eq!(objects(&bucket), before);
}
