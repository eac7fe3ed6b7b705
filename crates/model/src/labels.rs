//! A set of label pairs: sorted by name, names unique, no empty values.

use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt;
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
///
/// In memory it is one piece, names and values each behind its length, so that equal sets are equal texts:
///
/// ```text
/// length name length value length name length value …
/// ```
///
/// A length is written in ASCII, six bits to a byte, the lowest first; all bytes but the last have the bit 0x40.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels(Arc<str>);

/// How a set begins whose first label is the metric's name, as it mostly is.
const NAME_PIECE: &str = "\x08__name__";

/// Bytes that are compared at once.
const STRIDE: usize = 16;

/// In the bytes of a length: another one follows.
const MORE: u8 = 0x40;

thread_local! {
    /// Where label sets are put together, so that each is allocated once, at its size.
    static SCRATCH: Cell<String> = const { Cell::new(String::new()) };
}

/// Bytes of text that a thread keeps for the next label set.
const MAX_SCRATCH: usize = 1 << 16;

/// Appends a text behind its length.
fn push_piece(set: &mut String, piece: &str) {
    let mut length = piece.len();
    while length >= usize::from(MORE) {
        set.push(char::from(MORE | (length as u8 & (MORE - 1))));
        length >>= 6;
    }
    set.push(char::from(length as u8));
    set.push_str(piece);
}

/// The length of the first piece and of how it is written; the latter is 0 at the end.
#[inline]
fn first_length(set: &[u8]) -> (usize, usize) {
    let (mut length, mut bytes) = (0, 0);
    for &byte in set {
        length |= usize::from(byte & (MORE - 1)) << (6 * bytes);
        bytes += 1;
        if byte & MORE == 0 {
            break;
        }
    }
    (length, bytes)
}

/// Takes the first piece off as bytes; `None` at the end.
#[inline]
fn take_bytes<'a>(set: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, bytes) = first_length(set);
    let (piece, rest) = set.get(bytes..).filter(|_| bytes > 0)?.split_at_checked(length)?;
    *set = rest;
    Some(piece)
}

/// Takes the first text off; `None` at the end.
#[inline]
fn take_piece<'a>(set: &mut &'a str) -> Option<&'a str> {
    let (length, bytes) = first_length(set.as_bytes());
    let piece = set.get(bytes..bytes + length).filter(|_| bytes > 0)?;
    *set = set.get(bytes + length..)?;
    Some(piece)
}

impl Labels {
    /// The empty set.
    #[must_use]
    pub fn empty() -> Self {
        static EMPTY: OnceLock<Labels> = OnceLock::new();
        EMPTY.get_or_init(|| Self::from_sorted(std::iter::empty())).clone()
    }

    /// From pairs that are sorted by name, without duplicates or empty values (checked in debug builds).
    pub fn from_sorted<'a>(pairs: impl Iterator<Item = LabelPair<'a>>) -> Self {
        let mut set = SCRATCH.take();
        for (name, value) in pairs {
            push_piece(&mut set, name);
            push_piece(&mut set, value);
        }
        let labels = Self(set.as_str().into());
        if set.capacity() <= MAX_SCRATCH {
            set.clear();
            SCRATCH.set(set);
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
        self.iter().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairs in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = LabelPair<'_>> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || Some((take_piece(&mut rest)?, take_piece(&mut rest)?)))
    }

    /// The pairs as bytes: for comparing and hashing, where nobody asks what is text.
    pub fn byte_pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        let mut rest = self.0.as_bytes();
        std::iter::from_fn(move || Some((take_bytes(&mut rest)?, take_bytes(&mut rest)?)))
    }

    /// The value of a label, if it is there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|pair| pair.0 == name).map(|pair| pair.1)
    }

    /// Whether any of these labels is there. Looks at lengths first: it is asked of every series that a query reads.
    #[must_use]
    pub fn has_any<N: AsRef<str>>(&self, names: &[N]) -> bool {
        let bit = |length: usize| 1u64 << length.min(63);
        let lengths = names.iter().fold(0, |lengths, name| lengths | bit(name.as_ref().len()));
        let mut rest = self.0.as_bytes();
        while let Some(name) = take_bytes(&mut rest) {
            if lengths & bit(name.len()) != 0 && names.iter().any(|wanted| wanted.as_ref().as_bytes() == name)
            {
                return true;
            }
            take_bytes(&mut rest);
        }
        false
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
        self.0.len() + 2 * size_of::<usize>()
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
    if [a, b].iter().all(|set| set.0.strip_prefix(NAME_PIECE).is_some()) {
        return order(&a.0, &b.0);
    }
    a.metric_name().cmp(&b.metric_name()).then_with(|| {
        a.iter().filter(|pair| pair.0 != METRIC_NAME).cmp(b.iter().filter(|pair| pair.0 != METRIC_NAME))
    })
}

/// The order of pieces, one after another: decided by the first two that differ, which are found without looking into the
/// others.
fn order(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let difference = first_difference(a, b);
    let mut at = 0;
    loop {
        let (length, bytes) = a.get(at..).map_or((0, 0), first_length);
        let end = at + bytes + length;
        if bytes == 0 || end > difference {
            break;
        }
        at = end;
    }
    let (mut a, mut b) = (a.get(at..).unwrap_or_default(), b.get(at..).unwrap_or_default());
    take_bytes(&mut a).cmp(&take_bytes(&mut b))
}

/// Where two texts differ first; the length of the shorter one if it is how the other begins.
fn first_difference(a: &[u8], b: &[u8]) -> usize {
    let ((strides, _), (others, _)) = (a.as_chunks::<STRIDE>(), b.as_chunks::<STRIDE>());
    let same = strides.iter().zip(others).take_while(|(a, b)| a == b).count() * STRIDE;
    let (a, b) = (a.get(same..).unwrap_or_default(), b.get(same..).unwrap_or_default());
    same + a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        order(&self.0, &other.0)
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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
    use proptest::prelude::*;

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
    fn pieces_of_any_length_come_back() {
        let lengths = [1, 63, 64, 4_095, 4_096, 300_000];
        let values: Vec<(String, String)> =
            lengths.iter().map(|&length| (format!("n{length:06}"), "ü".repeat(length))).collect();
        let set = Labels::from_sorted(values.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        assert!(set.iter().eq(values.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
        assert_eq!(
            (set.len(), Labels::empty().len(), Labels::empty().iter().next()),
            (lengths.len(), 0, None)
        );
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

    /// Few names and values, some longer than 63 bytes, so that sets are alike, begin alike and end early.
    fn any_labels() -> impl Strategy<Value = Labels> {
        let name = prop_oneof![Just("__name__"), Just("A"), Just("a"), Just("ab"), Just("z")];
        let value = prop_oneof![
            (1..4_usize).prop_map(|length| "x".repeat(length)),
            (60..70_usize).prop_map(|length| "y".repeat(length) + "ü"),
            "[ab\u{1}]{1,2}",
        ];
        prop::collection::vec((name, value), 0..6).prop_map(Labels::from_pairs)
    }

    proptest! {
        #[test]
        fn orders_are_those_of_pairs(a in any_labels(), b in any_labels(), name in any::<bool>()) {
            let named = |set: &Labels| {
                Labels::from_pairs(set.iter().chain([(METRIC_NAME, "m")].into_iter().filter(|_| name)))
            };
            let (a, b) = (named(&a), named(&b));
            prop_assert_eq!(a.cmp(&b), a.iter().cmp(b.iter()));
            let rest = |set: &Labels| set.without(&[METRIC_NAME]).iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>();
            let expected = a.metric_name().cmp(&b.metric_name()).then_with(|| rest(&a).cmp(&rest(&b)));
            prop_assert_eq!(storage_order(&a, &b), expected);
        }
    }
}
