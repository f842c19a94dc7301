//! Reading an archive that may have been made to do harm.
//!
//! [`ArchiveReader`] yields entries in their order and trusts no length before it has checked it.
//! What it hands out is what [`ArchiveWriter`](crate::ArchiveWriter) would have written and nothing
//! else: another tool's archive of the same files is refused. It writes nothing anywhere; whoever
//! extracts uses [`Extractor`](crate::Extractor), and only after the archive has been read once to
//! its end.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};

use tar::{EntryType, Header};

use crate::gzip::GzipReader;
use crate::header::{self, BLOCK_BYTES, END_BYTES};
use crate::{Entry, EntryKind, Limits, Mode, Names, Refusal, check_link, check_path};

/// The longest pax header in bytes: a path and a target at their limits, and the words around them.
const PAX_BYTES_MAX: u64 = 4096;
/// Tars are written to tape in records of 20 blocks; zeros may fill the last one.
const RECORD_BYTES: u64 = 20 * BLOCK_BYTES as u64;

/// Reads a `tar.gz`. After an error it is of no further use.
///
/// Call [`next_entry`](ArchiveReader::next_entry) until it says `None`; only then is the archive
/// known to be whole. Between two calls, [`read_content`](ArchiveReader::read_content) reads the
/// entry's content.
pub struct ArchiveReader<R> {
    gzip: GzipReader<R>,
    limits: Limits,
    tar_bytes_max: u64,
    names: Names,
    n_entries: u64,
    position: u64,
    content_left: u64,
    padding_left: usize,
    is_ended: bool,
}

impl<R: Read> ArchiveReader<R> {
    /// Begins to read an archive of `compressed_bytes` bytes, which the limit of the ratio needs.
    pub fn new(input: R, compressed_bytes: u64, limits: Limits) -> ArchiveReader<R> {
        ArchiveReader {
            gzip: GzipReader::new(input),
            limits,
            tar_bytes_max: limits.tar_bytes_max_for(compressed_bytes),
            names: Names::new(),
            n_entries: 0,
            position: 0,
            content_left: 0,
            padding_left: 0,
            is_ended: false,
        }
    }

    /// How many bytes of the tar have been read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Reads what is left of the current entry, then the next one's header; `None` at the end.
    ///
    /// # Errors
    ///
    /// Any [`ReadError`].
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        if self.is_ended {
            return Ok(None);
        }
        let mut unread = [0; 4096];
        while self.read_content(&mut unread)? > 0 {}
        let block = self.read_block()?;
        if block == [0; BLOCK_BYTES] {
            self.read_end()?;
            self.is_ended = true;
            return Ok(None);
        }
        self.n_entries += 1;
        if self.n_entries > self.limits.entries_max {
            let (what, max) = ("entries", self.limits.entries_max);
            return Err(ReadError::TooMuch { what, max });
        }
        let entry = self.read_header(block)?;
        self.content_left = entry.kind.content_bytes();
        self.padding_left = header::padding_bytes(self.content_left);
        Ok(Some(entry))
    }

    /// Reads some of the current entry's content; 0 at its end, and for a link.
    ///
    /// # Errors
    ///
    /// [`ReadError::Truncated`], [`ReadError::Corrupt`], [`ReadError::TooMuch`],
    /// [`ReadError::Read`].
    pub fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if self.content_left == 0 {
            let padding = std::mem::take(&mut self.padding_left);
            return self.read_zeros(padding).map(|()| 0);
        }
        let most = usize::try_from(self.content_left).unwrap_or(usize::MAX);
        let n = buffer.len().min(most);
        self.read_exact(&mut buffer[..n])?;
        self.content_left -= n as u64;
        Ok(n)
    }

    fn read_header(&mut self, block: [u8; BLOCK_BYTES]) -> Result<Entry, ReadError> {
        let mut raw = block.to_vec();
        let mut header = Header::from_byte_slice(&block).clone();
        let mut pax = Pax::default();
        if header.entry_type() == EntryType::XHeader {
            let bytes = header.entry_size().unwrap_or(u64::MAX);
            if bytes > PAX_BYTES_MAX {
                let (what, max) = ("bytes in a pax header", PAX_BYTES_MAX);
                return Err(ReadError::TooMuch { what, max });
            }
            let payload_at = raw.len();
            raw.resize(
                payload_at + bytes as usize + header::padding_bytes(bytes),
                0,
            );
            self.read_exact(&mut raw[payload_at..])?;
            pax = Pax::parse(&raw[payload_at..payload_at + bytes as usize]);
            let block = self.read_block()?;
            raw.extend_from_slice(&block);
            header = Header::from_byte_slice(&block).clone();
        }
        let entry = self.interpret(&header, pax)?;
        if header::encode(&entry.path, &entry.kind) != raw {
            let entry = entry.path;
            return Err(ReadError::Header { entry });
        }
        self.names
            .insert(&entry.path)
            .map_err(refused(&entry.path))?;
        Ok(entry)
    }

    /// What a header says, judged by itself.
    fn interpret(&self, header: &Header, pax: Pax) -> Result<Entry, ReadError> {
        let path = text(pax.path.unwrap_or_else(|| header.path_bytes().into_owned()))?;
        let refused = || refused(&path);
        check_path(&path, &self.limits).map_err(refused())?;
        let kind = match header.entry_type() {
            EntryType::Regular => {
                let bytes = header.entry_size().unwrap_or(u64::MAX);
                let bytes_max = self.limits.file_bytes_max.min(Limits::FILE_BYTES_MAX);
                if bytes > bytes_max {
                    return Err(refused()(Refusal::TooLarge { bytes_max }));
                }
                let mode = Mode::of_bits(header.mode().unwrap_or(0));
                EntryKind::File { mode, bytes }
            }
            EntryType::Symlink => {
                let in_header = || header.link_name_bytes().unwrap_or_default().into_owned();
                let target = text(pax.target.unwrap_or_else(in_header))
                    .map_err(|_| refused()(Refusal::NotUtf8))?;
                check_link(&path, &target, &self.limits).map_err(refused())?;
                EntryKind::Symlink { target }
            }
            other => {
                let found = kind_name(other);
                return Err(refused()(Refusal::Kind { found }));
            }
        };
        Ok(Entry { path, kind })
    }

    /// After the first zero block: the second, zeros to the end of the record, and the seal.
    fn read_end(&mut self) -> Result<(), ReadError> {
        self.read_zeros(END_BYTES as usize - BLOCK_BYTES)?;
        let end_max = self.position.next_multiple_of(RECORD_BYTES);
        let mut rest = [0; BLOCK_BYTES];
        loop {
            let n = self.gzip.read(&mut rest)?;
            self.position += n as u64;
            if n == 0 {
                return Ok(());
            }
            if self.position > end_max || rest[..n].iter().any(|byte| *byte != 0) {
                return Err(ReadError::Trailing);
            }
        }
    }

    fn read_block(&mut self) -> Result<[u8; BLOCK_BYTES], ReadError> {
        let mut block = [0; BLOCK_BYTES];
        self.read_exact(&mut block)?;
        Ok(block)
    }

    fn read_zeros(&mut self, n_bytes: usize) -> Result<(), ReadError> {
        let mut zeros = [0; BLOCK_BYTES];
        self.read_exact(&mut zeros[..n_bytes])?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(ReadError::Corrupt("padding"));
        }
        Ok(())
    }

    fn read_exact(&mut self, mut buffer: &mut [u8]) -> Result<(), ReadError> {
        if self.position + buffer.len() as u64 > self.tar_bytes_max {
            let (what, max) = ("bytes", self.tar_bytes_max);
            return Err(ReadError::TooMuch { what, max });
        }
        self.position += buffer.len() as u64;
        while !buffer.is_empty() {
            match self.gzip.read(buffer)? {
                0 => return Err(ReadError::Truncated),
                n => buffer = &mut buffer[n..],
            }
        }
        Ok(())
    }
}

/// The records of a pax header that matter here.
///
/// Lenient: whatever it overlooks makes the header differ from the one that is encoded again.
#[derive(Default)]
struct Pax {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
}

impl Pax {
    fn parse(mut payload: &[u8]) -> Pax {
        let mut pax = Pax::default();
        while let Some((record, rest)) = split_record(payload) {
            if let Some(path) = record.strip_prefix(b"path=") {
                pax.path = Some(path.to_vec());
            } else if let Some(target) = record.strip_prefix(b"linkpath=") {
                pax.target = Some(target.to_vec());
            }
            payload = rest;
        }
        pax
    }
}

/// Cuts the first `<length> <key>=<value>\n` off, without its length and line end.
fn split_record(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = payload.iter().position(|byte| *byte == b' ')?;
    let length: usize = str::from_utf8(&payload[..space]).ok()?.parse().ok()?;
    let (record, rest) = payload.split_at_checked(length)?;
    Some((record.get(space + 1..)?.strip_suffix(b"\n")?, rest))
}

fn text(bytes: Vec<u8>) -> Result<String, ReadError> {
    String::from_utf8(bytes).map_err(|error| ReadError::Refused {
        entry: String::from_utf8_lossy(error.as_bytes()).into_owned(),
        refusal: Refusal::NotUtf8,
    })
}

fn refused(path: &str) -> impl FnOnce(Refusal) -> ReadError {
    let entry = path.to_owned();
    |refusal| ReadError::Refused { entry, refusal }
}

fn kind_name(entry_type: EntryType) -> &'static str {
    match entry_type {
        EntryType::Link => "hard link",
        EntryType::Char => "character device",
        EntryType::Block => "block device",
        EntryType::Fifo => "fifo",
        EntryType::Directory => "directory entry",
        EntryType::GNUSparse => "sparse file",
        EntryType::GNULongName | EntryType::GNULongLink => "GNU long name",
        EntryType::XGlobalHeader => "global pax header",
        EntryType::XHeader => "pax header after a pax header",
        _ => "entry of an unknown type",
    }
}

/// Why an archive is not accepted, or could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The input does not begin as gzip.
    NotGzip,
    /// The input ends too early.
    Truncated,
    /// The input goes on after the archive's end.
    Trailing,
    /// A check failed, of the part named.
    Corrupt(&'static str),
    /// The header of an entry is not the one that approot writes for it.
    Header {
        /// The path that the header states.
        entry: String,
    },
    /// An entry may not be in an archive.
    Refused {
        /// Its path; where that is not UTF-8, with replacement characters.
        entry: String,
        /// Why.
        refusal: Refusal,
    },
    /// The archive passes one of the [`Limits`].
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        max: u64,
    },
    /// The input could not be read.
    Read {
        /// What the input said.
        source: io::Error,
    },
}

impl ReadError {
    /// Whether the archive is to blame, and not the reading of it.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        !matches!(self, ReadError::Read { .. })
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::NotGzip => f.write_str("the file is not gzip"),
            ReadError::Truncated => f.write_str("the archive ends too early"),
            ReadError::Trailing => f.write_str("the archive goes on after its end"),
            ReadError::Corrupt(part) => {
                write!(
                    f,
                    "the archive is damaged, or was not written by approot: {part}"
                )
            }
            ReadError::Header { entry } => {
                let entry = entry.escape_debug();
                write!(
                    f,
                    "the header of an entry is not the one that approot writes: `{entry}`"
                )
            }
            ReadError::Refused { entry, refusal } => {
                write!(f, "refused `{}`: {refusal}", entry.escape_debug())
            }
            ReadError::TooMuch { what, max } => {
                write!(f, "the archive holds too many {what}, the limit is {max}")
            }
            ReadError::Read { .. } => f.write_str("cannot read the archive"),
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ReadError::Read { source } => Some(source),
            ReadError::NotGzip
            | ReadError::Truncated
            | ReadError::Trailing
            | ReadError::Corrupt(_)
            | ReadError::Header { .. }
            | ReadError::Refused { .. }
            | ReadError::TooMuch { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
