//! `Journal`: what was written last, one group behind the other in a file that is synced for each. The tables get
//! it later, much at once, and the file is begun anew.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::{Result, StoreError, failed};

/// How long the file is, from the beginning: one that is shorter was cut.
pub(super) const LENGTH: u64 = if cfg!(test) { 64 << 10 } else { 8 << 20 };
/// Records begin at multiples of this.
const ALIGNMENT: usize = 8;
/// A record begins with its number, the length of what it holds, the checksum of that, and a checksum of these;
/// and ends with them, so that one is known though a part of it is lost.
const HEADER: usize = 8 + 8 + 4 + 4;
const NAME: &str = "rewire.journal";

/// The file, and where it goes on.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    at: u64,
    lap: Lap,
    record: Vec<u8>,
}

/// The time from one emptying of the journal to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lap {
    /// The number of the last group that the tables have; in a journal, of the last group there is.
    pub(super) last: u64,
    /// Part of each checksum: known to nobody, so that neither what stood there before nor what a message says
    /// is taken for a record.
    pub(super) salt: u64,
}

impl Journal {
    /// An empty one, in this folder.
    pub(super) fn create(folder: &Path, lap: Lap) -> Result<Self> {
        let mut options = OpenOptions::new();
        let path = folder.join(NAME);
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(failed)?;
        let mut begin = Vec::new();
        Read::by_ref(&mut file).take(HEADER as u64).read_to_end(&mut begin).map_err(failed)?;
        if begin.iter().any(|byte| *byte != 0) {
            let path = path.display();
            return Err(StoreError(format!("{path}: it is of a store that is not there any more")));
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        file.set_len(LENGTH).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        // Its name is safe too.
        #[cfg(unix)]
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(Self { file, at: 0, lap, record: Vec::new() })
    }

    /// The one in this folder, with the groups that the tables have not got.
    pub(super) fn open(folder: &Path, lap: Lap) -> Result<(Self, Vec<Vec<u8>>)> {
        let path = folder.join(NAME);
        let refuse = |problem: String| StoreError(format!("{}: {problem}", path.display()));
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let mut file = file.map_err(|error| refuse(error.to_string()))?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(LENGTH).read_to_end(&mut bytes).map_err(failed)?;
        if (bytes.len() as u64) < LENGTH {
            return Err(refuse(format!("it was cut to {} bytes", bytes.len())));
        }
        let (groups, at) = replay(&bytes, lap).map_err(refuse)?;
        let last = lap.last + groups.len() as u64;
        file.seek(SeekFrom::Start(at as u64)).map_err(failed)?;
        let journal = Self { file, at: at as u64, lap: Lap { last, ..lap }, record: Vec::new() };
        Ok((journal, groups))
    }

    /// Whether so many bytes go into what is left of it.
    pub(super) const fn has_room(&self, bytes: usize) -> bool {
        self.at + (2 * HEADER + ALIGNMENT + bytes) as u64 <= LENGTH
    }

    /// Whether nothing was written since it was begun.
    pub(super) const fn is_empty(&self) -> bool {
        self.at == 0
    }

    /// Whether it is time to begin anew, when there is nothing else to do: often, so that it is soon done.
    pub(super) const fn is_long(&self) -> bool {
        self.at > LENGTH / 4
    }

    pub(super) const fn lap(&self) -> Lap {
        self.lap
    }

    /// Writes a group behind the others. When this returns it is safe.
    pub(super) fn append(&mut self, group: &[u8]) -> Result<()> {
        let number = self.lap.last + 1;
        self.record.clear();
        self.record.extend(number.to_le_bytes());
        self.record.extend((group.len() as u64).to_le_bytes());
        self.record.extend(crc32fast::hash(group).to_le_bytes());
        self.record.extend(seal(&self.record, self.lap.salt).to_le_bytes());
        self.record.extend(group);
        self.record.resize(self.record.len().next_multiple_of(ALIGNMENT), 0);
        self.record.extend_from_within(..HEADER);
        self.file.write_all(&self.record).map_err(failed)?;
        self.file.sync_data().map_err(failed)?;
        self.at += self.record.len() as u64;
        self.lap.last = number;
        Ok(())
    }

    /// Begins anew: the tables have all that is in it, and say so.
    pub(super) fn restart(&mut self, lap: Lap) -> Result<()> {
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        (self.at, self.lap) = (0, lap);
        Ok(())
    }
}

/// The groups of this lap, and where the next one goes.
fn replay(bytes: &[u8], lap: Lap) -> std::result::Result<(Vec<Vec<u8>>, usize), String> {
    let (mut groups, mut at, mut next) = (Vec::new(), 0, lap.last + 1);
    if number(bytes, 0).is_some_and(|first| first > next) {
        return Err("the tables are older than what it begins with".to_owned());
    }
    while let Some(header) = Header::read(bytes, at, lap.salt).filter(|h| h.number == next) {
        let Some(group) = header.group(bytes, at) else { break };
        groups.push(group.to_vec());
        at = (at + HEADER + group.len()).next_multiple_of(ALIGNMENT) + HEADER;
        next += 1;
    }
    // A group is written when the one before it is safe: only the last can be in pieces.
    let later = next + 1..=next + bytes.len() as u64 / HEADER as u64;
    let mut behind = (at..bytes.len())
        .step_by(ALIGNMENT)
        .filter(|at| number(bytes, *at).is_some_and(|number| later.contains(&number)));
    if behind.any(|at| Header::read(bytes, at, lap.salt).is_some()) {
        return Err(format!("it is damaged at byte {at}"));
    }
    Ok((groups, at))
}

/// The number of the record that begins here, if one does.
fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The beginning of a record of this lap, or its end.
struct Header {
    number: u64,
    length: u64,
    sum: u32,
}

impl Header {
    fn read(bytes: &[u8], at: usize, salt: u64) -> Option<Self> {
        let header = bytes.get(at..)?.get(..HEADER)?;
        let (fields, sealed) = header.split_last_chunk()?;
        if seal(fields, salt) != u32::from_le_bytes(*sealed) {
            return None;
        }
        let (number, rest) = fields.split_first_chunk()?;
        let (length, sum) = rest.split_first_chunk()?;
        Some(Self {
            number: u64::from_le_bytes(*number),
            length: u64::from_le_bytes(*length),
            sum: u32::from_le_bytes(sum.try_into().ok()?),
        })
    }

    /// What the record holds, if it is whole.
    fn group<'b>(&self, bytes: &'b [u8], at: usize) -> Option<&'b [u8]> {
        let group = bytes.get(at + HEADER..)?.get(..usize::try_from(self.length).ok()?)?;
        (crc32fast::hash(group) == self.sum).then_some(group)
    }
}

/// The checksum of a header.
fn seal(fields: &[u8], salt: u64) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&salt.to_le_bytes());
    sum.update(fields);
    sum.finalize()
}
