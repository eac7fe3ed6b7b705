//! `latewood bucket` on whole and on damaged buckets: what is wrong is said, and nothing is harmed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use latewood_model::Sample;
use serde_json::Value;

use crate::harness::{Answer, Latewood, Peers, SeaweedFs, write};

mod changes;

/// When the block that stays whole has its samples; the one that is damaged has them ten days later.
const AT_MS: i64 = 1_700_000_000_000;
const LATER_MS: i64 = AT_MS + 10 * 86_400_000;

/// What a tool printed, and whether it found all well.
struct Said {
    well: bool,
    out: String,
    all: String,
}

fn tool(bucket: &Path, args: &[&str]) -> Said {
    let url = format!("--bucket=file://{}", bucket.display());
    let data = format!("--data-dir={}", bucket.with_extension("scratch").display());
    run(&[args, &[&url, &data]].concat())
}

fn run(args: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latewood"));
    let output = command.arg("bucket").args(args).envs(SeaweedFs::CREDENTIALS).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let all = format!("{out}{}", String::from_utf8(output.stderr).unwrap());
    assert!(!all.contains("panicked"), "{args:?}: {all}");
    Said { well: output.status.success(), out, all }
}

fn well(bucket: &Path, args: &[&str]) -> String {
    let said = tool(bucket, args);
    assert!(said.well, "{args:?}: {}", said.all);
    said.out
}

/// A tool that finds something wrong and says so.
fn wrong(bucket: &Path, args: &[&str], parts: &[&str]) {
    let said = tool(bucket, args);
    assert!(!said.well, "{args:?} found nothing: {}", said.all);
    parts
        .iter()
        .for_each(|part| assert!(said.all.contains(part), "{args:?} does not say {part}: {}", said.all));
}

/// The objects of a bucket in a folder.
fn objects(bucket: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![bucket.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let key = path.strip_prefix(bucket).unwrap().to_string_lossy().into_owned();
                found.insert(key, fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn copy(objects: &BTreeMap<String, Vec<u8>>, bucket: &Path) {
    for (key, body) in objects {
        let path = bucket.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, body).unwrap();
    }
}

/// A bucket with two blocks of one tenant.
struct World {
    folder: tempfile::TempDir,
    objects: BTreeMap<String, Vec<u8>>,
    /// The folders of the block that stays whole and of the one that is damaged.
    blocks: [String; 2],
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let server = Latewood::start(&data, &[]);
        for (name, at) in [("kept", AT_MS), ("hurt", LATER_MS)] {
            let samples =
                (0..50).map(|number| Sample { timestamp: at + number * 15_000, value: number as f64 / 7.0 });
            let series = (vec![("__name__", name.to_owned())], samples.collect());
            assert_eq!(write(&server.url, &[series]).await.unwrap().0, 204);
            server.flush().await;
        }
        server.stop();
        let bucket = data.join("bucket");
        let listed = well(&bucket, &["ls", "--output=json"]);
        let rows: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let block = |row: &Value| format!("anonymous/raw/block={}", row["id"].as_str().unwrap());
        let [kept, hurt] = &rows[..] else { panic!("two blocks: {listed}") };
        Self { objects: objects(&bucket), blocks: [block(kept), block(hurt)], folder }
    }

    /// A copy of the bucket.
    fn bucket(&self, name: &str) -> PathBuf {
        let bucket = self.folder.path().join(name);
        copy(&self.objects, &bucket);
        bucket
    }

    /// A file of the block that is damaged whose path has this part.
    fn file(&self, part: &str) -> String {
        let mut keys = self.objects.keys();
        let key = keys.find(|key| key.starts_with(&self.blocks[1]) && key.contains(part));
        key.unwrap().clone()
    }

    fn id(&self, number: usize) -> &str {
        self.blocks[number].rsplit('=').next().unwrap()
    }
}

/// What a server on the bucket answers of a metric.
async fn answer(bucket: &Path, name: &str, at_ms: i64) -> Result<Answer, String> {
    let data = bucket.with_extension("data");
    let server = Latewood::start(&data, &[&format!("--bucket=file://{}", bucket.display())]);
    let (start, end) = (at_ms as f64 / 1e3, at_ms as f64 / 1e3 + 600.0);
    let answer = Answer::range(&server.url, name, start, end, 15.0).await;
    server.stop();
    answer
}

async fn assert_answers(bucket: &Path, name: &str, at_ms: i64) {
    let answer = answer(bucket, name, at_ms).await.unwrap();
    let points: usize = answer.0.values().map(BTreeMap::len).sum();
    assert_eq!(points, 41, "{name} in {}", bucket.display());
}

/// What `verify`, `verify --full`, `replicate` and a rebuild have to say of a damage; none where all is well to them.
struct Expected {
    verify: Option<&'static str>,
    full: Option<&'static str>,
    replicate: Option<&'static str>,
    rebuild: Option<&'static str>,
}

/// Runs every tool on a damaged bucket; nothing that was there is gone or other than it was.
fn run_all(world: &World, bucket: &Path, key: &str, expected: &Expected) {
    let before = objects(bucket);
    let check = |args: &[&str], text: Option<&str>| match text {
        Some(text) => wrong(bucket, args, &[key, text]),
        None => drop(well(bucket, args)),
    };
    for args in
        [&["ls"][..], &["ls", "--dead"], &["inspect"], &["status"], &["cleanup", "--dry-run"], &["cleanup"]]
    {
        well(bucket, args);
    }
    check(&["verify"], expected.verify);
    check(&["verify", "--full"], expected.full);
    let id = format!("--id={}", world.id(1));
    let mark = ["mark", &id, "--marker=no-compact-mark.json"];
    well(bucket, &[&mark[..], &["--details=looks bad"]].concat());
    assert!(well(bucket, &["status"]).contains("looks bad"));
    well(bucket, &[&mark[..], &["--remove"]].concat());
    wrong(bucket, &["mark", &id, "--marker=deletion-mark.json", "--details=x"], &["--yes"]);
    wrong(bucket, &["rebuild-catalog", "--tenant=anonymous"], &["there is a catalog", "move"]);
    wrong(bucket, &["rebuild-catalog", "--tenant=nosuch"], &["there is no tenant nosuch"]);

    let target = bucket.with_extension("target");
    let to = format!("--to=file://{}", target.display());
    check(&["replicate", &to], expected.replicate);
    let listed = well(&target, &["ls", "--output=json"]);
    assert!(listed.contains(world.id(0)), "the whole block was copied: {listed}");
    assert_eq!(listed.contains(world.id(1)), expected.replicate.is_none(), "{listed}");
    well(&target, &["verify", "--full"]);

    let after = objects(bucket);
    for (key, body) in &before {
        assert_eq!(after.get(key), Some(body), "{key}");
    }
    // A catalog that is lost on top of it.
    fs::rename(bucket.join("anonymous/catalog"), bucket.with_extension("moved")).unwrap();
    check(&["rebuild-catalog", "--tenant=anonymous", "--dry-run"], expected.rebuild.map(|_| "left alone"));
    check(&["rebuild-catalog", "--tenant=anonymous"], expected.rebuild);
    let listed = well(bucket, &["ls", "--output=json"]);
    assert!(listed.contains(world.id(0)), "{listed}");
    assert_eq!(listed.contains(world.id(1)), expected.rebuild.is_none(), "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tool_on_a_damaged_block_says_what_is_wrong_and_harms_nothing() {
    let world = World::new().await;
    let (samples, meta) = (world.file("samples/"), world.file("meta.json"));
    let everywhere =
        |text| Expected { verify: Some(text), full: Some(text), replicate: Some(text), rebuild: None };
    let damages: [(&str, &str, Expected); 6] = [
        ("missing", &samples, everywhere("missing")),
        ("truncated", &samples, everywhere("bytes")),
        ("flipped", &samples, Expected { verify: None, ..everywhere("") }),
        ("missing", &meta, Expected { rebuild: Some("left alone"), ..everywhere("missing") }),
        ("truncated", &meta, Expected { rebuild: Some("left alone"), ..everywhere("bytes") }),
        ("flipped", &meta, Expected { verify: None, rebuild: Some("left alone"), ..everywhere("") }),
    ];
    for (number, (damage, key, expected)) in damages.iter().enumerate() {
        let bucket = world.bucket(&format!("damage-{number}"));
        let (path, mut body) = (bucket.join(key), world.objects[*key].clone());
        match *damage {
            "missing" => fs::remove_file(path).unwrap(),
            "truncated" => fs::write(path, &body[..body.len() / 2]).unwrap(),
            _ => {
                let middle = body.len() / 2;
                body[middle] ^= 0x10;
                fs::write(path, body).unwrap();
            }
        }
        let named = if expected.rebuild.is_some() { &world.blocks[1] } else { *key };
        run_all(&world, &bucket, named, expected);
        assert_answers(&bucket, "kept", AT_MS).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_objects_are_named_and_left_alone() {
    let world = World::new().await;
    let inside = format!("{}/notes.txt", world.blocks[1]);
    for (number, key) in
        [&inside, "notes.txt", "anonymous/raw/notes.txt", "strangers/notes.txt"].iter().enumerate()
    {
        let bucket = world.bucket(&format!("foreign-{number}"));
        copy(&[((*key).to_owned(), b"hello".to_vec())].into(), &bucket);
        let verify = Some(if number == 0 { "no such file" } else { "not an object of Latewood's" });
        let expected = Expected { verify, full: verify, replicate: None, rebuild: None };
        if number == 3 {
            // A folder that may be a tenant's, of which there is nothing to tell.
            wrong(&bucket, &["ls"], &["tenant strangers", "no catalog"]);
            wrong(&bucket, &["verify"], &[key]);
            fs::remove_dir_all(bucket.join("strangers")).unwrap();
            continue;
        }
        run_all(&world, &bucket, key, &expected);
        assert!(bucket.join(key).exists());
        assert_answers(&bucket, "hurt", LATER_MS).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_catalog_is_named_by_every_tool_and_made_anew_from_its_blocks() {
    let world = World::new().await;
    let commits: Vec<&String> =
        world.objects.keys().filter(|key| key.starts_with("anonymous/catalog/0")).collect();
    let last = (*commits.last().unwrap()).clone();
    let bucket = world.bucket("catalog");
    let mut body = world.objects[&last].clone();
    let middle = body.len() / 2;
    body[middle] ^= 0x10;
    fs::write(bucket.join(&last), &body).unwrap();
    let before = objects(&bucket);
    let id = format!("--id={}", world.id(0));
    let to = format!("--to=file://{}", bucket.with_extension("target").display());
    for args in [
        &["ls"][..],
        &["inspect"],
        &["verify"],
        &["verify", "--full"],
        &["status"],
        &["cleanup"],
        &["mark", &id, "--marker=deletion-mark.json", "--details=x", "--yes"],
        &["replicate", &to],
        &["rebuild-catalog", "--tenant=anonymous"],
    ] {
        wrong(&bucket, args, &[&last, "damaged"]);
    }
    assert_eq!(objects(&bucket), before);
    fs::rename(bucket.join("anonymous/catalog"), bucket.with_extension("moved")).unwrap();
    well(&bucket, &["rebuild-catalog", "--tenant=anonymous"]);
    well(&bucket, &["verify", "--full"]);
    assert_answers(&bucket, "kept", AT_MS).await;
    assert_answers(&bucket, "hurt", LATER_MS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_are_removed_when_told_twice_and_copied_on_where_a_copy_was_cut_short() {
    let world = World::new().await;
    let bucket = world.bucket("whole");
    // What an interrupted copy leaves: some files, and no meta.json.
    let target = bucket.with_extension("target");
    let some: BTreeMap<_, _> = world
        .objects
        .iter()
        .filter(|(key, _)| key.starts_with(&world.blocks[1]) && key.contains("series"))
        .collect();
    copy(&some.into_iter().map(|(key, body)| (key.clone(), body.clone())).collect(), &target);
    let to = format!("--to=file://{}", target.display());
    well(&bucket, &["replicate", &to, "--dry-run"]);
    assert!(!target.join("anonymous/catalog").exists());
    well(&bucket, &["replicate", &to]);
    assert!(well(&bucket, &["replicate", &to]).contains("0 of 0 blocks came"));
    well(&target, &["verify", "--full", world.id(0), world.id(1)]);
    assert_answers(&target, "hurt", LATER_MS).await;

    let id = format!("--id={}", world.id(1));
    let marked = well(&bucket, &["mark", &id, "--marker=deletion-mark.json", "--details=x", "--yes"]);
    assert!(marked.contains("within `catalog.refresh_seconds`"), "{marked}");
    let audit = well(&bucket, &["audit"]);
    assert!(audit.contains(&format!("{}: x", world.id(1))), "{audit}");
    assert!(!well(&bucket, &["ls"]).contains(world.id(1)));
    assert!(well(&bucket, &["ls", "--dead"]).contains(world.id(1)));
    assert!(well(&bucket, &["status"]).contains("readable until it is deleted"));
    wrong(&bucket, &["mark", &id, "--marker=no-compact-mark.json", "--details=x"], &["was removed already"]);
    wrong(&bucket, &["verify", world.id(1)], &["not live"]);
    well(&bucket, &["cleanup"]);
    well(&bucket, &["verify", "--full"]);
    assert!(bucket.join(world.file("meta.json")).exists(), "it stays readable for the deletion delay");
    let missing = bucket.with_extension("nowhere");
    wrong(&missing, &["ls"], &["no bucket at"]);
    assert!(!missing.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_goes_to_s3_and_comes_back() {
    let Some(peers) = Peers::find() else { return };
    let world = World::new().await;
    let (bucket, folder) = (world.bucket("here"), world.folder.path());
    let s3 = SeaweedFs::start(&peers, folder).await;
    let endpoint = |flag| format!("--{flag}={}", s3.endpoint);
    well(&bucket, &["replicate", "--to=s3://latewood/copy", &endpoint("to-s3-endpoint")]);
    let (back, endpoint) = (folder.join("back"), endpoint("s3-endpoint"));
    let to = format!("--to=file://{}", back.display());
    let data = format!("--data-dir={}", folder.join("scratch").display());
    for args in [&["ls"][..], &["verify", "--full"], &["status"], &["cleanup"], &["replicate", &to]] {
        let said = run(&[args, &["--bucket=s3://latewood/copy", &endpoint, &data]].concat());
        assert!(said.well, "{args:?}: {}", said.all);
    }
    well(&back, &["verify", "--full"]);
    assert_answers(&back, "kept", AT_MS).await;
    assert_answers(&back, "hurt", LATER_MS).await;
    assert_eq!(fs::read_dir(folder.join("scratch")).unwrap().count(), 0, "nothing is left on the local disk");
}
