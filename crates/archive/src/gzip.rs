//! The gzip layer: one fixed header, deflate at one level, and a seal at the end.
//!
//! A gzip check sum covers what was compressed, not how: unused bits of the deflate stream and most
//! of the header can change unseen. So the last member is the *seal*: an empty member whose header
//! carries, in its extra field, the SHA-256 of every byte before it. Tools that read gzip skip the
//! field; [`GzipReader`] demands it, which also tells a cut stream from a short one. The seal
//! guards against damage, not against people: whoever can write the file can seal it too.
//!
//! It knows nothing of tar, and does not seek. Several members before the seal are read, so that
//! they can be compressed in parallel one day.
//!
//! Source: RFC 1952 (gzip), sections 2.2 and 2.3.1.1; RFC 1951 (deflate).

use std::io::{self, Read, Write};

use flate2::write::GzEncoder;
use flate2::{Compression, Crc, Decompress, FlushDecompress, GzBuilder, Status};

use crate::{Digest, Hasher, HashingWriter, ReadError};

/// The deflate level. Part of the format: another level makes other bytes from the same inputs.
const LEVEL: u32 = 6;
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

/// The length of a seal in bytes.
pub(crate) const SEAL_BYTES: u64 =
    (SEAL_HEADER.len() + SEAL_FIELD.len() + Digest::BYTES + SEAL_END.len()) as u64;

/// Compresses into one member and seals it.
pub(crate) struct GzipWriter<W: Write>(GzEncoder<HashingWriter<W>>);

impl<W: Write> GzipWriter<W> {
    pub(crate) fn new(output: W) -> GzipWriter<W> {
        let builder = GzBuilder::new().mtime(0).operating_system(OS_UNKNOWN);
        GzipWriter(builder.write(HashingWriter::new(output), Compression::new(LEVEL)))
    }

    /// Ends the stream; gives back the output and the bytes written to it.
    pub(crate) fn finish(self) -> io::Result<(W, u64)> {
        let (mut output, digest, bytes) = self.0.finish()?.finish();
        output.write_all(&SEAL_HEADER)?;
        output.write_all(&SEAL_FIELD)?;
        output.write_all(digest.as_bytes())?;
        output.write_all(&SEAL_END)?;
        output.flush()?;
        Ok((output, bytes + SEAL_BYTES))
    }
}

impl<W: Write> Write for GzipWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
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

    fn sealed(content: &[u8]) -> Vec<u8> {
        let mut writer = GzipWriter::new(Vec::new());
        writer.write_all(content).unwrap();
        let (bytes, n_bytes) = writer.finish().unwrap();
        assert_eq!(bytes.len() as u64, n_bytes);
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
            bytes[..bytes.len() - SEAL_BYTES as usize].to_vec()
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
