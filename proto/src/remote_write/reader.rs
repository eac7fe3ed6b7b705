//! Walking protobuf's wire format over borrowed bytes.

use super::{Columns, DecodeError, Span};

/// Wire type of varints.
pub(super) const VARINT: u8 = 0;
/// Wire type of eight little-endian bytes.
pub(super) const FIXED64: u8 = 1;
/// Wire type of a length and as many bytes.
pub(super) const LEN: u8 = 2;
/// Wire type of four little-endian bytes.
const FIXED32: u8 = 5;

/// The key of a field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    pub(super) field: u32,
    pub(super) wire_type: u8,
    at: usize,
}

impl Tag {
    /// That a known field came with this wire type.
    pub(super) fn expect(self, message: &'static str, wire_type: u8) -> Result<(), DecodeError> {
        if self.wire_type == wire_type { Ok(()) } else { Err(self.misfit(message)) }
    }

    fn misfit(self, message: &'static str) -> DecodeError {
        DecodeError::WireType { message, field: self.field, wire_type: self.wire_type, at: self.at }
    }
}

/// A position in the body, up to the end of one message. Positions count from the body's start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    /// The body up to the end of the message.
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { bytes: body, at: 0 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next field's key, or none at the end of the message.
    #[inline]
    pub(super) fn tag(&mut self) -> Result<Option<Tag>, DecodeError> {
        if self.is_at_end() {
            return Ok(None);
        }
        let at = self.at;
        let key = self.varint()?;
        let field = u32::try_from(key >> 3).unwrap_or(0);
        if field == 0 || field >= 1 << 29 {
            return Err(DecodeError::FieldNumber { at });
        }
        Ok(Some(Tag { field, wire_type: (key & 7) as u8, at }))
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, DecodeError> {
        if let Some(&byte) = self.bytes.get(self.at)
            && byte < 0x80
        {
            self.at += 1;
            return Ok(byte.into());
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0_u64;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        for (index, &byte) in rest.iter().take(10).enumerate() {
            if index == 9 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.at += index + 1;
                return Ok(number);
            }
        }
        Err(if rest.len() < 10 {
            DecodeError::Truncated { at: self.at }
        } else {
            DecodeError::LongVarint { at: self.at }
        })
    }

    /// A signed number of small magnitude in few bytes.
    #[inline]
    pub(super) fn zigzag(&mut self) -> Result<i64, DecodeError> {
        let number = self.varint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    #[inline]
    pub(super) fn double(&mut self) -> Result<f64, DecodeError> {
        let bytes = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>);
        let bytes = bytes.ok_or(DecodeError::Truncated { at: self.at })?;
        self.at += 8;
        Ok(f64::from_le_bytes(*bytes))
    }

    /// The bytes of a length-delimited field.
    #[inline]
    pub(super) fn span(&mut self) -> Result<Span, DecodeError> {
        let at = self.at;
        let len = self.varint()?;
        let left = self.bytes.len() - self.at;
        let (Ok(start), Ok(len)) = (u32::try_from(self.at), u32::try_from(len)) else {
            return Err(DecodeError::Truncated { at });
        };
        if len as usize > left {
            return Err(DecodeError::Truncated { at });
        }
        self.at += len as usize;
        Ok(Span { start, len })
    }

    /// A length-delimited field as a message of its own.
    #[inline]
    pub(super) fn message(&mut self) -> Result<Self, DecodeError> {
        let span = self.span()?;
        Ok(Self { bytes: self.bytes.get(..self.at).unwrap_or_default(), at: span.start as usize })
    }

    /// Passes over a field that is not known. Groups, which proto3 does not have, are refused.
    pub(super) fn skip(&mut self, message: &'static str, tag: Tag) -> Result<(), DecodeError> {
        let fixed = match tag.wire_type {
            VARINT => return self.varint().map(drop),
            LEN => return self.span().map(drop),
            FIXED64 => 8,
            FIXED32 => 4,
            _ => return Err(tag.misfit(message)),
        };
        if self.bytes.len() - self.at < fixed {
            return Err(DecodeError::Truncated { at: self.at });
        }
        self.at += fixed;
        Ok(())
    }
}

/// What a decoder works on: the body, the columns it fills and how many items it may still add.
pub(super) struct Decoding<'a> {
    pub(super) body: &'a [u8],
    pub(super) columns: &'a mut Columns,
    limit: usize,
    left: usize,
}

impl<'a> Decoding<'a> {
    /// Clears the columns.
    pub(super) fn new(body: &'a [u8], limit: usize, columns: &'a mut Columns) -> Result<Self, DecodeError> {
        columns.clear();
        if u32::try_from(body.len()).is_err() {
            return Err(DecodeError::DecompressedTooLarge {
                claimed: body.len() as u64,
                limit: u32::MAX.into(),
            });
        }
        Ok(Self { body, columns, limit, left: limit })
    }

    /// Counts an item that is about to be added.
    #[inline]
    pub(super) fn spend(&mut self) -> Result<(), DecodeError> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return Err(DecodeError::TooManyItems { limit: self.limit }),
        }
        Ok(())
    }

    /// Whether a text is UTF-8.
    pub(super) fn is_utf8(&self, span: Span) -> bool {
        std::str::from_utf8(span.bytes(self.body)).is_ok()
    }
}

/// The number of rows as the start or end of a range: the item limit keeps it far below 2³².
pub(super) fn row<T>(rows: &[T]) -> u32 {
    u32::try_from(rows.len()).unwrap_or(u32::MAX)
}
