//! Distinct strings and their codes.

use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::BlockError;

/// Bytes of text beyond which a column cannot hold all of a dictionary.
const MAX_BYTES: usize = i32::MAX as usize;

/// Strings and their codes, in order of first appearance. Beside the text it takes some twenty bytes a string.
#[derive(Default)]
pub(super) struct Dictionary {
    hasher: DefaultHashBuilder,
    codes: HashTable<u32>,
    text: String,
    ends: Vec<u32>,
}

impl Dictionary {
    /// How many strings.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The code of a string, which becomes a new one if there is none.
    pub(super) fn code(&mut self, text: &str) -> Result<u32, BlockError> {
        if let Some(code) = self.find(text) {
            return Ok(code);
        }
        let end = self.text.len().checked_add(text.len()).filter(|&end| end <= MAX_BYTES);
        let what = "too many bytes of distinct values of one label";
        let end = end.ok_or(BlockError::TooLarge { what, limit: MAX_BYTES as u64 })?;
        let code = self.ends.len() as u32;
        self.text.push_str(text);
        self.ends.push(end as u32);
        let (hasher, texts, ends) = (&self.hasher, &self.text, &self.ends);
        let rehash = |code: &u32| hasher.hash_one(text_of(texts, ends, *code));
        self.codes.insert_unique(hasher.hash_one(text), code, rehash);
        Ok(code)
    }

    /// The code of a string that was seen.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        let same = |code: &u32| self.text(*code) == text;
        self.codes.find(self.hasher.hash_one(text), same).copied()
    }

    /// The string of a code; `""` for one that is not there.
    pub(super) fn text(&self, code: u32) -> &str {
        text_of(&self.text, &self.ends, code)
    }

    /// The strings in the order of their codes.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        (0..self.len() as u32).map(|code| self.text(code))
    }

    /// The strings as a column that codes lead into.
    pub(super) fn array(&self) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(self.texts()))
    }
}

fn text_of<'a>(text: &'a str, ends: &[u32], code: u32) -> &'a str {
    let at = code as usize;
    let start = at.checked_sub(1).map_or(Some(0), |before| ends.get(before).copied());
    let range = start.zip(ends.get(at).copied());
    range.and_then(|(start, end)| text.get(Range { start: start as usize, end: end as usize })).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_string_has_one_code() {
        let mut dictionary = Dictionary::default();
        let words = (0..1_000).map(|number| format!("value-{}", number % 300));
        let codes: Vec<u32> = words.map(|word| dictionary.code(&word).unwrap()).collect();
        assert_eq!((dictionary.len(), codes[299], codes[300], codes[999]), (300, 299, 0, 99));
        assert_eq!(
            (dictionary.text(7), dictionary.find("value-7"), dictionary.find("x")),
            ("value-7", Some(7), None)
        );
        assert_eq!((dictionary.code("").unwrap(), dictionary.text(300), dictionary.text(301)), (300, "", ""));
    }
}
