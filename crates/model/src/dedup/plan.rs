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

/// Where a sample of a replica is.
#[derive(Clone, Copy, Debug)]
enum Place {
    Float(usize),
    Histogram(usize),
}

/// A replica's samples of both kinds, one by one.
struct Track<'a> {
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

    /// Takes the sample at its next time; where it is and whether it is a stale marker.
    fn take(&mut self, at: TimestampMs) -> (Place, bool) {
        if self.series.timestamps.get(self.float) == Some(&at) {
            let place = self.float;
            self.float += 1;
            (Place::Float(place), self.series.values.get(place).is_some_and(|&value| is_stale(value)))
        } else {
            let place = self.histogram;
            self.histogram += 1;
            let sample = self.series.histograms.get(place);
            (Place::Histogram(place), sample.is_some_and(|sample| sample.histogram.is_stale()))
        }
    }

    /// How many samples were taken.
    fn taken(&self) -> usize {
        self.float + self.histogram
    }
}

impl Plan {
    /// Of replicas in their rank; samples before `from` are looked at and not kept.
    pub(super) fn new(replicas: &[SeriesSamples], from: TimestampMs) -> Self {
        let mut tracks: Vec<Track<'_>> =
            replicas.iter().map(|series| Track { series, float: 0, histogram: 0 }).collect();
        let mut election = Election::new(replicas.len());
        let (mut arrivals, mut places) = (Vec::new(), Vec::new());
        let (mut plan, mut times, mut last) = (Self::default(), Vec::new(), None);
        while let Some(at) = tracks.iter().filter_map(Track::next_time).min() {
            arrivals.clear();
            places.clear();
            for (replica, track) in tracks.iter_mut().enumerate() {
                if track.next_time() == Some(at) {
                    let (place, is_stale) = track.take(at);
                    arrivals.push(Arrival { replica, is_stale });
                    places.push((replica, place, track.taken()));
                }
            }
            let kept = election.take(at, &arrivals);
            let kept = kept.and_then(|kept| places.iter().find(|place| place.0 == kept));
            let in_range = at >= from;
            plan.dropped += if in_range { (places.len() - usize::from(kept.is_some())) as u64 } else { 0 };
            let Some(&(replica, place, number)) = kept else { continue };
            if in_range {
                plan.switches += u64::from(last.is_some_and(|(before, _)| before != replica));
                match place {
                    Place::Float(place) => {
                        times.push(at);
                        plan.add_float(replica, place);
                    }
                    Place::Histogram(place) => {
                        let follows = last.is_none_or(|last| last == (replica, number - 1));
                        plan.histograms.push(KeptHistogram { replica, place, follows });
                    }
                }
            }
            last = Some((replica, number));
        }
        plan.times = times.into();
        plan
    }

    fn add_float(&mut self, replica: usize, place: usize) {
        match self.floats.last_mut() {
            Some(run) if run.replica == replica && run.places.end == place => run.places.end = place + 1,
            _ => self.floats.push(Run { replica, places: place..place + 1 }),
        }
    }
}
