//! The gzip layer: members with one fixed header, and a seal at the end.
//!
//! A gzip check sum covers what was compressed, not how: unused bits of the deflate stream and most
//! of the header can change unseen. So the last member is the *seal*: an empty member whose header
//! carries, in its extra field, the SHA-256 of every byte before it. Tools that read gzip skip the
//! field; [`GzipReader`] demands it, which also tells a cut stream from a short one. The seal
//! guards against damage, not against people: whoever can write the file can seal it too.
//!
//! It knows nothing of tar, and does not seek. How the stream is cut into members and compressed is
//! for `blocks`; members of any size are read.
//!
//! Source: RFC 1952 (gzip), sections 2.2 and 2.3.1.1; RFC 1951 (deflate).

use std::io::{self, Read, Write};
use std::num::NonZero;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::blocks::Blocks;
use crate::{Digest, Hasher, HashingWriter, ReadError};

/// "Unknown" as the operating system. Source: RFC 1952, section 2.3.1.
const OS_UNKNOWN: u8 = 255;
/// The header of every member with content: deflate, no flags, no time, no name.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, OS_UNKNOWN];
/// The same with the flag `FEXTRA`, which begins the seal.
const SEAL_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, OS_UNKNOWN];
/// The seal's extra field before the digest: 36 bytes in all, subfield `AR` of 32 bytes.
const SEAL_FIELD: [u8; 6] = [36, 0, b'A', b'R', 32, 0];
/// The seal after the digest: an empty deflate stream, and sum and length of nothing.
const SEAL_END: [u8; 10] = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// How much is read at a time, in bytes: a system call each, without filling the cache.
const BUFFER_BYTES: usize = 64 << 10;

/// Compresses and seals.
pub(crate) struct GzipWriter<W: Write> {
    blocks: Blocks,
    output: HashingWriter<W>,
}

impl<W: Write> GzipWriter<W> {
    pub(crate) fn new(output: W, n_threads: NonZero<usize>) -> GzipWriter<W> {
        GzipWriter {
            blocks: Blocks::new(n_threads),
            output: HashingWriter::new(output),
        }
    }

    /// Where the next bytes of the content go; never empty. What is put there counts once
    /// [`GzipWriter::advance`] says so.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.blocks.space()
    }

    /// Takes the first `n_bytes` of [`GzipWriter::space`] into the content.
    pub(crate) fn advance(&mut self, n_bytes: usize) -> io::Result<()> {
        self.blocks
            .advance(n_bytes, |member| self.output.write_all(member))
    }

    pub(crate) fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let space = self.space();
            let n_bytes = space.len().min(bytes.len());
            space[..n_bytes].copy_from_slice(&bytes[..n_bytes]);
            self.advance(n_bytes)?;
            bytes = &bytes[n_bytes..];
        }
        Ok(())
    }

    /// Ends the stream; gives back the output, and the digest and number of the bytes written to it.
    pub(crate) fn finish(self) -> io::Result<(W, Digest, u64)> {
        let mut output = self.output;
        self.blocks.finish(|member| output.write_all(member))?;
        let digest = output.digest();
        output.write_all(&SEAL_HEADER)?;
        output.write_all(&SEAL_FIELD)?;
        output.write_all(digest.as_bytes())?;
        output.write_all(&SEAL_END)?;
        output.flush()?;
        Ok(output.finish())
    }
}

/// Reads what [`GzipWriter`] wrote and nothing else.
pub(crate) struct GzipReader<R> {
    input: R,
    buffer: Box<[u8]>,
    /// The part of `buffer` that was read and not yet used.
    unused: std::ops::Range<usize>,
    /// Of all bytes used, up to the seal.
    hasher: Hasher,
    inflate: Decompress,
    /// Of the current member's content.
    crc: Crc,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Member,
    BetweenMembers,
    End,
}

impl<R: Read> GzipReader<R> {
    pub(crate) fn new(input: R) -> GzipReader<R> {
        GzipReader {
            input,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            unused: 0..0,
            hasher: Hasher::new(),
            inflate: Decompress::new(false),
            crc: Crc::new(),
            place: Place::Start,
        }
    }

    /// Reads some of the content; 0 once the seal was found to be right and nothing follows it.
    pub(crate) fn read(&mut self, output: &mut [u8]) -> Result<usize, ReadError> {
        loop {
            match self.place {
                Place::Start | Place::BetweenMembers => self.begin_member()?,
                Place::Member => {
                    let n = self.inflate(output)?;
                    if n > 0 || output.is_empty() {
                        return Ok(n);
                    }
                }
                Place::End => return Ok(0),
            }
        }
    }

    fn begin_member(&mut self) -> Result<(), ReadError> {
        let header = self.take::<{ HEADER.len() }>()?;
        if header == HEADER {
            self.hasher.update(&header);
            self.inflate.reset(false);
            self.crc.reset();
            self.place = Place::Member;
            Ok(())
        } else if header == SEAL_HEADER {
            self.check_seal()
        } else if self.place == Place::Start && !header.starts_with(&HEADER[..2]) {
            Err(ReadError::NotGzip)
        } else {
            Err(ReadError::Corrupt("gzip header"))
        }
    }

    fn inflate(&mut self, output: &mut [u8]) -> Result<usize, ReadError> {
        if !self.fill()? {
            return Err(ReadError::Truncated);
        }
        let (in_before, out_before) = (self.inflate.total_in(), self.inflate.total_out());
        let input = &self.buffer[self.unused.clone()];
        let status = self
            .inflate
            .decompress(input, output, FlushDecompress::None)
            .map_err(|_| ReadError::Corrupt("deflate stream"))?;
        let n_in = (self.inflate.total_in() - in_before) as usize;
        let n_out = (self.inflate.total_out() - out_before) as usize;
        self.hasher.update(&input[..n_in]);
        self.unused.start += n_in;
        self.crc.update(&output[..n_out]);
        match status {
            Status::StreamEnd => self.end_member()?,
            _ if n_in == 0 && n_out == 0 && !output.is_empty() => {
                return Err(ReadError::Corrupt("deflate stream"));
            }
            _ => {}
        }
        Ok(n_out)
    }

    fn end_member(&mut self) -> Result<(), ReadError> {
        let sum = self.take::<4>()?;
        let length = self.take::<4>()?;
        self.hasher.update(&sum);
        self.hasher.update(&length);
        if u32::from_le_bytes(sum) != self.crc.sum() {
            return Err(ReadError::Corrupt("gzip check sum"));
        }
        if u32::from_le_bytes(length) != self.crc.amount() {
            return Err(ReadError::Corrupt("gzip length"));
        }
        self.place = Place::BetweenMembers;
        Ok(())
    }

    fn check_seal(&mut self) -> Result<(), ReadError> {
        let field = self.take::<{ SEAL_FIELD.len() }>()?;
        let digest = self.take::<{ Digest::BYTES }>()?;
        let end = self.take::<{ SEAL_END.len() }>()?;
        let is_right = *self.hasher.clone().finish().as_bytes() == digest;
        if !is_right || field != SEAL_FIELD || end != SEAL_END {
            return Err(ReadError::Corrupt("seal"));
        }
        if self.fill()? {
            return Err(ReadError::Trailing);
        }
        self.place = Place::End;
        Ok(())
    }

    /// The next `N` bytes of the compressed form, not hashed.
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            if !self.fill()? {
                return Err(ReadError::Truncated);
            }
            *byte = self.buffer[self.unused.start];
            self.unused.start += 1;
        }
        Ok(bytes)
    }

    /// Makes sure that there are unused bytes; `false` at the end of the input.
    fn fill(&mut self) -> Result<bool, ReadError> {
        while self.unused.is_empty() {
            match self.input.read(&mut self.buffer) {
                Ok(0) => return Ok(false),
                Ok(n) => self.unused = 0..n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ReadError::Read { source }),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length of a seal.
    const SEAL_BYTES: usize = SEAL_HEADER.len() + SEAL_FIELD.len() + Digest::BYTES + SEAL_END.len();

    fn sealed(content: &[u8]) -> Vec<u8> {
        let mut writer = GzipWriter::new(Vec::new(), NonZero::<usize>::MIN);
        writer.write_all(content).unwrap();
        let (bytes, digest, n_bytes) = writer.finish().unwrap();
        assert_eq!(bytes.len() as u64, n_bytes);
        assert_eq!(Digest::of(&bytes), digest);
        bytes
    }

    fn unsealed(bytes: &[u8]) -> Result<Vec<u8>, ReadError> {
        let mut reader = GzipReader::new(bytes);
        let mut content = Vec::new();
        let mut chunk = [0; 7];
        loop {
            match reader.read(&mut chunk)? {
                0 => return Ok(content),
                n => content.extend_from_slice(&chunk[..n]),
            }
        }
    }

    /// Text, and noise that deflate leaves as stored blocks with unused bits.
    fn samples() -> Vec<Vec<u8>> {
        let noise = (0u32..20).flat_map(|n| *Digest::of(&n.to_le_bytes()).as_bytes());
        vec![
            Vec::new(),
            b"to be or not to be, to be".to_vec(),
            noise.collect(),
        ]
    }

    #[test]
    fn header_is_fixed() {
        assert_eq!(sealed(b"x")[..10], HEADER);
    }

    #[test]
    fn round_trip_and_several_members() {
        for content in samples() {
            assert_eq!(unsealed(&sealed(&content)).unwrap(), content);
        }
        let member = |content: &[u8]| {
            let bytes = sealed(content);
            bytes[..bytes.len() - SEAL_BYTES].to_vec()
        };
        let mut two = [member(b"one "), member(b"two")].concat();
        let digest = Digest::of(&two);
        two.extend([&SEAL_HEADER[..], &SEAL_FIELD, digest.as_bytes(), &SEAL_END].concat());
        assert_eq!(unsealed(&two).unwrap(), b"one two");
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        for content in samples() {
            let good = sealed(&content);
            for bit in 0..good.len() * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(unsealed(&bad).is_err(), "bit {bit} of {}", good.len() * 8);
            }
        }
    }

    #[test]
    fn cut_anywhere_is_truncated() {
        for content in samples() {
            let good = sealed(&content);
            for length in 0..good.len() {
                let error = unsealed(&good[..length]).unwrap_err();
                assert!(matches!(error, ReadError::Truncated), "{length}: {error}");
            }
        }
    }

    #[test]
    fn what_follows_the_seal_is_refused() {
        for rest in [&b"\0"[..], &sealed(b"more")] {
            let bytes = [&sealed(b"x"), rest].concat();
            assert!(matches!(unsealed(&bytes), Err(ReadError::Trailing)));
        }
    }

    #[test]
    fn other_files_are_not_gzip() {
        assert!(matches!(
            unsealed(b"PK\x03\x04 not a gzip"),
            Err(ReadError::NotGzip)
        ));
    }
}
