//! Which parts of which generations answer a request.

use std::sync::Arc;

use latewood_base::ErrorKind;
use latewood_catalog::{CatalogError, TenantCatalog};
use latewood_proto::store::StoreError;
use latewood_proto::store::wire::{SpansResponse, TimeSpan};

use super::readers::{Asked, barriers};
use super::scope::PinnedView;
use super::store::Inner;
use crate::head::{HeadPart, MaskedPart};

/// The parts that answer, by shard, and the newest catalog version known here.
#[derive(Debug)]
pub(super) struct Reads {
    pub(super) shards: Vec<Vec<MaskedPart>>,
    pub(super) newest_version: u64,
}

impl Reads {
    /// The parts of all shards.
    pub(super) fn parts(self) -> impl Iterator<Item = MaskedPart> {
        self.shards.into_iter().flatten()
    }

    /// The times of what is held, one span for each part.
    pub(super) fn spans(self) -> SpansResponse {
        let spans = self.parts().map(|masked| match masked.part {
            HeadPart::Memory(head) => head.span(),
            HeadPart::Local(local) => local.meta().range,
        });
        let spans = spans.filter(|span| !span.is_empty());
        let spans = spans.map(|span| TimeSpan { start_ms: span.start, end_ms: span.end });
        SpansResponse { spans: spans.collect() }
    }
}

impl Inner {
    /// Takes hold of what answers a request under its view.
    ///
    /// A generation that was dropped is in the catalog, for every tenant that had anything in it. So when
    /// the catalog's newest `flushed[shard]` is beyond the request's, and all up to it may be dropped, the
    /// request needs a newer view. The catalog is looked at after the heads: what was dropped before is
    /// in it. A shard that is not led here refuses: whoever leads it has what was acknowledged since. Where nobody does, and
    /// the request allows it, what was applied here answers.
    pub(super) async fn reads(self: &Arc<Self>, view: &PinnedView) -> Result<Reads, StoreError> {
        // First: who comes to lead doubts what it knows of deletions.
        let asked = Asked::of(&*self.shards, &view.shards, view.allow_stale)?;
        let catalog = self.catalogs.tenant(&view.tenant);
        let deleted = self.versions.of(&catalog).await;
        if view.version < deleted {
            return Err(StoreError::StaleView { min_version: deleted });
        }
        if self.begun_now {
            self.check_predecessors(&catalog, view).await?;
        }
        barriers(&asked.led).await?;
        let (mut shards, mut gone) = (Vec::new(), Vec::new());
        let led = asked.led.iter().map(|reader| (reader, false));
        for (reader, is_behind) in led.chain(asked.stale.iter().map(|reader| (reader, true))) {
            let flushed = view.flushed(reader.shard);
            let snapshot = if is_behind {
                reader.head.snapshot_behind(&view.tenant, flushed)
            } else {
                reader.head.snapshot(&view.tenant, flushed)
            };
            if snapshot.opening {
                // Its replica has come to lead before its local blocks were open: it will be asked again.
                return Err(StoreError::NotLeader { shards: vec![reader.shard] });
            }
            if snapshot.floor > flushed {
                gone.push((reader.shard, flushed, snapshot.floor));
            }
            shards.push(snapshot.parts);
        }
        if gone.is_empty() {
            let known = catalog.known_view().map_or(0, |newest| newest.version);
            let newest_version = known.max(view.version);
            return Ok(Reads { shards, newest_version });
        }
        let newest = catalog.view().await.map_err(|error| not_found_out(&error))?;
        let needs_more = |&(shard, flushed, floor): &(u32, u64, u64)| {
            newest.flushed_generation(shard).min(floor) > flushed
        };
        if gone.iter().any(needs_more) {
            return Err(StoreError::StaleView { min_version: newest.version });
        }
        Ok(Reads { shards, newest_version: newest.version })
    }
    /// A journal that was begun by this process knows nothing of the one before it, whose last generations a
    /// view from before their commit lacks, and which nobody else serves any more. So such a view must reach
    /// what other shards had flushed when the tenant was first asked for here. The view was loaded after this
    /// process started, and those who stopped before had committed by then.
    async fn check_predecessors(&self, catalog: &TenantCatalog, view: &PinnedView) -> Result<(), StoreError> {
        let newest = catalog.view().await.map_err(|error| not_found_out(&error))?;
        let ours = self.shards.ring().shards;
        let mut others = newest.flushed.iter().filter(|(shard, _)| !ours.contains(shard));
        if newest.version > view.version && others.any(|(shard, upto)| view.flushed(*shard) < *upto) {
            return Err(StoreError::StaleView { min_version: newest.version });
        }
        Ok(())
    }
}

fn not_found_out(error: &CatalogError) -> StoreError {
    let text = format!("whether the view is too old cannot be found out: {error}");
    StoreError::new(ErrorKind::Unavailable, text)
}
