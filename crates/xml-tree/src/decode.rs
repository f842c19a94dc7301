//! Bytes to text: UTF-8 or UTF-16, with or without a byte order mark.
//!
//! The bytes decide, not the label: real files say `encoding="utf-8"` in UTF-16. Other encodings are not
//! read. Nothing is replaced; bytes that mean nothing are an error, because a silently mended setting
//! would be worse than none.

use std::fmt;

/// Bytes that are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// A sequence that is not UTF-8.
    Utf8 {
        /// Its first byte, counted from 0 in the file.
        offset: usize,
        /// The line it stands on, from 1.
        line: usize,
    },
    /// Half a surrogate pair, or half a code unit, in UTF-16.
    Utf16 {
        /// Its first byte, counted from 0 in the file.
        offset: usize,
        /// The line it stands on, from 1.
        line: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (encoding, offset, line) = match self {
            DecodeError::Utf8 { offset, line } => ("UTF-8", offset, line),
            DecodeError::Utf16 { offset, line } => ("UTF-16", offset, line),
        };
        write!(f, "byte {offset}, on line {line}, is not {encoding}")
    }
}

impl std::error::Error for DecodeError {}

/// The text that `bytes` are in UTF-8 or UTF-16, without a byte order mark.
///
/// UTF-16 is known by its mark, or by a zero in one of the first two bytes. UTF-8 is not copied.
///
/// # Errors
///
/// At the first byte that is not of that encoding.
pub fn decode(mut bytes: Vec<u8>) -> Result<String, DecodeError> {
    match &*bytes {
        [0xef, 0xbb, 0xbf, ..] => {
            bytes.drain(..3);
            decode_utf8(bytes, 3)
        }
        [0xff, 0xfe, rest @ ..] => decode_utf16(rest, 2, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => decode_utf16(rest, 2, u16::from_be_bytes),
        [0, first, ..] if *first != 0 => decode_utf16(&bytes, 0, u16::from_be_bytes),
        [first, 0, ..] if *first != 0 => decode_utf16(&bytes, 0, u16::from_le_bytes),
        _ => decode_utf8(bytes, 0),
    }
}

fn decode_utf8(bytes: Vec<u8>, mark: usize) -> Result<String, DecodeError> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|&&byte| byte == b'\n').count();
        DecodeError::Utf8 {
            offset: mark + valid.len(),
            line,
        }
    })
}

fn decode_utf16(
    bytes: &[u8],
    mark: usize,
    unit: fn([u8; 2]) -> u16,
) -> Result<String, DecodeError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(pairs.len());
    let mut offset = mark;
    let error = |text: &str, offset| DecodeError::Utf16 {
        offset,
        line: 1 + text.matches('\n').count(),
    };
    for c in char::decode_utf16(pairs.iter().map(|&pair| unit(pair))) {
        let c = c.map_err(|_| error(&text, offset))?;
        text.push(c);
        offset += 2 * c.len_utf16();
    }
    match rest {
        [] => Ok(text),
        _ => Err(error(&text, offset)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn every_form_gives_the_same_text() {
        let text = "<?xml version=\"1.0\" encoding=\"utf-8\"?><a é=\"😀\"/>";
        let marked = format!("\u{feff}{text}");
        let forms = [
            text.as_bytes().to_vec(),
            marked.as_bytes().to_vec(),
            utf16(text, u16::to_le_bytes),
            utf16(text, u16::to_be_bytes),
            utf16(&marked, u16::to_le_bytes),
            utf16(&marked, u16::to_be_bytes),
        ];
        for form in forms {
            assert_eq!(decode(form).as_deref(), Ok(text));
        }
        assert_eq!(decode(b"".to_vec()).as_deref(), Ok(""));
        assert_eq!(decode(b"a".to_vec()).as_deref(), Ok("a"));
    }

    #[test]
    fn bytes_that_mean_nothing_are_placed() {
        assert_eq!(
            decode(b"a\nb\xff".to_vec()),
            Err(DecodeError::Utf8 { offset: 3, line: 2 })
        );
        assert_eq!(
            decode(b"\xef\xbb\xbfa\xc3".to_vec()),
            Err(DecodeError::Utf8 { offset: 4, line: 1 })
        );
        let lone = b"\xff\xfea\0\n\0\x00\xd8b\0";
        assert_eq!(
            decode(lone.to_vec()),
            Err(DecodeError::Utf16 { offset: 6, line: 2 })
        );
        assert_eq!(
            decode(b"\xff\xfea\0b".to_vec()),
            Err(DecodeError::Utf16 { offset: 4, line: 1 })
        );
        let message = DecodeError::Utf8 { offset: 3, line: 2 }.to_string();
        assert_eq!(message, "byte 3, on line 2, is not UTF-8");
    }
}
