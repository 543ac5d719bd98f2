//! `Frames`: where the frames of a stream begin and end, so that single ones can be left out.
//!
//! Nothing is held back while no frame is to be left out: the proxy forwards what is not OpenWire as well.

/// Bytes of a frame that say what it is: its size, and the type of its command.
const HEADER: usize = 5;
/// The types of answers: `Response` to `IntegerResponse`.
const REPLIES: std::ops::RangeInclusive<u8> = 30..=34;

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Pass,
    Drop,
    /// The connection ends in place of it.
    Cut,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) enum Frames {
    /// So much of a header has come, and whether it was forwarded already.
    Header { bytes: Vec<u8>, is_forwarded: bool },
    /// So much of a frame is still to come, which is forwarded or not.
    Body { left: u64, is_dropped: bool },
    /// Not OpenWire.
    Opaque,
}

impl Frames {
    pub(super) const fn new() -> Self {
        Self::Header { bytes: Vec::new(), is_forwarded: false }
    }

    /// What is to be forwarded of what came, and whether the connection ends there. `is_armed` says whether
    /// an answer may be left out, and `fate` what becomes of one.
    pub(super) fn sift(
        &mut self,
        mut came: &[u8],
        is_armed: bool,
        mut fate: impl FnMut() -> Fate,
    ) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(came.len() + HEADER);
        while !came.is_empty() {
            match self {
                Self::Opaque => {
                    out.extend_from_slice(came);
                    break;
                }
                Self::Body { left, is_dropped } => {
                    let fits = usize::try_from(*left).unwrap_or(usize::MAX).min(came.len());
                    let (of_frame, rest) = came.split_at(fits);
                    if !*is_dropped {
                        out.extend_from_slice(of_frame);
                    }
                    came = rest;
                    *left -= fits as u64;
                    if *left == 0 {
                        *self = Self::new();
                    }
                }
                Self::Header { bytes, is_forwarded } => {
                    let (of_header, rest) = came.split_at((HEADER - bytes.len()).min(came.len()));
                    came = rest;
                    if *is_forwarded || (bytes.is_empty() && !is_armed) {
                        *is_forwarded = true;
                        out.extend_from_slice(of_header);
                    }
                    bytes.extend_from_slice(of_header);
                    let [a, b, c, d, kind] = bytes[..] else { continue };
                    let size = u32::from_be_bytes([a, b, c, d]);
                    let is_reply = REPLIES.contains(&kind) && !*is_forwarded;
                    let fate = if is_reply { fate() } else { Fate::Pass };
                    if fate == Fate::Cut {
                        return (out, true);
                    }
                    let is_dropped = fate == Fate::Drop;
                    if !*is_forwarded && !is_dropped {
                        out.extend_from_slice(bytes);
                    }
                    *self = match size {
                        0 => Self::Opaque,
                        1 => Self::new(),
                        _ => Self::Body { left: u64::from(size) - 1, is_dropped },
                    };
                }
            }
        }
        (out, false)
    }

    /// What was held back of a header, at the end of the stream.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        match std::mem::replace(self, Self::Opaque) {
            Self::Header { bytes, is_forwarded: false } => bytes,
            Self::Header { .. } | Self::Body { .. } | Self::Opaque => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fate, Frames};

    fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len() + 1).unwrap();
        [&size.to_be_bytes()[..], &[kind], body].concat()
    }

    /// Sifts a stream in pieces of so many bytes; each answer has the next fate.
    fn sifted(stream: &[u8], piece: usize, fates: &[Fate]) -> (Vec<u8>, bool) {
        let (mut frames, mut out, mut fates) = (Frames::new(), Vec::new(), fates.iter());
        for came in stream.chunks(piece) {
            let (passed, is_cut) =
                frames.sift(came, true, || fates.next().copied().unwrap_or(Fate::Pass));
            out.extend(passed);
            if is_cut {
                return (out, true);
            }
        }
        out.extend(frames.rest());
        (out, false)
    }

    #[test]
    fn an_answer_is_left_out_whole_however_it_comes_in_pieces() {
        let (info, first, second) = (frame(1, b"info"), frame(30, b"first"), frame(31, b"second"));
        let stream = [&info[..], &first, &info, &second, &info].concat();
        for piece in 1..=stream.len() {
            let (out, is_cut) = sifted(&stream, piece, &[Fate::Drop]);
            assert_eq!((out, is_cut), ([&info[..], &info, &second, &info].concat(), false));
            let (out, is_cut) = sifted(&stream, piece, &[Fate::Pass, Fate::Cut]);
            assert_eq!((out, is_cut), ([&info[..], &first, &info].concat(), true));
        }
    }

    #[test]
    fn nothing_is_held_back_while_nothing_is_to_be_left_out() {
        let mut frames = Frames::new();
        for byte in b"anything at all" {
            assert_eq!(frames.sift(&[*byte], false, || Fate::Drop).0, [*byte]);
        }
    }

    #[test]
    fn an_answer_that_was_begun_already_passes_whole_and_the_next_is_left_out() {
        let answer = frame(30, b"answer");
        let mut frames = Frames::new();
        let mut out = frames.sift(&answer[..2], false, || Fate::Drop).0;
        out.extend(frames.sift(&[&answer[2..], &answer].concat(), true, || Fate::Drop).0);
        assert_eq!(out, answer);
    }

    #[test]
    fn what_has_come_of_a_frame_comes_out_at_the_end() {
        let mut frames = Frames::new();
        assert!(frames.sift(&[0, 0], true, || Fate::Drop).0.is_empty());
        assert_eq!(frames.rest(), [0, 0]);
    }
}
