//! Bytes to lines, for telnet clients and plain ones.
//!
//! Sans-IO. Lines end in LF, in CR LF, or in CR NUL, which a telnet client sends for Enter when it
//! reads keys one by one. What telnet says about itself (IAC sequences) is taken out and not answered:
//! a client that gets no answer keeps to plain lines.
//!
//! Source: RFC 854, "TELNET command structure" and "The telnet network virtual terminal".

use std::mem;

/// Collects lines from what arrives.
///
/// Call [`LineDecoder::push`] with it, then [`LineDecoder::poll_line`] until it gives `None`.
#[derive(Debug, Default)]
pub(crate) struct LineDecoder {
    arrived: Vec<u8>,
    /// How much of `arrived` has been looked at.
    taken: usize,
    line: Vec<u8>,
    place: Place,
}

/// A line of more than [`MAX_LINE_BYTES`]; there is no way to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineTooLong;

/// Where in a telnet stream the next byte stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Data,
    AfterCr,
    /// After IAC: a command.
    Command,
    /// After WILL, WON'T, DO or DON'T: the option they are about.
    Negotiation,
    /// Between SB and SE.
    Subnegotiation,
    /// After IAC within a subnegotiation.
    SubnegotiationCommand,
}

impl LineDecoder {
    /// Takes bytes that arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.arrived.drain(..mem::take(&mut self.taken));
        self.arrived.extend_from_slice(bytes);
    }

    /// The next whole line without its end, or `None` until more bytes come.
    pub(crate) fn poll_line(&mut self) -> Result<Option<String>, LineTooLong> {
        while let Some(byte) = self.arrived.get(self.taken) {
            self.taken += 1;
            if self.take(*byte) {
                let line = mem::take(&mut self.line);
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            if self.line.len() > MAX_LINE_BYTES {
                return Err(LineTooLong);
            }
        }
        Ok(None)
    }

    /// Takes one byte; true when it ended a line.
    fn take(&mut self, byte: u8) -> bool {
        let (place, data, ended) = match (self.place, byte) {
            (Place::Data | Place::AfterCr, IAC) => (Place::Command, None, false),
            (Place::Data, b'\r') | (Place::AfterCr, b'\r') => (Place::AfterCr, None, false),
            (Place::Data | Place::AfterCr, b'\n') => (Place::Data, None, true),
            (Place::AfterCr, 0) => (Place::Data, None, true),
            // NUL is padding elsewhere.
            (Place::Data, 0) => (Place::Data, None, false),
            (Place::Data | Place::AfterCr, data) => (Place::Data, Some(data), false),
            (Place::Command, IAC) => (Place::Data, Some(IAC), false),
            (Place::Command, WILL..=DONT) => (Place::Negotiation, None, false),
            (Place::Command, SB) => (Place::Subnegotiation, None, false),
            (Place::Command | Place::Negotiation, _) => (Place::Data, None, false),
            (Place::Subnegotiation, IAC) => (Place::SubnegotiationCommand, None, false),
            (Place::SubnegotiationCommand, SE) => (Place::Data, None, false),
            (Place::Subnegotiation | Place::SubnegotiationCommand, _) => {
                (Place::Subnegotiation, None, false)
            }
        };
        self.place = place;
        self.line.extend(data);
        ended
    }
}

/// The longest line without its end. The longest answer that means anything is one character; a
/// kibibyte leaves room for what people paste by mistake.
pub(crate) const MAX_LINE_BYTES: usize = 1024;

const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const DONT: u8 = 254;
const IAC: u8 = 255;

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `stream`, pushed `step` bytes at a time, and what is left of the last one.
    fn decode(stream: &[u8], step: usize) -> Result<Vec<String>, LineTooLong> {
        let mut decoder = LineDecoder::default();
        let mut lines = Vec::new();
        for part in stream.chunks(step) {
            decoder.push(part);
            while let Some(line) = decoder.poll_line()? {
                lines.push(line);
            }
        }
        Ok(lines)
    }

    #[track_caller]
    fn check(stream: &[u8], expected: &[&str]) {
        for step in 1..=stream.len() {
            assert_eq!(
                decode(stream, step).as_deref(),
                Ok(&expected.map_owned()[..]),
                "{step}"
            );
        }
    }

    trait MapOwned {
        fn map_owned(&self) -> Vec<String>;
    }

    impl MapOwned for &[&str] {
        fn map_owned(&self) -> Vec<String> {
            self.iter().map(|line| (*line).to_owned()).collect()
        }
    }

    #[test]
    fn lines_end_in_lf_crlf_or_cr_nul() {
        check(b"1\n2\r\n3\r\0\r\n\n9", &["1", "2", "3", "", ""]);
        check(b"a\rb\r\r\nc\0d\n", &["ab", "cd"]);
    }

    #[test]
    fn telnet_commands_are_taken_out() {
        let will_echo = b"\xff\xfb\x01";
        let window_size = b"\xff\xfa\x1f\x00\x50\x00\x0a\xff\xff\xff\xf0";
        let interrupt = b"\xff\xf4\xff\xfd\x06";
        let stream = [
            &will_echo[..],
            b"1",
            window_size,
            b"2\r\n",
            interrupt,
            b"9\r\n",
        ]
        .concat();
        check(&stream, &["12", "9"]);
        check(b"\xff\xff\n", &["\u{fffd}"]);
        check(b"1\r\xff\xf1\n", &["1"]);
    }

    #[test]
    fn a_line_has_a_longest_length() {
        let longest = "x".repeat(MAX_LINE_BYTES);
        assert_eq!(
            decode(format!("{longest}\r\n").as_bytes(), 100),
            Ok(vec![longest.clone()])
        );
        assert_eq!(
            decode(format!("{longest}x").as_bytes(), 100),
            Err(LineTooLong)
        );
        assert_eq!(decode(&[b'x'; 100_000], 100_000), Err(LineTooLong));
    }

    #[test]
    fn telnet_commands_of_any_length_take_no_room() {
        let mut stream = b"\xff\xfa".to_vec();
        stream.extend([b'x'; 10_000]);
        stream.extend(b"\xff\xf01\n");
        assert_eq!(decode(&stream, 512), Ok(vec!["1".to_owned()]));
    }
}
