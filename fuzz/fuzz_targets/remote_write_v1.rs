//! Whatever the bytes are, decoding remote write 1.0 ends without a panic, within its limits, and leaves
//! nothing behind that a later good request would see.

#![no_main]

use latewood_model::histogram::HistogramParts;
use latewood_proto::remote_write::{Columns, decode_v1, decompress, text};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 10_000;

fuzz_target!(|bytes: &[u8]| {
    let mut body = Vec::new();
    // As a compressed body, and as the protobuf itself.
    if decompress(bytes, 1 << 20, &mut body).is_err() {
        assert!(body.is_empty());
        body.extend_from_slice(bytes);
    }
    let mut columns = Columns::default();
    if decode_v1(&body, LIMIT, &mut columns).is_ok() {
        for series in columns.series.iter().filter(|series| series.defect.is_none()) {
            for label in series.labels.of(&columns.labels) {
                for span in [label.name, label.value] {
                    assert_eq!(text(span, &body).len(), span.len as usize, "text that is not UTF-8 passed");
                }
            }
            assert_eq!(series.samples.of(&columns.samples).len(), series.samples.len());
            for row in series.histograms.of(&columns.histograms.rows) {
                if let Ok(native) = columns.histograms.parts(row).into_native() {
                    assert_eq!(HistogramParts::from(&native).into_native(), Ok(native));
                }
            }
        }
    }
    let items = columns.samples.len() + columns.labels.len() + columns.series.len() + columns.histograms.rows.len();
    assert!(items <= LIMIT);
    assert_eq!(decode_v1(&[], LIMIT, &mut columns), Ok(()));
    assert!(columns.series.is_empty() && columns.labels.is_empty() && columns.samples.is_empty());
    assert!(columns.histograms.rows.is_empty());
});
