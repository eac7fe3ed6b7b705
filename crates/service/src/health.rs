//! `/-/healthy`, `/-/ready` and `/ready`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use parking_lot::RwLock;

/// Whether this process answers requests: not before every role has started, not once it stops, and not while
/// one of its parts says that it cannot.
#[derive(Clone, Default)]
pub struct Health(Arc<State>);

type Check = Box<dyn Fn() -> bool + Send + Sync>;

#[derive(Default)]
struct State {
    serving: AtomicBool,
    checks: RwLock<Vec<Check>>,
}

impl fmt::Debug for Health {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Health").field(&self.is_ready()).finish()
    }
}

impl Health {
    /// Not ready yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whether requests should come.
    pub fn set_ready(&self, ready: bool) {
        self.0.serving.store(ready, Ordering::SeqCst);
    }

    /// Asks a part at each probe, too; the check must be quick.
    pub fn also_ask(&self, is_ready: impl Fn() -> bool + Send + Sync + 'static) {
        self.0.checks.write().push(Box::new(is_ready));
    }

    /// Whether requests should come.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.serving.load(Ordering::SeqCst) && self.0.checks.read().iter().all(|is_ready| is_ready())
    }

    /// The routes by which probes ask.
    pub fn routes(&self) -> Router {
        let health = self.clone();
        let ready = move || {
            std::future::ready(if health.is_ready() {
                (StatusCode::OK, "Latewood is ready.\n")
            } else {
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Latewood is starting, stopping, or in need of help: see its log.\n",
                )
            })
        };
        Router::new()
            .route("/-/healthy", get(async || "Latewood is healthy.\n"))
            .route("/-/ready", get(ready.clone()))
            .route("/ready", get(ready))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_cannot_serve_makes_the_process_not_ready() {
        let (health, works) = (Health::new(), Arc::new(AtomicBool::new(true)));
        let asked = Arc::clone(&works);
        health.also_ask(move || asked.load(Ordering::SeqCst));
        assert!(!health.is_ready());
        health.set_ready(true);
        assert!(health.is_ready());
        works.store(false, Ordering::SeqCst);
        assert!(!health.is_ready());
    }
}
