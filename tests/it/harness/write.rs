//! Remote write as a client.

use latewood_model::Sample;
use latewood_proto::remote_write::encode::{EncoderV1, compress};

/// A series to write: labels sorted by name, and samples.
pub type Written = (Vec<(&'static str, String)>, Vec<Sample>);

/// Writes samples of series; the status and text of the answer.
pub async fn write(url: &str, series: &[Written]) -> Result<(u16, String), reqwest::Error> {
    let mut encoder = EncoderV1::new();
    for (labels, samples) in series {
        encoder.series(labels.iter().map(|(name, value)| (*name, value.as_str())), samples, &[]);
    }
    let answer = reqwest::Client::new()
        .post(format!("{url}/api/v1/write"))
        .header("Content-Type", "application/x-protobuf")
        .header("Content-Encoding", "snappy")
        .header("X-Prometheus-Remote-Write-Version", "0.1.0")
        .body(compress(&encoder.finish()).unwrap())
        .send()
        .await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}
