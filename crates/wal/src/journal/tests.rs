//! The journal over a disk that crashes, fills up and fails.

use std::collections::BTreeMap;

use latewood_base::{ErrorKind, Kinded, Rng};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;
use crate::testing::{Loss, MemoryFiles};

mod full_disk;

fn config() -> WalConfig {
    WalConfig { segment_bytes: 4096, max_batch_bytes: 4096, ..WalConfig::default() }
}

fn try_open(files: &MemoryFiles, config: WalConfig) -> Result<(Journal, Recovered), WalError> {
    let clock = Clock::manual(0).0;
    Journal::open_on(files.mount(), config, &Rng::seeded(1), &clock, &mut Registry::default())
}

fn open(files: &MemoryFiles) -> Journal {
    try_open(files, config()).unwrap().0
}

fn payload(byte: u8, len: usize) -> Bytes {
    Bytes::from(vec![byte; len])
}

fn all(journal: &Journal, group: GroupId) -> Vec<(u64, Bytes)> {
    journal.read(group, 0..u64::MAX, usize::MAX).unwrap()
}

#[tokio::test]
async fn what_was_appended_is_there_after_a_crash() {
    let files = MemoryFiles::new();
    let journal = open(&files);
    for index in 0..50 {
        let records =
            vec![Record::entry(1, index, payload(index as u8, 300)), Record::entry(2, index, payload(7, 3))];
        journal.append(records).await.unwrap();
    }
    journal.append(vec![Record::state(2, 4, payload(9, 20))]).await.unwrap();
    files.crash(Loss::All, &Rng::seeded(2));
    let (journal, found) = try_open(&files, config()).unwrap();
    assert!(found.segments > 3 && found.repaired_bytes == 0, "{found:?}");
    assert_eq!(all(&journal, 1), (0..50).map(|index| (index, payload(index as u8, 300))).collect::<Vec<_>>());
    assert_eq!(all(&journal, 2).len(), 50);
    assert_eq!(journal.state(2, 4), Some(payload(9, 20)));
    assert_eq!(journal.groups(), [1, 2]);
}

#[tokio::test]
async fn an_append_resolves_after_the_sync_and_not_before() {
    let files = MemoryFiles::new();
    let journal = open(&files);
    files.hold_syncs();
    let append = |index| journal.append(vec![Record::entry(1, index, payload(1, 10))]);
    let mut waiting = Box::pin(async { tokio::join!(append(0), append(1), append(2)) });
    // The disk takes what is written, so it can be read, but nobody is told.
    while journal.bounds(1).last.is_none() {
        assert!(futures_poll(&mut waiting).is_none());
        tokio::task::yield_now().await;
    }
    assert!(futures_poll(&mut waiting).is_none());
    files.release_syncs();
    let before = files.syncs();
    assert_eq!(waiting.await, (Ok(()), Ok(()), Ok(())));
    assert!(files.syncs() - before <= 3, "appends that wait share syncs");
}

/// Polls once, without waking anything later.
fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    match std::pin::Pin::new(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_failed_sync_closes_the_journal_for_good() {
    let files = MemoryFiles::new();
    let journal = open(&files);
    journal.append(vec![Record::entry(1, 0, payload(1, 10))]).await.unwrap();
    files.fail_next_sync();
    for index in 1..4 {
        let error = journal.append(vec![Record::entry(1, index, payload(1, 10))]).await.unwrap_err();
        assert!(matches!(error, WalError::Poisoned { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Internal);
    }
    assert!(journal.failure().is_some());
    drop(journal);
    // What is there when the process starts again is read from the disk, not remembered.
    files.crash(Loss::All, &Rng::seeded(2));
    assert_eq!(all(&open(&files), 1).len(), 1);
}

#[tokio::test]
async fn who_is_told_of_a_failed_sync_finds_the_journal_closed() {
    let files = MemoryFiles::new();
    let journal = open(&files);
    files.fail_next_sync();
    let (tell, told) = oneshot::channel();
    let asked = journal.clone();
    let done = move |_| tell.send(asked.failure().is_some()).unwrap();
    journal.enqueue(vec![Record::entry(1, 0, payload(1, 10))], done).await.unwrap();
    assert!(told.await.unwrap());
}

#[tokio::test]
async fn a_full_disk_fails_the_append_and_a_later_one_succeeds() {
    let files = MemoryFiles::new();
    let journal = open(&files);
    journal.fail_when_full();
    journal.append(vec![Record::entry(1, 0, payload(1, 100))]).await.unwrap();
    let used: usize = files.sizes().values().sum();
    files.set_capacity(Some(used + 60));
    let error = journal.append(vec![Record::entry(1, 1, payload(1, 100))]).await.unwrap_err();
    assert!(error.is_disk_full(), "{error}");
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert_eq!(files.sizes().values().sum::<usize>(), used, "the part that was written is cut off");
    // The next entry fits, but would leave a hole.
    files.set_capacity(None);
    let error = journal.append(vec![Record::entry(1, 2, payload(1, 1))]).await.unwrap_err();
    assert_eq!(error, WalError::AfterFailure { group: 1, index: 2, missing: 1 });
    journal.append(vec![Record::entry(9, 0, payload(1, 1))]).await.unwrap();
    journal.append(vec![Record::entry(1, 1, payload(1, 100))]).await.unwrap();
    journal.append(vec![Record::entry(1, 2, payload(1, 1))]).await.unwrap();
    files.crash(Loss::All, &Rng::seeded(2));
    assert_eq!(all(&open(&files), 1).len(), 3);
}

#[tokio::test]
async fn a_disk_that_fills_while_a_segment_is_begun_loses_nothing() {
    let files = MemoryFiles::new();
    let journal = open(&files);
    journal.fail_when_full();
    journal.append(vec![Record::state(1, 1, payload(5, 500))]).await.unwrap();
    for index in 0..4 {
        journal.append(vec![Record::entry(1, index, payload(1, 800))]).await.unwrap();
    }
    for spare in [10, 40, 300, 700] {
        files.set_capacity(Some(files.sizes().values().sum::<usize>() + spare));
        journal.append(vec![Record::entry(1, 4, payload(1, 800))]).await.unwrap_err();
        files.set_capacity(None);
    }
    journal.append(vec![Record::entry(1, 4, payload(1, 800)), Record::purge(1, 3)]).await.unwrap();
    drop(journal);
    assert_eq!(files.sizes().len(), 1, "the old segment is gone");
    files.crash(Loss::All, &Rng::seeded(2));
    let journal = open(&files);
    assert_eq!(journal.state(1, 1), Some(payload(5, 500)));
    assert_eq!(journal.bounds(1), Bounds { first: Some(4), last: Some(4), purged: Some(3) });
}

#[tokio::test]
async fn segments_go_when_their_entries_are_purged_and_states_stay() {
    let files = MemoryFiles::new();
    let journal = open(&files);
    journal
        .append(vec![Record::state(1, 1, payload(5, 50)), Record::state(1, 1, payload(6, 50))])
        .await
        .unwrap();
    for index in 0..100 {
        journal.append(vec![Record::entry(1, index, payload(1, 500))]).await.unwrap();
    }
    let before = files.sizes().len();
    assert!(before > 10);
    journal.append(vec![Record::purge(1, 97)]).await.unwrap();
    journal.append(vec![Record::entry(1, 100, payload(1, 1))]).await.unwrap();
    assert!(files.sizes().len() <= 2, "{:?}", files.sizes());
    drop(journal);
    let journal = open(&files);
    assert_eq!(journal.state(1, 1), Some(payload(6, 50)));
    assert_eq!(all(&journal, 1).len(), 3);
    assert_eq!(journal.bounds(1).purged, Some(97));
}

#[tokio::test]
async fn one_idle_group_does_not_hold_the_segments_of_the_others() {
    let files = MemoryFiles::new();
    let journal = open(&files);
    journal.append(vec![Record::entry(7, 3, payload(7, 9))]).await.unwrap();
    for index in 0..200 {
        journal.append(vec![Record::entry(1, index, payload(1, 500))]).await.unwrap();
        if index % 10 == 9 {
            journal.append(vec![Record::purge(1, index)]).await.unwrap();
        }
    }
    assert!(files.sizes().len() < 6, "{:?}", files.sizes());
    assert_eq!(all(&journal, 7), [(3, payload(7, 9))]);
    files.crash(Loss::All, &Rng::seeded(2));
    assert_eq!(all(&open(&files), 7), [(3, payload(7, 9))]);
}

#[tokio::test]
async fn truncated_entries_are_replaced() {
    let files = MemoryFiles::new();
    let journal = open(&files);
    for index in 0..10 {
        journal.append(vec![Record::entry(1, index, payload(1, 10))]).await.unwrap();
    }
    journal.append(vec![Record::truncate(1, 4), Record::entry(1, 4, payload(2, 10))]).await.unwrap();
    let bytes = |journal: &Journal| all(journal, 1).iter().map(|(_, payload)| payload[0]).collect::<Vec<_>>();
    assert_eq!(bytes(&journal), [1, 1, 1, 1, 2]);
    drop(journal);
    assert_eq!(bytes(&open(&files)), [1, 1, 1, 1, 2]);
}

#[tokio::test]
async fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let config = WalConfig { record_synced_offsets: true, preallocate: true, ..config() };
        Journal::open(dir.path(), config, &Rng::seeded(1), &Clock::system(), &mut Registry::default())
    };
    let (journal, _) = open().unwrap();
    assert!(matches!(open().unwrap_err(), WalError::InUse { .. }));
    for index in 0..20 {
        journal.append(vec![Record::entry(1, index, payload(3, 500))]).await.unwrap();
    }
    let (newest, durable) = journal.synced().pop().unwrap();
    let noted = std::fs::read_to_string(dir.path().join("synced")).unwrap();
    let name = newest.file_name().unwrap().to_str().unwrap();
    assert_eq!(noted, format!("{name} {durable:020}\n"));
    drop(journal);
    let (journal, found) = open().unwrap();
    assert_eq!((all(&journal, 1).len(), found.repaired_bytes), (20, 0));
}

#[tokio::test]
async fn limits_are_named() {
    let files = MemoryFiles::new();
    let config =
        WalConfig { max_append_bytes: 2000, max_state_bytes: 100, max_queued_bytes: 4000, ..config() };
    let (journal, _) = try_open(&files, config).unwrap();
    let big = journal.append(vec![Record::entry(1, 0, payload(1, 2000))]).await.unwrap_err();
    assert!(matches!(big, WalError::TooLarge { setting: "max_append_bytes", .. }));
    let state = journal.append(vec![Record::state(1, 0, payload(1, 101))]).await.unwrap_err();
    assert!(matches!(state, WalError::TooLarge { setting: "max_state_bytes", .. }));
    journal.close();
    assert_eq!(journal.append(vec![Record::purge(1, 1)]).await, Err(WalError::Closed));
}

/// What a group should hold, whatever happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    entries: BTreeMap<u64, Bytes>,
    next: u64,
    state: Option<Bytes>,
}

impl Model {
    fn take(&mut self, step: &Step) -> Record {
        let (group, byte) = (step.group, step.byte);
        let low = self.entries.keys().next().copied().unwrap_or(self.next);
        match step.kind {
            0 => {
                let upto = low + u64::from(byte) % (self.next - low + 1);
                self.entries = self.entries.split_off(&(upto + 1));
                self.next = self.next.max(upto + 1);
                Record::purge(group, upto)
            }
            1 => {
                let from = low + u64::from(byte) % (self.next - low + 1);
                self.entries.split_off(&from);
                self.next = from;
                Record::truncate(group, from)
            }
            2 => {
                self.state = Some(payload(byte, step.len % 300));
                Record::state(group, 1, payload(byte, step.len % 300))
            }
            _ => {
                let index = self.next;
                self.next += 1;
                self.entries.insert(index, payload(byte, step.len));
                Record::entry(group, index, payload(byte, step.len))
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Step {
    group: u64,
    kind: u8,
    byte: u8,
    len: usize,
    /// How many steps are appended without waiting in between.
    wait: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (1_u64..4, 0_u8..12, any::<u8>(), 0_usize..900, any::<bool>());
    prop::collection::vec(
        step.prop_map(|(group, kind, byte, len, wait)| Step { group, kind, byte, len, wait }),
        1..60,
    )
}

type Content = BTreeMap<u64, (Vec<(u64, Bytes)>, Option<Bytes>)>;

fn held(journal: &Journal) -> Content {
    (1..4).map(|group| (group, (all(journal, group), journal.state(group, 1)))).collect()
}

fn expected(models: &BTreeMap<u64, Model>) -> Content {
    let of = |model: &Model| (model.entries.clone().into_iter().collect(), model.state.clone());
    (1..4).map(|group| (group, models.get(&group).map(of).unwrap_or_default())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// After any crash the journal holds all that was acknowledged, and of the rest a first part: the
    /// appends are in it in order, and none by half that came after one that is not.
    #[test]
    fn a_crash_leaves_a_prefix_that_holds_all_that_was_acknowledged(
        rounds in prop::collection::vec((steps(), 0_u8..4, any::<bool>()), 1..4), seed in any::<u64>(),
    ) {
        let runtime = Runtime::new().unwrap();
        let (files, rng) = (MemoryFiles::new(), Rng::seeded(seed));
        let mut models = BTreeMap::<u64, Model>::new();
        for (steps, loss, preallocate) in rounds {
            let config = || WalConfig { preallocate, ..config() };
            let (journal, _) = runtime.block_on(async { try_open(&files, config()) }).unwrap();
            prop_assert_eq!(held(&journal), expected(&models));
            // The states after each append since the last one that was acknowledged.
            let mut possible = vec![models.clone()];
            for step in &steps {
                let record = models.entry(step.group).or_default().take(step);
                if step.wait {
                    runtime.block_on(journal.append(vec![record])).unwrap();
                    possible.clear();
                } else {
                    // Acknowledged or not: nobody waits to see.
                    runtime.block_on(journal.enqueue(vec![record], |_| ())).unwrap();
                }
                possible.push(models.clone());
            }
            let loss = [Loss::Nothing, Loss::All, Loss::Torn, Loss::Sectors][usize::from(loss)];
            files.crash(loss, &rng);
            drop(journal);
            let (journal, _) = try_open(&files, config()).unwrap();
            let found = held(&journal);
            let matching = possible.iter().rfind(|models| expected(models) == found);
            prop_assert!(matching.is_some(), "after {loss:?} there is {found:?}");
            models = matching.cloned().unwrap_or_default();
            for model in models.values_mut() {
                model.next = model.entries.keys().next_back().map_or(model.next, |last| last + 1);
            }
        }
    }
}

/// A failed write is cut off again; the cut must be durable before the next segment is begun.
#[tokio::test]
async fn what_a_full_disk_left_behind_does_not_come_back_in_a_closed_segment() {
    for seed in 0..16 {
        let files = MemoryFiles::new();
        let journal = open(&files);
        journal.fail_when_full();
        journal.append(vec![Record::entry(1, 0, payload(1, 2000))]).await.unwrap();
        files.set_capacity(Some(files.sizes().values().sum::<usize>() + 60));
        let error = journal.append(vec![Record::entry(2, 0, payload(2, 1000))]).await.unwrap_err();
        assert!(error.is_disk_full(), "{error}");
        files.set_capacity(None);
        // Does not fit the segment any more: it is closed.
        journal.append(vec![Record::entry(1, 1, payload(3, 3000))]).await.unwrap();
        assert_eq!(files.sizes().len(), 2);
        files.crash(Loss::Torn, &Rng::seeded(seed));
        let (journal, _) = try_open(&files, config()).unwrap();
        assert_eq!(all(&journal, 1).len(), 2);
    }
}

/// Files that tell what was done to the directory.
#[derive(Debug)]
struct Recorded(Arc<dyn Files>, Mutex<Vec<&'static str>>);

impl Files for Recorded {
    fn lock(&self) -> std::io::Result<Box<dyn std::any::Any + Send + Sync>> {
        self.0.lock()
    }
    fn list(&self) -> std::io::Result<Vec<String>> {
        self.0.list()
    }
    fn create(&self, name: &str) -> std::io::Result<Arc<dyn crate::SegmentFile>> {
        self.0.create(name)
    }
    fn open(&self, name: &str) -> std::io::Result<Arc<dyn crate::SegmentFile>> {
        self.0.open(name)
    }
    fn remove(&self, name: &str) -> std::io::Result<()> {
        self.1.lock().push("remove");
        self.0.remove(name)
    }
    fn sync_directory(&self) -> std::io::Result<()> {
        self.1.lock().push("sync");
        self.0.sync_directory()
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }
}

#[tokio::test]
async fn each_deletion_of_a_segment_is_durable_before_the_next() {
    let files = Arc::new(Recorded(MemoryFiles::new().mount(), Mutex::default()));
    let (clock, rng) = (Clock::manual(0).0, Rng::seeded(1));
    let disk = Arc::clone(&files) as Arc<dyn Files>;
    let journal = Journal::open_on(disk, config(), &rng, &clock, &mut Registry::default()).unwrap().0;
    for index in 0..20 {
        journal.append(vec![Record::entry(1, index, payload(1, 2000))]).await.unwrap();
    }
    assert!(journal.sealed_bytes() > 0 && journal.sealed_bytes() < journal.disk_bytes());
    files.1.lock().clear();
    journal.append(vec![Record::purge(1, 19)]).await.unwrap();
    journal.close();
    let done = files.1.lock().clone();
    assert!(done.iter().filter(|step| **step == "remove").count() > 3, "{done:?}");
    assert!(done.windows(2).all(|pair| pair != ["remove", "remove"]), "{done:?}");
    assert_eq!(journal.sealed_bytes(), 0);
}
