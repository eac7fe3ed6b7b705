//! A set of label pairs: sorted by name, names unique, no empty values.

use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use xxhash_rust::xxh3::Xxh3Default;

use crate::{LabelsBuilder, SeriesHash};

/// The label that holds the metric's name.
pub const METRIC_NAME: &str = "__name__";

/// A name and its value.
pub type LabelPair<'a> = (&'a str, &'a str);

/// An immutable label set. Clones are cheap.
///
/// Order and equality are Prometheus's `labels.Compare`: pair by pair, names before values. What is
/// stored is sorted by [`storage_order`] instead, which puts the metric's name first.
#[derive(Clone)]
pub struct Labels(Arc<Inner>);

/// All names and values in one text, `name value name value …`, with the end of each piece.
struct Inner {
    text: Box<str>,
    ends: Box<[u32]>,
}

thread_local! {
    /// Where label sets are put together, so that each is allocated once, at its size.
    static SCRATCH: Cell<(String, Vec<u32>)> = const { Cell::new((String::new(), Vec::new())) };
}

/// Bytes of text that a thread keeps for the next label set.
const MAX_SCRATCH: usize = 1 << 16;

impl Labels {
    /// The empty set.
    #[must_use]
    pub fn empty() -> Self {
        static EMPTY: OnceLock<Labels> = OnceLock::new();
        EMPTY.get_or_init(|| Self::from_sorted(std::iter::empty())).clone()
    }

    /// From pairs that are sorted by name, without duplicates or empty values (checked in debug builds).
    pub fn from_sorted<'a>(pairs: impl Iterator<Item = LabelPair<'a>>) -> Self {
        let (mut text, mut ends) = SCRATCH.take();
        for (name, value) in pairs {
            text.push_str(name);
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
            text.push_str(value);
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        let labels = Self(Arc::new(Inner { text: text.as_str().into(), ends: ends.as_slice().into() }));
        if text.capacity() <= MAX_SCRATCH {
            text.clear();
            ends.clear();
            SCRATCH.set((text, ends));
        }
        debug_assert!(labels.iter().zip(labels.iter().skip(1)).all(|(a, b)| a.0 < b.0), "{labels}");
        labels
    }

    /// From pairs in any order. Empty values are left out; of equal names the last one counts.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::new();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// How many pairs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.ends.len() / 2
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// The pairs in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = LabelPair<'_>> {
        let mut start = 0;
        self.0.ends.chunks_exact(2).filter_map(move |ends| {
            let (middle, end) = (ends[0] as usize, ends[1] as usize);
            let pair = (self.0.text.get(start..middle)?, self.0.text.get(middle..end)?);
            start = end;
            Some(pair)
        })
    }

    /// The value of a label, if it is there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|pair| pair.0 == name).map(|pair| pair.1)
    }

    /// Whether any of these labels is there. Compares the lengths of names before it looks at them.
    #[must_use]
    pub fn has_any<N: AsRef<str>>(&self, names: &[N]) -> bool {
        let mut start = 0;
        self.0.ends.chunks_exact(2).any(|ends| {
            let (from, middle) = (std::mem::replace(&mut start, ends[1] as usize), ends[0] as usize);
            let is_here = |name: &str| {
                name.len() == middle - from
                    && self.0.text.as_bytes().get(from..middle) == Some(name.as_bytes())
            };
            names.iter().any(|name| is_here(name.as_ref()))
        })
    }

    /// The metric's name, if there is one.
    #[must_use]
    pub fn metric_name(&self) -> Option<&str> {
        self.get(METRIC_NAME)
    }

    /// The same set without the named labels.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        Self::from_sorted(self.iter().filter(|pair| !names.contains(&pair.0)))
    }

    /// The named labels only.
    #[must_use]
    pub fn keep(&self, names: &[&str]) -> Self {
        Self::from_sorted(self.iter().filter(|pair| names.contains(&pair.0)))
    }

    /// The hash that indexes series: see [`hash_pairs`].
    #[must_use]
    pub fn hash128(&self) -> SeriesHash {
        hash_pairs(self.iter())
    }

    /// Bytes of memory held by this set, shared by its clones.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        self.0.text.len() + self.0.ends.len() * 4 + 48
    }
}

/// The 128-bit XXH3 of `name 0xff value 0xff …` over sorted pairs. `0xff` does not occur in UTF-8, so
/// distinct sets give distinct inputs. Persisted and used for routing: never change it.
pub fn hash_pairs<'a>(pairs: impl Iterator<Item = LabelPair<'a>>) -> SeriesHash {
    let mut hasher = Xxh3Default::new();
    for (name, value) in pairs {
        hasher.update(name.as_bytes());
        hasher.update(&[0xff]);
        hasher.update(value.as_bytes());
        hasher.update(&[0xff]);
    }
    SeriesHash(hasher.digest128())
}

/// The order in which series are stored and streamed: by metric name (none first), then by the other
/// pairs as Prometheus compares them. One metric's series are neighbours.
#[must_use]
pub fn storage_order(a: &Labels, b: &Labels) -> Ordering {
    a.metric_name().cmp(&b.metric_name()).then_with(|| {
        a.iter().filter(|pair| pair.0 != METRIC_NAME).cmp(b.iter().filter(|pair| pair.0 != METRIC_NAME))
    })
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.ends == other.0.ends && self.0.text == other.0.text)
    }
}

impl Eq for Labels {}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.ends.hash(state);
        self.0.text.hash(state);
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Display for Labels {
    /// As Prometheus prints a label set: `{a="b", c="d"}`, values escaped as Go does.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(out, "{comma}{name}={value:?}")?;
        }
        out.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[LabelPair<'_>]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn pairs_are_sorted_unique_and_never_empty() {
        let set = labels(&[("b", "2"), ("a", "1"), ("c", ""), ("b", "3")]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3")]);
        assert_eq!(set.to_string(), r#"{a="1", b="3"}"#);
        assert_eq!((set.get("b"), set.get("c"), set.len()), (Some("3"), None, 2));
        assert!(set.has_any(&["c", "b"]) && !set.has_any(&["c", "3", ""]) && !set.has_any::<&str>(&[]));
    }

    #[test]
    fn the_hash_tells_borders_apart_and_never_changes() {
        assert_ne!(labels(&[("a", "bc")]).hash128(), labels(&[("ab", "c")]).hash128());
        let set = labels(&[("__name__", "up"), ("job", "node")]);
        assert_eq!(format!("{:032x}", set.hash128().0), "6183efcaeaa9ea7e49feb79bdfa3ebd8");
    }

    #[test]
    fn storage_order_puts_the_metric_first() {
        let upper = labels(&[("__name__", "b"), ("A", "1")]);
        let lower = labels(&[("__name__", "a"), ("z", "1")]);
        assert_eq!(upper.cmp(&lower), Ordering::Less);
        assert_eq!(storage_order(&upper, &lower), Ordering::Greater);
    }
}
