//! The series of all parts of a query, put together.

use std::iter::Peekable;
use std::vec::IntoIter;

use latewood_model::{Labels, TimeRange};
use latewood_promql::{Control, MatrixSeries, QueryError, Reservation};

use super::entry::{Entry, within};

/// The samples of one part.
pub(super) enum Piece {
    /// These steps of what is kept.
    Kept(TimeRange),
    /// Just evaluated, by labels.
    Evaluated(Vec<MatrixSeries>),
}

enum Source {
    Kept(TimeRange),
    Evaluated(Peekable<IntoIter<MatrixSeries>>),
}

/// The series of pieces that follow each other in time, by labels as the engine orders them. `held` is what the query's
/// account has for those that were evaluated; what is copied is booked in addition.
pub(super) fn join(
    pieces: Vec<Piece>,
    entry: &Entry,
    mut held: Reservation,
    control: &Control,
) -> Result<(Vec<MatrixSeries>, Reservation), QueryError> {
    let mut sources: Vec<Source> = pieces.into_iter().map(Source::from).collect();
    let mut kept = entry.series.iter().peekable();
    let mut joined = Vec::new();
    while let Some(labels) = next_labels(&mut sources, kept.peek().copied()) {
        control.check()?;
        let of_kept = kept.next_if(|series| series.labels == labels);
        let mut series = MatrixSeries { labels, ..MatrixSeries::default() };
        for source in &mut sources {
            match source {
                Source::Kept(steps) => {
                    of_kept.into_iter().try_for_each(|kept| copy(kept, *steps, &mut series, &mut held))?;
                }
                Source::Evaluated(all) => {
                    if let Some(mut more) = all.next_if(|more| more.labels == series.labels) {
                        take(&mut series.points, &mut more.points);
                        take(&mut series.histograms, &mut more.histograms);
                    }
                }
            }
        }
        if !(series.points.is_empty() && series.histograms.is_empty()) {
            held.grow(size_of::<MatrixSeries>() as u64)?;
            joined.push(series);
        }
    }
    Ok((joined, held))
}

impl From<Piece> for Source {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Kept(steps) => Self::Kept(steps),
            Piece::Evaluated(series) => Self::Evaluated(series.into_iter().peekable()),
        }
    }
}

/// The first labels of any source.
fn next_labels(sources: &mut [Source], kept: Option<&MatrixSeries>) -> Option<Labels> {
    let evaluated = sources.iter_mut().filter_map(|source| match source {
        Source::Kept(_) => None,
        Source::Evaluated(all) => all.peek().map(|series| &series.labels),
    });
    evaluated.chain(kept.map(|series| &series.labels)).min().cloned()
}

/// Books and copies what is kept of some steps.
fn copy(
    kept: &MatrixSeries,
    steps: TimeRange,
    series: &mut MatrixSeries,
    held: &mut Reservation,
) -> Result<(), QueryError> {
    let points = within(&kept.points, |point| point.timestamp, steps);
    let histograms = within(&kept.histograms, |point| point.timestamp, steps);
    let heap: usize = histograms.iter().map(|point| point.histogram.heap_size()).sum();
    held.grow((size_of_val(points) + size_of_val(histograms) + heap) as u64)?;
    held.grow_samples((points.len() + histograms.len()) as u64)?;
    series.points.extend_from_slice(points);
    series.histograms.extend_from_slice(histograms);
    Ok(())
}

/// Moves samples behind others, without a copy where there are none before.
fn take<T>(samples: &mut Vec<T>, more: &mut Vec<T>) {
    if samples.is_empty() {
        std::mem::swap(samples, more);
    } else {
        samples.append(more);
    }
}
