//! The hashes of a series, from the bytes of its labels.

use latewood_model::SeriesHash;
use latewood_proto::remote_write::LabelSpan;
use xxhash_rust::xxh3::xxh3_128;

/// Computes series hashes; reuses one buffer. The hash input is that of
/// [`latewood_model::hash_pairs`], put together first because hashing one run of bytes at once is
/// several times faster than piece by piece.
#[derive(Debug, Default)]
pub(crate) struct HashScratch(Vec<u8>);

impl HashScratch {
    /// The hash of all labels and the one without the replica labels. `labels` are sorted by name.
    pub(crate) fn hash<R: AsRef<str>>(
        &mut self,
        labels: &[LabelSpan],
        body: &[u8],
        replica_labels: &[R],
    ) -> (SeriesHash, SeriesHash) {
        let is_replica = |name: &[u8]| replica_labels.iter().any(|r| r.as_ref().as_bytes() == name);
        let mut replicas = false;
        self.0.clear();
        for label in labels {
            let name = label.name.bytes(body);
            replicas |= is_replica(name);
            self.put(name);
            self.put(label.value.bytes(body));
        }
        let all = SeriesHash(xxh3_128(&self.0));
        if !replicas {
            return (all, all);
        }
        self.0.clear();
        for label in labels {
            let name = label.name.bytes(body);
            if !is_replica(name) {
                self.put(name);
                self.put(label.value.bytes(body));
            }
        }
        (all, SeriesHash(xxh3_128(&self.0)))
    }

    fn put(&mut self, text: &[u8]) {
        self.0.extend_from_slice(text);
        self.0.push(0xff);
    }
}
