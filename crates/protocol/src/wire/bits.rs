//! The boolean stream: every boolean and presence flag of a tightly encoded command, eight to a byte.

use crate::error::{DecodeError, DecodeErrorKind};

/// Collects booleans, least significant bit first.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    full: Vec<u8>,
    pending: u64,
    len: usize,
}

impl BitWriter {
    pub(crate) fn clear(&mut self) {
        self.full.clear();
        self.pending = 0;
        self.len = 0;
    }

    #[inline]
    pub(crate) fn push(&mut self, bit: bool) {
        self.pending |= u64::from(bit) << (self.len & 63);
        self.len += 1;
        if self.len & 63 == 0 {
            self.full.extend_from_slice(&self.pending.to_le_bytes());
            self.pending = 0;
        }
    }

    /// The bytes of the stream, without its header.
    const fn byte_len(&self) -> usize {
        self.len.div_ceil(8)
    }

    /// The bytes of the stream with its header.
    pub(crate) const fn encoded_len(&self) -> usize {
        let bytes = self.byte_len();
        match bytes {
            0..64 => 1 + bytes,
            64..256 => 2 + bytes,
            _ => 3 + bytes,
        }
    }

    /// Writes header and stream into `gap`, which has [`encoded_len`](Self::encoded_len) bytes.
    pub(crate) fn write_to(&self, gap: &mut [u8]) {
        let bytes = self.byte_len();
        let [.., high, low] = bytes.to_be_bytes();
        let header: &[u8] = match bytes {
            0..64 => &[low],
            64..256 => &[0xC0, low],
            _ => &[0x80, high, low],
        };
        let pending = self.pending.to_le_bytes();
        let stream = header.iter().chain(&self.full).chain(&pending);
        gap.iter_mut().zip(stream).for_each(|(to, from)| *to = *from);
    }
}

/// Takes booleans out of a stream again.
#[derive(Debug)]
pub(crate) struct BitReader<'f> {
    bytes: &'f [u8],
    next: usize,
}

impl<'f> BitReader<'f> {
    pub(crate) const EMPTY: Self = Self { bytes: &[], next: 0 };

    pub(crate) const fn new(bytes: &'f [u8]) -> Self {
        Self { bytes, next: 0 }
    }

    /// The next boolean. Java reads `false` past the end; here that is an error.
    #[inline]
    pub(crate) fn next(&mut self, offset: usize) -> Result<bool, Box<DecodeError>> {
        match self.bytes.get(self.next >> 3) {
            Some(byte) => {
                let bit = byte >> (self.next & 7) & 1 != 0;
                self.next += 1;
                Ok(bit)
            }
            None => Err(Box::new(DecodeError::new(DecodeErrorKind::BooleansExhausted, offset))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bits: usize) -> Vec<u8> {
        let mut writer = BitWriter::default();
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
                assert_eq!(reader.next(0).unwrap(), i % 3 == 0, "bit {i} of {bits}");
            }
            for _ in bits..bits.div_ceil(8) * 8 {
                assert!(!reader.next(0).unwrap());
            }
            let error = reader.next(7).unwrap_err();
            assert_eq!((error.kind, error.offset), (DecodeErrorKind::BooleansExhausted, 7));
        }
    }
}
