//! Warnings and infos of pieces of a query.

/// Texts that the engine keeps of each sort at most. Of more than these only their number is told.
const MAX_TEXTS: usize = 256;

/// The annotations of some steps, sorted as the engine sorts them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Notes {
    pub(super) warnings: Vec<String>,
    pub(super) infos: Vec<String>,
}

impl Notes {
    pub(super) fn is_empty(&self) -> bool {
        self.warnings.is_empty() && self.infos.is_empty()
    }

    /// Bytes of memory on the heap.
    pub(super) fn heap_size(&self) -> usize {
        let texts = self.warnings.iter().chain(&self.infos);
        texts.map(|text| text.len() + size_of::<String>()).sum()
    }

    /// Those of all steps together; none where the pieces do not tell. The engine says a text once, of the place where
    /// it came first: pieces may say it of different places.
    pub(super) fn union<'a>(all: impl Iterator<Item = &'a Self> + Clone) -> Option<Self> {
        let warnings = merged(all.clone().flat_map(|notes| &notes.warnings))?;
        Some(Self { warnings, infos: merged(all.flat_map(|notes| &notes.infos))? })
    }
}

fn merged<'a>(texts: impl Iterator<Item = &'a String>) -> Option<Vec<String>> {
    let mut texts: Vec<&String> = texts.collect();
    texts.sort_by_key(|text| without_place(text));
    texts.dedup();
    let is_ambiguous = texts.windows(2).any(|pair| without_place(pair[0]) == without_place(pair[1]));
    let is_all = texts.len() < MAX_TEXTS && !is_ambiguous;
    is_all.then(|| texts.into_iter().cloned().collect())
}

/// A text less its place: `… (1:6)`.
fn without_place(text: &str) -> &str {
    let is_place = |place: &str| {
        let place = place.strip_suffix(')').and_then(|place| place.split_once(':'));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        place.is_some_and(|(line, column)| is_number(line) && is_number(column))
    };
    text.rsplit_once(" (").filter(|(_, place)| is_place(place)).map_or(text, |(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infos(texts: &[&str]) -> Notes {
        Notes { warnings: Vec::new(), infos: texts.iter().map(|text| (*text).to_owned()).collect() }
    }

    #[test]
    fn texts_are_told_once_in_their_order() {
        let union = Notes::union([infos(&["a (1:2)", "b"]), infos(&["a (1:2)", "a(b (1:1)"])].iter());
        assert_eq!(union, Some(infos(&["a (1:2)", "a(b (1:1)", "b"])));
        assert_eq!(Notes::union([].iter()), Some(Notes::default()));
        assert_eq!(without_place("x (1:2) (3)"), "x (1:2) (3)");
    }

    #[test]
    fn pieces_that_say_the_same_of_different_places_do_not_tell() {
        assert_eq!(Notes::union([infos(&["a (1:2)"]), infos(&["a (1:9)"])].iter()), None);
        let many: Vec<Notes> = (0..MAX_TEXTS).map(|number| infos(&[number.to_string().as_str()])).collect();
        assert_eq!(Notes::union(many.iter()), None);
    }
}
