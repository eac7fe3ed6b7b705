//! The bounded queue between those who append and the writer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::WalError;
use crate::record::Record;

/// Called on the writer's thread once the append is durable, or failed; must not block.
pub(crate) type Completion = Box<dyn FnOnce(Result<(), WalError>) + Send>;

/// Permits are of this many bytes, so that their number fits 32 bits.
const PERMIT_BYTES: usize = 1024;
/// Appends that nobody waits for are written at the latest when this many are queued.
const MAX_LAZY: usize = 256;
/// Or when they are this many bytes.
const MAX_LAZY_BYTES: usize = 1 << 20;

/// An append on its way to the disk.
pub(crate) struct Pending {
    pub(crate) records: Vec<Record>,
    pub(crate) bytes: usize,
    /// Who waits for it; nobody waits for a lazy one, which goes along with the next that is waited for.
    pub(crate) done: Option<Completion>,
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

#[derive(Default)]
struct Waiting {
    appends: VecDeque<Pending>,
    urgent: usize,
    lazy_bytes: usize,
    closing: bool,
    /// Whether appends that the disk has no room for fail, and do not wait for room.
    fails_when_full: bool,
    failed: Option<WalError>,
}

impl Waiting {
    fn is_due(&self) -> bool {
        self.urgent > 0 || self.appends.len() >= MAX_LAZY || self.lazy_bytes >= MAX_LAZY_BYTES
    }

    fn gives_up(&self) -> bool {
        self.closing || self.fails_when_full
    }
}

pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    /// Tells a simulation what `arrived` tells the writer's thread.
    #[cfg(any(test, feature = "testing"))]
    stepped: tokio::sync::Notify,
    room: Arc<Semaphore>,
    permits: usize,
}

impl Queue {
    pub(crate) fn new(max_bytes: usize) -> Self {
        let permits = max_bytes.div_ceil(PERMIT_BYTES);
        Self {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            #[cfg(any(test, feature = "testing"))]
            stepped: tokio::sync::Notify::new(),
            room: Arc::new(Semaphore::new(permits)),
            permits,
        }
    }

    /// Waits for room, in order of arrival.
    pub(crate) async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let permits = bytes.div_ceil(PERMIT_BYTES).clamp(1, self.permits);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        Arc::clone(&self.room).acquire_many_owned(permits).await.ok()
    }

    /// Hands an append to the writer. When there is no writer any more, it fails at once.
    pub(crate) fn push(&self, pending: Pending) {
        let mut waiting = self.waiting.lock();
        let failed = waiting.failed.clone().or_else(|| waiting.closing.then_some(WalError::Closed));
        if let Some(error) = failed {
            drop(waiting);
            pending.finish(&Err(error));
            return;
        }
        let urgent = pending.done.is_some();
        waiting.urgent += usize::from(urgent);
        waiting.lazy_bytes += if urgent { 0 } else { pending.bytes };
        waiting.appends.push_back(pending);
        if waiting.is_due() {
            self.wake();
        }
    }

    fn wake(&self) {
        self.arrived.notify_one();
        #[cfg(any(test, feature = "testing"))]
        self.stepped.notify_one();
    }

    /// Whether [`Queue::take`] would not wait.
    #[cfg(any(test, feature = "testing"))]
    fn has_something(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.is_due() || waiting.closing
    }

    /// Waits until [`Queue::take`] would not.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) async fn something(&self) {
        while !self.has_something() {
            self.stepped.notified().await;
        }
    }

    /// Waits for appends and takes up to `max_bytes` of them, at least one. `None` at the end.
    pub(crate) fn take(&self, max_bytes: usize) -> Option<Vec<Pending>> {
        let mut waiting = self.waiting.lock();
        while !waiting.is_due() && !waiting.closing {
            self.arrived.wait(&mut waiting);
        }
        let (mut taken, mut bytes) = (Vec::new(), 0_usize);
        while let Some(next) = waiting.appends.front() {
            bytes = bytes.saturating_add(next.bytes);
            if bytes > max_bytes && !taken.is_empty() {
                break;
            }
            taken.extend(waiting.appends.pop_front());
        }
        for pending in &taken {
            if pending.done.is_some() {
                waiting.urgent -= 1;
            } else {
                waiting.lazy_bytes -= pending.bytes;
            }
        }
        (!taken.is_empty()).then_some(taken)
    }

    /// Waits for so long, on the writer's thread, for room on a full disk; not where nobody is to wait.
    pub(crate) fn wait_for_space(&self, pause: Duration) {
        let mut waiting = self.waiting.lock();
        self.arrived.wait_while_for(&mut waiting, |waiting| !waiting.gives_up(), pause);
    }

    /// Whether an append waits for room on a full disk.
    pub(crate) fn waits_for_space(&self) -> bool {
        !self.waiting.lock().gives_up()
    }

    /// Nobody waits for room on a full disk any more.
    pub(crate) fn fail_when_full(&self) {
        self.waiting.lock().fails_when_full = true;
        self.arrived.notify_all();
    }

    /// Lets the writer finish what is queued, and refuses more.
    pub(crate) fn close(&self) {
        self.waiting.lock().closing = true;
        self.wake();
    }

    /// Fails everything that is queued, and everything that comes.
    pub(crate) fn fail(&self, error: &WalError) {
        let mut waiting = self.waiting.lock();
        waiting.failed.get_or_insert_with(|| error.clone());
        (waiting.urgent, waiting.lazy_bytes) = (0, 0);
        let appends = std::mem::take(&mut waiting.appends);
        drop(waiting);
        for pending in appends {
            pending.finish(&Err(error.clone()));
        }
    }

    pub(crate) fn failure(&self) -> Option<WalError> {
        self.waiting.lock().failed.clone()
    }
}

impl Pending {
    pub(crate) fn finish(self, result: &Result<(), WalError>) {
        if let Some(done) = self.done {
            done(result.clone());
        } else if let Err(error) = result {
            tracing::debug!(%error, "a journal record that nobody waits for was not written");
        }
        drop(self.room);
    }
}
