//! The times of what is held beside a view.

use super::*;

impl Node {
    async fn spans(&self, view: Option<&View>) -> Result<Vec<TimeRange>, StoreError> {
        let wire::Scope { tenant, view, .. } = self.scope(view);
        let answer = self.ingester.store().spans(wire::SpansRequest { tenant, view }).await?;
        let mut spans: Vec<TimeRange> =
            answer.spans.iter().map(|span| TimeRange::new(span.start_ms, span.end_ms)).collect();
        spans.sort_by_key(|span| (span.start, span.end));
        Ok(spans)
    }

    /// Whatever was read under a view lies in its spans.
    pub(super) async fn check_spans(&self, view: Option<&View>, read: &Data) {
        let Ok(spans) = self.spans(view).await else { return };
        let times = read.values().flat_map(BTreeMap::keys);
        let outside = times.filter(|at| !spans.iter().any(|span| span.contains(**at))).count();
        assert_eq!(outside, 0, "{spans:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_are_of_what_a_view_does_not_have_in_blocks() {
    let (dir, bucket, mut model) = (tempfile::tempdir().unwrap(), memory(), Data::new());
    let node = Node::start(dir.path(), &bucket, 1).await;
    let span = |from: i64, to: i64| TimeRange::new(START_MS + from * 15_000, START_MS + to * 15_000);
    let before = node.view().await;
    assert_eq!(node.spans(Some(&before)).await.unwrap(), []);
    for step in [7, 9] {
        node.write(3, step, &mut model).await;
    }
    assert_eq!(node.spans(Some(&before)).await.unwrap(), [span(7, 9)]);
    node.flush().await;
    let after = node.view().await;
    // In the block of the one view, and not of the other.
    assert_eq!(node.spans(Some(&after)).await.unwrap(), []);
    assert_eq!(node.spans(Some(&before)).await.unwrap(), [span(7, 9)]);
    // Late.
    node.write(3, 2, &mut model).await;
    assert_eq!(node.spans(Some(&after)).await.unwrap(), [span(2, 2)]);
    assert_eq!(node.spans(Some(&before)).await.unwrap(), [span(2, 2), span(7, 9)]);
    node.outlive_lingering().await;
    let stale = node.spans(Some(&before)).await;
    assert!(matches!(stale, Err(StoreError::StaleView { .. })), "{stale:?}");
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_of_local_blocks_are_told() {
    let faulty = FaultyBucket::new(memory());
    let bucket: Bucket = faulty.clone();
    let (dir, mut model) = (tempfile::tempdir().unwrap(), Data::new());
    let node = Node::start(dir.path(), &bucket, 1).await;
    node.write(3, 1, &mut model).await;
    node.write(3, 4, &mut model).await;
    faulty.add(catalog_commits());
    to_local_blocks(&node).await;
    assert_eq!(node.read(None).await.unwrap(), model);
    let spans = node.spans(None).await.unwrap();
    assert_eq!(spans, [TimeRange::new(START_MS + 15_000, START_MS + 60_000)]);
    faulty.heal();
    node.ingester.stop().await;
}
