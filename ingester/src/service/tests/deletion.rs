//! Series that are deleted stay deleted, whatever happens between; what is written later stays.

use latewood_base::Ulid;
use latewood_blockstore::Masks;
use latewood_catalog::TenantFate;
use latewood_model::HistogramSample;
use latewood_proto::deletion::wire::{CommitRequest, Condition, LogRequest, Selection};
use latewood_proto::store::Detail;

use super::*;
use crate::journal::any_histogram;

/// A deletion of one of the series that [`Node::write`] writes.
fn selection(number: u128, series: u32, range: TimeRange) -> Selection {
    let condition =
        |name: &str, op: &str, value: String| Condition { name: name.into(), op: op.into(), value };
    Selection {
        id: Ulid::from_parts(u64::try_from(START_MS).unwrap(), number).to_string(),
        conditions: vec![
            condition("__name__", "=", "up".into()),
            condition("n", "=~", format!("{series}|none")),
        ],
        start_ms: range.start,
        end_ms: range.end,
    }
}

/// Takes a series' samples of a range out of the model.
fn forget(model: &mut Data, series: u32, range: TimeRange) {
    let labels = Labels::from_pairs([("__name__", "up"), ("n", &series.to_string())]).to_string();
    if let Some(samples) = model.get_mut(&labels) {
        samples.retain(|at, _| !range.contains(*at));
        if samples.is_empty() {
            model.remove(&labels);
        }
    }
}

impl Node {
    /// Deletes as a querier does.
    async fn delete(&self, selection: Selection) -> Result<u64, StoreError> {
        let (tenant, selections) = (self.tenant.to_string(), vec![selection]);
        let deletion = self.ingester.deletion();
        let log = LogRequest { tenant: tenant.clone(), selections: selections.clone(), shards: Vec::new() };
        let open = deletion.log(log).await?.open;
        let commit = CommitRequest { tenant, selections, open, requested_by: "a test".into() };
        Ok(deletion.commit(commit).await?.version)
    }

    /// What is visible under the newest view, each sample once; read again where the bucket failed.
    async fn visible(&self, bucket: &Bucket) -> Data {
        loop {
            let Ok(view) = self.catalogs.tenant(&self.tenant).refresh(0).await else { continue };
            let Ok(head) = self.read(Some(&view)).await else { continue };
            let mut all = Data::new();
            for entry in view.blocks.values() {
                let masks = Masks::of(&view, entry.id).unwrap();
                let series = block_series(bucket, &view, entry).await.into_iter();
                for series in series.filter_map(|one| masks.apply(one)) {
                    let samples = series.samples().map(|sample| (sample.timestamp, sample.value.to_bits()));
                    add(&mut all, &series.labels.to_string(), samples);
                }
            }
            for (series, samples) in head {
                add(&mut all, &series, samples.into_iter());
            }
            return all;
        }
    }
}

fn at(step: i64) -> i64 {
    START_MS + step * 15_000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_is_masked_and_what_comes_later_is_visible() {
    let (dir, bucket, mut model) = (tempfile::tempdir().unwrap(), memory(), Data::new());
    let node = Node::start(dir.path(), &bucket, 2).await;
    for step in 0..3 {
        node.write(8, step, &mut model).await;
    }
    node.flush().await;
    node.write(8, 3, &mut model).await;
    let range = TimeRange::new(at(1), at(3));
    node.delete(selection(1, 5, range)).await.unwrap();
    forget(&mut model, 5, range);
    assert_eq!(node.visible(&bucket).await, model);
    // The same times, written again.
    node.write(8, 3, &mut model).await;
    let once = |data: &Data| data.values().map(BTreeMap::len).sum::<usize>();
    let seen = node.read(Some(&*node.view().await)).await.unwrap();
    assert_eq!(once(&seen), 8, "a generation of its own, joined with the one before");
    // A crash: the journal says the same again.
    let crashed = tempfile::tempdir().unwrap();
    copy(dir.path(), crashed.path());
    node.ingester.stop().await;
    let node = Node::start(crashed.path(), &bucket, 2).await;
    assert_eq!(node.read(Some(&*node.view().await)).await.unwrap(), seen);
    node.flush().await;
    let view = node.view().await;
    assert!(node.read(Some(&view)).await.unwrap().is_empty(), "all is in blocks");
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_of_views_from_before_a_deletion_are_told_to_pin_a_newer_one() {
    let (dir, bucket, mut model) = (tempfile::tempdir().unwrap(), memory(), Data::new());
    let node = Node::start(dir.path(), &bucket, 1).await;
    node.write(3, 0, &mut model).await;
    node.flush().await;
    let before = node.view().await;
    let version = node.delete(selection(1, 1, TimeRange::ALL)).await.unwrap();
    let stale = node.read(Some(&before)).await;
    assert!(
        matches!(stale, Err(StoreError::StaleView { min_version }) if min_version == version),
        "{stale:?}"
    );
    forget(&mut model, 1, TimeRange::ALL);
    assert_eq!(node.visible(&bucket).await, model);
    node.ingester.stop().await;
    // Also one that was not there when it was committed.
    let node = Node::start(dir.path(), &bucket, 1).await;
    let stale = node.read(Some(&before)).await;
    assert!(matches!(stale, Err(StoreError::StaleView { .. })), "{stale:?}");
    assert_eq!(node.visible(&bucket).await, model);
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histograms_newest_samples_and_labels_are_deleted_too() {
    let (dir, bucket) = (tempfile::tempdir().unwrap(), memory());
    let node = Node::start(dir.path(), &bucket, 1).await;
    let labels = |n: &str| Labels::from_pairs([("__name__", "up"), ("n", n)]);
    let mut builder = BatchBuilder::new(node.tenant.clone(), &[]);
    let histogram = |step| HistogramSample::new(at(step), any_histogram_value());
    builder.push_histograms(&labels("1"), &[histogram(0), histogram(1)]);
    builder.push_histograms(&labels("2"), &[histogram(0), histogram(1)]);
    builder.push(&labels("3"), &[0, 1, 2].map(|step| Sample { timestamp: at(step), value: 1.0 }));
    let part = ShardPart::whole(Arc::new(builder.build()), 0);
    node.ingester.shards()[0].write(part).await.unwrap();
    node.delete(selection(1, 1, TimeRange::ALL)).await.unwrap();
    node.delete(selection(2, 2, TimeRange::new(at(1), at(9)))).await.unwrap();
    node.delete(selection(3, 3, TimeRange::new(at(2), at(2)))).await.unwrap();
    let view = node.view().await;
    let ask = async |detail: Detail| {
        let scope = Some(node.scope(Some(&view)));
        let request = wire::SelectRequest { scope, detail: detail.into(), ..wire::SelectRequest::default() };
        let batches: Vec<_> = node.ingester.store().select(request).await.unwrap().collect().await;
        batches.into_iter().flat_map(|batch| batch.unwrap().series).collect::<Vec<_>>()
    };
    let all = ask(Detail::Samples).await;
    let times = |n: usize| all[n].histograms.iter().map(|sample| sample.timestamp).collect::<Vec<_>>();
    assert_eq!((all.len(), times(0), all[1].timestamps.to_vec()), (2, vec![at(0)], vec![at(0), at(1)]));
    let newest = ask(Detail::Newest).await;
    assert_eq!(newest[1].timestamps.last(), Some(&at(1)), "the newest that is left");
    let listed: Vec<Labels> = ask(Detail::Labels).await.into_iter().map(|series| series.labels).collect();
    assert_eq!(listed, [labels("2"), labels("3")]);
    node.ingester.stop().await;
}

fn any_histogram_value() -> latewood_model::NativeHistogram {
    use proptest::strategy::{Strategy, ValueTree};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    any_histogram().new_tree(&mut runner).unwrap().current()
}

/// The block of a generation that was frozen before the deletion reaches the catalog after it, from a second life.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_that_comes_after_a_deletion_brings_nothing_back() {
    let faulty = FaultyBucket::new(memory());
    let bucket: Bucket = faulty.clone();
    let (dir, mut model) = (tempfile::tempdir().unwrap(), Data::new());
    let node = Node::start(dir.path(), &bucket, 2).await;
    node.write(8, 0, &mut model).await;
    faulty.add(catalog_commits());
    to_local_blocks(&node).await;
    node.write(8, 1, &mut model).await;
    faulty.add(Rule::new(Fault::Before));
    // Logged; the commit fails, and whoever asked is told so.
    let failed = node.delete(selection(1, 3, TimeRange::ALL)).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Unavailable, "{failed}");
    let crashed = tempfile::tempdir().unwrap();
    copy(dir.path(), crashed.path());
    node.ingester.stop().await;
    faulty.heal();
    let node = Node::start(crashed.path(), &bucket, 2).await;
    node.write(8, 2, &mut model).await;
    node.flush().await;
    // What the shards had logged before the crash binds the blocks that they flushed after it.
    let late: BTreeMap<i64, u64> =
        model.values().nth(3).unwrap().iter().skip(2).map(|(&at, &bits)| (at, bits)).collect();
    *model.values_mut().nth(3).unwrap() = late;
    assert_eq!(node.visible(&bucket).await, model);
    // Asked again it is done, and nothing else is: blocks of later generations are not bound.
    let tombstones = node.view().await.tombstones.len();
    node.write(8, 3, &mut model).await;
    let bound = node.delete(selection(1, 99, TimeRange::ALL)).await.unwrap();
    assert_eq!(node.delete(selection(1, 99, TimeRange::ALL)).await.unwrap(), bound, "once");
    assert_eq!(node.view().await.tombstones.len(), tombstones + 1);
    assert_eq!(node.visible(&bucket).await, model);
    node.ingester.stop().await;
}

/// The commit of a flush is on its way to the bucket, made before there was a deletion.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_that_is_under_way_brings_nothing_back() {
    for by_another in [false, true] {
        let (inner, mut model) = (memory(), Data::new());
        let faulty = FaultyBucket::new(Arc::clone(&inner));
        let bucket: Bucket = faulty.clone();
        let dir = tempfile::tempdir().unwrap();
        let node = Node::start(dir.path(), &bucket, 1).await;
        node.write(4, 0, &mut model).await;
        let gate = Gate::closed();
        faulty.add(Rule::new(Fault::Hold(gate.clone())).on(Operation::Create).key("/catalog/").times(1));
        node.ingester.shards()[0].flush(false).await.unwrap();
        gate.reached(1).await;
        let one = vec![selection(1, 2, TimeRange::ALL)];
        let log = LogRequest { tenant: node.tenant.to_string(), selections: one.clone(), shards: Vec::new() };
        let open = node.ingester.deletion().log(log).await.unwrap().open;
        let commit = CommitRequest {
            tenant: node.tenant.to_string(),
            selections: one,
            open,
            requested_by: String::new(),
        };
        if by_another {
            // Another ingester commits first: the flush finds its place taken.
            let (other, empty) = (tempfile::tempdir().unwrap(), Node::start);
            let other = empty(other.path(), &inner, 1).await;
            other.ingester.deletion().commit(commit).await.unwrap();
            other.ingester.stop().await;
            gate.open();
        } else {
            let deletion = node.ingester.deletion();
            let committing = tokio::spawn(async move { deletion.commit(commit).await });
            gate.open();
            committing.await.unwrap().unwrap();
        }
        node.flush().await;
        let mut changes = node.ingester.shards()[0].head().changes();
        while node.view().await.blocks.is_empty() {
            changes.changed().await;
        }
        forget(&mut model, 2, TimeRange::ALL);
        assert_eq!(node.visible(&bucket).await, model, "{by_another}");
        assert_eq!(node.view().await.tombstones.len(), 1);
        node.ingester.stop().await;
    }
}

/// Writes, deletions, flushes and crashes in any order over a bucket that fails by chance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_order_deleted_samples_stay_away_and_others_stay() {
    for seed in 0..6 {
        let chances = Chances { before: 0.1, after: 0.1, read_factor: 0.3 };
        let faulty = FaultyBucket::seeded(memory(), seed, chances);
        let bucket: Bucket = faulty.clone();
        let (mut dir, mut model) = (tempfile::tempdir().unwrap(), Data::new());
        let mut node = Node::start(dir.path(), &bucket, 2).await;
        let rng = Rng::seeded(seed);
        for round in 0..30_i64 {
            node.write(6, round, &mut model).await;
            let mut tries = 0;
            if rng.below(2) == 0 {
                let (series, from) = (rng.below(6) as u32, rng.below(round as u64 + 1) as i64);
                let range = TimeRange::new(at(from), at(from + rng.below(8) as i64));
                let one = selection(round as u128 + 1, series, range);
                while let Err(error) = node.delete(one.clone()).await {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                    tries += 1;
                    assert!(tries < 50);
                }
                forget(&mut model, series, range);
            }
            match rng.below(4) {
                0 => drop(node.ingester.shards()[rng.below(2) as usize].flush(rng.below(2) == 0).await),
                1 => {
                    let crashed = crash_image(dir.path());
                    node.ingester.stop().await;
                    node = Node::start(crashed.path(), &bucket, 2).await;
                    dir = crashed;
                }
                _ => {}
            }
            let seen = tokio::time::timeout(Duration::from_secs(30), node.visible(&bucket)).await.unwrap();
            assert_eq!(seen, model, "seed {seed} round {round}");
        }
        assert!(faulty.struck() > 0);
        faulty.heal();
        node.flush().await;
        assert_eq!(node.visible(&bucket).await, model, "seed {seed}");
        node.ingester.stop().await;
    }
}

/// A copy of a data directory that is in use, as a crash would leave it.
fn crash_image(dir: &Path) -> tempfile::TempDir {
    loop {
        let image = tempfile::tempdir().unwrap();
        // A generation may be written this very moment, and its files get their names.
        if try_copy(dir, image.path()).is_ok() {
            return image;
        }
    }
}

async fn block_series(
    bucket: &Bucket,
    view: &View,
    entry: &latewood_catalog::BlockEntry,
) -> Vec<latewood_model::SeriesSamples> {
    let folder = entry.folder(&view.tenant);
    loop {
        let opened = Block::open(Arc::clone(bucket), &folder, Offload::new(1), ReaderConfig::default()).await;
        let Ok(block) = opened else { continue };
        let (matchers, range) = (Vec::new(), TimeRange::ALL);
        let spec = SelectSpec { matchers, range, skip_samples: false, skip_starts: false };
        let batches: Vec<_> = block.select(spec).collect().await;
        if let Ok(batches) = batches.into_iter().collect::<Result<Vec<_>, _>>() {
            return batches.into_iter().flatten().collect();
        }
    }
}

/// What is held of a tenant that is deleted is not flushed, and nothing more is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_tenant_is_refused_and_dropped() {
    let (dir, bucket, mut model) = (tempfile::tempdir().unwrap(), memory(), Data::new());
    let node = Node::start(dir.path(), &bucket, 1).await;
    node.write(3, 0, &mut model).await;
    let catalog = node.catalogs.tenant(&node.tenant);
    let fate = |fate| Change { fate: Some(fate), ..Change::default() };
    catalog.commit(fate(TenantFate::Deleted)).await.unwrap();
    let write = async || {
        let mut builder = BatchBuilder::new(node.tenant.clone(), &[]);
        builder.push(&Labels::from_pairs([("__name__", "up")]), &[Sample { timestamp: at(1), value: 1.0 }]);
        node.ingester.shards()[0].write(ShardPart::whole(Arc::new(builder.build()), 0)).await
    };
    let refused = write().await.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.to_string().contains("is being deleted")),
        (ErrorKind::Unprocessable, true)
    );
    node.flush().await;
    node.outlive_lingering().await;
    assert_eq!(node.ingester.shards()[0].head().memory(), (0, 0));
    assert!(node.view().await.blocks.is_empty());
    catalog.commit(fate(TenantFate::Kept)).await.unwrap();
    write().await.unwrap();
    assert_eq!(node.visible(&bucket).await.len(), 1);
    node.ingester.stop().await;
}
