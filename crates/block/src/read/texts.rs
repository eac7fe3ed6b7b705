//! Many strings in one allocation, by number.

use hashbrown::HashMap;

/// Many strings in one allocation, by number.
#[derive(Debug, Default)]
pub(super) struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The string of a number; `""` for one that is not there.
    pub(super) fn get(&self, number: u32) -> &str {
        let number = number as usize;
        let start = number.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
        let range = start.zip(self.ends.get(number).copied());
        range.and_then(|(start, end)| self.text.get(start..end)).unwrap_or("")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len() as u32).map(|number| self.get(number))
    }

    pub(super) fn weight(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    fn push(&mut self, text: &str) -> u32 {
        self.text.push_str(text);
        self.ends.push(self.text.len());
        self.ends.len() as u32 - 1
    }
}

/// Collects [`Texts`] without duplicates.
#[derive(Default)]
pub(super) struct Interner {
    texts: Texts,
    numbers: HashMap<Box<str>, u32>,
}

impl Interner {
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.texts.push(text);
        self.numbers.insert(text.into(), number);
        number
    }

    pub(super) fn finish(mut self) -> Texts {
        self.texts.text.shrink_to_fit();
        self.texts.ends.shrink_to_fit();
        self.texts
    }
}
