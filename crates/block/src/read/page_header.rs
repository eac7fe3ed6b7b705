//! What a page's header claims, looked at before the Parquet crate believes it: that crate allocates as
//! much as the header says the page holds, whoever wrote it.
//!
//! A header is the struct `PageHeader` of `parquet.thrift` in Thrift's compact encoding: a field is its
//! type and the distance of its id from the one before, integers are zigzag varints.

use parquet::errors::ParquetError;

/// Bytes of a decoded page beyond which it is refused: twice the dictionaries of the series table, the
/// largest pages that are written.
const MAX_PAGE_BYTES: i64 = 128 << 20;
/// Values of a page beyond which it is refused; a page of the series table may hold many labels a row.
const MAX_PAGE_VALUES: i64 = 1 << 24;
/// Structs inside structs: header, kind of page, statistics.
const MAX_DEPTH: usize = 4;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const STRUCT: u8 = 12;

/// Checks the headers of pages that follow each other and fill `pages`.
pub(crate) fn check_page_headers(pages: &[u8]) -> Result<(), ParquetError> {
    let mut rest = pages;
    while !rest.is_empty() {
        let length = check_page_header(rest)?;
        let next = rest.get(length..);
        rest = next.ok_or_else(|| ParquetError::General("a page ends beyond its column".to_owned()))?;
    }
    Ok(())
}

/// Checks the header that `bytes` begin with; the length of the page, header included.
pub(crate) fn check_page_header(bytes: &[u8]) -> Result<usize, ParquetError> {
    let refuse = |problem: &str| Err(ParquetError::General(problem.to_owned()));
    let mut reader = Reader { bytes, at: 0 };
    let Some(claims) = reader.page_header() else {
        return refuse("a page has no proper header");
    };
    if !(0..=MAX_PAGE_BYTES).contains(&claims.uncompressed) {
        return refuse("a page claims to be larger than any writer makes it");
    }
    if claims.values > MAX_PAGE_VALUES {
        return refuse("a page claims to have more values than any writer puts there");
    }
    // A text in a dictionary takes four bytes for its length, any other value but a boolean as many.
    if claims.is_dictionary && claims.values > claims.uncompressed / 4 {
        return refuse("a dictionary claims to have more values than it has room for");
    }
    match usize::try_from(claims.compressed).ok().and_then(|length| reader.at.checked_add(length)) {
        Some(length) => Ok(length),
        None => refuse("a page has a negative size"),
    }
}

/// What a page says of itself, as far as memory is at stake.
#[derive(Default)]
struct Claims {
    uncompressed: i64,
    compressed: i64,
    values: i64,
    is_dictionary: bool,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn page_header(&mut self) -> Option<Claims> {
        let mut claims = Claims::default();
        let (mut id, mut sizes) = (0, 0);
        while let Some(kind) = self.field(&mut id)? {
            match (id, kind) {
                (2, I32) => (claims.uncompressed, sizes) = (self.integer()?, sizes | 1),
                (3, I32) => (claims.compressed, sizes) = (self.integer()?, sizes | 2),
                // The headers of data pages, dictionaries and data pages of version 2.
                (5 | 7 | 8, STRUCT) => {
                    claims.values = claims.values.max(self.number_of_values()?);
                    claims.is_dictionary |= id == 7;
                }
                _ => self.skip(kind, MAX_DEPTH)?,
            }
        }
        (sizes == 3).then_some(claims)
    }

    /// The first field of each kind of page.
    fn number_of_values(&mut self) -> Option<i64> {
        let (mut id, mut values) = (0, None);
        while let Some(kind) = self.field(&mut id)? {
            match (id, kind) {
                (1, I32) => values = Some(self.integer()?),
                _ => self.skip(kind, MAX_DEPTH - 1)?,
            }
        }
        values.filter(|&values| values >= 0)
    }

    /// The type of the next field of a struct, whose id replaces that of the field before. `Some(None)`
    /// at the end of the struct.
    fn field(&mut self, id: &mut i64) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *id = match i64::from(byte >> 4) {
            0 => self.integer()?,
            distance => id.checked_add(distance)?,
        };
        Some(Some(byte & 0x0f))
    }

    /// Passes over a value. Lists and maps have no place in the header of a page.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            TRUE | FALSE => Some(()),
            I32 | I64 => self.integer().map(drop),
            BINARY => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.at = self.at.checked_add(length).filter(|&end| end <= self.bytes.len())?;
                Some(())
            }
            STRUCT => {
                let (depth, mut id) = (depth.checked_sub(1)?, 0);
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    fn integer(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data page of 5 values: 100 bytes, 3 compressed.
    const HEADER: [u8; 17] = [
        0x15, 0x00, 0x15, 0xc8, 0x01, 0x15, 0x06, 0x2c, 0x15, 0x0a, 0x15, 0x00, 0x15, 0x06, 0x15, 0x06, 0x00,
    ];

    fn page(header: &[u8]) -> Vec<u8> {
        [header, &[0x00], b"abc"].concat()
    }

    fn with(at: usize, replaced: usize, bytes: &[u8]) -> Vec<u8> {
        let mut header = HEADER.to_vec();
        header.splice(at..at + replaced, bytes.iter().copied());
        page(&header)
    }

    #[test]
    fn pages_that_follow_each_other_pass() {
        let one = page(&HEADER);
        assert_eq!(check_page_header(&one).unwrap(), one.len());
        check_page_headers(&[one.clone(), one.clone()].concat()).unwrap();
        for length in 1..one.len() {
            assert!(check_page_headers(&one[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn claims_beyond_what_is_written_are_refused() {
        let refused = |page: Vec<u8>, problem: &str| {
            let error = check_page_headers(&page).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        };
        let (most, minus_one) = ([0xfe, 0xff, 0xff, 0xff, 0x0f], [0x01]);
        refused(with(3, 2, &most), "larger than any writer");
        refused(with(3, 2, &minus_one), "larger than any writer");
        refused(with(6, 1, &most), "beyond its column");
        refused(with(6, 1, &minus_one), "negative size");
        refused(with(9, 1, &most), "more values than any writer");
        refused(with(9, 1, &minus_one), "no proper header");
        // The same as a dictionary page: 26 values take 104 bytes.
        refused(with(7, 3, &[0x4c, 0x15, 0x34]), "room for");
        check_page_headers(&with(7, 3, &[0x4c, 0x15, 0x32])).unwrap();
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = [&[0x15, 0x00][..], &[0x1c; 1000]].concat();
        assert!(check_page_header(&deep).is_err());
    }
}
