//! Snappy's block format, with the limits checked before anything is allocated.

use super::DecodeError;

/// The most bytes that one byte of a snappy block can stand for: a copy of 64 bytes takes three.
const BEST_RATIO: u64 = 22;

/// Decompresses a block into `out`, whose content is replaced and whose memory is reused. The length
/// that the header claims is held against `limit` and against what the format can reach before memory
/// is taken for it. On an error `out` is empty.
///
/// # Errors
/// [`DecodeError`] says what is wrong with the block.
pub fn decompress(compressed: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let broken = |error: snap::Error| DecodeError::Snappy(error.to_string());
    if compressed.is_empty() {
        out.clear();
        return Err(DecodeError::Snappy("the body is empty".to_owned()));
    }
    let checked = snap::raw::decompress_len(compressed)
        .map_err(broken)
        .and_then(|length| check(length, compressed.len(), limit));
    let decompressed = checked.and_then(|length| {
        // Bytes of an earlier body may stay: the decoder overwrites all of them or fails.
        out.resize(length, 0);
        snap::raw::Decoder::new().decompress(compressed, out).map_err(broken)
    });
    match decompressed {
        Ok(length) => {
            out.truncate(length);
            Ok(())
        }
        Err(error) => {
            out.clear();
            Err(error)
        }
    }
}

fn check(length: usize, compressed: usize, limit: usize) -> Result<usize, DecodeError> {
    let (claimed, compressed) = (length as u64, compressed as u64);
    if length > limit {
        Err(DecodeError::DecompressedTooLarge { claimed, limit: limit as u64 })
    } else if claimed > compressed.saturating_mul(BEST_RATIO) {
        Err(DecodeError::ImpossibleRatio { claimed, compressed })
    } else {
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_length_is_refused_before_memory_is_taken() {
        let mut out = Vec::new();
        // Claims 1 GiB in five bytes of header.
        let forged = [0x80, 0x80, 0x80, 0x80, 0x04, 0x00, b'a'];
        let error = decompress(&forged, 100 << 20, &mut out);
        assert!(matches!(error, Err(DecodeError::DecompressedTooLarge { .. })), "{error:?}");
        let error = decompress(&forged, 2 << 30, &mut out);
        assert!(matches!(error, Err(DecodeError::ImpossibleRatio { .. })), "{error:?}");
        assert_eq!(out.capacity(), 0);
    }

    #[test]
    fn the_densest_block_passes_and_a_broken_one_leaves_nothing_behind() {
        let zeros = vec![0; 1 << 20];
        let block = snap::raw::Encoder::new().compress_vec(&zeros).unwrap();
        let mut out = vec![7; 10];
        assert_eq!(decompress(&block, 1 << 20, &mut out), Ok(()));
        assert!(out == zeros);
        for bad in [&block[..100], b"", b"\x05\x10ab", b"\xff\xff\xff\xff"] {
            assert!(decompress(bad, 1 << 30, &mut out).is_err());
            assert!(out.is_empty());
        }
        let small = snap::raw::Encoder::new().compress_vec(b"abc").unwrap();
        assert_eq!(decompress(&small, 3, &mut out), Ok(()));
        assert_eq!(out, b"abc");
    }
}
