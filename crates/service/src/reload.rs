//! What is read from files, and again when they change.
//!
//! The files are read once a second and compared byte for byte: times of change are coarse, and a mounted secret changes by a
//! symbolic link. What cannot be used leaves what was used before, is logged once and counted.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use latewood_auth::FileError;
use latewood_base::Shutdown;
use parking_lot::{Mutex, RwLock};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use ring::digest::{SHA256, digest};
use tokio::signal::unix::{SignalKind, signal};

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// The files that something was made of.
#[derive(Debug, Default)]
pub(crate) struct Files(BTreeMap<PathBuf, Option<[u8; 32]>>);

impl Files {
    /// Reads a file, and remembers what was in it.
    pub(crate) fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let read = read_capped(path);
        self.0.insert(path.to_owned(), read.as_ref().ok().map(|bytes| fingerprint(bytes)));
        read
    }

    fn have_changed(&self) -> bool {
        self.0.iter().any(|(path, known)| read_capped(path).ok().map(|bytes| fingerprint(&bytes)) != *known)
    }
}

fn read_capped(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("the file has more than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

fn fingerprint(bytes: &[u8]) -> [u8; 32] {
    let mut print = [0; 32];
    print.copy_from_slice(digest(&SHA256, bytes).as_ref());
    print
}

/// Makes a value of files; the value before is there to be compared with.
type Load<T> = Box<dyn Fn(&mut Files, Option<&T>) -> Result<T, FileError> + Send + Sync>;

/// A value that is made of files, and anew when they change. Clones share it.
pub(crate) struct Reloaded<T>(Arc<Inner<T>>);

struct Inner<T> {
    what: &'static str,
    current: RwLock<Arc<T>>,
    files: Mutex<Files>,
    load: Load<T>,
    metrics: ReloadMetrics,
}

impl<T> Clone for Reloaded<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Reloaded<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Reloaded").field(&self.0.what).finish()
    }
}

impl<T: Send + Sync + 'static> Reloaded<T> {
    /// Makes the first value; `what` names it in logs and metrics.
    pub(crate) fn open(
        what: &'static str,
        metrics: &ReloadMetrics,
        load: impl Fn(&mut Files, Option<&T>) -> Result<T, FileError> + Send + Sync + 'static,
    ) -> Result<Self, FileError> {
        let mut files = Files::default();
        let first = load(&mut files, None)?;
        let metrics = metrics.clone();
        metrics.successful.get_or_create(&ReloadLabels { what }).set(1);
        let (current, files) = (RwLock::new(Arc::new(first)), Mutex::new(files));
        Ok(Self(Arc::new(Inner { what, current, files, load: Box::new(load), metrics })))
    }

    /// As it is now.
    pub(crate) fn current(&self) -> Arc<T> {
        Arc::clone(&self.0.current.read())
    }

    /// Looks at the files, and makes the value anew if they have changed or `anyway`. Blocks.
    pub(crate) fn look(&self, anyway: bool) {
        let inner = &*self.0;
        let mut files = inner.files.lock();
        if !anyway && !files.have_changed() {
            return;
        }
        let mut seen = Files::default();
        let made = (inner.load)(&mut seen, Some(&self.current()));
        // Of a failure, too: it is told once, and looked at again when something changes.
        *files = seen;
        let labels = ReloadLabels { what: inner.what };
        let is_made = made.is_ok();
        match made {
            Ok(value) => {
                *inner.current.write() = Arc::new(value);
                tracing::info!(what = inner.what, "files were read again");
            }
            Err(error) => {
                inner.metrics.failures.get_or_create(&labels).inc();
                tracing::error!(what = inner.what, %error, "files that changed cannot be used: what was read before stays");
            }
        }
        inner.metrics.reloads.get_or_create(&labels).inc();
        inner.metrics.successful.get_or_create(&labels).set(i64::from(is_made));
    }

    /// Looks every second, and at SIGHUP whatever the files say, until the signal to stop.
    pub(crate) async fn follow(self, shutdown: Shutdown) {
        let mut hangup = signal(SignalKind::hangup()).ok();
        loop {
            let asked = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            let anyway = tokio::select! {
                () = shutdown.begun() => return,
                _ = asked => true,
                () = tokio::time::sleep(INTERVAL) => false,
            };
            let looked = self.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || looked.look(anyway)).await {
                tracing::error!(what = self.0.what, %error, "looking at files failed");
            }
        }
    }
}

/// How reading files again goes. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct ReloadMetrics {
    reloads: Family<ReloadLabels, Counter>,
    failures: Family<ReloadLabels, Counter>,
    successful: Family<ReloadLabels, Gauge>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReloadLabels {
    what: &'static str,
}

impl ReloadMetrics {
    /// Counts what was fetched, as if it were a file.
    pub(crate) fn fetched(&self, what: &'static str, is_good: bool) {
        let labels = ReloadLabels { what };
        self.reloads.get_or_create(&labels).inc();
        if !is_good {
            self.failures.get_or_create(&labels).inc();
        }
        self.successful.get_or_create(&labels).set(i64::from(is_good));
    }

    /// Registers them.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("latewood_service");
        registry.register(
            "file_reloads",
            "Times that files which changed were read again",
            self.reloads.clone(),
        );
        registry.register(
            "file_reload_failures",
            "Times that files which changed could not be used",
            self.failures.clone(),
        );
        registry.register(
            "file_last_reload_successful",
            "Whether what the files say now is used",
            self.successful.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(file: &Path, metrics: &ReloadMetrics) -> Result<Reloaded<u32>, FileError> {
        let file = file.to_owned();
        Reloaded::open("number", metrics, move |files, _| {
            let bytes = files.read(&file).map_err(|error| FileError::new(&file, error.to_string()))?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            text.trim().parse().map_err(|_| FileError::new(&file, format!("{text:?} is no number")))
        })
    }

    fn counts(metrics: &ReloadMetrics) -> (u64, u64, i64) {
        let labels = ReloadLabels { what: "number" };
        (
            metrics.reloads.get_or_create(&labels).get(),
            metrics.failures.get_or_create(&labels).get(),
            metrics.successful.get_or_create(&labels).get(),
        )
    }

    #[test]
    fn what_cannot_be_used_leaves_what_was_and_is_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let (file, metrics) = (folder.path().join("n"), ReloadMetrics::default());
        assert!(number(&file, &metrics).unwrap_err().to_string().contains("No such file"));
        let write = |text: &str| std::fs::write(&file, text).unwrap();
        write("1");
        let value = number(&file, &metrics).unwrap();
        value.look(false);
        assert_eq!((*value.current(), counts(&metrics)), (1, (0, 0, 1)), "nothing has changed");
        write("2");
        value.look(false);
        assert_eq!((*value.current(), counts(&metrics)), (2, (1, 0, 1)));
        write("x");
        value.look(false);
        value.look(false);
        assert_eq!((*value.current(), counts(&metrics)), (2, (2, 1, 0)));
        std::fs::remove_file(&file).unwrap();
        value.look(false);
        value.look(false);
        assert_eq!((*value.current(), counts(&metrics)), (2, (3, 2, 0)));
        write("3");
        value.look(false);
        assert_eq!((*value.current(), counts(&metrics)), (3, (4, 2, 1)));
        value.look(true);
        assert_eq!(counts(&metrics), (5, 2, 1));
    }

    #[test]
    fn a_file_has_a_largest_size() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("n");
        std::fs::write(&file, vec![b' '; usize::try_from(MAX_BYTES).unwrap() + 1]).unwrap();
        assert!(number(&file, &ReloadMetrics::default()).unwrap_err().to_string().contains("more than"));
    }
}
