//! Remote write as a client.

use latewood_model::Sample;
use latewood_proto::remote_write::encode::{EncoderV1, EncoderV2, compress};

/// A series to write: labels sorted by name, and samples.
pub type Written = (Vec<(&'static str, String)>, Vec<Sample>);

/// Writes samples of series; the status and text of the answer.
pub async fn write(url: &str, series: &[Written]) -> Result<(u16, String), reqwest::Error> {
    let mut encoder = EncoderV1::new();
    for (labels, samples) in series {
        encoder.series(labels.iter().map(|(name, value)| (*name, value.as_str())), samples, &[]);
    }
    write_v1(url, encoder).await
}

/// Writes what an encoder of 1.0 holds.
pub async fn write_v1(url: &str, mut encoder: EncoderV1) -> Result<(u16, String), reqwest::Error> {
    send(url, "application/x-protobuf", "0.1.0", encoder.finish()).await
}

/// Writes what an encoder of 2.0 holds.
pub async fn write_v2(url: &str, mut encoder: EncoderV2) -> Result<(u16, String), reqwest::Error> {
    let content = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
    send(url, content, "2.0.0", encoder.finish()).await
}

async fn send(
    url: &str,
    content: &str,
    version: &str,
    body: Vec<u8>,
) -> Result<(u16, String), reqwest::Error> {
    let answer = reqwest::Client::new()
        .post(format!("{url}/api/v1/write"))
        .header("Content-Type", content)
        .header("Content-Encoding", "snappy")
        .header("X-Prometheus-Remote-Write-Version", version)
        .body(compress(&body).unwrap())
        .send()
        .await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}
