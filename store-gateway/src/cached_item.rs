//! What the cache holds: pieces of immutable objects, each with a checksum of its own.

use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::ops::Range;

use bytes::Bytes;
use foyer::{Code, Error, Result};

/// A piece of an object: a range of its bytes, or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ItemKey(String);

impl ItemKey {
    pub(crate) fn whole(object: &str) -> Self {
        Self(object.to_owned())
    }

    /// Keys of objects hold no line ends.
    pub(crate) fn range(object: &str, range: &Range<u64>) -> Self {
        Self(format!("{object}\n{}-{}", range.start, range.end))
    }

    /// Bytes of memory.
    pub(crate) fn weight(&self) -> usize {
        self.0.len() + 64
    }
}

#[allow(clippy::derived_hash_with_manual_eq, reason = "equal keys are equal texts")]
impl Hash for ItemKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Code for ItemKey {
    fn encode(&self, writer: &mut impl Write) -> Result<()> {
        self.0.encode(writer)
    }

    fn decode(reader: &mut impl Read) -> Result<Self> {
        String::decode(reader).map(Self)
    }

    fn estimated_size(&self) -> usize {
        self.0.estimated_size()
    }
}

/// The bytes of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item(pub(crate) Bytes);

/// The longest item that is believed, in bytes.
const MAX_BYTES: u64 = 1 << 30;

impl Code for Item {
    /// CRC-32C and length, both little-endian, and the bytes.
    fn encode(&self, writer: &mut impl Write) -> Result<()> {
        let mut head = [0; 12];
        let (checksum, length) = head.split_at_mut(4);
        checksum.copy_from_slice(&crc32c::crc32c(&self.0).to_le_bytes());
        length.copy_from_slice(&(self.0.len() as u64).to_le_bytes());
        writer.write_all(&head).and_then(|()| writer.write_all(&self.0)).map_err(Error::io_error)
    }

    /// What is torn or altered is an error, and so a miss.
    fn decode(reader: &mut impl Read) -> Result<Self> {
        let (mut checksum, mut length) = ([0; 4], [0; 8]);
        reader.read_exact(&mut checksum).map_err(Error::io_error)?;
        reader.read_exact(&mut length).map_err(Error::io_error)?;
        let length = u64::from_le_bytes(length);
        let mut body = Vec::new();
        reader.take(length.min(MAX_BYTES)).read_to_end(&mut body).map_err(Error::io_error)?;
        if body.len() as u64 != length || crc32c::crc32c(&body) != u32::from_le_bytes(checksum) {
            return Err(Error::io_error(std::io::ErrorKind::InvalidData.into()));
        }
        Ok(Self(body.into()))
    }

    fn estimated_size(&self) -> usize {
        12 + self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_was_torn_or_altered_anywhere_is_none() {
        let item = Item(Bytes::from_static(b"a page of samples"));
        let mut stored = Vec::new();
        item.encode(&mut stored).unwrap();
        assert_eq!(stored.len(), item.estimated_size());
        assert_eq!(Item::decode(&mut &stored[..]).unwrap(), item);
        for at in 0..stored.len() {
            assert!(Item::decode(&mut &stored[..at]).is_err(), "{at}");
            let mut altered = stored.clone();
            altered[at] ^= 1;
            assert!(Item::decode(&mut &altered[..]).is_err(), "{at}");
        }
    }
}
