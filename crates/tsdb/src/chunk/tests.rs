//! Chunks whose checksums say nothing: damage that a stranger has sealed.

use std::path::Path;

use latewood_model::{NativeHistogram, TimestampMs};
use proptest::prelude::*;

use super::{Fault, Sink, decode};
use crate::cursor::Cursor;

/// Counts what comes.
#[derive(Default)]
struct Counting {
    samples: usize,
    buckets: usize,
}

impl Sink for Counting {
    fn float(&mut self, _: TimestampMs, _: f64) -> Result<(), Fault> {
        self.samples += 1;
        Ok(())
    }

    fn histogram(&mut self, _: TimestampMs, histogram: NativeHistogram) -> Result<(), Fault> {
        self.samples += 1;
        self.buckets += histogram.buckets();
        Ok(())
    }
}

/// Samples and buckets of a chunk, as far as it is read.
fn count(encoding: u8, chunk: &[u8]) -> (Counting, Result<(), Fault>) {
    let mut counting = Counting::default();
    let result = decode(encoding, chunk, &mut counting);
    // A bit is the least that a sample or a bucket can have.
    assert!(counting.samples <= 8 * chunk.len() && counting.buckets <= 8 * chunk.len());
    (counting, result)
}

/// The chunks that a real Prometheus wrote: encodings and data.
fn golden() -> Vec<(u8, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/block/chunks/000001");
    let bytes = std::fs::read(path).unwrap();
    let (mut cursor, mut chunks) = (Cursor::new(&bytes), Vec::new());
    cursor.take(8).unwrap();
    while cursor.left() > 0 {
        let length = cursor.uvarint32().unwrap() as usize;
        chunks.push((cursor.byte().unwrap(), cursor.take(length).unwrap().to_vec()));
        cursor.be32().unwrap();
    }
    chunks
}

#[test]
fn every_flipped_bit_and_every_truncation_ends_well() {
    let chunks = golden();
    for encoding in [1, 2, 3] {
        assert!(chunks.iter().any(|chunk| chunk.0 == encoding), "encoding {encoding} is not tested");
    }
    for (encoding, data) in chunks {
        assert!(count(encoding, &data).1.is_ok());
        for at in 0..data.len() {
            for bit in 0..8 {
                let mut damaged = data.clone();
                damaged[at] ^= 1 << bit;
                let _ = count(encoding, &damaged);
            }
            let (counting, result) = count(encoding, &data[..at]);
            assert!(result.is_err(), "{} samples of a truncated chunk", counting.samples);
        }
    }
}

#[test]
fn an_encoding_of_tomorrow_is_named() {
    for encoding in [0, 4, 255] {
        assert_eq!(count(encoding, &[0, 1, 0, 0]).1, Err(Fault::Encoding(encoding)));
    }
}

proptest! {
    #[test]
    fn whatever_the_bytes_no_more_comes_than_they_can_hold(
        encoding in 1..4_u8,
        bytes in prop::collection::vec(prop_oneof![2 => any::<u8>(), 1 => Just(0), 1 => Just(0xff)], 0..400),
    ) {
        let _ = count(encoding, &bytes);
    }
}
