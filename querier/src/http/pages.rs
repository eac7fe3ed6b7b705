//! An answer in pages. Each is booked with the query's account before it is filled, and given back once it was
//! sent; between two of them the query may be told to end, or to wait for its turn.

use axum::body::Bytes;
use latewood_promql::{Control, QueryError, Reservation};

use super::json::Json;

/// Bytes from which on a page is full: about a millisecond of writing.
const FULL: usize = 256 << 10;

/// What a page holds before it has to grow: an item that begins on it is written to its end.
const ROOM: usize = FULL + (8 << 10);

/// Collects an answer.
pub(super) struct Pages<'a> {
    control: &'a Control,
    full: Vec<Bytes>,
    /// The page that is being written, and what is booked for it.
    json: Json,
    held: Reservation,
}

/// A page that nobody writes any more.
struct Page {
    bytes: Vec<u8>,
    _held: Reservation,
}

impl AsRef<[u8]> for Page {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<'a> Pages<'a> {
    pub(super) fn new(control: &'a Control) -> Result<Self, QueryError> {
        // Most answers are short: the first page doubles up to its room.
        let json = Json::with_capacity(ROOM / 64);
        Ok(Self { control, full: Vec::new(), json, held: control.reserve(ROOM as u64)? })
    }

    /// Where to write.
    pub(super) fn json(&mut self) -> &mut Json {
        &mut self.json
    }

    /// `[…]` of items, with pages turned between them.
    pub(super) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut item: impl FnMut(&mut Self, T) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        self.json.raw("[");
        for (index, one) in items.into_iter().enumerate() {
            if index > 0 {
                self.json.raw(",");
            }
            item(self, one)?;
            if self.json.len() >= FULL {
                self.turn()?;
            }
        }
        self.json.raw("]");
        Ok(())
    }

    /// Puts the page away and takes a new one.
    fn turn(&mut self) -> Result<(), QueryError> {
        self.control.check()?;
        let next = self.control.reserve(ROOM as u64)?;
        let page = std::mem::replace(&mut self.json, Json::with_capacity(ROOM));
        let held = std::mem::replace(&mut self.held, next);
        self.full.push(sealed(page, held)?);
        Ok(())
    }

    /// All pages.
    pub(super) fn finish(self) -> Result<Vec<Bytes>, QueryError> {
        let mut pages = self.full;
        pages.push(sealed(self.json, self.held)?);
        Ok(pages)
    }
}

/// A page as it is sent. One of an item that was longer than a page is booked now.
fn sealed(json: Json, mut held: Reservation) -> Result<Bytes, QueryError> {
    let bytes = json.into_bytes();
    held.grow(bytes.capacity().saturating_sub(ROOM) as u64)?;
    Ok(Bytes::from_owner(Page { bytes, _held: held }))
}

#[cfg(test)]
mod tests {
    use latewood_base::Clock;
    use latewood_promql::QueryLimits;

    use super::*;

    /// An item of about a kilobyte.
    fn kilobyte(pages: &mut Pages<'_>, number: usize) -> Result<(), QueryError> {
        pages.json().string(&format!("{number:01024}"));
        Ok(())
    }

    fn control(max_bytes: u64) -> Control {
        Control::new(Clock::manual(0).0, QueryLimits { max_bytes, ..QueryLimits::NONE })
    }

    #[test]
    fn pages_are_the_answer_and_their_memory_is_given_back_one_by_one() {
        let control = control(u64::MAX);
        let mut pages = Pages::new(&control).unwrap();
        pages.list(0..1_000, kilobyte).unwrap();
        let mut sent = pages.finish().unwrap();
        assert_eq!(sent.len(), 4);
        let whole: Vec<u8> = sent.concat();
        let items: Vec<String> = serde_json::from_slice(&whole).unwrap();
        assert!(items.iter().map(|item| item.parse::<usize>().unwrap()).eq(0..1_000));
        while !sent.is_empty() {
            assert_eq!(control.bytes(), (sent.len() * ROOM) as u64);
            sent.remove(0);
        }
        assert_eq!(control.bytes(), 0);
    }

    #[test]
    fn an_answer_that_is_too_large_is_refused_and_one_that_nobody_waits_for_ends() {
        let small = control(3 * ROOM as u64);
        let mut pages = Pages::new(&small).unwrap();
        let refused = pages.list(0..10_000, kilobyte);
        assert!(matches!(refused, Err(QueryError::TooMuchMemory { .. })), "{refused:?}");
        drop(pages);
        assert_eq!(small.bytes(), 0);
        let left = control(u64::MAX);
        let (mut pages, mut written) = (Pages::new(&left).unwrap(), 0);
        let ended = pages.list(0..10_000, |pages, number| {
            written += 1;
            left.cancel();
            kilobyte(pages, number)
        });
        assert!(matches!(ended, Err(QueryError::Canceled)) && written <= FULL / 1024 + 1, "{written}");
    }

    #[test]
    fn one_item_longer_than_a_page_is_booked_too() {
        let control = control(u64::MAX);
        let mut pages = Pages::new(&control).unwrap();
        pages.json().string(&"x".repeat(4 * ROOM));
        let sent = pages.finish().unwrap();
        assert!(control.bytes() >= 4 * ROOM as u64);
        drop(sent);
        assert_eq!(control.bytes(), 0);
    }
}
