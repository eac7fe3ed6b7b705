//! Tests of the directory bucket beyond the conformance suite.

use futures::StreamExt;

use super::*;

async fn open(root: &Path) -> DirectoryBucket {
    DirectoryBucket::open(root, Rng::seeded(1)).await.unwrap()
}

fn staged(root: &Path) -> usize {
    std::fs::read_dir(root.join(STAGING)).unwrap().count()
}

#[tokio::test]
async fn leftovers_of_a_crash_are_cleared_but_not_what_another_process_writes() {
    let root = tempfile::tempdir().unwrap();
    open(root.path()).await;
    let staging = root.path().join(STAGING);
    std::fs::write(staging.join("left.latewood-tmp"), "half").unwrap();
    let busy = std::fs::File::create(staging.join("busy.latewood-tmp")).unwrap();
    busy.lock().unwrap();
    open(root.path()).await;
    assert!(!staging.join("left.latewood-tmp").exists());
    assert!(staging.join("busy.latewood-tmp").exists());
}

#[tokio::test]
async fn nothing_is_left_in_staging_whatever_the_outcome() {
    let root = tempfile::tempdir().unwrap();
    let bucket = open(root.path()).await;
    bucket.put("a/b", Bytes::from_static(b"1")).await.unwrap();
    bucket.create("a/c", Bytes::from_static(b"1")).await.unwrap();
    bucket.create("a/c", Bytes::from_static(b"2")).await.unwrap_err();
    let below_an_object = bucket.put("a/b/c", Bytes::from_static(b"1")).await;
    assert!(matches!(below_an_object, Err(BucketError::Invalid { .. })), "{below_an_object:?}");
    let over_a_folder = bucket.put("a", Bytes::from_static(b"1")).await;
    assert!(matches!(over_a_folder, Err(BucketError::Invalid { .. })), "{over_a_folder:?}");
    assert_eq!(staged(root.path()), 0);
}

#[tokio::test]
async fn a_folder_goes_with_its_last_object_and_comes_back_for_the_next() {
    let root = tempfile::tempdir().unwrap();
    let bucket = open(root.path()).await;
    for _ in 0..3 {
        bucket.put("t/raw/x", Bytes::from_static(b"1")).await.unwrap();
        bucket.delete("t/raw/x").await.unwrap();
        assert!(!root.path().join("t").exists());
        assert_eq!(bucket.list_folders("").await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_and_deleters_of_the_same_folder_do_not_disturb_each_other() {
    let root = tempfile::tempdir().unwrap();
    let bucket = open(root.path()).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let bucket = bucket.clone();
        tasks.spawn(async move {
            for round in 0..20 {
                let key = format!("t/raw/{task}-{round}");
                bucket.create(&key, Bytes::from_static(b"x")).await.unwrap();
                assert_eq!(bucket.get(&key, 10).await.unwrap(), "x");
                bucket.delete(&key).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(staged(root.path()), 0);
}

#[tokio::test]
async fn keys_that_climb_out_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let bucket = open(&root.path().join("inner")).await;
    for key in ["../x", "/etc/passwd", "a/../../x", "a\0b"] {
        let refused = |result: Result<(), BucketError>| {
            assert!(matches!(result, Err(BucketError::Invalid { .. })), "{key}: {result:?}");
        };
        refused(bucket.put(key, Bytes::new()).await);
        refused(bucket.create(key, Bytes::new()).await);
        refused(bucket.get(key, 10).await.map(|_| ()));
        refused(bucket.delete(key).await);
        refused(bucket.list_folders(key).await.map(|_| ()));
    }
    assert!(!root.path().join("x").exists());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = DirectoryBucket::open(&file.join("bucket"), Rng::seeded(1)).await.unwrap_err();
    assert!(error.to_string().contains("file/bucket"), "{error}");
}

#[tokio::test]
async fn a_folder_that_is_gone_or_no_longer_mounted_is_unavailable_and_not_empty() {
    let root = tempfile::tempdir().unwrap();
    let bucket = open(root.path()).await;
    bucket.put("a/b", Bytes::from_static(b"1")).await.unwrap();
    assert!(matches!(bucket.get("a/c", 10).await, Err(BucketError::NotFound { .. })));
    let away = root.path().with_extension("away");
    std::fs::rename(root.path(), &away).unwrap();
    for is_mount_point in [false, true] {
        if is_mount_point {
            std::fs::create_dir(root.path()).unwrap();
        }
        let listed: Vec<_> = bucket.list("", None).collect().await;
        let outcomes = [
            bucket.get("a/b", 10).await.map(drop),
            bucket.get_ranges("a/b", &[0..1, 3..4]).await.map(drop),
            bucket.head("a/b").await.map(drop),
            bucket.delete("a/b").await,
            bucket.put("a/b", Bytes::new()).await,
            bucket.create("a/c", Bytes::new()).await,
            bucket.list_folders("").await.map(drop),
            listed.into_iter().next().expect("an error").map(drop),
        ];
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert!(matches!(error, BucketError::Unavailable { .. }), "{error:?}");
            assert!(error.to_string().contains("is gone"), "{error}");
        }
    }
    std::fs::remove_dir(root.path()).unwrap();
    std::fs::rename(&away, root.path()).unwrap();
    assert_eq!(bucket.get("a/b", 10).await, Ok(Bytes::from_static(b"1")), "it came back");
}
