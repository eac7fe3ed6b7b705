//! Remote write 1.0 (`prometheus.WriteRequest`) and 2.0 (`io.prometheus.write.v2.Request`), decoded and
//! encoded by hand.
//!
//! A decoder walks the protobuf of a decompressed body once and fills [`Columns`]: flat vectors whose
//! texts are byte ranges into the body, checked to be UTF-8, never copied. The vectors are reused from
//! request to request; a decoder clears them first, so that nothing of a failed request can stay behind.
//! A broken wire format fails the whole request ([`DecodeError`]); what is wrong with one series alone
//! stands in its row ([`Defect`]), so that the rest of the request can be stored.

mod columns;
mod error;

pub use columns::{Columns, Defect, ExemplarSpan, LabelSpan, MetadataSpan, Range32, SeriesSpan, Span, text};
pub use error::DecodeError;
