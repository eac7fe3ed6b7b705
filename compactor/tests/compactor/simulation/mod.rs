//! CMP-1, DWN-1, RET-1 and CAT-1 with everything on at once: samples that come in time and late, deletions, one to three
//! compactors that are killed anywhere and are not all told the same, retention, garbage collection, a catalog that is lost and
//! made anew, and a bucket that fails, delays and loses replies.
//! After each step what is stored is held against a model that knows nothing of blocks.
//!
//! A run follows from its seed alone. `LATEWOOD_SIMULATIONS` says how many there are, `LATEWOOD_SIMULATION_SEED` which
//! is the first.

mod model;
mod scrapes;
mod stored;
mod world;

use std::fmt::Write as _;
use std::time::Duration;

use futures::future::{join, join_all};
use latewood_base::Rng;
use latewood_model::TimeRange;
use latewood_testkit::Chances;

use self::model::Model;
use self::scrapes::{Scrapes, pod};
use self::stored::Stored;
use self::world::{DAY, HOUR, World};

/// Steps of a run before everything is healthy again.
const STEPS: usize = 36;

#[test]
fn everything_at_once_answers_as_a_model_does() {
    let number = |name: &str, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().unwrap());
    let first: u64 = number("LATEWOOD_SIMULATION_SEED", 1);
    for seed in first..first + number("LATEWOOD_SIMULATIONS", 3) {
        eprintln!("LATEWOOD_SIMULATION_SEED={seed} LATEWOOD_SIMULATIONS=1");
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(Simulation::new(seed).run());
    }
}

struct Simulation {
    rng: Rng,
    /// Whether the catalog is lost now and then, instead of samples being deleted: a lost one knows no deletions.
    loses_catalog: bool,
    /// Whether the replica labels change now and then.
    relabels: bool,
    world: World,
    model: Model,
    stored: Stored,
    scrapes: Scrapes,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let rng = Rng::seeded(seed);
        let world = World::new(&rng);
        let stored = Stored::default();
        let scrapes = Scrapes::new(rng.clone(), world.clock.now_ms());
        let (loses_catalog, relabels) = (rng.below(3) == 0, rng.below(4) == 0);
        Self { rng, loses_catalog, relabels, world, model: Model::default(), stored, scrapes }
    }

    async fn run(mut self) {
        for _ in 0..STEPS {
            self.step().await;
            self.check().await;
        }
        // Everything waits long enough, and nothing fails any more.
        for (scraped, waited) in [(60, 1), (60, 1), (0, 60)] {
            self.advance(scraped).await;
            self.world.hand.advance(Duration::from_secs(waited * 3_600));
            let compactor = self.world.compactor(Chances::default(), 0);
            compactor.compact_once().await;
            self.check().await;
            compactor.collect_once().await;
            self.check().await;
        }
        let view = self.world.view().await;
        self.model.assert_settled(&view);
    }

    async fn step(&mut self) {
        let mut told = format!("at {} h: ", self.world.clock.now_ms() / HOUR);
        match self.rng.below(10) {
            0..3 => {
                let is_long = self.rng.below(4) == 0;
                let hours = if is_long { 26 + self.rng.below(30) } else { 2 + self.rng.below(10) };
                write!(told, "{hours} h of scrapes").unwrap();
                eprintln!("{told}");
                self.advance(hours).await;
            }
            3 if self.relabels && self.rng.below(2) == 0 => {
                eprintln!("{told}other replica labels");
                self.world.relabel();
                self.model.make_pair_vague();
            }
            3 => {
                eprintln!("{told}late samples");
                self.late().await;
            }
            4 if self.loses_catalog => {
                eprintln!("{told}the catalog is lost, and made anew");
                self.world.lose_catalog().await;
                self.model.make_pair_vague();
                self.stored.forget_unnamed(&*self.world.view().await);
            }
            4 => {
                eprintln!("{told}a deletion");
                self.delete().await;
            }
            _ => {
                self.world.hand.advance(Duration::from_secs(1 + self.rng.below(1_800)));
                self.work(told).await;
            }
        }
    }

    /// One to three compactors, each of which may be killed, and meanwhile maybe somebody who writes or deletes.
    async fn work(&mut self, mut told: String) {
        let mut workers = Vec::new();
        for _ in 0..=self.rng.below(3) {
            let is_healthy = self.rng.below(3) == 0;
            let chances = Chances { before: 0.02, after: 0.02, read_factor: 0.3 };
            let chances = if is_healthy { Chances::default() } else { chances };
            let compactor = self.world.compactor(chances, self.rng.next_u64());
            let collects = self.rng.below(3) == 0;
            let lives = if self.rng.below(2) == 0 { u64::MAX / 1_000_000 } else { 1 + self.rng.below(3_000) };
            write!(told, "{} for {lives} ms; ", if collects { "collects" } else { "compacts" }).unwrap();
            workers.push(async move {
                let work = async {
                    if collects { compactor.collect_once().await } else { compactor.compact_once().await }
                };
                // Death comes at whatever it waits for at that moment.
                let _ = tokio::time::timeout(Duration::from_millis(lives), work).await;
            });
        }
        let (meanwhile, after) = (self.rng.below(6), self.rng.below(2_000));
        eprintln!("{told}meanwhile {meanwhile} after {after} ms");
        let disturb = async {
            tokio::time::sleep(Duration::from_millis(after)).await;
            match meanwhile {
                0 => self.late().await,
                1..=3 if !self.loses_catalog => self.delete().await,
                _ => {}
            }
        };
        join(join_all(workers), disturb).await;
    }

    /// Time goes on, and what was scraped meanwhile is flushed, some hours at a time.
    async fn advance(&mut self, hours: u64) {
        for begun in (0..hours).step_by(8) {
            self.world.hand.advance(Duration::from_secs((hours - begun).min(8) * 3_600));
            for series in self.scrapes.until(self.world.clock.now_ms()) {
                self.world.flush(&series).await;
                self.model.add(&series);
            }
        }
    }

    /// Samples as late as ingesters take them, beside or instead of others.
    async fn late(&mut self) {
        let now = self.world.clock.now_ms();
        let kept = self.world.kept_raw();
        let series = self.scrapes.late(TimeRange::new(now - kept + (kept / 2).min(DAY), now - HOUR));
        self.world.flush(&series).await;
        self.model.add(&series);
    }

    async fn delete(&mut self) {
        let now = self.world.clock.now_ms();
        let from = now - self.rng.below(6 * DAY as u64) as i64;
        let long = [60_000, HOUR, 6 * HOUR, DAY, 3 * DAY][self.rng.below(5) as usize];
        let (pod, range) = (pod(self.rng.below(5)), TimeRange::new(from, from + long));
        eprintln!("  {pod} from {} to {} h", range.start as f64 / 3.6e6, range.end as f64 / 3.6e6);
        self.world.delete(&pod, range).await;
        self.model.delete(&pod, range);
    }

    async fn check(&mut self) {
        let view = self.world.view().await;
        self.stored.take(&self.world, &view).await;
        self.stored.assert_files(&self.world, &view).await;
        self.model.check(&view, &self.stored, self.world.clock.now_ms(), &self.world.config);
    }
}
