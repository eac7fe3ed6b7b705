//! `latewood import`: blocks of Prometheus and Thanos into the bucket and a tenant's catalog.
//!
//! One block after another: brought here if it is in a bucket, written anew in Latewood's format into a folder, uploaded,
//! committed. A block that cannot be read is reported, and the others go on; an import that was cut short goes on where it
//! stopped, because ids are functions of the blocks imported.

mod args;
mod convert;
mod identity;
mod report;
mod scratch;
mod source;
mod store;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use latewood_base::{Clock, Ids, Offload, Rng, Shutdown, Ulid};
use latewood_block::{BlockHeader, BlockMeta};
use latewood_blockstore::Publisher;
use latewood_catalog::{Catalogs, TenantCatalog};
use latewood_model::{Labels, Resolution};
use latewood_objstore::{Bucket, BucketConfig, Proven, open_bucket};
use latewood_service::init_logs;
use latewood_tsdb::TsdbMeta;
use prometheus_client::registry::Registry;

use crate::{app, config};
pub use args::ImportCommand;
use args::{ImportArgs, PrometheusArgs, ThanosArgs};
use convert::{Conversion, Counts};
use identity::{Decision, decide, is_covered};
use report::{Outcome, Totals};
use scratch::Scratch;
use source::{Found, Source};

/// How often a large block's progress is told.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// When queries find what was imported.
const SEEN_LATER: &str = "queriers that run find these blocks when they look at the tenant's catalog next: after a flush, \
                          within `catalog.refresh_seconds`, or when they are started again";

/// Imports, and tells on standard error how far it is.
///
/// # Errors
/// Something cannot be opened, a block could not be imported, or it was interrupted.
pub async fn run(command: ImportCommand) -> anyhow::Result<()> {
    let (source, args, named) = match command {
        ImportCommand::Prometheus(PrometheusArgs { folder, import }) => {
            let named = folder.display().to_string();
            (Source::Folder(folder), import, named)
        }
        ImportCommand::Thanos(ThanosArgs { source, source_s3_endpoint, import }) => {
            (open_source(&source, source_s3_endpoint).await?, import, source)
        }
    };
    let mut stop = Box::pin(app::stop_signal()?);
    let import = tokio::select! {
        opened = Import::open(source, &args) => opened?,
        () = &mut stop => bail!("interrupted before anything was imported"),
    };
    let shutdown = import.conversion.shutdown.clone();
    tokio::spawn(async move {
        stop.await;
        shutdown.begin();
    });
    import.all(&named).await
}

/// A folder of this machine is read where it is.
async fn open_source(named: &str, s3_endpoint: Option<String>) -> anyhow::Result<Source> {
    let path = named.strip_prefix("file://").unwrap_or(named);
    if !path.contains("://") {
        return Ok(Source::Folder(PathBuf::from(path)));
    }
    let config = BucketConfig { s3_endpoint, ..BucketConfig::at(named) };
    Ok(Source::Bucket(open_bucket(&config, Clock::system(), &mut Registry::default()).await?))
}

/// What is done about a block.
enum Plan {
    /// It becomes the block of this id.
    Import(Box<TsdbMeta>, Ulid),
    /// Nothing, and why.
    PassOver(String),
}

/// An import under way.
struct Import {
    source: Source,
    publisher: Publisher,
    catalog: Arc<TenantCatalog>,
    conversion: Conversion,
    scratch: Scratch,
    offload: Offload,
    clock: Clock,
    args: ImportArgs,
}

impl Import {
    async fn open(source: Source, args: &ImportArgs) -> anyhow::Result<Self> {
        let mut config = config::load(&args.role())?;
        init_logs(&config.log)?;
        let scratch = Scratch::take(&config.data_dir)?;
        config.locate()?;
        let (clock, ids) = (Clock::system(), Ids::new(Clock::system(), Rng::system()));
        let opened = open_bucket(&config.bucket, clock.clone(), &mut Registry::default()).await?;
        let bucket = Arc::new(Proven::new(opened, ids.clone()));
        if !args.dry_run {
            bucket.prove().await?;
        }
        let bucket: Bucket = bucket;
        let catalogs = Catalogs::new(Arc::clone(&bucket), clock.clone(), ids, config.catalog);
        let conversion = Conversion {
            writer: config.ingester.block,
            external: Labels::from_pairs(args.external_label.iter().map(|(name, value)| (name, value))),
            shutdown: Shutdown::new(),
        };
        let catalog = catalogs.tenant(&args.tenant);
        let offload = Offload::per_core();
        let concurrency = config.ingester.flush.upload_concurrency;
        let publisher = Publisher { bucket, offload: offload.clone(), concurrency };
        Ok(Self { source, publisher, catalog, conversion, scratch, offload, clock, args: args.clone() })
    }

    /// All blocks, one after another.
    async fn all(&self, named: &str) -> anyhow::Result<()> {
        if let Some(notice) = self.source.head_notice() {
            eprintln!("latewood: {notice}");
        }
        let ulids = self.source.list().await?;
        if ulids.is_empty() {
            bail!("there are no blocks in {named}: they are folders that are named by ULIDs");
        }
        let mut totals = Totals::default();
        for (place, ulid) in ulids.iter().enumerate() {
            if self.is_interrupted() {
                break;
            }
            let outcome = match self.block(*ulid).await {
                Err(_) if self.is_interrupted() => break,
                outcome => outcome.unwrap_or_else(|error| Outcome::Failed(crate::whole_text(&error))),
            };
            eprintln!("latewood: [{}/{}] {ulid}: {outcome}", place + 1, ulids.len());
            totals.count(&outcome);
            self.scratch.clear()?;
        }
        println!("{totals}");
        if totals.imported > 0 {
            eprintln!("latewood: {SEEN_LATER}");
        }
        match totals.failed {
            _ if self.is_interrupted() => bail!("interrupted: the same command goes on from here"),
            0 => Ok(()),
            failed => bail!("{failed} of {} blocks could not be imported", ulids.len()),
        }
    }

    fn is_interrupted(&self) -> bool {
        self.conversion.shutdown.has_begun()
    }

    /// One block.
    async fn block(&self, ulid: Ulid) -> anyhow::Result<Outcome> {
        let id = match self.plan(ulid).await? {
            Plan::PassOver(why) => return Ok(Outcome::PassedOver(why)),
            Plan::Import(found, id) if self.args.dry_run => return Ok(Outcome::Planned(found, id)),
            Plan::Import(_, id) => id,
        };
        let started = self.clock.elapsed();
        let shutdown = &self.conversion.shutdown;
        let folder = self.source.fetch(ulid, &self.scratch.incoming(), shutdown).await?;
        let meta = self.convert(ulid, folder, id).await?;
        if meta.is_empty() {
            return Ok(Outcome::PassedOver("it has no samples".to_owned()));
        }
        let written = self.scratch.outgoing();
        tokio::select! {
            stored = store::store(&self.publisher, &self.catalog, &written, &meta) => stored?,
            () = shutdown.begun() => bail!("it was interrupted"),
        }
        Ok(Outcome::Imported { meta: Box::new(meta), took: self.clock.elapsed() - started })
    }

    /// Whether a block is imported, and as which.
    async fn plan(&self, ulid: Ulid) -> anyhow::Result<Plan> {
        let found = match self.source.look(ulid).await? {
            Found::Block(meta) => meta,
            Found::Nothing(why) => return Ok(Plan::PassOver(why.to_owned())),
        };
        found.check_resolution(&PathBuf::from(ulid.to_string()).join(TsdbMeta::FILE))?;
        let view = self.catalog.refresh(0).await?;
        let (tenant, again) = (&self.args.tenant, self.args.again);
        let is_covered = || {
            let made_of = [&found.sources, &found.parents];
            made_of.iter().any(|blocks| is_covered(&view, tenant, blocks, again))
        };
        Ok(match decide(&view, tenant, ulid, again) {
            Decision::Import(_) if is_covered() => {
                Plan::PassOver("the blocks that it was compacted from were imported".to_owned())
            }
            Decision::Import(id) => Plan::Import(found, id),
            Decision::IsThere(id) => Plan::PassOver(format!("it is there as {id}")),
            Decision::WasThere(id) => Plan::PassOver(format!(
                "it was imported as {id}, which was compacted or deleted since; --again imports it anew"
            )),
        })
    }

    /// Writes the block anew, off the runtime.
    async fn convert(&self, ulid: Ulid, source: PathBuf, id: Ulid) -> anyhow::Result<BlockMeta> {
        let header = BlockHeader::new(id, self.args.tenant.clone(), Resolution::Raw);
        let (conversion, target, clock) =
            (self.conversion.clone(), self.scratch.outgoing(), self.clock.clone());
        let mut told = clock.elapsed();
        let progress = move |counts: Counts| {
            if clock.elapsed() - told >= TELL_EVERY {
                told = clock.elapsed();
                let Counts { series, samples } = counts;
                eprintln!("latewood: {ulid}: {series} series, {samples} samples so far");
            }
        };
        self.offload.run(move || conversion.run(&source, &target, header, progress)).await?
    }
}
