//! The boolean stream: every boolean and presence flag of a tightly encoded command, eight to a byte.

/// Collects booleans, least significant bit first.
#[derive(Debug)]
pub(crate) struct BitWriter<'w> {
    /// Whole words; the encoder lends it from one command to the next.
    full: &'w mut Vec<u8>,
    pending: u64,
    len: usize,
}

impl<'w> BitWriter<'w> {
    pub(crate) fn new(full: &'w mut Vec<u8>) -> Self {
        full.clear();
        Self { full, pending: 0, len: 0 }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, bit: bool) {
        self.pending |= u64::from(bit) << (self.len & 63);
        self.len += 1;
        if self.len & 63 == 0 {
            self.spill();
        }
    }

    #[cold]
    fn spill(&mut self) {
        self.full.extend_from_slice(&self.pending.to_le_bytes());
        self.pending = 0;
    }

    /// The bytes of the stream, without its header.
    const fn byte_len(&self) -> usize {
        self.len.div_ceil(8)
    }

    /// The bytes of the stream with its header.
    #[inline]
    pub(crate) const fn encoded_len(&self) -> usize {
        let bytes = self.byte_len();
        match bytes {
            0..64 => 1 + bytes,
            64..256 => 2 + bytes,
            _ => 3 + bytes,
        }
    }

    /// Writes header and stream into `gap`, which has [`encoded_len`](Self::encoded_len) bytes.
    #[inline]
    pub(crate) fn write_to(&self, gap: &mut [u8]) {
        let bytes = self.byte_len();
        let [.., high, low] = bytes.to_be_bytes();
        let pending = self.pending.to_le_bytes();
        // Nearly every command has less than 64 booleans.
        if let (true, [header, stream @ ..]) = (self.full.is_empty(), &mut *gap) {
            *header = low;
            stream.iter_mut().zip(pending).for_each(|(to, from)| *to = from);
            return;
        }
        let header: &[u8] = match bytes {
            0..64 => &[low],
            64..256 => &[0xC0, low],
            _ => &[0x80, high, low],
        };
        let stream = header.iter().chain(&*self.full).chain(&pending);
        gap.iter_mut().zip(stream).for_each(|(to, from)| *to = *from);
    }
}

/// Takes booleans out of a stream again, a word at a time.
#[derive(Debug)]
pub(crate) struct BitReader<'f> {
    word: u64,
    left: u32,
    rest: &'f [u8],
}

impl<'f> BitReader<'f> {
    pub(crate) const EMPTY: Self = Self::new(&[]);

    pub(crate) const fn new(bytes: &'f [u8]) -> Self {
        Self { word: 0, left: 0, rest: bytes }
    }

    /// The next boolean; `None` past the end, where Java reads `false`.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<bool> {
        if self.left == 0 {
            self.refill()?;
        }
        let bit = self.word & 1 != 0;
        self.word >>= 1;
        self.left -= 1;
        Some(bit)
    }

    fn refill(&mut self) -> Option<()> {
        const WORD: usize = size_of::<u64>();
        let (chunk, rest) = self.rest.split_at_checked(WORD).unwrap_or((self.rest, &[]));
        let mut word = [0; WORD];
        word.get_mut(..chunk.len())?.copy_from_slice(chunk);
        self.word = u64::from_le_bytes(word);
        self.left = 8 * u32::try_from(chunk.len()).ok()?;
        self.rest = rest;
        (self.left > 0).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bits: usize) -> Vec<u8> {
        let mut full = Vec::new();
        let mut writer = BitWriter::new(&mut full);
        (0..bits).for_each(|i| writer.push(i % 3 == 0));
        let mut gap = vec![0xEE; writer.encoded_len()];
        writer.write_to(&mut gap);
        gap
    }

    #[test]
    fn the_header_grows_at_64_and_256_bytes() {
        assert_eq!(encoded(0), [0]);
        assert_eq!(encoded(9), [2, 0b0100_1001, 0b0]);
        assert_eq!(encoded(63 * 8)[..1], [63]);
        assert_eq!(encoded(63 * 8 + 1)[..2], [0xC0, 64]);
        assert_eq!(encoded(255 * 8)[..2], [0xC0, 255]);
        assert_eq!(encoded(255 * 8 + 1)[..3], [0x80, 1, 0]);
    }

    #[test]
    fn booleans_come_out_as_they_went_in_and_no_more() {
        for bits in [1, 8, 63, 64, 65, 1000] {
            let bytes = encoded(bits);
            let mut reader = BitReader::new(&bytes[bytes.len() - bits.div_ceil(8)..]);
            for i in 0..bits {
                assert_eq!(reader.next().unwrap(), i % 3 == 0, "bit {i} of {bits}");
            }
            for _ in bits..bits.div_ceil(8) * 8 {
                assert!(!reader.next().unwrap());
            }
            assert_eq!(reader.next(), None);
            assert_eq!(reader.next(), None);
        }
    }
}
