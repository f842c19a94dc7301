//! The standard streams, which may be closed or full at any time.
//!
//! The print macros panic there, and a panic would take a deployment down because somebody closed a pager.
//! So approot's own words are lost where nobody can take them; results, which are what a command is for, fail
//! the command, unless their reader has simply gone. Nothing else in this crate writes to a stream,
//! but for the bar of `progress`, which is indicatif's own.

use std::io::{self, Write};

use anyhow::Context;

/// Whether somebody reads on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    There,
    Gone,
}

/// Words for people, on standard error, colours only where a terminal shows them.
pub(crate) fn words(text: &str) {
    // Whoever could be told of a failure reads this very stream.
    let _ = write_to(&mut anstream::stderr().lock(), text.as_bytes());
}

/// A result, on standard output, at once: a fork would otherwise print what is buffered a second time.
///
/// # Errors
/// The stream is broken, other than by the departure of its reader.
pub(crate) fn result(bytes: &[u8]) -> anyhow::Result<Reader> {
    reader_after(write_to(&mut io::stdout().lock(), bytes))
}

fn write_to(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

fn reader_after(written: io::Result<()>) -> anyhow::Result<Reader> {
    match written {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error).context("cannot write to standard output"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_reader_that_has_gone_is_no_error() {
        let (reading, mut writing) = io::pipe().unwrap();
        assert_eq!(
            reader_after(write_to(&mut writing, b"text")).unwrap(),
            Reader::There
        );
        drop(reading);
        assert_eq!(
            reader_after(write_to(&mut writing, b"text")).unwrap(),
            Reader::Gone
        );
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut full = File::options().write(true).open("/dev/full").unwrap();
        assert!(reader_after(write_to(&mut full, b"text")).is_err());
    }
}
