//! The framing of the goal-state stream: a length in hex, CR LF, the document, CR LF.
//!
//! Sans-IO: [`frame`] makes the bytes of one chunk, which the writer sends in ONE write and never
//! joined to another (a published client takes one arrival for one chunk); [`FrameDecoder`] takes
//! bytes as they come and gives documents back. It does not look inside a document.

use std::{error::Error, fmt};

use crate::goal_state::MAX_GOAL_STATE_BYTES;

/// The bytes of one chunk.
///
/// # Panics
///
/// When `document` holds CR LF or is larger than a goal state may be. No rendered document is, and
/// a client that splits at CR LF would read half of one.
pub fn frame(document: &str) -> Vec<u8> {
    assert!(
        !document.contains("\r\n"),
        "a framed document holds no CR LF"
    );
    assert!(
        document.len() <= MAX_GOAL_STATE_BYTES,
        "a framed document keeps to the limit"
    );
    format!("{:x}\r\n{document}\r\n", document.len()).into_bytes()
}

/// Takes the stream apart again.
///
/// Call [`FrameDecoder::push`] with what arrived, then [`FrameDecoder::poll_document`] until it
/// gives `None`; between two pushes it then holds at most one unfinished chunk.
/// After an error the stream has lost its step: close the connection.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    /// Length of the document whose length line has been read.
    document_bytes: Option<usize>,
}

impl FrameDecoder {
    /// Takes bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole document, or `None` until more bytes come.
    ///
    /// # Errors
    ///
    /// When a length line is too long or no length, or a document is too large or not UTF-8.
    pub fn poll_document(&mut self) -> Result<Option<String>, FrameError> {
        if self.document_bytes.is_none() {
            self.document_bytes = self.take_length()?;
        }
        match self.document_bytes {
            Some(bytes) if self.buffer.len() >= bytes => {
                self.document_bytes = None;
                let document = self.buffer.drain(..bytes).collect();
                String::from_utf8(document)
                    .map(Some)
                    .map_err(|_| FrameError::NotUtf8)
            }
            _ => Ok(None),
        }
    }

    /// Takes the next line that is not blank: the line end after a document counts as a blank line.
    fn take_length(&mut self) -> Result<Option<usize>, FrameError> {
        loop {
            let line_end = self.buffer.iter().position(|byte| *byte == b'\n');
            if line_end.unwrap_or(self.buffer.len()) > MAX_LENGTH_LINE_BYTES {
                return Err(FrameError::LengthLineTooLong);
            }
            let Some(line_end) = line_end else {
                return Ok(None);
            };
            let line: Vec<u8> = self.buffer.drain(..=line_end).collect();
            let line = line.trim_ascii();
            if !line.is_empty() {
                return parse_length(line).map(Some);
            }
        }
    }
}

fn parse_length(line: &[u8]) -> Result<usize, FrameError> {
    let text = String::from_utf8_lossy(line);
    let is_hex = line.iter().all(u8::is_ascii_hexdigit);
    if !is_hex {
        return Err(FrameError::NotALength {
            line: text.into_owned(),
        });
    }
    // More digits than fit a usize are simply too many bytes.
    match usize::from_str_radix(&text, 16) {
        Ok(bytes) if bytes <= MAX_GOAL_STATE_BYTES => Ok(bytes),
        _ => Err(FrameError::DocumentTooLarge {
            length: text.into_owned(),
        }),
    }
}

/// Why the stream cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameError {
    /// No line end where a length line should have ended.
    LengthLineTooLong,
    /// A line that is no length in hex.
    NotALength {
        /// The line, without its end.
        line: String,
    },
    /// A document larger than a goal state may be.
    DocumentTooLarge {
        /// The length that was announced, in hex.
        length: String,
    },
    /// A document that is not UTF-8.
    NotUtf8,
}

impl fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LengthLineTooLong => {
                write!(
                    formatter,
                    "a length line is longer than {MAX_LENGTH_LINE_BYTES} bytes"
                )
            }
            Self::NotALength { line } => write!(formatter, "a line is no length in hex: `{line}`"),
            Self::DocumentTooLarge { length } => write!(
                formatter,
                "a document is larger than {MAX_GOAL_STATE_BYTES} bytes, in hex: {length}"
            ),
            Self::NotUtf8 => formatter.write_str("a document is not UTF-8"),
        }
    }
}

impl Error for FrameError {}

/// What the strictest published client reads as a length line; ours is never longer than 8 bytes.
const MAX_LENGTH_LINE_BYTES: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that `decoder` gives for `bytes`, pushed `step` bytes at a time.
    fn decode(bytes: &[u8], step: usize) -> Result<Vec<String>, FrameError> {
        let mut decoder = FrameDecoder::default();
        let mut documents = Vec::new();
        for part in bytes.chunks(step) {
            decoder.push(part);
            while let Some(document) = decoder.poll_document()? {
                documents.push(document);
            }
        }
        Ok(documents)
    }

    #[test]
    fn a_chunk_is_length_document_and_line_ends() {
        assert_eq!(frame("<é/>"), "5\r\n<é/>\r\n".as_bytes());
        assert_eq!(frame(&"x".repeat(255))[..4], *b"ff\r\n");
    }

    #[test]
    fn documents_survive_however_they_are_cut() {
        let documents = ["<a>\n</a>", "", "é", "9\n\n9"];
        let stream: Vec<u8> = documents
            .iter()
            .flat_map(|document| frame(document))
            .collect();
        for step in 1..=stream.len() {
            assert_eq!(
                decode(&stream, step).as_deref(),
                Ok(&documents.map(String::from)[..])
            );
        }
    }

    #[test]
    fn blank_lines_and_bare_line_feeds_are_skipped() {
        assert_eq!(
            decode(b"\r\n\n\r\n2\nab\n\n1 \r\nc", 3),
            Ok(vec!["ab".into(), "c".into()])
        );
    }

    #[test]
    fn the_longest_document_passes_and_one_byte_more_does_not() {
        let longest = "x".repeat(MAX_GOAL_STATE_BYTES);
        assert_eq!(decode(&frame(&longest), 4096), Ok(vec![longest]));
        let length = format!("{:x}", MAX_GOAL_STATE_BYTES + 1);
        let error = FrameError::DocumentTooLarge {
            length: length.clone(),
        };
        assert_eq!(decode(format!("{length}\r\n").as_bytes(), 64), Err(error));
    }

    #[track_caller]
    fn check_refused(stream: &[u8], expected: &str) {
        let error = decode(stream, 7).expect_err("refused");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn refuses_what_is_no_frame() {
        check_refused(
            b"<GoalState>\r\n",
            "a line is no length in hex: `<GoalState>`",
        );
        check_refused(b"+f\r\n", "a line is no length in hex: `+f`");
        check_refused(b"2\r\n\xff\xff\r\n", "a document is not UTF-8");
        check_refused(&[b'0'; 101], "a length line is longer than 100 bytes");
        check_refused(
            b"ffffffffffffffffffffffff\r\n",
            "a document is larger than 65536 bytes, in hex: ffffffffffffffffffffffff",
        );
    }
}
