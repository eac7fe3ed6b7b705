//! The bucket that a tool was told of, found as a role finds it.

use std::sync::Arc;

use anyhow::{Context, bail};
use latewood_base::{Clock, Ids, Rng};
use latewood_catalog::{CatalogConfig, Catalogs, TenantCatalog, View};
use latewood_model::TenantId;
use latewood_objstore::{Bucket, BucketConfig, Proven, open_bucket};
use prometheus_client::registry::Registry;

use super::Report;
use super::args::WhichArgs;
use crate::config::{self, Config};

/// A bucket and its catalogs.
pub struct Opened {
    /// The settings that roles on it have.
    pub config: Config,
    /// Time.
    pub clock: Clock,
    /// Where blocks live. Nothing is committed before create-if-absent was proved.
    pub bucket: Bucket,
    /// What blocks there are.
    pub catalogs: Arc<Catalogs>,
    /// The tenants that were named; none stands for all.
    named: Vec<TenantId>,
}

impl Opened {
    /// Opens the bucket that flags and configuration name.
    ///
    /// # Errors
    /// When it cannot be opened; a folder that is not there is not made.
    pub async fn open(which: &WhichArgs) -> anyhow::Result<Self> {
        let mut config = config::load(&which.place.role())?;
        config.locate()?;
        let url = config.bucket.url.as_deref().unwrap_or_default();
        let folder = reqwest::Url::parse(url).ok().and_then(|url| url.to_file_path().ok());
        if config.bucket.is_folder() && !folder.is_some_and(|folder| folder.is_dir()) {
            bail!("no bucket at {url}: name it by --bucket, --data-dir or --config");
        }
        let clock = Clock::system();
        let (bucket, catalogs) = open(&config.bucket, &config.catalog, &clock).await?;
        let mut named = which.tenant.clone();
        named.sort();
        named.dedup();
        Ok(Self { config, clock, bucket, catalogs, named })
    }

    /// The tenants that were named, or all.
    ///
    /// # Errors
    /// When the bucket cannot be listed.
    pub async fn tenants(&self) -> anyhow::Result<Vec<TenantId>> {
        if self.named.is_empty() { Ok(self.catalogs.tenants().await?) } else { Ok(self.named.clone()) }
    }

    /// The tenants that were named.
    pub fn named(&self) -> &[TenantId] {
        &self.named
    }

    /// The catalogs that can be read, with their views; the others are reported.
    ///
    /// # Errors
    /// When the bucket cannot be listed.
    pub async fn views(&self, report: &mut Report) -> anyhow::Result<Vec<(Arc<TenantCatalog>, Arc<View>)>> {
        let mut views = Vec::new();
        for tenant in self.tenants().await? {
            let catalog = self.catalogs.tenant(&tenant);
            match catalog.view().await {
                Ok(view) if view.version > 0 => views.push((catalog, view)),
                Ok(_) => report.wrong(without_catalog(&tenant)),
                Err(error) => report.wrong(format!("tenant {tenant}: {error}")),
            }
        }
        Ok(views)
    }
}

/// What is said of a folder of a tenant without commits.
pub fn without_catalog(tenant: &TenantId) -> String {
    format!(
        "tenant {tenant}: there is no catalog; if there are blocks, `latewood bucket rebuild-catalog --tenant {tenant}` \
         makes one of them"
    )
}

/// Opens a bucket and its catalogs.
///
/// # Errors
/// When it cannot be opened.
pub async fn open(
    bucket: &BucketConfig,
    catalog: &CatalogConfig,
    clock: &Clock,
) -> anyhow::Result<(Bucket, Arc<Catalogs>)> {
    let ids = Ids::new(clock.clone(), Rng::system());
    let opened = open_bucket(bucket, clock.clone(), &mut Registry::default()).await;
    let opened =
        opened.with_context(|| format!("cannot open {}", bucket.url.as_deref().unwrap_or_default()))?;
    let bucket: Bucket = Arc::new(Proven::new(opened, ids.clone()));
    let catalogs = Catalogs::new(Arc::clone(&bucket), clock.clone(), ids, catalog.clone());
    Ok((bucket, catalogs))
}
