//! Codes in little memory: each of as many bytes as the greatest needs.

/// Codes by row.
#[derive(Debug)]
pub(super) enum Codes {
    Bytes(Vec<u8>),
    Shorts(Vec<u16>),
    Words(Vec<u32>),
}

impl Default for Codes {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

impl Codes {
    /// The code of a row; 0 where there is none.
    pub(super) fn get(&self, row: usize) -> u32 {
        let code = match self {
            Self::Bytes(codes) => codes.get(row).map(|&code| code.into()),
            Self::Shorts(codes) => codes.get(row).map(|&code| code.into()),
            Self::Words(codes) => codes.get(row).copied(),
        };
        code.unwrap_or(0)
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bytes(codes) => codes.len(),
            Self::Shorts(codes) => codes.len(),
            Self::Words(codes) => codes.len(),
        }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        (0..self.len()).map(|row| self.get(row))
    }

    /// Appends a code.
    pub(super) fn push(&mut self, code: u32) {
        match self {
            Self::Bytes(codes) => match u8::try_from(code) {
                Ok(code) => codes.push(code),
                Err(_) => self.push_wider(code),
            },
            Self::Shorts(codes) => match u16::try_from(code) {
                Ok(code) => codes.push(code),
                Err(_) => self.push_wider(code),
            },
            Self::Words(codes) => codes.push(code),
        }
    }

    /// Takes memory for so many more.
    pub(super) fn reserve(&mut self, more: usize) {
        match self {
            Self::Bytes(codes) => codes.reserve(more),
            Self::Shorts(codes) => codes.reserve(more),
            Self::Words(codes) => codes.reserve(more),
        }
    }

    /// Gives back memory that no code needs.
    pub(super) fn shrink_to_fit(&mut self) {
        match self {
            Self::Bytes(codes) => codes.shrink_to_fit(),
            Self::Shorts(codes) => codes.shrink_to_fit(),
            Self::Words(codes) => codes.shrink_to_fit(),
        }
    }

    /// Bytes of memory held.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Bytes(codes) => codes.capacity(),
            Self::Shorts(codes) => codes.capacity() * 2,
            Self::Words(codes) => codes.capacity() * 4,
        }
    }

    fn push_wider(&mut self, code: u32) {
        *self = match self {
            Self::Bytes(codes) => Self::Shorts(codes.iter().map(|&code| code.into()).collect()),
            _ => Self::Words(self.iter().collect()),
        };
        self.push(code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_take_more_bytes_when_one_needs_them() {
        let mut codes = Codes::default();
        let all = [7, 255, 256, 3, 65_535, 65_536, u32::MAX, 0];
        let mut weights = Vec::new();
        for (count, &code) in all.iter().enumerate() {
            codes.push(code);
            codes.shrink_to_fit();
            weights.push(codes.weight() / (count + 1));
        }
        assert_eq!(weights, [1, 1, 2, 2, 2, 4, 4, 4]);
        assert_eq!((codes.iter().collect::<Vec<_>>(), codes.len(), codes.get(99)), (all.to_vec(), 8, 0));
    }
}
