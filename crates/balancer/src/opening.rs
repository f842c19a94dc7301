//! A connection before its first byte: it can still move to another instance.
//!
//! Ends with the first byte forwarded or delivered, or with an end. The instance's word comes before the
//! client's at every step, so that bytes are not sent into a connection that its instance has left.

use std::io::ErrorKind;
use std::os::fd::AsFd;

use balancer_core::{Bytes, Cause};
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::buffers::Chunk;
use crate::connection::{First, Seat, has_died};
use crate::front::Front;
use crate::pump::{Half, Halves, IDLE_LIMIT, Stop};

/// How the opening ended.
pub(crate) enum Opened {
    /// Bytes have passed, or the instance, alive, has said its last.
    Flowing(Halves),
    /// Another instance is to be found.
    Moved {
        /// By a reset of this one, which may well be alive.
        reset: bool,
    },
    /// There is nothing more to do.
    Over(Stop),
}

/// What an instance says.
enum Said {
    Nothing,
    Bytes(Chunk),
    End,
    Reset,
}

/// Watches a connection until its first byte.
pub(crate) async fn open(
    front: &Front,
    client: &TcpStream,
    seat: &Seat,
    first: &mut First,
) -> Opened {
    let server = &seat.server;
    if first.ended {
        half_close(server);
    }
    let idle = sleep(IDLE_LIMIT);
    tokio::pin!(idle);
    loop {
        let changed = seat.signal.news.notified();
        if seat.signal.is_cut.get() {
            return Opened::Moved { reset: false };
        }
        let is_quiet = first.bytes.is_none() && !first.ended;
        let said = tokio::select! {
            biased;
            () = changed => Said::Nothing,
            _ = server.readable() => listen(front, server),
            _ = client.ready(Interest::ERROR) => return Opened::Over(Stop::cut(Cause::ClientReset)),
            _ = client.readable(), if is_quiet => match hear(front, client, first) {
                Ok(()) => {
                    if first.ended {
                        half_close(server);
                    }
                    Said::Nothing
                }
                Err(stop) => return Opened::Over(stop),
            },
            _ = server.writable(), if first.bytes.is_some() => match forward(front, seat, first) {
                Ok(halves) => return Opened::Flowing(halves),
                Err(said) => said,
            },
            () = &mut idle => return Opened::Over(Stop::cut(Cause::IdleTimeout)),
        };
        match said {
            Said::Nothing => {}
            Said::Bytes(chunk) => return Opened::Flowing(halves(first, Some(chunk))),
            Said::Reset => return Opened::Moved { reset: true },
            Said::End => return end_of_stream(front, seat, first).await,
        }
    }
}

/// An end-of-stream from a living instance is its answer.
async fn end_of_stream(front: &Front, seat: &Seat, first: &mut First) -> Opened {
    let at = front.now();
    let program = seat.ticket.program();
    let endpoint = seat.ticket.endpoint().clone();
    if has_died(
        front,
        &endpoint,
        program,
        seat.ticket.address(),
        &seat.signal,
        at,
    )
    .await
    {
        return Opened::Moved { reset: false };
    }
    let mut halves = halves(first, None);
    halves.down.end(at);
    Opened::Flowing(halves)
}

/// Reads from the instance after the runtime said that there is something.
fn listen(front: &Front, server: &TcpStream) -> Said {
    let mut chunk = front.buffers.take();
    match server.try_read(chunk.space()) {
        Ok(0) => Said::End,
        Ok(n) => Said::Bytes(chunk.fill(n)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Said::Nothing,
        Err(_) => Said::Reset,
    }
}

/// Reads the client's first bytes, which stay here until the instance takes some.
fn hear(front: &Front, client: &TcpStream, first: &mut First) -> Result<(), Stop> {
    let mut chunk = front.buffers.take();
    match client.try_read(chunk.space()) {
        Ok(0) => first.ended = true,
        Ok(n) => first.bytes = Some(chunk.fill(n)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(_) => return Err(Stop::cut(Cause::ClientReset)),
    }
    Ok(())
}

/// Forwards the client's first bytes, unless the instance has something to say. The kernel is asked,
/// not the runtime, which may not have heard yet.
fn forward(front: &Front, seat: &Seat, first: &mut First) -> Result<Halves, Said> {
    let mut chunk = front.buffers.take();
    match recv(seat.server.as_fd(), chunk.space(), RecvFlags::DONTWAIT) {
        Ok((0, _)) => return Err(Said::End),
        Ok((n, _)) => return Err(Said::Bytes(chunk.fill(n))),
        Err(Errno::AGAIN | Errno::INTR) => {}
        Err(_) => return Err(Said::Reset),
    }
    let Some(bytes) = first.bytes.take() else {
        return Err(Said::Nothing);
    };
    match seat.server.try_write(bytes.bytes()) {
        Ok(n) => {
            let up = n as u64;
            front.transferred(&seat.ticket, Bytes { up, down: 0 });
            first.bytes = bytes.advance(n);
            Ok(halves(first, None))
        }
        Err(error) => {
            first.bytes = Some(bytes);
            match error.kind() {
                ErrorKind::WouldBlock => Err(Said::Nothing),
                _ => Err(Said::Reset),
            }
        }
    }
}

fn halves(first: &mut First, down: Option<Chunk>) -> Halves {
    let up = match first.ended {
        true => Half::ended(),
        false => Half::flowing(first.bytes.take()),
    };
    Halves {
        up,
        down: Half::flowing(down),
    }
}

/// Says that nothing more will come. Where the peer is gone, reading tells.
pub(crate) fn half_close(stream: &TcpStream) {
    let _ = shutdown(stream.as_fd(), Shutdown::Write);
}
