//! Where TSDB blocks come from: a folder of this machine, or a bucket.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use futures::TryStreamExt;
use latewood_base::{Shutdown, Ulid};
use latewood_objstore::{Bucket, BucketError, ObjectInfo};
use latewood_tsdb::{TsdbError, TsdbMeta};
use tokio::io::AsyncWriteExt;

/// Bytes of an object that are fetched at once.
const PIECE: u64 = 8 << 20;

/// Thanos's word that a block is deleted soon: its samples are in another one.
const DELETION_MARK: &str = "deletion-mark.json";

/// Where TSDB blocks come from.
#[derive(Debug)]
pub enum Source {
    /// `<folder>/<ULID>/meta.json`
    Folder(PathBuf),
    /// `<ULID>/meta.json`
    Bucket(Bucket),
}

/// What a folder named by a ULID is.
#[derive(Debug)]
pub enum Found {
    /// A block.
    Block(Box<TsdbMeta>),
    /// Nothing that is to be read, and why.
    Nothing(&'static str),
}

impl Source {
    /// The ULIDs that folders are named by, ascending: the oldest block first.
    pub async fn list(&self) -> anyhow::Result<Vec<Ulid>> {
        let names = match self {
            Self::Folder(folder) => folders_in(folder)?,
            Self::Bucket(bucket) => bucket.list_folders("").await?,
        };
        let mut ulids: Vec<Ulid> = names.iter().filter_map(|name| Ulid::from_string(name).ok()).collect();
        ulids.sort_unstable();
        ulids.dedup();
        Ok(ulids)
    }

    /// What a block says of itself.
    pub async fn look(&self, ulid: Ulid) -> anyhow::Result<Found> {
        const PARTIAL: &str = "it has no meta.json: it was not written to its end";
        const GONE: &str = "it is gone: it was compacted or deleted meanwhile";
        const MARKED: &str = "it is marked for deletion: its samples are in another block";
        match self {
            Self::Folder(folder) => {
                let block = folder.join(ulid.to_string());
                if block.join(DELETION_MARK).exists() {
                    return Ok(Found::Nothing(MARKED));
                }
                match TsdbMeta::read(&block) {
                    Err(TsdbError::Missing { .. }) if !block.exists() => Ok(Found::Nothing(GONE)),
                    Err(TsdbError::Missing { .. }) => Ok(Found::Nothing(PARTIAL)),
                    meta => Ok(Found::Block(Box::new(meta?))),
                }
            }
            Self::Bucket(bucket) => {
                match bucket.head(&format!("{ulid}/{DELETION_MARK}")).await {
                    Ok(_) => return Ok(Found::Nothing(MARKED)),
                    Err(BucketError::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
                let key = format!("{ulid}/{}", TsdbMeta::FILE);
                match bucket.get(&key, TsdbMeta::MAX_BYTES).await {
                    Ok(json) => Ok(Found::Block(Box::new(TsdbMeta::from_json(&json, Path::new(&key))?))),
                    Err(BucketError::NotFound { .. }) => Ok(Found::Nothing(PARTIAL)),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    /// The folder of a block on this machine; from a bucket it is brought into `scratch` first.
    pub async fn fetch(&self, ulid: Ulid, scratch: &Path, shutdown: &Shutdown) -> anyhow::Result<PathBuf> {
        match self {
            Self::Folder(folder) => Ok(folder.join(ulid.to_string())),
            Self::Bucket(bucket) => {
                let folder = scratch.join(ulid.to_string());
                download(bucket, ulid, &folder, shutdown).await?;
                Ok(folder)
            }
        }
    }

    /// What is to be said of samples of a running Prometheus that are in no block yet.
    pub fn head_notice(&self) -> Option<String> {
        let Self::Folder(folder) = self else { return None };
        let has_any =
            |name| std::fs::read_dir(folder.join(name)).is_ok_and(|mut found| found.next().is_some());
        (has_any("wal") || has_any("chunks_head")).then(|| {
            format!(
                "the newest samples of this Prometheus, up to three hours, are in no block yet and are NOT imported.\n\
                 To have them in one, run it with --web.enable-admin-api, take a snapshot:\n    \
                 curl -X POST http://localhost:9090/api/v1/admin/tsdb/snapshot\n\
                 and import the folder that it names: {}",
                folder.join("snapshots/<NAME>").display()
            )
        })
    }
}

fn folders_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    let unread = || format!("cannot read the folder {}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(unread)? {
        let entry = entry.with_context(unread)?;
        if entry.path().is_dir() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    Ok(names)
}

/// Brings the files of a block that are read into a folder; there must be room for them, and as much again for what is
/// made of them.
async fn download(bucket: &Bucket, ulid: Ulid, folder: &Path, shutdown: &Shutdown) -> anyhow::Result<()> {
    let objects: Vec<ObjectInfo> = bucket.list(&ulid.to_string(), None).try_collect().await?;
    let mut wanted = Vec::new();
    for object in objects {
        let path = object.key.strip_prefix(&format!("{ulid}/")).unwrap_or_default().to_owned();
        let segment = path.strip_prefix("chunks/").filter(|name| name.parse::<u64>().is_ok());
        if segment.is_some() || ["index", "tombstones", TsdbMeta::FILE].contains(&path.as_str()) {
            wanted.push((object, path));
        }
    }
    std::fs::create_dir_all(folder.join("chunks"))?;
    let needed: u64 = wanted.iter().map(|(object, _)| object.size).sum();
    let disk = rustix::fs::statvfs(folder)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free / 2 < needed {
        bail!("{} has {free} bytes free, and {needed} twice are needed", folder.display());
    }
    for (object, path) in wanted {
        let path = folder.join(path);
        let copied = copy(bucket, &object, &path, shutdown).await;
        copied.with_context(|| format!("cannot copy {} to {}", object.key, path.display()))?;
    }
    Ok(())
}

/// Copies an object into a new file, piece by piece.
async fn copy(bucket: &Bucket, object: &ObjectInfo, path: &Path, shutdown: &Shutdown) -> anyhow::Result<()> {
    let mut file = tokio::fs::File::create(path).await?;
    let mut at = 0;
    while at < object.size {
        if shutdown.has_begun() {
            bail!("it was interrupted");
        }
        let end = object.size.min(at + PIECE);
        let range = at..end;
        for bytes in bucket.get_ranges(&object.key, &[range]).await? {
            file.write_all(&bytes).await?;
        }
        at = end;
    }
    file.flush().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use latewood_objstore::{MemoryBucket, ObjectClient as _};

    use super::*;

    const META: &str = r#"{"ulid":"01BKGV7JBM69T2G1BGBGM6KB12","minTime":1,"maxTime":9,"version":1}"#;

    async fn bucket(objects: &[(&str, &str)]) -> Source {
        let bucket = std::sync::Arc::new(MemoryBucket::default());
        for (key, body) in objects {
            bucket.put(key, (*body).to_owned().into()).await.unwrap();
        }
        Source::Bucket(bucket)
    }

    #[tokio::test]
    async fn blocks_of_a_bucket_are_found_by_their_names_and_fetched_without_what_is_not_read() {
        let ulid: Ulid = "01BKGV7JBM69T2G1BGBGM6KB12".parse().unwrap();
        let partial: Ulid = "01BKGV7JBM69T2G1BGBGM6KB13".parse().unwrap();
        let marked: Ulid = "01BKGV7JBM69T2G1BGBGM6KB14".parse().unwrap();
        let source = bucket(&[
            (&format!("{ulid}/meta.json"), META),
            (&format!("{ulid}/index"), "i"),
            (&format!("{ulid}/chunks/000001"), "c"),
            (&format!("{ulid}/index.cache.json"), "x"),
            (&format!("{partial}/index"), "i"),
            (&format!("{marked}/meta.json"), META),
            (&format!("{marked}/deletion-mark.json"), "{}"),
            ("debug/metas/x.json", "{}"),
        ])
        .await;
        assert_eq!(source.list().await.unwrap(), [ulid, partial, marked]);
        assert!(matches!(source.look(ulid).await.unwrap(), Found::Block(meta) if meta.max_time == 9));
        for nothing in [partial, marked] {
            assert!(matches!(source.look(nothing).await.unwrap(), Found::Nothing(_)), "{nothing}");
        }
        let scratch = tempfile::tempdir().unwrap();
        let folder = source.fetch(ulid, scratch.path(), &Shutdown::new()).await.unwrap();
        let names = |folder: &Path| {
            let mut names: Vec<_> =
                std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&folder), ["chunks", "index", "meta.json"]);
        assert_eq!(names(&folder.join("chunks")), ["000001"]);
        assert_eq!(std::fs::read_to_string(folder.join("meta.json")).unwrap(), META);
        assert!(source.head_notice().is_none());
    }

    #[tokio::test]
    async fn a_data_folder_is_told_from_a_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::Folder(folder.path().to_owned());
        assert!(source.list().await.unwrap().is_empty() && source.head_notice().is_none());
        std::fs::create_dir(folder.path().join("wal")).unwrap();
        assert!(source.head_notice().is_none());
        std::fs::write(folder.path().join("wal/00000000"), "x").unwrap();
        assert!(source.head_notice().unwrap().contains("/api/v1/admin/tsdb/snapshot"));
        assert!(Source::Folder(folder.path().join("none")).list().await.is_err());
    }
}
