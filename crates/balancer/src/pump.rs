//! Moves the bytes of one connection both ways.
//!
//! The two directions take turns, one read and write each, so that neither starves the other, and the
//! task gives way to others after a number of turns. A direction whose sink does not take its bytes
//! stops reading its source: back-pressure, never growing memory. Each side's end is passed on as
//! such, and a reset as a reset.
//!
//! Deliberately absent: moving a connection to another instance (`opening` does, before this), and
//! zero-copy: every byte passes through a buffer of this process.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use balancer_core::{Bytes, Cause, End};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::buffers::{BUFFER_BYTES, Buffers, Chunk};
use crate::connection::Seat;
use crate::front::Front;
use crate::opening::half_close;

/// Without a byte either way, until a connection is cut: what the platform's load balancer did.
/// Source: "New: Configurable Idle Timeout for Azure Load Balancer", August 2014.
pub const IDLE_LIMIT: Duration = Duration::from_secs(4 * 60);

/// Turns before other connections get theirs: a quarter of a mebibyte each way.
const TURNS_MAX: u32 = 16;

/// One direction.
#[derive(Default)]
pub(crate) struct Half {
    chunk: Option<Chunk>,
    /// When the source said its last.
    ended_at: Option<Duration>,
    /// The sink was told so, or takes nothing any more.
    is_done: bool,
}

/// Both directions.
pub(crate) struct Halves {
    /// From the client to the instance.
    pub(crate) up: Half,
    /// From the instance to the client.
    pub(crate) down: Half,
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) end: End,
    /// Close by a reset.
    pub(crate) abort_client: bool,
    pub(crate) abort_server: bool,
}

impl Stop {
    /// Cut, on both sides.
    pub(crate) fn cut(cause: Cause) -> Stop {
        Stop {
            end: End::Cut(cause),
            abort_client: true,
            abort_server: true,
        }
    }

    fn closed(end: End) -> Stop {
        Stop {
            end,
            abort_client: false,
            abort_server: false,
        }
    }
}

/// What one turn of a direction came to.
enum Turn {
    Moved(usize),
    /// The source has ended and all its bytes are with the sink.
    Ended,
    SourceFailed,
    SinkFailed,
}

impl Half {
    /// With bytes that were read before.
    pub(crate) fn flowing(chunk: Option<Chunk>) -> Half {
        Half {
            chunk,
            ..Half::default()
        }
    }

    /// Ended before this, and the sink knows.
    pub(crate) fn ended() -> Half {
        Half {
            chunk: None,
            ended_at: Some(Duration::ZERO),
            is_done: true,
        }
    }

    /// The source has ended; the sink is to be told.
    pub(crate) fn end(&mut self, at: Duration) {
        self.ended_at = Some(at);
    }

    /// Reads if nothing is held, then writes.
    fn turn(
        &mut self,
        cx: &mut Context<'_>,
        (source, sink): (&TcpStream, &TcpStream),
        front: &Front,
    ) -> Poll<Turn> {
        let chunk = match self.chunk.take() {
            Some(chunk) => chunk,
            None if self.ended_at.is_some() => return Poll::Ready(Turn::Ended),
            None => match ready!(read(cx, source, &front.buffers)) {
                Ok(Some(chunk)) => chunk,
                Ok(None) => {
                    self.ended_at = Some(front.now());
                    return Poll::Ready(Turn::Ended);
                }
                Err(_) => return Poll::Ready(Turn::SourceFailed),
            },
        };
        match write(cx, sink, chunk.bytes()) {
            Poll::Ready(Ok(n)) => {
                self.chunk = chunk.advance(n);
                Poll::Ready(Turn::Moved(n))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Turn::SinkFailed),
            Poll::Pending => {
                self.chunk = Some(chunk);
                Poll::Pending
            }
        }
    }
}

/// The bytes of one connection, under way.
pub(crate) struct Pump<'a> {
    front: &'a Front,
    client: &'a TcpStream,
    seat: &'a Seat,
    halves: Halves,
    /// When the instance said its last while the client's side was open.
    left_at: Option<Duration>,
    /// When it turned out that the instance takes nothing any more.
    reset_at: Option<Duration>,
    active_at: Cell<Instant>,
}

impl<'a> Pump<'a> {
    pub(crate) fn new(
        front: &'a Front,
        client: &'a TcpStream,
        seat: &'a Seat,
        halves: Halves,
    ) -> Self {
        Pump {
            front,
            client,
            seat,
            halves,
            left_at: None,
            reset_at: None,
            active_at: Cell::new(Instant::now()),
        }
    }

    /// Moves bytes until the connection's end.
    pub(crate) async fn run(mut self) -> Stop {
        let (client, signal) = (self.client, self.seat.signal.clone());
        let idle = sleep_until(self.active_at.get() + IDLE_LIMIT);
        tokio::pin!(idle);
        loop {
            let changed = signal.news.notified();
            if signal.is_cut.get() {
                return Stop::cut(Cause::DrainDeadline);
            }
            if let Some(stop) = self.stop_of_the_dead() {
                return stop;
            }
            tokio::select! {
                biased;
                stop = std::future::poll_fn(|cx| self.poll(cx)) => return stop,
                () = changed => {}
                // A client may leave while nobody reads from it or writes to it.
                _ = client.ready(Interest::ERROR) => return self.client_reset(),
                () = &mut idle => {
                    let limit = self.active_at.get() + IDLE_LIMIT;
                    if limit <= Instant::now() {
                        return Stop::cut(Cause::IdleTimeout);
                    }
                    idle.as_mut().reset(limit);
                }
            }
        }
    }

    /// A client need not go on talking to an instance that has ended and is known to be dead.
    fn stop_of_the_dead(&self) -> Option<Stop> {
        let at = self.left_at.filter(|_| self.halves.down.is_done)?;
        let is_dead = self
            .front
            .ask(|pool| pool.is_dead(self.seat.ticket.program()));
        is_dead.then(|| Stop::closed(End::Instance { at, reset: false }))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        let mut bytes = Bytes::default();
        let turns = self.take_turns(cx, &mut bytes);
        if bytes != Bytes::default() {
            self.active_at.set(Instant::now());
            self.front.transferred(&self.seat.ticket, bytes);
        }
        match turns {
            Err(stop) => Poll::Ready(stop),
            Ok(has_more) => {
                if has_more {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
    }

    /// Says whether there is more to do at once.
    fn take_turns(&mut self, cx: &mut Context<'_>, bytes: &mut Bytes) -> Result<bool, Stop> {
        for _ in 0..TURNS_MAX {
            let down = self.turn_down(cx, &mut bytes.down)?;
            let up = self.turn_up(cx, &mut bytes.up)?;
            if self.halves.up.is_done && self.halves.down.is_done {
                return Err(Stop::closed(self.end()));
            }
            if !up && !down {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn turn_down(&mut self, cx: &mut Context<'_>, bytes: &mut u64) -> Result<bool, Stop> {
        let half = &mut self.halves.down;
        if half.is_done {
            return Ok(false);
        }
        match half.turn(cx, (&self.seat.server, self.client), self.front) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Turn::Moved(n)) => *bytes += n as u64,
            Poll::Ready(Turn::SourceFailed) => return Err(self.instance_reset()),
            Poll::Ready(Turn::SinkFailed) => return Err(self.client_reset()),
            Poll::Ready(Turn::Ended) if self.reset_at.is_some() => {
                return Err(self.instance_reset());
            }
            Poll::Ready(Turn::Ended) => {
                half_close(self.client);
                half.is_done = true;
                if self.halves.up.ended_at.is_none() {
                    self.left_at = half.ended_at;
                }
                if let Some(stop) = self.stop_of_the_dead() {
                    return Err(stop);
                }
            }
        }
        Ok(true)
    }

    fn turn_up(&mut self, cx: &mut Context<'_>, bytes: &mut u64) -> Result<bool, Stop> {
        let half = &mut self.halves.up;
        if half.is_done {
            return Ok(false);
        }
        match half.turn(cx, (self.client, &self.seat.server), self.front) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Turn::Moved(n)) => *bytes += n as u64,
            Poll::Ready(Turn::SourceFailed) => return Err(self.client_reset()),
            Poll::Ready(Turn::SinkFailed) => {
                // What it sent before is still to be delivered; the reset comes after that.
                half.is_done = true;
                if self.left_at.is_none() {
                    self.reset_at = Some(self.front.now());
                }
            }
            Poll::Ready(Turn::Ended) => {
                half_close(&self.seat.server);
                half.is_done = true;
            }
        }
        Ok(true)
    }

    fn end(&self) -> End {
        match self.left_at {
            Some(at) => End::Instance { at, reset: false },
            None => End::Ordinary,
        }
    }

    fn instance_reset(&self) -> Stop {
        let at = self.reset_at.unwrap_or_else(|| self.front.now());
        Stop {
            end: End::Instance { at, reset: true },
            abort_client: true,
            abort_server: false,
        }
    }

    /// If the instance had ended before, the client's reset is but the answer to that.
    fn client_reset(&self) -> Stop {
        let end = match self.end() {
            End::Ordinary => End::Cut(Cause::ClientReset),
            end => end,
        };
        Stop {
            end,
            abort_client: false,
            abort_server: true,
        }
    }
}

fn read(
    cx: &mut Context<'_>,
    source: &TcpStream,
    buffers: &Buffers,
) -> Poll<io::Result<Option<Chunk>>> {
    loop {
        ready!(source.poll_read_ready(cx))?;
        let mut chunk = buffers.take();
        match source.try_read(chunk.space()) {
            Ok(0) => return Poll::Ready(Ok(None)),
            Ok(n) => {
                if n < BUFFER_BYTES {
                    // A short read emptied the socket: the next one would only be told so.
                    let would_block = || Err::<(), _>(ErrorKind::WouldBlock.into());
                    let _ = source.try_io(Interest::READABLE, would_block);
                }
                return Poll::Ready(Ok(Some(chunk.fill(n))));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

fn write(cx: &mut Context<'_>, sink: &TcpStream, bytes: &[u8]) -> Poll<io::Result<usize>> {
    loop {
        match sink.try_write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                ready!(sink.poll_write_ready(cx))?;
            }
            written => return Poll::Ready(written),
        }
    }
}
