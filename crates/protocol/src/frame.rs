//! Bytes in, whole frames out.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{DecodeError, DecodeErrorKind};

/// Cuts a stream into frames by their size prefixes.
///
/// A size is checked before a byte of the frame is waited for. Frames are slices of the buffer they
/// arrived in, not copies.
///
/// ```
/// use rewire_protocol::FrameReader;
///
/// let mut reader = FrameReader::new(1024);
/// reader.extend(&[0, 0, 0, 2, 7]);
/// assert!(reader.next_frame()?.is_none());
/// reader.extend(&[8]);
/// assert_eq!(reader.next_frame()?.as_deref(), Some(&[7, 8][..]));
/// # Ok::<(), rewire_protocol::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct FrameReader {
    buffer: BytesMut,
    max_frame_size: usize,
    /// Room kept for the next read; none before the first.
    room: usize,
}

/// Room kept for the first read: many links are idle.
const LEAST_ROOM: usize = 4 << 10;
/// Room kept once reads fill what there is.
const MOST_ROOM: usize = 64 << 10;

impl FrameReader {
    /// A reader that refuses frames of more than `max_frame_size` bytes.
    #[must_use]
    pub fn new(max_frame_size: usize) -> Self {
        Self { buffer: BytesMut::new(), max_frame_size, room: 0 }
    }

    /// Sets the largest frame from here on, when it was negotiated.
    pub const fn set_max_frame_size(&mut self, max_frame_size: usize) {
        self.max_frame_size = max_frame_size;
    }

    /// Adds bytes that arrived.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The buffer to read into, with room for more; what is appended has arrived.
    pub fn buffer(&mut self) -> &mut BytesMut {
        // Room for what is known to come, but never more at once than a read is likely to bring: a
        // size alone does not make the peer's promise true.
        if self.room == 0 {
            self.room = LEAST_ROOM;
        } else if self.buffer.len() == self.buffer.capacity() {
            // The last read filled all there was.
            self.room = (self.room * 2).min(MOST_ROOM);
        }
        self.buffer.reserve(self.room);
        &mut self.buffer
    }

    /// Whether nothing is left over.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next whole frame, without its size prefix; `None` when more bytes are needed.
    ///
    /// # Errors
    ///
    /// When a size is negative or over the limit. The stream cannot be followed any further.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let Some(prefix) = self.buffer.first_chunk() else { return Ok(None) };
        let size = i32::from_be_bytes(*prefix);
        let Ok(len) = usize::try_from(size) else {
            return Err(DecodeError::new(DecodeErrorKind::NegativeLength(size.into()), 0));
        };
        if len > self.max_frame_size {
            let (size, limit) = (len as u64, self.max_frame_size as u64);
            let kind = DecodeErrorKind::TooLarge { what: "frame", size, limit };
            return Err(DecodeError::new(kind, 0));
        }
        if self.buffer.len() - prefix.len() < len {
            return Ok(None);
        }
        self.buffer.advance(size_of::<i32>());
        Ok(Some(self.buffer.split_to(len).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_the_bytes_arrive() {
        let stream = [0, 0, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3];
        for size in 1..stream.len() {
            let mut reader = FrameReader::new(3);
            let mut frames = Vec::new();
            for piece in stream.chunks(size) {
                reader.extend(piece);
                while let Some(frame) = reader.next_frame().unwrap() {
                    frames.push(frame.to_vec());
                }
            }
            assert_eq!(frames, [vec![9], vec![], vec![1, 2, 3]], "in pieces of {size}");
        }
    }

    #[test]
    fn room_grows_while_reads_fill_it_and_an_idle_link_keeps_little() {
        let mut reader = FrameReader::new(1 << 20);
        let room = |reader: &mut FrameReader| {
            let buffer = reader.buffer();
            buffer.capacity() - buffer.len()
        };
        assert_eq!(room(&mut reader), LEAST_ROOM);
        reader.extend(&[0, 0, 0, 0]);
        assert_eq!(reader.next_frame().unwrap().as_deref(), Some(&[][..]));
        assert!(room(&mut reader) < 2 * LEAST_ROOM);
        for _ in 0..10 {
            let full = vec![0; room(&mut reader)];
            reader.extend(&full);
            while reader.next_frame().unwrap().is_some() {}
        }
        assert!(room(&mut reader) >= MOST_ROOM);
    }

    #[test]
    fn a_size_is_refused_before_the_frame_arrives() {
        let mut reader = FrameReader::new(3);
        reader.extend(&[0, 0, 0, 4]);
        let error = reader.next_frame().unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::TooLarge { what: "frame", size: 4, limit: 3 });
        let mut reader = FrameReader::new(3);
        reader.extend(&[0xFF; 4]);
        let error = reader.next_frame().unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::NegativeLength(-1));
    }
}
