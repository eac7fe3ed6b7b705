//! A stream of series from which they are taken in another order.

use std::collections::HashMap;
use std::vec;

use futures::StreamExt;
use latewood_model::{Labels, SeriesSamples, storage_order};
use latewood_promql::{Control, Reservation};
use latewood_proto::store::{SeriesStream, StoreError};

/// Series in storage order. One that comes before it is wanted is held, and booked to the query.
pub(super) struct Lane {
    series: SeriesStream,
    batch: vec::IntoIter<SeriesSamples>,
    next: Option<SeriesSamples>,
    held: HashMap<Labels, (SeriesSamples, Reservation)>,
    control: Control,
}

/// Bytes that a float sample takes while it is held.
const SAMPLE_BYTES: u64 = 16;

impl Lane {
    pub(super) fn new(series: SeriesStream, control: &Control) -> Self {
        Self {
            series,
            batch: Vec::new().into_iter(),
            next: None,
            held: HashMap::new(),
            control: control.clone(),
        }
    }

    /// The series of these labels; none if the stream does not have it. Each is taken once.
    pub(super) async fn take(&mut self, wanted: &Labels) -> Result<Option<SeriesSamples>, StoreError> {
        if !self.held.is_empty()
            && let Some((series, _)) = self.held.remove(wanted)
        {
            return Ok(Some(series));
        }
        loop {
            let Some(next) = self.pull().await? else { return Ok(None) };
            if next.labels == *wanted {
                return Ok(Some(next));
            }
            if storage_order(&next.labels, wanted).is_gt() {
                self.next = Some(next);
                return Ok(None);
            }
            let bytes = next.weight() as u64 * SAMPLE_BYTES + next.labels.heap_size() as u64;
            let booked = self.control.reserve(bytes).map_err(|error| StoreError::from_kinded(&error))?;
            self.held.insert(next.labels.clone(), (next, booked));
        }
    }

    async fn pull(&mut self) -> Result<Option<SeriesSamples>, StoreError> {
        if let Some(next) = self.next.take() {
            return Ok(Some(next));
        }
        loop {
            if let Some(series) = self.batch.next() {
                return Ok(Some(series));
            }
            match self.series.next().await {
                Some(batch) => self.batch = batch?.into_iter(),
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use latewood_base::{Clock, ErrorKind, Kinded};
    use latewood_promql::QueryLimits;

    use super::*;
    use crate::testing::series;

    fn lane(max_bytes: u64) -> (Lane, Control) {
        let limits = QueryLimits { max_bytes, ..QueryLimits::NONE };
        let control = Control::new(Clock::manual(0).0, limits);
        let all = ["a", "b", "c"].map(|job| Ok(vec![series(&[("job", job)], &[(1, 1.0)])]));
        (Lane::new(stream::iter(all).boxed(), &control), control)
    }

    #[tokio::test]
    async fn series_are_taken_in_any_order_and_what_is_not_there_is_not_waited_for() {
        let (mut lane, control) = lane(u64::MAX);
        let labels = |job: &str| Labels::from_pairs([("job", job)]);
        for (job, is_there) in
            [("b", true), ("bb", false), ("a", true), ("a", false), ("c", true), ("d", false)]
        {
            let taken = lane.take(&labels(job)).await.unwrap();
            assert_eq!(taken.map(|series| series.labels), is_there.then(|| labels(job)), "{job}");
        }
        assert_eq!(control.bytes(), 0, "nothing is held any more");
    }

    #[tokio::test]
    async fn what_is_held_is_booked_to_the_query() {
        let (mut lane, _) = lane(10);
        let error = lane.take(&Labels::from_pairs([("job", "c")])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unprocessable);
    }
}
