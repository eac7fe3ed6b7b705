//! Texts stored once, known by a number. Numbers count up from 0 and never change.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// Each distinct text once.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    text: String,
    /// Where each symbol's text ends; it starts where the one before ends.
    ends: Vec<u64>,
    table: HashTable<u32>,
}

/// The hash of a text in memory; of no meaning outside of it.
fn hash(text: &str) -> u64 {
    FixedState::default().hash_one(text)
}

fn resolve<'a>(text: &'a str, ends: &[u64], symbol: u32) -> &'a str {
    let index = symbol as usize;
    let end = ends.get(index).map_or(0, |&end| end as usize);
    let start = index.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |&end| end as usize);
    text.get(start..end).unwrap_or("")
}

impl Symbols {
    /// The text of a symbol; the empty one for a number never given.
    pub(super) fn get(&self, symbol: u32) -> &str {
        resolve(&self.text, &self.ends, symbol)
    }

    /// The symbol of a text, if it has one.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        let equal = |&symbol: &u32| self.get(symbol) == text;
        self.table.find(hash(text), equal).copied()
    }

    /// The symbol of a text, which it gets now if it had none.
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        if let Some(symbol) = self.find(text) {
            return symbol;
        }
        let symbol = self.ends.len() as u32;
        self.text.push_str(text);
        self.ends.push(self.text.len() as u64);
        let (all, ends) = (&self.text, &self.ends);
        self.table.insert_unique(hash(text), symbol, |&other| hash(resolve(all, ends, other)));
        symbol
    }

    /// Bytes of memory.
    pub(super) fn heap_size(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * 8 + self.table.allocation_size()
    }
}

/// Pairs of symbols stored once, known by a number. Numbers count up from 0 and never change.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pairs: Vec<(u32, u32)>,
    table: HashTable<u32>,
}

impl Pairs {
    /// The symbols of name and value.
    pub(super) fn get(&self, pair: u32) -> Option<(u32, u32)> {
        self.pairs.get(pair as usize).copied()
    }

    /// The number of a pair, if it has one.
    pub(super) fn find(&self, symbols: (u32, u32)) -> Option<u32> {
        let equal = |&pair: &u32| self.get(pair) == Some(symbols);
        self.table.find(FixedState::default().hash_one(symbols), equal).copied()
    }

    /// The number of a pair, which it gets now if it had none.
    pub(super) fn intern(&mut self, symbols: (u32, u32)) -> u32 {
        if let Some(pair) = self.find(symbols) {
            return pair;
        }
        let number = self.pairs.len() as u32;
        self.pairs.push(symbols);
        let pairs = &self.pairs;
        let hash = |&other: &u32| {
            FixedState::default().hash_one(pairs.get(other as usize).copied().unwrap_or_default())
        };
        self.table.insert_unique(FixedState::default().hash_one(symbols), number, hash);
        number
    }

    /// How many pairs.
    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Bytes of memory.
    pub(super) fn heap_size(&self) -> usize {
        self.pairs.capacity() * 8 + self.table.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_number() {
        let mut symbols = Symbols::default();
        let numbers: Vec<u32> = (0..1000).map(|n| symbols.intern(&format!("text-{n}"))).collect();
        assert_eq!(symbols.intern("text-500"), numbers[500]);
        assert_eq!((symbols.get(numbers[999]), symbols.get(5000)), ("text-999", ""));
        assert_eq!((symbols.find("text-0"), symbols.find("")), (Some(0), None));
        assert_eq!(symbols.intern(""), 1000);
        assert_eq!(symbols.get(1000), "");
    }

    #[test]
    fn a_pair_keeps_its_number() {
        let mut pairs = Pairs::default();
        let numbers: Vec<u32> = (0..100).map(|n| pairs.intern((n, n + 1))).collect();
        assert_eq!((pairs.intern((7, 8)), pairs.len()), (numbers[7], 100));
        assert_eq!((pairs.get(99), pairs.get(100), pairs.find((8, 7))), (Some((99, 100)), None, None));
    }
}
