//! Deflates bodies and inflates them again, with a limit on what comes out.

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::decode::check_size;
use crate::error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};

/// The least room made for what comes out.
const FIRST_STEP: usize = 256;

/// Everything a zlib stream holds, up to a limit. Bytes after the stream are ignored.
pub(super) fn inflate(zlib: &[u8], limit: usize) -> Result<Bytes, DecodeError> {
    // One byte more than allowed shows that there is more.
    let inflated = inflate_up_to(zlib, limit.saturating_add(1))?;
    check_size("an inflated body", inflated.len(), limit, 0)?;
    Ok(inflated.into())
}

/// The first `len` bytes of what a zlib stream holds.
///
/// Java deflates the whole buffer behind a bytes message, so more may follow; it is not looked at.
pub(super) fn inflate_exactly(zlib: &[u8], len: usize) -> Result<Bytes, DecodeError> {
    let inflated = inflate_up_to(zlib, len)?;
    if inflated.len() < len {
        let kind = DecodeErrorKind::UnexpectedEnd { needed: len, remaining: inflated.len() };
        return Err(DecodeError::new(kind, zlib.len()));
    }
    Ok(inflated.into())
}

/// Appends a zlib stream of the bytes.
pub(super) fn deflate(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut deflater = Compress::new(Compression::default(), true);
    loop {
        out.reserve(FIRST_STEP.max(bytes.len() / 4));
        let done = consumed(deflater.total_in());
        let rest = bytes.get(done..).unwrap_or_default();
        match deflater.compress_vec(rest, out, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => return Ok(()),
            Ok(Status::Ok | Status::BufError) => {}
            Err(_) => {
                return Err(EncodeError::new(EncodeErrorKind::Unreadable(
                    "the body does not deflate",
                )));
            }
        }
    }
}

/// Inflates until `wanted` bytes are there or the stream ends. Memory grows with what really comes out.
fn inflate_up_to(zlib: &[u8], wanted: usize) -> Result<Vec<u8>, DecodeError> {
    let mut inflater = Decompress::new(true);
    let mut out = Vec::new();
    let mut ended = false;
    while out.len() < wanted && !ended {
        if out.len() == out.capacity() {
            let step = out.len().max(zlib.len()).max(FIRST_STEP);
            out.reserve_exact(step.min(wanted - out.len()));
        }
        let (at, len) = (consumed(inflater.total_in()), out.len());
        let rest = zlib.get(at..).unwrap_or_default();
        let status = inflater
            .decompress_vec(rest, &mut out, FlushDecompress::None)
            .map_err(|error| bad_stream(&error, at))?;
        ended = status == Status::StreamEnd;
        if !ended && at == consumed(inflater.total_in()) && len == out.len() {
            let kind = DecodeErrorKind::Inflate("the zlib stream ends early");
            return Err(DecodeError::new(kind, zlib.len()));
        }
    }
    // The allocator may have given more room than was asked for.
    out.truncate(wanted);
    Ok(out)
}

#[cold]
fn bad_stream(error: &flate2::DecompressError, at: usize) -> DecodeError {
    let what = match error.needs_dictionary() {
        Some(_) => "it asks for a dictionary",
        None => "it is no zlib stream, or a damaged one",
    };
    DecodeError::new(DecodeErrorKind::Inflate(what), at)
}

fn consumed(total: u64) -> usize {
    usize::try_from(total).unwrap_or(usize::MAX)
}
