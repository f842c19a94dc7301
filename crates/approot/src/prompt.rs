//! Asking for a password at the terminal, which shows nothing of it and is left as it was.
//!
//! While it asks, the key that interrupts ends the line instead: the terminal gets its echo back, and
//! only then this process ends, by the signal that the key stands for. It does nothing about signals
//! that others send.
//!
//! Source: termios(3).

use std::fs::File;
use std::io::{self, BufReader, Read, Write};

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

/// Shows `prompt` and reads a line.
pub(crate) fn password(prompt: &str) -> io::Result<String> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    let interrupt = before.special_codes[SpecialCodeIndex::VINTR];
    let silent = Silent::new(&terminal, before)?;
    (&terminal).write_all(prompt.as_bytes())?;
    let line = read_line(&terminal, interrupt);
    drop(silent);
    if !matches!(line, Ok(Some(_))) {
        // The key that ended it has not ended the line that is shown.
        (&terminal).write_all(b"\n")?;
    }
    let Some(line) = line? else {
        kill_process(getpid(), Signal::INT)?;
        // It is blocked or ignored.
        return Err(io::ErrorKind::Interrupted.into());
    };
    String::from_utf8(line).map_err(|_| io::Error::other("it is not UTF-8"))
}

/// Reads to the end of a line; `None` where the key ended it that interrupts.
fn read_line(terminal: &File, interrupt: u8) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    // A terminal hands over one line at a time, so nothing that follows is taken.
    for byte in BufReader::new(terminal).bytes() {
        match byte? {
            b'\n' => return Ok(Some(line)),
            // A terminal may have no such key, which is written as 0.
            byte if byte == interrupt && byte != 0 => return Ok(None),
            byte => line.push(byte),
        }
    }
    Err(io::Error::other("nothing was typed"))
}

/// A terminal that shows nothing, until this is dropped.
struct Silent<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Silent<'a> {
    fn new(terminal: &'a File, before: Termios) -> io::Result<Silent<'a>> {
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO | LocalModes::ISIG;
        silent.local_modes |= LocalModes::ICANON | LocalModes::ECHONL;
        silent.special_codes[SpecialCodeIndex::VEOL] =
            before.special_codes[SpecialCodeIndex::VINTR];
        // What was typed before was seen by everybody, and is no password.
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Silent { terminal, before })
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
