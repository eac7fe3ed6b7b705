//! `latewood import thanos`, from a bucket of a service into another.

use std::path::Path;

use super::import;
use crate::harness::{Answer, Latewood, Peers, SeaweedFs};

/// Copies a folder below a key.
const UPLOAD: &str = "
import sys, os, boto3
endpoint, folder, prefix = sys.argv[1:]
s3 = boto3.client('s3', endpoint_url=endpoint, region_name='us-east-1')
for root, _, files in os.walk(folder):
    for name in files:
        path = os.path.join(root, name)
        s3.upload_file(path, 'latewood', prefix + '/' + os.path.relpath(path, folder))
";

const GOOD: &str = "01BKGV7JBM69T2G1BGBGM6KB12";
const DOWNSAMPLED: &str = "01BKGV7JBM69T2G1BGBGM6KB13";
const DAMAGED: &str = "01BKGV7JBM69T2G1BGBGM6KB14";
const MARKED: &str = "01BKGV7JBM69T2G1BGBGM6KB15";

/// Writes the golden block of `crates/tsdb` as Thanos would upload it.
fn block(folder: &Path, ulid: &str, resolution: i64, labels: &str) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/tsdb/tests/golden/block");
    let block = folder.join(ulid);
    std::fs::create_dir_all(block.join("chunks")).unwrap();
    for file in ["index", "chunks/000001", "tombstones"] {
        std::fs::copy(golden.join(file), block.join(file)).unwrap();
    }
    let thanos = format!(
        r#"{{"thanos":{{"labels":{labels},"downsample":{{"resolution":{resolution}}},"source":"sidecar"}},"#
    );
    let meta = std::fs::read_to_string(golden.join("meta.json")).unwrap().replacen('{', &thanos, 1);
    std::fs::write(block.join("meta.json"), meta).unwrap();
}

fn upload(peers: &Peers, endpoint: &str, folder: &Path) {
    let mut command = peers.python();
    command.args(["-c", UPLOAD, endpoint]).arg(folder).arg("thanos/blocks");
    let output = command.envs(SeaweedFs::CREDENTIALS).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn blocks_of_a_bucket_come_with_their_external_labels() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let s3 = SeaweedFs::start(&peers, folder.path()).await;
    let blocks = folder.path().join("blocks");
    block(&blocks, GOOD, 0, r#"{"cluster":"eu","job":"of thanos"}"#);
    block(&blocks, DOWNSAMPLED, 300_000, "{}");
    block(&blocks, DAMAGED, 0, r#"{"cluster":"us"}"#);
    block(&blocks, MARKED, 0, "{}");
    std::fs::write(blocks.join(MARKED).join("deletion-mark.json"), "{}").unwrap();
    let index = blocks.join(DAMAGED).join("index");
    let whole = std::fs::read(&index).unwrap();
    std::fs::write(&index, &whole[..whole.len() / 2]).unwrap();
    upload(&peers, &s3.endpoint, &blocks);

    let data = folder.path().join("data");
    let endpoint = s3.endpoint.as_str();
    let into = ["--bucket", "s3://latewood/store", "--s3-endpoint", endpoint];
    let args = [
        "thanos",
        "s3://latewood/thanos/blocks",
        "--source-s3-endpoint",
        endpoint,
        "--external-label",
        "cluster=eu-1",
    ];
    let args = [&args[..], &into].concat();
    let first = import(&data, &args);
    assert!(!first.is_good, "two blocks cannot be imported");
    first.assert_says(&[
        &format!("{GOOD}: imported as"),
        &format!("{DOWNSAMPLED}: FAILED"),
        "downsampled to 300000 ms",
        &format!("{DAMAGED}: FAILED"),
        "index is damaged at byte",
        &format!("{MARKED}: passed over: it is marked for deletion"),
        "2 of 4 blocks could not be imported",
    ]);
    std::fs::write(&index, &whole).unwrap();
    upload(&peers, endpoint, &blocks);
    let second = import(&data, &args);
    second.assert_says(&[
        &format!("{GOOD}: passed over: it is there"),
        &format!("{DAMAGED}: imported as"),
        "1 of 4",
    ]);
    let left: Vec<_> =
        std::fs::read_dir(data.join("import")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["lock"], "the scratch folder is empty again");

    let ours = Latewood::try_start(&data, &into, &SeaweedFs::CREDENTIALS).unwrap();
    let answer =
        Answer::instant(&ours.url, "count by (cluster, job) (count_over_time(up[1h]))", 1_700_000_600.0);
    let answer = answer.await.unwrap();
    let groups: Vec<_> = answer.0.keys().map(|labels| format!("{labels:?}")).collect();
    assert_eq!(groups, [r#"{"cluster": "eu-1", "job": "a"}"#, r#"{"cluster": "eu-1", "job": "of thanos"}"#]);
    ours.stop();
}
