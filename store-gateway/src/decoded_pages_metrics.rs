//! What of decoded pages is told to Prometheus.

use std::fmt;

use latewood_block::DecodedPages;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Tells of the decoded pages that are kept.
#[derive(Debug)]
pub(crate) struct DecodedPagesMetrics(pub(crate) DecodedPages);

impl Collector for DecodedPagesMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (requests, hits) = self.0.counts();
        let counters = [
            ("requests", "Pages looked for among the decoded ones", requests),
            ("hits", "Pages found among the decoded ones", hits),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            let name = format!("latewood_store_gateway_decoded_pages_{name}");
            counter.encode(encoder.encode_descriptor(&name, help, None, counter.metric_type())?)?;
        }
        let bytes = ConstGauge::new(i64::try_from(self.0.bytes()).unwrap_or(i64::MAX));
        let (name, help) = ("latewood_store_gateway_decoded_pages_bytes", "Memory of decoded pages, roughly");
        bytes.encode(encoder.encode_descriptor(name, help, None, bytes.metric_type())?)
    }
}
