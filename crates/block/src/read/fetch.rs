//! The rounds of a select: each is planned, then fetched, in a task of its own.
//!
//! The plan of a whole block of a million series would take more memory than what is read at once, so each round is planned
//! when it is wanted. That too is done in the task: whoever reads several blocks in turns leaves the stream of one alone for as
//! long as it waits for another's, and a place in a lane must never be granted to what nobody polls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::Poll;

use futures::{Stream, StreamExt, stream};
use latewood_base::OffloadError;
use latewood_objstore::Usage;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::block::Block;
use super::decoded::{Fetched, FoundPage};
use super::paged::PageKey;
use super::plan::{Batch, SamplePage};
use super::rounds::{Round, Rounds};
use crate::BlockError;

/// Reads of so many series are planned in less time than a change of threads takes.
const FEW_SERIES: u64 = 256;

/// The batches of all rounds with their pages, in order; so many rounds are under way at once.
pub(super) fn fetched<I>(
    block: Arc<Block>,
    rounds: Rounds<I>,
    ahead: usize,
) -> impl Stream<Item = Result<Vec<Fetched>, BlockError>>
where
    I: Iterator<Item = Batch> + Send + 'static,
{
    let (give, first) = oneshot::channel();
    // The receiver is right here.
    let _ = give.send(rounds);
    // The rounds to plan are handed from one task to the next.
    let tasks = stream::unfold(first, move |turn| {
        let (give, next) = oneshot::channel();
        let task = apart(plan_and_fetch(Arc::clone(&block), turn, give));
        std::future::ready(Some((task, next)))
    });
    let found = tasks.buffered(ahead).map(Result::transpose);
    found.take_while(|round| std::future::ready(round.is_some())).filter_map(std::future::ready)
}

/// Does it in a task of its own, so that it goes on while batches before it are decoded; dropping the future ends it.
/// What need not wait for anything is done at once: a change of threads would take longer.
async fn apart<T: Send + 'static>(
    work: impl Future<Output = Result<T, BlockError>> + Send + 'static,
) -> Result<T, BlockError> {
    let mut work = Box::pin(Usage::carried(work));
    if let Poll::Ready(done) = futures::poll!(&mut work) {
        return done;
    }
    let mut tasks = JoinSet::new();
    tasks.spawn(work);
    match tasks.join_next().await {
        Some(Ok(done)) => done,
        Some(Err(failed)) if failed.is_panic() => Err(OffloadError::Panicked.into()),
        _ => Err(OffloadError::Stopping.into()),
    }
}

/// Plans the next round when it is its turn, passes the turn on, and fetches; nothing when there are no more.
async fn plan_and_fetch<I>(
    block: Arc<Block>,
    turn: oneshot::Receiver<Rounds<I>>,
    next: oneshot::Sender<Rounds<I>>,
) -> Result<Option<Vec<Fetched>>, BlockError>
where
    I: Iterator<Item = Batch> + Send + 'static,
{
    let Ok(mut rounds) = turn.await else { return Ok(None) };
    let (round, rounds) = match block.meta().series {
        0..=FEW_SERIES => (rounds.next(), rounds),
        _ => block.offload.run(move || (rounds.next(), rounds)).await?,
    };
    if rounds.has_more() {
        // When nobody is there to take it, nobody asks for more.
        let _ = next.send(rounds);
    }
    match round {
        Some(round) => fetch(block, round).await.map(Some),
        None => Ok(None),
    }
}

/// Reads the pages of a round: parts and scrapes at the same time.
async fn fetch(block: Arc<Block>, round: Round) -> Result<Vec<Fetched>, BlockError> {
    let mut by_part: Vec<Vec<PageKey>> = vec![Vec::new(); block.parts.len()];
    let mut samples: BTreeMap<SamplePage, FoundPage> = BTreeMap::new();
    for &key in &round.pages {
        let (part, column, page) = key;
        if let Some(data) = block.pages.get(block.meta().id, key) {
            samples.insert(key, FoundPage::Decoded(data));
        } else if let Some(keys) = by_part.get_mut(part) {
            keys.push((column, page));
        }
    }
    let wanted = block.parts.iter().zip(&by_part).filter(|(_, keys)| !keys.is_empty());
    let parts = wanted.map(|(part, keys)| async {
        let pages = part.file.fetch(&block.bucket, keys).await?;
        Ok::<_, BlockError>(
            pages
                .into_iter()
                .map(|((column, page), bytes)| ((part.number, column, page), FoundPage::Packed(bytes))),
        )
    });
    let of_batches: Vec<BTreeSet<PageKey>> =
        round.batches.iter().map(|batch| scrape_pages(&block, batch)).collect();
    let keys: Vec<PageKey> =
        of_batches.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let times = block.scrapes.file.fetch(&block.bucket, &keys);
    let (packed, times) = futures::try_join!(futures::future::try_join_all(parts), times)?;
    samples.extend(packed.into_iter().flatten());
    let batches = round.batches.into_iter().zip(of_batches);
    let fetched = batches.map(|(batch, keys)| Fetched {
        samples: of(&samples, &batch.pages).collect(),
        scrapes: of(&times, &keys).collect(),
        batch,
    });
    Ok(fetched.collect())
}

/// The pages with the times that a batch needs.
fn scrape_pages(block: &Block, batch: &Batch) -> BTreeSet<PageKey> {
    let scrapes = &block.scrapes;
    let pages = batch.scrapes.iter().flat_map(|rows| scrapes.file.pages(scrapes.ts, rows));
    pages.map(|page| (scrapes.ts, page)).collect()
}

/// Those of the pages that were fetched.
fn of<'a, K: Ord + Copy, P: Clone>(
    fetched: &'a BTreeMap<K, P>,
    wanted: &'a BTreeSet<K>,
) -> impl Iterator<Item = (K, P)> + 'a {
    wanted.iter().filter_map(|key| Some((*key, fetched.get(key)?.clone())))
}
