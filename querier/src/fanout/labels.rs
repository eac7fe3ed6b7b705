//! Reads that need no samples: names, values, series, metadata, exemplars, cardinality.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use latewood_base::ErrorKind;
use latewood_model::dedup::ReplicaLabels;
use latewood_model::{Exemplar, Labels, Matcher, MetricMetadata, MetricType, TimeRange};
use latewood_proto::store::{Detail, StoreError, matcher_to_wire, wire};

use super::{Fanout, Pinned, Wanted, scope};

/// How large a list may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// What the client wants at most; 0 is no limit.
    pub(crate) limit: usize,
    /// What is refused.
    pub(crate) max: usize,
}

impl Listing {
    /// What to ask of each store: one more than is wanted, so that a cut is noticed.
    fn asked(self) -> u64 {
        let most = if self.limit == 0 { self.max } else { self.limit.min(self.max) };
        most as u64 + 1
    }

    /// Refuses a list that has outgrown what one answer may hold.
    fn check(self, length: usize) -> Result<(), StoreError> {
        if length <= self.max || (self.limit > 0 && self.limit <= self.max) {
            return Ok(());
        }
        let max = self.max;
        let text = format!("more than {max} entries: narrow match[], start and end, or give a limit");
        Err(StoreError::new(ErrorKind::Unprocessable, text))
    }

    /// Cuts a sorted list to the client's limit; whether anything was cut off.
    pub(crate) fn cut<T>(self, list: &mut Vec<T>) -> bool {
        let over = self.limit > 0 && list.len() > self.limit;
        if over {
            list.truncate(self.limit);
        }
        over
    }
}

/// Metadata of metrics by name, distinct.
pub(crate) type MetadataByMetric = BTreeMap<String, BTreeSet<MetricMetadata>>;

/// Selectors of which any must match; none is every series.
fn alternatives(selectors: &[Vec<Matcher>]) -> Vec<&[Matcher]> {
    match selectors {
        [] => vec![&[]],
        some => some.iter().map(Vec::as_slice).collect(),
    }
}

impl Fanout {
    /// The names of labels on series that match any selector, sorted.
    pub(crate) async fn label_names(
        &self,
        pinned: &Pinned,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        listing: Listing,
    ) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        for matchers in alternatives(selectors) {
            let answers = self.ask(pinned, range, |store, view| {
                let scope = Some(scope(pinned, view, matchers, range));
                let request = wire::LabelNamesRequest { scope, limit: listing.asked() };
                async move { store.label_names(request).await }
            });
            add_strings(pinned, &mut names, answers.await?, listing)?;
        }
        Ok(names)
    }

    /// The values of a label on series that match any selector, sorted.
    pub(crate) async fn label_values(
        &self,
        pinned: &Pinned,
        label: &str,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        listing: Listing,
    ) -> Result<Vec<String>, StoreError> {
        let mut values = Vec::new();
        for matchers in alternatives(selectors) {
            let answers = self.ask(pinned, range, |store, view| {
                let request = wire::LabelValuesRequest {
                    scope: Some(scope(pinned, view, matchers, range)),
                    label: label.to_owned(),
                    limit: listing.asked(),
                };
                async move { store.label_values(request).await }
            });
            add_strings(pinned, &mut values, answers.await?, listing)?;
        }
        Ok(values)
    }

    /// The series that match any selector, sorted by their labels; replicas are one.
    pub(crate) async fn series(
        &self,
        pinned: &Pinned,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        listing: Listing,
        replicas: &ReplicaLabels,
    ) -> Result<Vec<Labels>, StoreError> {
        let mut found = Vec::new();
        // Of as many series as are wanted fewer may be left.
        let limit = if replicas.is_empty() { listing.asked() } else { 0 };
        for matchers in alternatives(selectors) {
            let wanted = Wanted { detail: Detail::Labels, starts: false, limit };
            let selected = self.select(pinned, matchers, range, wanted);
            let mut batches = selected.await?;
            let mut of_this = Vec::new();
            while let Some(batch) = batches.next().await {
                of_this.extend(batch?.into_iter().map(|series| replicas.strip(&series.labels)));
                if of_this.len() as u64 >= listing.asked() {
                    sort_unique(&mut of_this);
                    listing.check(of_this.len())?;
                }
                if of_this.len() as u64 >= listing.asked() {
                    break;
                }
            }
            found.append(&mut of_this);
            sort_unique(&mut found);
            listing.check(found.len())?;
        }
        Ok(found)
    }

    /// Metadata of one metric or all, from the ingesters and the blocks of a range.
    pub(crate) async fn metadata(
        &self,
        pinned: &Pinned,
        metric: &str,
        range: TimeRange,
        max: usize,
    ) -> Result<MetadataByMetric, StoreError> {
        let answers = self.ask_everybody(pinned, range, |store, view| {
            let request = wire::MetadataRequest {
                tenant: pinned.tenant.to_string(),
                view: Some(view),
                metric: metric.to_owned(),
                limit: max as u64,
            };
            async move { store.metadata(request).await }
        });
        let mut by_metric = MetadataByMetric::new();
        for answer in answers.await? {
            answer.bucket.into_iter().for_each(|usage| pinned.coverage.asked_bucket(usage));
            for one in answer.metrics {
                let metadata = MetricMetadata {
                    metric_type: MetricType::from_wire(one.metric_type),
                    help: one.help,
                    unit: one.unit,
                };
                by_metric.entry(one.metric).or_default().insert(metadata);
            }
        }
        Ok(by_metric)
    }

    /// Exemplars of the series that match any selector, by series; replicas are one.
    pub(crate) async fn exemplars(
        &self,
        pinned: &Pinned,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        replicas: &ReplicaLabels,
    ) -> Result<BTreeMap<Labels, Vec<Exemplar>>, StoreError> {
        let answers = self.ask_everybody(pinned, range, |store, view| {
            let selectors = selectors
                .iter()
                .map(|matchers| wire::Selector { matchers: matchers.iter().map(matcher_to_wire).collect() });
            let request = wire::ExemplarsRequest {
                tenant: pinned.tenant.to_string(),
                selectors: selectors.collect(),
                start_ms: range.start,
                end_ms: range.end,
                view: Some(view),
            };
            async move { store.exemplars(request).await }
        });
        let mut by_series: BTreeMap<Labels, Vec<Exemplar>> = BTreeMap::new();
        for answer in answers.await? {
            for series in answer.series {
                let exemplars = series.exemplars.into_iter().map(|exemplar| Exemplar {
                    labels: labels_from_wire(exemplar.labels),
                    value: exemplar.value,
                    timestamp: exemplar.timestamp_ms,
                });
                let labels = replicas.strip(&labels_from_wire(series.labels));
                by_series.entry(labels).or_default().extend(exemplars);
            }
        }
        by_series.values_mut().for_each(sort_distinct);
        Ok(by_series)
    }

    /// Cardinality of what the ingesters hold and the view's blocks do not, as Prometheus tells it of its head.
    pub(crate) async fn head_statistics(
        &self,
        pinned: &Pinned,
        limit: u64,
    ) -> Result<Vec<wire::StatisticsResponse>, StoreError> {
        let asking = self.asking_for(pinned);
        let heads = self.heads(pinned, &asking).await?;
        let answers = asking.ask(heads, |store, view| {
            let tenant = pinned.tenant.to_string();
            let request = wire::StatisticsRequest { tenant, view: Some(view), limit };
            async move { store.statistics(request).await }
        });
        Ok(answers.await?.into_iter().map(|(_, answer)| answer).collect())
    }
}

/// Adds what stores answered to sorted texts, each of which is there once.
fn add_strings(
    pinned: &Pinned,
    all: &mut Vec<String>,
    answers: Vec<wire::LabelStrings>,
    listing: Listing,
) -> Result<(), StoreError> {
    for answer in answers {
        pinned.coverage.saw_version(answer.newest_version);
        answer.bucket.into_iter().for_each(|usage| pinned.coverage.asked_bucket(usage));
        all.extend(answer.values);
    }
    sort_unique(all);
    listing.check(all.len())
}

/// Sorts what is made of sorted parts, of which this sort makes use, and leaves each item once.
fn sort_unique<T: Ord>(all: &mut Vec<T>) {
    all.sort();
    all.dedup();
}

fn labels_from_wire(labels: Vec<wire::Label>) -> Labels {
    Labels::from_pairs(labels.into_iter().map(|label| (label.name, label.value)))
}

fn sort_distinct(exemplars: &mut Vec<Exemplar>) {
    exemplars.sort_by(|a, b| {
        let values = || a.value.total_cmp(&b.value).then_with(|| a.labels.cmp(&b.labels));
        a.timestamp.cmp(&b.timestamp).then_with(values)
    });
    exemplars.dedup_by(|a, b| {
        (a.timestamp, a.value.to_bits(), &a.labels) == (b.timestamp, b.value.to_bits(), &b.labels)
    });
}
