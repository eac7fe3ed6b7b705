//! Numbers and texts from bytes, in the encodings that Prometheus's files share.

/// What is wrong, and how far it is from where reading began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Bytes from where reading began.
    pub(crate) at: usize,
    pub(crate) text: &'static str,
    /// The bytes ended: there may be more.
    pub(crate) is_short: bool,
}

/// Reads forwards.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Bytes that are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(crate) fn problem(&self, text: &'static str) -> Problem {
        Problem { at: self.at, text, is_short: false }
    }

    fn short(&self) -> Problem {
        Problem { at: self.at, text: "the bytes end too early", is_short: true }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Problem> {
        let end = self.at.checked_add(count).ok_or_else(|| self.short())?;
        let bytes = self.bytes.get(self.at..end).ok_or_else(|| self.short())?;
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| self.short())
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Problem> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn be32(&mut self) -> Result<u32, Problem> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn be64(&mut self) -> Result<u64, Problem> {
        self.array().map(u64::from_be_bytes)
    }

    /// Seven bits a byte, the lowest first.
    pub(crate) fn uvarint(&mut self) -> Result<u64, Problem> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.problem("a number has more than 64 bits"))
    }

    pub(crate) fn uvarint32(&mut self) -> Result<u32, Problem> {
        let value = self.uvarint()?;
        u32::try_from(value).map_err(|_| self.problem("a number has more than 32 bits"))
    }

    /// Signed numbers, those near zero short.
    pub(crate) fn varint(&mut self) -> Result<i64, Problem> {
        self.uvarint().map(unzigzag)
    }

    /// Bytes behind their length.
    pub(crate) fn piece(&mut self) -> Result<&'a [u8], Problem> {
        let length = self.uvarint()?;
        let count = usize::try_from(length).map_err(|_| self.short())?;
        self.take(count)
    }
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_length_are_read() {
        let read = |bytes: &[u8]| Cursor::new(bytes).uvarint();
        assert_eq!(read(&[0x7f]), Ok(127));
        assert_eq!(read(&[0x80, 1]), Ok(128));
        let greatest = [[0xff; 9].as_slice(), &[1]].concat();
        assert_eq!(read(&greatest), Ok(u64::MAX));
        let beyond = [[0xff; 9].as_slice(), &[2]].concat();
        assert_eq!(read(&beyond).unwrap_err().text, "a number has more than 64 bits");
        let endless = [0xff; 20];
        assert!(!read(&endless).unwrap_err().is_short);
        assert!(read(&[0x80]).unwrap_err().is_short);
        assert_eq!([0, 1, 2, u64::MAX].map(unzigzag), [0, -1, 1, i64::MIN]);
    }

    #[test]
    fn no_length_leads_beyond_the_bytes() {
        let lie = [[0xff; 9].as_slice(), &[1, 0, 0]].concat();
        assert!(Cursor::new(&lie).piece().unwrap_err().is_short);
        let mut cursor = Cursor::new(&[2, b'a', b'b', 0]);
        assert_eq!((cursor.piece(), cursor.at(), cursor.left()), (Ok(b"ab".as_slice()), 3, 1));
        assert!(cursor.be32().is_err() && cursor.be64().is_err());
    }
}
