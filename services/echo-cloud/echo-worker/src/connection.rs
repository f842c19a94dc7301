//! One visitor: reads lines, writes replies, keeps the limits.
//!
//! It decides nothing about what is said ([`crate::dialogue`]) or who is let in ([`crate::lobby`]).
//! Each reply is one write, so that a client that reads once sees all of it.

use std::{io, time::Duration};

use jiff::Zoned;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    dialogue::{Next, Reply, Visit, farewell},
    lines::{LineDecoder, LineTooLong, MAX_LINE_BYTES},
};

/// What a dialogue needs of the worker.
pub(crate) struct Host<'a> {
    /// How long a visitor may take for a line.
    pub(crate) idle_limit: Duration,
    /// Becomes true when the visitors who are still there must go.
    pub(crate) closing: watch::Receiver<bool>,
    /// Asks for a recycle.
    pub(crate) recycle: &'a (dyn Fn() + Sync),
}

/// Holds the dialogue until either side ends it.
///
/// # Errors
///
/// When the connection breaks, or the visitor does not read for [`WRITE_LIMIT`].
pub(crate) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    visit: &Visit,
    mut host: Host<'_>,
) -> io::Result<()> {
    write(stream, &visit.welcome()).await?;
    let mut lines = LineDecoder::default();
    loop {
        let reply = match next_line(stream, &mut lines, &mut host).await? {
            Heard::Line(line) => visit.answer(&line, Zoned::now().datetime()),
            Heard::TooLong => farewell("That line is too long. Goodbye."),
            Heard::Nothing => farewell("You were idle for too long. Goodbye."),
            Heard::Closing => farewell("This role instance is stopping. Goodbye."),
            Heard::End => return Ok(()),
        };
        let Reply { text, next } = reply;
        write(stream, &text).await?;
        match next {
            Next::Listen => {}
            Next::Recycle => (host.recycle)(),
            Next::Close => return close(stream).await,
        }
    }
}

/// What came of waiting for a line.
enum Heard {
    Line(String),
    TooLong,
    /// The idle limit passed.
    Nothing,
    /// The worker closes.
    Closing,
    /// The visitor has finished.
    End,
}

/// The next line. Bytes that do not end one extend no limit: a trickle is idle too.
async fn next_line<S: AsyncRead + Unpin>(
    stream: &mut S,
    lines: &mut LineDecoder,
    host: &mut Host<'_>,
) -> io::Result<Heard> {
    let idle_end = Instant::now() + host.idle_limit;
    let mut bytes = [0; MAX_LINE_BYTES];
    loop {
        match lines.poll_line() {
            Ok(Some(line)) => return Ok(Heard::Line(line)),
            Err(LineTooLong) => return Ok(Heard::TooLong),
            Ok(None) => {}
        }
        let read = tokio::select! {
            // In this order: a line that has come is answered, also by one who is closing.
            biased;
            read = timeout_at(idle_end, stream.read(&mut bytes)) => read,
            _ = host.closing.wait_for(|closing| *closing) => return Ok(Heard::Closing),
        };
        match read {
            Err(_) => return Ok(Heard::Nothing),
            Ok(read) => match read? {
                0 => return Ok(Heard::End),
                read => lines.push(&bytes[..read]),
            },
        }
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) -> io::Result<()> {
    timeout(WRITE_LIMIT, stream.write_all(text.as_bytes())).await?
}

/// Ends the worker's side and reads on for a moment.
///
/// Closing with unread bytes would reset the connection, and a reset overtakes the last words.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = [0; MAX_LINE_BYTES];
    let drain = async {
        for _ in 0..CLOSE_READS_MAX {
            if stream.read(&mut rest).await? == 0 {
                break;
            }
        }
        Ok(())
    };
    // A visitor who does not hang up has had the last words by now.
    timeout(CLOSE_LIMIT, drain).await.unwrap_or(Ok(()))
}

/// A reply is a few hundred bytes and fits any socket buffer; a visitor who leaves several unread for
/// this long is gone or hostile.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// A round trip anywhere on Earth, and some; longer only keeps a place taken.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// Reads of a kibibyte: what a sender can have under way at most, so that one who never stops is cut.
const CLOSE_READS_MAX: usize = 256;

#[cfg(test)]
mod tests;
