//! Which samples of some replicas make the one series.

use std::ops::Range;
use std::sync::Arc;

use super::{Arrival, Election};
use crate::{SeriesSamples, TimestampMs, is_stale};

/// The samples to keep. Replicas whose times and stale markers are the same have the same plan.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The floats, in ascending order of time.
    pub(super) floats: Vec<Run>,
    /// Their times.
    pub(super) times: Arc<[TimestampMs]>,
    /// The histograms, likewise.
    pub(super) histograms: Vec<KeptHistogram>,
    /// Samples that are not kept.
    pub(super) dropped: u64,
    /// How often a sample is kept that is of another replica than the one before.
    pub(super) switches: u64,
}

/// Floats of one replica that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) replica: usize,
    pub(super) places: Range<usize>,
}

/// A histogram to keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptHistogram {
    pub(super) replica: usize,
    pub(super) place: usize,
    /// Whether the sample kept before it is its replica's one before, which is what it says of resets is about.
    pub(super) follows: bool,
}

/// A sample of a replica.
#[derive(Clone, Copy, Debug)]
struct Taken {
    arrival: Arrival,
    place: Place,
    /// How many samples of its replica were taken with it.
    number: usize,
}

/// Where it is.
#[derive(Clone, Copy, Debug)]
enum Place {
    Float(usize),
    Histogram(usize),
}

/// A replica's samples of both kinds, one by one.
struct Track<'a> {
    replica: usize,
    series: &'a SeriesSamples,
    float: usize,
    histogram: usize,
}

impl Track<'_> {
    fn next_time(&self) -> Option<TimestampMs> {
        let float = self.series.timestamps.get(self.float).copied();
        let histogram = self.series.histograms.get(self.histogram).map(|sample| sample.timestamp);
        float.into_iter().chain(histogram).min()
    }

    /// Takes the sample at a time that is not later than its next, if there is one.
    fn take(&mut self, at: TimestampMs) -> Option<Taken> {
        if self.next_time() != Some(at) {
            return None;
        }
        let (place, is_stale) = if self.series.timestamps.get(self.float) == Some(&at) {
            self.float += 1;
            let place = self.float - 1;
            (Place::Float(place), self.series.values.get(place).is_some_and(|&value| is_stale(value)))
        } else {
            self.histogram += 1;
            let place = self.histogram - 1;
            let sample = self.series.histograms.get(place);
            (Place::Histogram(place), sample.is_some_and(|sample| sample.histogram.is_stale()))
        };
        let arrival = Arrival { replica: self.replica, is_stale };
        Some(Taken { arrival, place, number: self.float + self.histogram })
    }
}

impl Plan {
    /// Of replicas in their rank; samples before `from` are looked at and not kept.
    pub(super) fn new(replicas: &[SeriesSamples], from: TimestampMs) -> Self {
        let tracks = replicas.iter().enumerate();
        let mut tracks: Vec<Track<'_>> =
            tracks.map(|(replica, series)| Track { replica, series, float: 0, histogram: 0 }).collect();
        let mut election = Election::new(replicas.len());
        let (mut taken, mut arrivals) = (Vec::new(), Vec::new());
        let (mut plan, mut times, mut last) = (Self::default(), Vec::new(), None);
        while let Some(at) = tracks.iter().filter_map(Track::next_time).min() {
            taken.clear();
            taken.extend(tracks.iter_mut().filter_map(|track| track.take(at)));
            arrivals.clear();
            arrivals.extend(taken.iter().map(|taken| taken.arrival));
            let kept = election.take(at, &arrivals);
            let kept = kept.and_then(|kept| taken.iter().find(|taken| taken.arrival.replica == kept));
            if at >= from {
                plan.dropped += (taken.len() - usize::from(kept.is_some())) as u64;
                kept.into_iter().for_each(|kept| plan.keep(at, kept, last, &mut times));
            }
            last = kept.copied().or(last);
        }
        plan.times = times.into();
        plan
    }

    /// Adds the next sample, behind the one kept before.
    fn keep(&mut self, at: TimestampMs, kept: &Taken, last: Option<Taken>, times: &mut Vec<TimestampMs>) {
        let replica = kept.arrival.replica;
        self.switches += u64::from(last.is_some_and(|last| last.arrival.replica != replica));
        match kept.place {
            Place::Float(place) => {
                times.push(at);
                match self.floats.last_mut() {
                    Some(run) if run.replica == replica && run.places.end == place => {
                        run.places.end = place + 1;
                    }
                    _ => self.floats.push(Run { replica, places: place..place + 1 }),
                }
            }
            Place::Histogram(place) => {
                let is_before =
                    |last: Taken| (last.arrival.replica, last.number + 1) == (replica, kept.number);
                self.histograms.push(KeptHistogram { replica, place, follows: last.is_none_or(is_before) });
            }
        }
    }
}
