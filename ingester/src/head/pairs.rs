//! Label pairs stored once, known by a number. Numbers count up from 0 and never change.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};
use latewood_model::LabelPair;

/// Each distinct pair once.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    /// Name and value of one pair after the other.
    text: String,
    places: Vec<Place>,
    table: HashTable<u32>,
    /// The pairs of each name, in the order in which they came.
    by_name: HashMap<String, Vec<u32>, FixedState>,
}

/// Where a pair's text is: it starts where that of the pair before ends. In 12 bytes instead of 16.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    end: [u32; 2],
    name_length: u32,
}

impl Place {
    fn new(end: usize, name_length: usize) -> Self {
        let end = end as u64;
        Self { end: [(end >> 32) as u32, end as u32], name_length: name_length as u32 }
    }

    fn end(self) -> usize {
        ((u64::from(self.end[0]) << 32) | u64::from(self.end[1])) as usize
    }
}

/// The hash of a pair in memory; of no meaning outside of it.
fn hash(name: &[u8], value: &[u8]) -> u64 {
    FixedState::default().hash_one((name, value))
}

fn pair_of<'a>(text: &'a str, places: &[Place], pair: u32) -> LabelPair<'a> {
    let index = pair as usize;
    let Some(place) = places.get(index) else { return ("", "") };
    let start = index.checked_sub(1).and_then(|before| places.get(before)).map_or(0, |place| place.end());
    let both = text.get(start..place.end()).unwrap_or_default();
    both.split_at_checked(place.name_length as usize).unwrap_or_default()
}

impl Pairs {
    /// Name and value; both empty for a number never given.
    #[inline]
    pub(super) fn get(&self, pair: u32) -> LabelPair<'_> {
        pair_of(&self.text, &self.places, pair)
    }

    /// Whether a pair has this name and this value.
    #[inline]
    pub(super) fn is(&self, pair: u32, name: &[u8], value: &[u8]) -> bool {
        let known = self.get(pair);
        known.0.as_bytes() == name && known.1.as_bytes() == value
    }

    /// The number of a pair, if it has one.
    pub(super) fn find(&self, name: &str, value: &str) -> Option<u32> {
        let (name, value) = (name.as_bytes(), value.as_bytes());
        self.table.find(hash(name, value), |&pair| self.is(pair, name, value)).copied()
    }

    /// The number of a pair, which it gets now if it had none.
    pub(super) fn intern(&mut self, name: &str, value: &str) -> u32 {
        if let Some(pair) = self.find(name, value) {
            return pair;
        }
        let pair = self.places.len() as u32;
        self.text.push_str(name);
        self.text.push_str(value);
        self.places.push(Place::new(self.text.len(), name.len()));
        let (text, places) = (&self.text, &self.places);
        let hash_of = |&other: &u32| {
            let (name, value) = pair_of(text, places, other);
            hash(name.as_bytes(), value.as_bytes())
        };
        self.table.insert_unique(hash(name.as_bytes(), value.as_bytes()), pair, hash_of);
        self.by_name.entry_ref(name).or_default().push(pair);
        pair
    }

    /// The pairs of a name. Others are added behind them.
    pub(super) fn of_name(&self, name: &str) -> &[u32] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// How many pairs.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes of memory.
    pub(super) fn heap_size(&self) -> usize {
        let names = self.by_name.iter().map(|(name, pairs)| name.capacity() + pairs.capacity() * 4);
        self.text.capacity()
            + self.places.capacity() * size_of::<Place>()
            + self.table.allocation_size()
            + self.by_name.allocation_size()
            + names.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_keeps_its_number() {
        let mut pairs = Pairs::default();
        let numbers: Vec<u32> = (0..1000).map(|n| pairs.intern("name", &format!("value-{n}"))).collect();
        assert_eq!(pairs.intern("name", "value-500"), numbers[500]);
        assert_eq!((pairs.get(numbers[999]), pairs.get(5000)), (("name", "value-999"), ("", "")));
        assert_eq!((pairs.find("name", "value-0"), pairs.find("name", "")), (Some(0), None));
        assert_eq!((pairs.intern("", "ä"), pairs.get(1000), pairs.len()), (1000, ("", "ä"), 1001));
        assert_eq!((pairs.of_name("name"), pairs.of_name("nam")), (&*numbers, &[][..]));
    }

    #[test]
    fn a_pair_is_only_itself() {
        let mut pairs = Pairs::default();
        let pair = pairs.intern("ab", "cd");
        assert!(pairs.is(pair, b"ab", b"cd"));
        let others =
            [("abc", "d"), ("a", "bcd"), ("ab", "c"), ("ab", "cde"), ("b", "cd"), ("", ""), ("abcd", "")];
        assert!(others.iter().all(|(name, value)| !pairs.is(pair, name.as_bytes(), value.as_bytes())));
    }
}
