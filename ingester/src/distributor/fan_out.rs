//! Writing a batch to all shards it concerns.

use std::sync::Arc;

use futures::future::join_all;
use latewood_base::{ErrorKind, Kinded};

use super::{ShardMap, ShardPart, ShardWriter, WriteOutcome};
use crate::{IngestError, Refusals, WriteBatch};

/// Routes series to shards and writes to them at once.
pub struct Distributor {
    map: ShardMap,
    writers: Vec<Arc<dyn ShardWriter>>,
}

/// What became of a batch.
#[derive(Clone, Debug, Default)]
pub struct Distributed {
    /// How many of the sender's samples are stored.
    pub samples: u64,
    /// How many of the sender's native histograms are stored.
    pub histograms: u64,
    /// What shards refused for good.
    pub refusals: Refusals,
    /// The shards that did not take their parts.
    pub failure: Option<IngestError>,
}

impl std::fmt::Debug for Distributor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Distributor").field("map", &self.map).finish_non_exhaustive()
    }
}

impl Distributor {
    /// One writer a shard, at the place of the shard's number.
    ///
    /// # Errors
    /// [`IngestError::Config`] when there are none.
    pub fn new(writers: Vec<Arc<dyn ShardWriter>>) -> Result<Self, IngestError> {
        match u32::try_from(writers.len()) {
            Ok(shards @ 1..) => Ok(Self { map: ShardMap::new(shards), writers }),
            _ => Err(IngestError::Config("there must be at least one shard".to_owned())),
        }
    }

    /// The placement of series.
    #[must_use]
    pub fn map(&self) -> ShardMap {
        self.map
    }

    /// The parts of a batch, by shard; series without samples are in none. Pure.
    #[must_use]
    pub fn split(&self, batch: &Arc<WriteBatch>) -> Vec<ShardPart> {
        split(self.map, self.map.used_by(batch.tenant()), batch)
    }

    /// Writes the parts of a batch, as [`Distributor::split`] makes them, at once and waits for all.
    pub async fn write(&self, parts: Vec<ShardPart>) -> Distributed {
        let writes = parts.into_iter().map(|part| async move {
            let outcome = match self.writers.get(part.shard() as usize) {
                Some(writer) => writer.write(part.clone()).await,
                None => Err(IngestError::Shard {
                    shard: part.shard(),
                    kind: ErrorKind::Internal,
                    message: "there is no such shard".to_owned(),
                }),
            };
            (part, outcome)
        });
        let mut all = Distributed::default();
        let mut failures = Vec::new();
        for (part, outcome) in join_all(writes).await {
            match outcome {
                Ok(outcome) => all.add(&part, &outcome),
                Err(error) => failures.push(error),
            }
        }
        all.failure = join_failures(failures);
        all
    }
}

fn split(map: ShardMap, shards_used: u32, batch: &Arc<WriteBatch>) -> Vec<ShardPart> {
    let shards = map.of_tenant(batch.tenant(), shards_used);
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); map.shards() as usize];
    for (row, series) in (0..).zip(batch.rows()) {
        if series.has_samples()
            && let Some(rows) = rows.get_mut(shards.shard_of(series.routing_hash()) as usize)
        {
            rows.push(row);
        }
    }
    let parts = (0..).zip(rows).filter(|(_, rows)| !rows.is_empty());
    parts.map(|(shard, rows)| ShardPart::new(Arc::clone(batch), shard, rows.into())).collect()
}

impl Distributed {
    fn add(&mut self, part: &ShardPart, outcome: &WriteOutcome) {
        for (_, series) in part.series() {
            self.samples += series.sent_samples();
            self.histograms += series.sent_histograms();
        }
        for refused in &outcome.refused {
            let Some(series) = part.batch().row(refused.row) else { continue };
            let (samples, histograms) = (series.sent_samples(), series.sent_histograms());
            self.samples = self.samples.saturating_sub(samples);
            self.histograms = self.histograms.saturating_sub(histograms);
            self.refusals.add(refused.cause, samples + histograms, || refused.message.to_string());
        }
    }
}

/// One error for all shards that failed: retryable when any is, because what is stored already may be
/// written again without harm; a defect before a refusal.
fn join_failures(mut failures: Vec<IngestError>) -> Option<IngestError> {
    if failures.len() <= 1 {
        return failures.pop();
    }
    let rank = |kind: ErrorKind| match kind {
        kind if kind.is_retryable() => 2,
        ErrorKind::Internal | ErrorKind::Corrupt => 1,
        _ => 0,
    };
    let kind = failures.iter().map(Kinded::kind).max_by_key(|&kind| rank(kind))?;
    let messages: Vec<String> = failures.iter().map(ToString::to_string).collect();
    Some(IngestError::Shards { kind, message: messages.join("; ") })
}

#[cfg(test)]
mod tests;
