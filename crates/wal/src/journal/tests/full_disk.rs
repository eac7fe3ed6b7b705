//! Appends wait for room, in order, until somebody says that they are not to.

use std::time::Duration;

use super::*;

/// A journal with one entry on a disk that has room for so many bytes more.
async fn nearly_full(spare: usize) -> (MemoryFiles, Journal) {
    let files = MemoryFiles::new();
    let journal = open(&files);
    journal.append(vec![Record::entry(1, 0, payload(1, 100))]).await.unwrap();
    files.set_capacity(Some(files.sizes().values().sum::<usize>() + spare));
    (files, journal)
}

async fn until_full(journal: &Journal) {
    while !journal.is_full() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Appends entries of group 1 in the background; each tells when it is durable.
async fn enqueue(journal: &Journal, index: u64, bytes: usize) -> oneshot::Receiver<Result<(), WalError>> {
    let (tell, told) = oneshot::channel();
    let done = move |result| drop(tell.send(result));
    journal.enqueue(vec![Record::entry(1, index, payload(1, bytes))], done).await.unwrap();
    told
}

#[tokio::test]
async fn appends_wait_for_room_and_come_in_their_order() {
    let (files, journal) = nearly_full(60).await;
    let used: usize = files.sizes().values().sum();
    let mut first = enqueue(&journal, 1, 100).await;
    until_full(&journal).await;
    // One that would fit does not overtake.
    let mut second = enqueue(&journal, 2, 1).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(first.try_recv().is_err() && second.try_recv().is_err() && journal.failure().is_none());
    assert_eq!(files.sizes().values().sum::<usize>(), used, "the part that was written is cut off");
    files.set_capacity(None);
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(()), Ok(())));
    assert!(!journal.is_full());
    files.crash(Loss::All, &Rng::seeded(2));
    assert_eq!(all(&open(&files), 1).len(), 3);
}

#[tokio::test]
async fn a_segment_that_cannot_be_begun_is_waited_for_too() {
    let (files, journal) = nearly_full(3700).await;
    enqueue(&journal, 1, 3600).await.await.unwrap().unwrap();
    let waiting = enqueue(&journal, 2, 1000).await;
    until_full(&journal).await;
    files.set_capacity(None);
    waiting.await.unwrap().unwrap();
    files.crash(Loss::All, &Rng::seeded(2));
    assert_eq!(all(&open(&files), 1).len(), 3);
}

#[tokio::test]
async fn who_stops_does_not_wait() {
    for close in [false, true] {
        let (files, journal) = nearly_full(60).await;
        let waiting = enqueue(&journal, 1, 100).await;
        until_full(&journal).await;
        if close {
            journal.close();
        } else {
            journal.fail_when_full();
        }
        assert!(waiting.await.unwrap().unwrap_err().is_disk_full());
        drop(journal);
        files.set_capacity(None);
        assert_eq!(all(&open(&files), 1).len(), 1);
    }
}
