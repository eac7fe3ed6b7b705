//! Remote write 1.0 (`prometheus.WriteRequest`) and 2.0 (`io.prometheus.write.v2.Request`), decoded and
//! encoded by hand.
//!
//! A decoder walks the protobuf of a decompressed body once and fills [`Columns`]: flat vectors whose
//! texts are byte ranges into the body, checked to be UTF-8, never copied. The vectors are reused from
//! request to request; a decoder clears them first, so that nothing of a failed request can stay behind.
//! A broken wire format fails the whole request ([`DecodeError`]); what is wrong with one series alone
//! stands in its row ([`Defect`]), so that the rest of the request can be stored. Unknown fields are
//! skipped. Native histograms are decoded list by list; whether they make sense is for the model to say.

mod columns;
pub mod encode;
mod error;
mod histograms;
mod reader;
mod snappy;
mod v1;
mod v2;

pub use columns::{Columns, Defect, ExemplarSpan, LabelSpan, MetadataSpan, Range32, SeriesSpan, Span, text};
pub use error::DecodeError;
pub use histograms::{HistogramColumns, HistogramRow};
pub use snappy::decompress;
pub use v1::decode as decode_v1;
pub use v2::decode as decode_v2;

#[cfg(test)]
mod histogram_tests;
#[cfg(test)]
mod start_tests;
#[cfg(test)]
mod tests;
