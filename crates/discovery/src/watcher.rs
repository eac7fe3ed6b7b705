//! Keeps up with who the peers behind some addresses are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use latewood_base::Shutdown;
use tokio::sync::Notify;

use crate::addr::Way;
use crate::{DiscoveryConfig, Dns, HostPort, LookupError, Metrics, PeerAddr};

/// The shortest time between two rounds, however many peers fail.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Asks a [`Watcher`] for a round of look-ups before the next is due. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct LookUpAgain(Arc<Notify>);

impl LookUpAgain {
    /// Asks; many in a row are one.
    pub fn ask(&self) {
        self.0.notify_one();
    }
}

/// Who is told all peers when they change.
type OnChange = Box<dyn FnMut(&BTreeSet<HostPort>) + Send>;

/// Looks addresses up again and again, and tells whenever the peers behind them are others.
pub struct Watcher {
    dns: Arc<Dns>,
    sources: Vec<Source>,
    interval: Duration,
    min_interval: Duration,
    asked: LookUpAgain,
    metrics: Metrics,
    told: Option<BTreeSet<HostPort>>,
    on_change: OnChange,
}

/// An address and who was found behind it last.
struct Source {
    addr: PeerAddr,
    known: BTreeSet<HostPort>,
}

impl Watcher {
    /// Watches addresses; `on_change` is told all their peers after the first round, and whenever they change.
    #[must_use]
    pub fn new(
        addrs: &[PeerAddr],
        dns: Arc<Dns>,
        config: &DiscoveryConfig,
        asked: LookUpAgain,
        metrics: Metrics,
        on_change: impl FnMut(&BTreeSet<HostPort>) + Send + 'static,
    ) -> Self {
        let interval = config.interval();
        Self {
            dns,
            sources: addrs.iter().map(Source::new).collect(),
            interval,
            min_interval: MIN_INTERVAL.min(interval),
            asked,
            metrics,
            told: None,
            on_change: Box::new(on_change),
        }
    }

    /// One round: looks up all addresses at once, and tells what changed.
    pub async fn look_up(&mut self) {
        let looked_up = self.sources.iter().filter(|source| source.addr.is_looked_up());
        let look_ups = looked_up.map(|source| self.dns.peers(&source.addr));
        let answers = join_all(look_ups).await;
        let looked_up = self.sources.iter_mut().filter(|source| source.addr.is_looked_up());
        let taken = looked_up.zip(answers);
        let changes: Vec<Change> =
            taken.filter_map(|(source, answer)| source.take(answer, &self.metrics)).collect();
        let peers: BTreeSet<HostPort> = self.sources.iter().flat_map(|source| source.known.clone()).collect();
        if self.told.as_ref() != Some(&peers) {
            (self.on_change)(&peers);
            self.told = Some(peers);
        }
        changes.iter().for_each(Change::log);
    }

    /// Goes on with rounds until the signal: when the interval is over, or one is asked for.
    pub async fn run(mut self, shutdown: Shutdown) {
        if !self.sources.iter().any(|source| source.addr.is_looked_up()) {
            return;
        }
        let rounds = async {
            loop {
                tokio::time::sleep(self.min_interval).await;
                let rest = self.interval.saturating_sub(self.min_interval);
                // It has passed, or somebody does not want to wait for it.
                let _ = tokio::time::timeout(rest, self.asked.0.notified()).await;
                self.look_up().await;
            }
        };
        tokio::select! {
            () = shutdown.begun() => {}
            () = rounds => {}
        }
    }
}

impl Source {
    fn new(addr: &PeerAddr) -> Self {
        let known = match &addr.way {
            Way::Peer(peer) => BTreeSet::from([peer.clone()]),
            _ => BTreeSet::new(),
        };
        Self { addr: addr.clone(), known }
    }

    /// Takes an answer over; a failure leaves who is known.
    fn take(&mut self, answer: Result<BTreeSet<HostPort>, LookupError>, metrics: &Metrics) -> Option<Change> {
        metrics.lookups.inc();
        let change = match answer {
            Ok(found) => {
                let came: Vec<HostPort> = found.difference(&self.known).cloned().collect();
                let went: Vec<HostPort> = self.known.difference(&found).cloned().collect();
                let has_changed = !came.is_empty() || !went.is_empty() || found.is_empty();
                let change = Change { addr: self.addr.to_string(), known: found.len(), came, went };
                self.known = found;
                has_changed.then_some(change)
            }
            Err(error) => {
                metrics.failures.inc();
                let (addr, known) = (&self.addr, self.known.len());
                tracing::warn!(%addr, %error, known, "peers cannot be looked up; those that were known stay");
                None
            }
        };
        metrics.known(self.addr.as_str(), self.known.len());
        change
    }
}

/// Who came and who went, or that nobody is there.
struct Change {
    addr: String,
    known: usize,
    came: Vec<HostPort>,
    went: Vec<HostPort>,
}

impl Change {
    fn log(&self) {
        let Self { addr, known, .. } = self;
        let list = |peers: &[HostPort]| peers.iter().map(HostPort::as_str).collect::<Vec<_>>().join(" ");
        let (came, went) = (list(&self.came), list(&self.went));
        if *known == 0 {
            tracing::warn!(addr, went, "the name of peers has no records");
        } else {
            tracing::info!(addr, known, came, went, "peers have changed");
        }
    }
}

#[cfg(test)]
mod tests;
