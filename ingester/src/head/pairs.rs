//! Label pairs stored once, known by a number. Numbers count up from 0 and never change.
//!
//! A pair is kept as the bytes `name ff value ff`: `ff` never occurs in UTF-8, and a label set is compared
//! with one look at each of its pairs.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use latewood_model::LabelPair;

/// Ends a name and a value.
const END: u8 = 0xff;

/// Each distinct pair once.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    bytes: Vec<u8>,
    /// Where each pair's bytes end; they start where those of the pair before end.
    ends: Vec<u64>,
    table: HashTable<u32>,
}

/// The hash of a pair in memory; of no meaning outside of it.
fn hash(name: &[u8], value: &[u8]) -> u64 {
    FixedState::default().hash_one((name, value))
}

fn slice<'a>(bytes: &'a [u8], ends: &[u64], pair: u32) -> &'a [u8] {
    let index = pair as usize;
    let end = ends.get(index).map_or(0, |&end| end as usize);
    let start = index.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |&end| end as usize);
    bytes.get(start..end).unwrap_or(&[])
}

/// Name and value of a pair's bytes.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let name = bytes.iter().position(|&byte| byte == END).unwrap_or(0);
    let value = bytes.get(name + 1..bytes.len().saturating_sub(1));
    (bytes.get(..name).unwrap_or(&[]), value.unwrap_or(&[]))
}

impl Pairs {
    /// Name and value; both empty for a number never given.
    pub(super) fn get(&self, pair: u32) -> LabelPair<'_> {
        let (name, value) = split(slice(&self.bytes, &self.ends, pair));
        (std::str::from_utf8(name).unwrap_or(""), std::str::from_utf8(value).unwrap_or(""))
    }

    /// Whether a pair has this name and this value.
    #[inline]
    pub(super) fn is(&self, pair: u32, name: &[u8], value: &[u8]) -> bool {
        let bytes = slice(&self.bytes, &self.ends, pair);
        let rest = bytes.strip_prefix(name).and_then(|rest| rest.strip_prefix(&[END]));
        rest.and_then(|rest| rest.strip_suffix(&[END])) == Some(value)
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
        let pair = self.ends.len() as u32;
        for text in [name, value] {
            self.bytes.extend_from_slice(text.as_bytes());
            self.bytes.push(END);
        }
        self.ends.push(self.bytes.len() as u64);
        let (bytes, ends) = (&self.bytes, &self.ends);
        let hash_of = |&other: &u32| {
            let (name, value) = split(slice(bytes, ends, other));
            hash(name, value)
        };
        self.table.insert_unique(hash(name.as_bytes(), value.as_bytes()), pair, hash_of);
        pair
    }

    /// How many pairs.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of memory.
    pub(super) fn heap_size(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * 8 + self.table.allocation_size()
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
