//! How many queries run and wait at once. Tenants that wait are let in by turns, so that one that asks much
//! holds up itself only.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use latewood_base::ErrorKind;
use latewood_model::TenantId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::ApiError;

/// Lets a bounded number of queries run, and a bounded number of each tenant wait.
#[derive(Clone, Debug)]
pub(crate) struct QueryGate(Arc<Gate>);

#[derive(Debug)]
struct Gate {
    queues: Mutex<Queues>,
    max_waiting: usize,
}

/// Who runs and who waits.
#[derive(Debug)]
struct Queues {
    free: usize,
    waiting: HashMap<TenantId, VecDeque<oneshot::Sender<Place>>>,
    /// Tenants with a queue, the next one first.
    turns: VecDeque<TenantId>,
}

/// Leave to run. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Place(Option<Arc<Gate>>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.pass_on();
        }
    }
}

impl QueryGate {
    pub(crate) fn new(max_running: usize, max_waiting: usize) -> Self {
        let queues = Queues { free: max_running.max(1), waiting: HashMap::new(), turns: VecDeque::new() };
        Self(Arc::new(Gate { queues: Mutex::new(queues), max_waiting }))
    }

    /// Waits for a place.
    pub(crate) async fn enter(&self, tenant: &TenantId, patience: Duration) -> Result<Place, ApiError> {
        let turn = {
            let mut queues = self.0.queues.lock();
            if queues.free > 0 {
                queues.free -= 1;
                return Ok(Place(Some(Arc::clone(&self.0))));
            }
            queues.queue(tenant, self.0.max_waiting)?
        };
        match tokio::time::timeout(patience, turn).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(ApiError::new(ErrorKind::Unavailable, "the querier is stopping")),
            Err(_) => Err(ApiError::new(ErrorKind::Timeout, "query timed out in query queue")),
        }
    }
}

impl Queues {
    fn queue(&mut self, tenant: &TenantId, most: usize) -> Result<oneshot::Receiver<Place>, ApiError> {
        let queue = self.waiting.entry(tenant.clone()).or_default();
        queue.retain(|waiting| !waiting.is_closed());
        if queue.len() >= most {
            let text = format!(
                "too many outstanding requests: {most} of the tenant's queries are waiting already \
                 (querier.max_outstanding_requests_per_tenant); try again later"
            );
            return Err(ApiError::new(ErrorKind::Overloaded, text));
        }
        let (sender, receiver) = oneshot::channel();
        queue.push_back(sender);
        if !self.turns.contains(tenant) {
            self.turns.push_back(tenant.clone());
        }
        Ok(receiver)
    }

    /// The next one that waits: the first of the tenant whose turn it is.
    fn next(&mut self) -> Option<oneshot::Sender<Place>> {
        while let Some(tenant) = self.turns.pop_front() {
            let Some(queue) = self.waiting.get_mut(&tenant) else { continue };
            let next = queue.pop_front();
            if queue.is_empty() {
                self.waiting.remove(&tenant);
            } else {
                self.turns.push_back(tenant);
            }
            if next.is_some() {
                return next;
            }
        }
        None
    }
}

impl Gate {
    /// Gives a place to the next one that still waits.
    fn pass_on(self: Arc<Self>) {
        loop {
            let mut queues = self.queues.lock();
            let Some(next) = queues.next() else {
                queues.free += 1;
                return;
            };
            drop(queues);
            match next.send(Place(Some(Arc::clone(&self)))) {
                Ok(()) => return,
                // It went away; its place must not be passed on twice.
                Err(mut place) => drop(place.0.take()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use latewood_base::Kinded;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    #[tokio::test]
    async fn queries_wait_for_a_place_and_too_many_are_refused() {
        let (gate, tenant) = (QueryGate::new(1, 1), tenant("a"));
        let running = gate.enter(&tenant, Duration::ZERO).await.unwrap();
        let queued = tokio::spawn({
            let (gate, tenant) = (gate.clone(), tenant.clone());
            async move { gate.enter(&tenant, LONG).await.map(|_| ()) }
        });
        tokio::task::yield_now().await;
        let refused = gate.enter(&tenant, LONG).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Overloaded);
        drop(running);
        assert_eq!(queued.await.unwrap(), Ok(()));
        let running = gate.enter(&tenant, Duration::ZERO).await.unwrap();
        let late = gate.enter(&tenant, Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(late.to_string(), "query timed out in query queue");
        // Who went away neither takes a place nor keeps one.
        drop(running);
        gate.enter(&tenant, Duration::ZERO).await.unwrap();
        let queues = gate.0.queues.lock();
        assert!((queues.free, queues.waiting.len(), queues.turns.len()) == (1, 0, 0), "{queues:?}");
    }

    #[tokio::test]
    async fn tenants_are_let_in_by_turns() {
        let gate = QueryGate::new(1, 10);
        let running = gate.enter(&tenant("busy"), Duration::ZERO).await.unwrap();
        let (told, mut entered) = tokio::sync::mpsc::unbounded_channel();
        for name in ["busy", "busy", "busy", "other", "third"] {
            let (gate, told) = (gate.clone(), told.clone());
            tokio::spawn(async move {
                let place = gate.enter(&tenant(name), LONG).await.unwrap();
                told.send(name).unwrap();
                drop(place);
            });
            tokio::task::yield_now().await;
        }
        drop((running, told));
        let mut order = Vec::new();
        while let Some(name) = entered.recv().await {
            order.push(name);
        }
        assert_eq!(order, ["busy", "other", "third", "busy", "busy"]);
    }
}
