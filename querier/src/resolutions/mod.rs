//! At which resolutions the times of a tenant can be read, and from which blocks windows are made: pure functions of a
//! view of the catalog and of what ingesters hold beside it.
//!
//! ```text
//!  samples    ............................xxxxxxxxxxxxxxxxxxxx   x: there, .: gone, their retention is over
//!  5m         ...........oooooooooooooooooooooooo  ooooo         o: windows, their samples known
//!  1h         ooooooooooooooooooooooooooooooooooo  ooooo         the gap: late samples that no window has yet
//!  windows of 1h are made of:
//!             |--------------- 1h --------------|x|-1h-|-- x --|
//! ```

mod by_labels;
mod cache;
mod held;
mod pieces;
mod segments;
#[cfg(test)]
mod tests;
mod wish;

pub(crate) use by_labels::AskedSeries;
pub(crate) use cache::HeldByTenant;
pub(crate) use held::Held;
pub(crate) use pieces::Piece;
pub(crate) use segments::touch;
pub use wish::SourceResolution;
