//! A stream of series from which they are taken in another order.

use std::collections::HashMap;
use std::vec;

use futures::StreamExt;
use futures::stream::Fuse;
use latewood_model::{Labels, SeriesSamples, storage_order};

use super::{SeriesStream, StoreError};

/// Series in storage order, taken in another. One that comes before it is wanted is held, and its bytes are booked: `book`
/// gives what holds the booking, or refuses.
pub struct Lane<'a, B> {
    /// Asked again after its end, when more is wanted than there is.
    series: Fuse<SeriesStream>,
    batch: vec::IntoIter<SeriesSamples>,
    next: Option<SeriesSamples>,
    held: HashMap<Labels, (SeriesSamples, B)>,
    book: Book<'a, B>,
}

/// Books bytes, or refuses.
type Book<'a, B> = Box<dyn Fn(u64) -> Result<B, StoreError> + Send + Sync + 'a>;

/// Bytes that a float sample takes while it is held.
const SAMPLE_BYTES: u64 = 16;

impl<'a, B> Lane<'a, B> {
    /// Of a stream in storage order.
    pub fn new(series: SeriesStream, book: impl Fn(u64) -> Result<B, StoreError> + Send + Sync + 'a) -> Self {
        let (series, book) = (series.fuse(), Box::new(book));
        Self { series, batch: Vec::new().into_iter(), next: None, held: HashMap::new(), book }
    }

    /// The series of these labels; none if the stream does not have it. Each is taken once.
    ///
    /// # Errors
    /// The stream's, and that of a booking.
    pub async fn take(&mut self, wanted: &Labels) -> Result<Option<SeriesSamples>, StoreError> {
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
            let booked = (self.book)(bytes)?;
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
    use std::sync::Arc;

    use futures::stream;
    use latewood_base::{ErrorKind, Kinded};
    use latewood_model::StartTimestamps;

    use super::*;

    /// A lane that may hold so many series; what holds a booking is a share of the returned count.
    fn lane(most: usize) -> (Lane<'static, Arc<()>>, Arc<()>) {
        let all = ["a", "b", "c"].map(|job| {
            Ok(vec![SeriesSamples {
                labels: Labels::from_pairs([("job", job)]),
                timestamps: [1].into(),
                values: vec![1.0],
                starts: StartTimestamps::none(),
                histograms: Vec::new(),
            }])
        });
        let count = Arc::new(());
        let shared = Arc::clone(&count);
        let book = move |bytes| {
            assert!(bytes > 0);
            let full = Arc::strong_count(&shared) > most + 1;
            if full {
                Err(StoreError::new(ErrorKind::Unprocessable, "full"))
            } else {
                Ok(Arc::clone(&shared))
            }
        };
        (Lane::new(stream::iter(all).boxed(), book), count)
    }

    #[tokio::test]
    async fn what_is_behind_the_end_may_be_asked_for_again_and_again() {
        let none = stream::unfold((), |()| async { None::<(Result<Vec<SeriesSamples>, StoreError>, ())> });
        let mut lane = Lane::new(none.boxed(), |_| Ok(()));
        for job in ["a", "b"] {
            assert!(lane.take(&Labels::from_pairs([("job", job)])).await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn series_are_taken_in_any_order_and_what_is_not_there_is_not_waited_for() {
        let (mut lane, count) = lane(9);
        let labels = |job: &str| Labels::from_pairs([("job", job)]);
        for (job, is_there) in
            [("b", true), ("bb", false), ("a", true), ("a", false), ("c", true), ("d", false)]
        {
            let taken = lane.take(&labels(job)).await.unwrap();
            assert_eq!(taken.map(|series| series.labels), is_there.then(|| labels(job)), "{job}");
        }
        assert_eq!(Arc::strong_count(&count), 2, "nothing is held any more");
    }

    #[tokio::test]
    async fn what_is_held_is_booked() {
        let (mut lane, _count) = lane(1);
        let error = lane.take(&Labels::from_pairs([("job", "c")])).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unprocessable);
    }
}
