//! A sample in by remote write, out by PromQL: from memory, from a block, after restarts, on a directory
//! and on S3.

use std::process::Command;

use latewood_model::Sample;

use crate::harness::{Answer, Deployment, Latewood, Layout, Peers, SeaweedFs, write};

/// 200 scrapes, 15 s apart, of a counter on each of 20 instances; the end in seconds.
async fn write_counters(write_url: &str) -> f64 {
    const START_MS: i64 = 1_700_000_000_000;
    let series = (0..20).map(|instance| {
        let labels = vec![
            ("__name__", "requests_total".to_owned()),
            ("instance", format!("host-{instance}")),
            ("job", format!("job-{}", instance % 3)),
        ];
        let sample =
            |k: i64| Sample { timestamp: START_MS + k * 15_000, value: (k * (instance + 1)) as f64 * 0.1 };
        (labels, (0..200).map(sample).collect())
    });
    let answer = write(write_url, &series.collect::<Vec<_>>()).await.unwrap();
    assert_eq!(answer, (204, String::new()));
    (START_MS + 199 * 15_000) as f64 / 1000.0
}

/// What all that answer queries answer.
async fn rates(deployment: &Deployment, end: f64) -> Answer {
    let expression = "sum by (job) (rate(requests_total[2m]))";
    let mut answers = Vec::new();
    for url in deployment.query_urls() {
        answers.push(Answer::range(&url, expression, end - 2400.0, end, 60.0).await.unwrap());
    }
    let answer = answers.pop().unwrap();
    assert!(answers.iter().all(|other| *other == answer), "{answers:?} {answer:?}");
    answer
}

async fn stays_the_same(deployment: &mut Deployment) {
    let end = write_counters(&deployment.write_url()).await;
    let from_memory = rates(deployment, end).await;
    assert_eq!((from_memory.0.len(), from_memory.len()), (3, 3 * 41));
    deployment.stop_all();

    deployment.start_all();
    assert_eq!(rates(deployment, end).await, from_memory, "after a restart, from the journal");
    deployment.flush().await;
    assert_eq!(rates(deployment, end).await, from_memory, "after a flush, from a block");
    deployment.kill_all();

    deployment.start_all();
    assert_eq!(rates(deployment, end).await, from_memory, "after a kill, from a block");
    let again = write_counters(&deployment.write_url()).await;
    assert_eq!(rates(deployment, again).await, from_memory, "written twice, stored once");
}

#[tokio::test]
async fn on_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let mut deployment = Deployment::on_a_directory(Layout::OneProcess, folder.path(), &[]);
    stays_the_same(&mut deployment).await;
    deployment.stop_all();
    assert!(folder.path().join("bucket/anonymous/raw").is_dir(), "blocks lie in the bucket");
}

#[tokio::test]
async fn in_separate_roles_on_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let mut deployment = Deployment::on_a_directory(Layout::Roles, folder.path(), &[]);
    stays_the_same(&mut deployment).await;
    deployment.stop_all();
}

#[tokio::test]
async fn on_s3() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut deployment = Deployment::on_s3(Layout::OneProcess, &peers, folder.path(), &[]).await;
    stays_the_same(&mut deployment).await;
    deployment.stop_all();
    the_block_tool_takes_urls(&peers, deployment.s3().unwrap());
}

#[tokio::test]
async fn in_separate_roles_on_s3() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut deployment = Deployment::on_s3(Layout::Roles, &peers, folder.path(), &[]).await;
    stays_the_same(&mut deployment).await;
    deployment.stop_all();
}

/// `latewood block` on the block that lies in the bucket now, named by its URL.
fn the_block_tool_takes_urls(peers: &Peers, s3: &SeaweedFs) {
    const LIST: &str = "
import sys, boto3
s3 = boto3.client('s3', endpoint_url=sys.argv[1], aws_access_key_id='latewood',
                  aws_secret_access_key='latewood-secret', region_name='us-east-1')
keys = [entry['Key'] for entry in s3.list_objects_v2(Bucket='latewood')['Contents']]
print(next(key for key in keys if key.endswith('/meta.json')).removesuffix('/meta.json'))
";
    let listed = peers.python().args(["-c", LIST, &s3.endpoint]).output().unwrap();
    let url = format!("s3://latewood/{}", String::from_utf8(listed.stdout).unwrap().trim());
    for (what, says) in [
        ("inspect", "bytes"),
        ("verify", "whole"),
        ("views", &*format!("read_parquet('{url}/series.parquet')")),
    ] {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_latewood"));
        tool.args(["block", what, &url, "--s3-endpoint", &s3.endpoint]).envs(SeaweedFs::CREDENTIALS);
        let output = tool.output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && printed.contains(says), "{what} {url}: {printed}");
    }
}

#[tokio::test]
async fn two_processes_cannot_share_a_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = Latewood::start(&data, &[]);
    let log = Latewood::try_start(&data, &[], &[]).err().expect("the second must not start");
    assert!(log.contains("another process"), "{log}");
    first.stop();
}

#[tokio::test]
async fn a_wrong_flag_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for (flag, says) in
        [("--bucket=ftp://a/b", "knows file, s3, gs and az"), ("--config=/nowhere.yaml", "/nowhere.yaml")]
    {
        let log = Latewood::try_start(&data, &[flag], &[]).err().expect(flag);
        assert!(log.contains(says), "{flag}: {log}");
    }
}

#[tokio::test]
async fn it_starts_and_takes_writes_while_the_bucket_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // The first start needs a bucket, in which the journal claims its shards' numbers.
    Latewood::start(&data, &[]).stop();
    let flags = ["--bucket=s3://latewood", "--s3-endpoint=http://127.0.0.1:1"];
    let credentials = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
    let server = Latewood::try_start(&data, &flags, &credentials);
    let server = server.unwrap_or_else(|log| panic!("{log}"));
    write_counters(&server.url).await;
    server.stop();
}
