//! One client's connection, from accept to its end.
//!
//! ```text
//! seat: pick ─► connect ─► opening ─► pump ─► counted
//!         ▲ │      │          │
//!         │ park   │ refused, │ reset, or dead: no byte has passed
//!         └────────┴─ late ───┘
//! ```
//!
//! What may move to another instance is decided here and in `opening`; `pump` never moves anything.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use balancer_core::{Cause, Client, DEATH_REPORT_LIMIT, Pick, Pool, Program, Ticket};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::buffers::Chunk;
use crate::front::{Front, Signal, Waiter};
use crate::opening::{Opened, open};
use crate::pump::{Pump, Stop};

/// For an instance to answer a connect. Below the second after which the kernel repeats a lost SYN, so
/// that a full queue or a hanging instance costs the client less than that repeat would.
pub const CONNECT_LIMIT: Duration = Duration::from_millis(900);

/// For a client to wait for an instance. Longer than any restart worth waiting for, and than most
/// clients' patience; without it those who never give up would fill the line.
pub const PARK_LIMIT: Duration = Duration::from_secs(60);

/// Instances that a client may see end before its first byte, until it is sent away: one whose mere
/// arrival kills programs must not walk through all of them for ever.
pub const MOVES_MAX: u32 = 16;

/// Before a connect that failed for want of memory, ports or descriptors here is repeated.
const RESOURCE_PAUSE: Duration = Duration::from_millis(10);

/// A client at an instance.
pub(crate) struct Seat {
    pub(crate) ticket: Ticket,
    pub(crate) server: TcpStream,
    pub(crate) signal: Rc<Signal>,
}

/// What the client has said so far and no instance has taken.
#[derive(Default)]
pub(crate) struct First {
    pub(crate) bytes: Option<Chunk>,
    /// It said that nothing will follow; only ever without bytes.
    pub(crate) ended: bool,
}

/// Serves a client until its end, and counts it.
pub(crate) async fn serve(front: Rc<Front>, stream: TcpStream, client: Client, listener: Rc<str>) {
    let connection = Connection {
        seats: Seats {
            front: front.clone(),
            client,
            listener,
            waiter: None,
            tried: Vec::new(),
            last: None,
            moves: 0,
        },
        stream,
        first: First::default(),
    };
    connection.run().await;
    front.release();
}

struct Connection {
    seats: Seats,
    stream: TcpStream,
    first: First,
}

impl Connection {
    async fn run(mut self) {
        loop {
            let seat = match self.seats.find(&self.stream).await {
                Ok(seat) => seat,
                Err(cause) => return self.send_away(cause),
            };
            let front = self.seats.front.clone();
            match open(&front, &self.stream, &seat, &mut self.first).await {
                Opened::Flowing(halves) => {
                    let pump = Pump::new(&front, &self.stream, &seat, halves);
                    let stop = pump.run().await;
                    return self.close(seat, stop);
                }
                Opened::Over(stop) => return self.close(seat, stop),
                Opened::Moved { reset } => self.seats.leave(seat, reset),
            }
        }
    }

    /// Ends a client that no instance serves.
    fn send_away(self, cause: Cause) {
        abort(&self.stream);
        drop(self.stream);
        let Seats { front, client, .. } = self.seats;
        let endpoint = client.endpoint().clone();
        front.with(&endpoint, |pool, _| pool.left(client, cause));
    }

    fn close(self, seat: Seat, stop: Stop) {
        if stop.abort_client {
            abort(&self.stream);
        }
        if stop.abort_server {
            abort(&seat.server);
        }
        // The peers hear of it before the counters do.
        drop(self.stream);
        drop(seat.server);
        let Seats { front, client, .. } = self.seats;
        let endpoint = client.endpoint().clone();
        front.with(&endpoint, |pool, now| {
            pool.closed(client, seat.ticket, stop.end, now);
        });
    }
}

/// What it takes to find an instance for a client, again and again.
struct Seats {
    front: Rc<Front>,
    client: Client,
    listener: Rc<str>,
    waiter: Option<Rc<Waiter>>,
    /// Instances that reset it before any byte, and seemed alive.
    tried: Vec<Program>,
    /// The latest of those, where it listened, and when it did that.
    last: Option<(Program, SocketAddr, Duration)>,
    moves: u32,
}

impl Seats {
    /// The client has left a seat before any byte passed.
    fn leave(&mut self, seat: Seat, reset: bool) {
        self.moves += 1;
        if reset {
            let program = seat.ticket.program().clone();
            self.last = Some((program.clone(), seat.ticket.address(), self.front.now()));
            self.tried.push(program);
        }
        let endpoint = self.client.endpoint().clone();
        self.front
            .with(&endpoint, |pool, _| pool.moved(seat.ticket));
    }

    /// Connects to an instance; waits for one if need be.
    async fn find(&mut self, stream: &TcpStream) -> Result<Seat, Cause> {
        let found = self.search(stream).await;
        if self.waiter.take().is_some() {
            self.front.forget_waiter(self.client.number());
        }
        found
    }

    async fn search(&mut self, stream: &TcpStream) -> Result<Seat, Cause> {
        let limit = Instant::now() + PARK_LIMIT;
        loop {
            if self.moves > MOVES_MAX {
                return Err(Cause::InstanceReset);
            }
            match self.front.pick(&mut self.client, &self.tried) {
                Pick::To(ticket) => {
                    if let Some(seat) = self.connect(ticket, limit).await? {
                        return Ok(seat);
                    }
                }
                Pick::Park(trial) => self.park(stream, trial, limit).await?,
                Pick::Exhausted if self.has_last_died().await => self.tried.clear(),
                Pick::Exhausted => return Err(Cause::InstanceReset),
                Pick::Closed => return Err(Cause::EndpointClosed),
            }
        }
    }

    async fn connect(&mut self, ticket: Ticket, limit: Instant) -> Result<Option<Seat>, Cause> {
        let front = self.front.clone();
        let endpoint = self.client.endpoint().clone();
        let signal = front.signal(ticket.program());
        let is_out = |pool: &Pool| !pool.is_in_rotation(&endpoint, ticket.program());
        let outcome = tokio::select! {
            biased;
            outcome = timeout(CONNECT_LIMIT, TcpStream::connect(ticket.address())) => outcome,
            // A connect that the table forbids by now only holds up its acknowledgement.
            true = front.holds_within(CONNECT_LIMIT, &signal, is_out) => {
                front.with(&endpoint, |pool, _| pool.abandoned(ticket));
                return Ok(None);
            }
        };
        let error = match outcome.map(|connected| connected.and_then(without_delay)) {
            Ok(Ok(server)) => {
                front.with(&endpoint, |pool, _| pool.connected(&ticket));
                return Ok(Some(Seat {
                    ticket,
                    server,
                    signal,
                }));
            }
            Ok(Err(error)) => Failure::of(&error),
            Err(_) => Failure::Late,
        };
        front.with(&endpoint, |pool, now| match error {
            Failure::Refused => pool.refused(ticket, now),
            Failure::Late => pool.late(ticket, now),
            Failure::Here => pool.abandoned(ticket),
        });
        if error == Failure::Here {
            if Instant::now() > limit {
                return Err(Cause::OutOfResources);
            }
            sleep(RESOURCE_PAUSE).await;
        }
        Ok(None)
    }

    /// Waits until it may be this client's turn. Its bytes stay in the kernel; that it will send no
    /// more is no departure, a reset is.
    async fn park(
        &mut self,
        stream: &TcpStream,
        trial: Option<Duration>,
        limit: Instant,
    ) -> Result<(), Cause> {
        let number = self.client.number();
        let enter = || self.front.waiter(number, &self.listener);
        let waiter = self.waiter.get_or_insert_with(enter).clone();
        let pause = trial.map(|at| at.saturating_sub(self.front.now()));
        tokio::select! {
            biased;
            _ = stream.ready(Interest::ERROR) => Err(Cause::ClientVanished),
            () = waiter.news.notified() => match waiter.is_closed.get() {
                true => Err(Cause::EndpointClosed),
                false => Ok(()),
            },
            () = sleep(pause.unwrap_or_default()), if pause.is_some() => Ok(()),
            () = sleep_until(limit) => Err(Cause::ParkTimeout),
        }
    }

    async fn has_last_died(&self) -> bool {
        let Some((program, address, at)) = &self.last else {
            return false;
        };
        let signal = self.front.signal(program);
        has_died(
            &self.front,
            self.client.endpoint(),
            program,
            *address,
            &signal,
            *at,
        )
        .await
    }
}

/// Whether a program that ended a connection at `at` is gone: a fresh connect to it is refused, or the
/// table says so in time. A connect that succeeds proves nothing: another start of the program may
/// listen already, or the host may hold its socket.
pub(crate) async fn has_died(
    front: &Front,
    endpoint: &str,
    program: &Program,
    address: SocketAddr,
    signal: &Signal,
    at: Duration,
) -> bool {
    if front.ask(|pool| pool.is_in_rotation(endpoint, program)) {
        let fresh = timeout(DEATH_REPORT_LIMIT, TcpStream::connect(address)).await;
        if let Ok(Err(error)) = fresh
            && Failure::of(&error) == Failure::Refused
        {
            front.with(endpoint, |pool, now| pool.suspect(endpoint, program, now));
            return true;
        }
    }
    let left = (at + DEATH_REPORT_LIMIT).saturating_sub(front.now());
    front
        .holds_within(left, signal, |pool| pool.is_dead(program))
        .await
}

/// How a connect failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// Nobody listens there.
    Refused,
    /// Nobody answers there.
    Late,
    /// For want of something on this side.
    Here,
}

impl Failure {
    fn of(error: &io::Error) -> Failure {
        match Errno::from_io_error(error) {
            Some(Errno::CONNREFUSED | Errno::CONNRESET) => Failure::Refused,
            Some(
                Errno::MFILE
                | Errno::NFILE
                | Errno::NOMEM
                | Errno::NOBUFS
                | Errno::NOSPC
                | Errno::ADDRNOTAVAIL
                | Errno::AGAIN,
            ) => Failure::Here,
            // Unreachable networks and hosts, and what nobody thought of: not too often again.
            _ => Failure::Late,
        }
    }
}

/// Small writes go out at once: whoever wants them gathered has gathered them already.
pub(crate) fn without_delay(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Makes the coming close a reset.
pub(crate) fn abort(stream: &TcpStream) {
    // It fails for a socket that is reset already, which is as good.
    let _ = rustix::net::sockopt::set_socket_linger(stream.as_fd(), Some(Duration::ZERO));
}

#[cfg(test)]
mod tests {
    use balancer_core::{Backend, Endpoint, EndpointCounters, Rotation, Table};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A client accepted by a balancer whose endpoint has these backends, served to its end.
    async fn serve_to_its_end(backends: Vec<Backend>) -> (TcpStream, EndpointCounters) {
        let front = Rc::new(Front::new(8));
        let row = Endpoint {
            name: "A".into(),
            listeners: vec![],
            backends,
        };
        let table = Table {
            number: 1,
            endpoints: vec![row],
        };
        front.replace(table).unwrap();
        let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(public.local_addr().unwrap())
            .await
            .unwrap();
        let (accepted, _) = public.accept().await.unwrap();
        serve(front.clone(), accepted, front.accept("A"), "public".into()).await;
        let counters = front.counters().endpoints.remove("A").unwrap();
        assert!(front.has_room("A"));
        (client, counters)
    }

    async fn is_reset(mut client: TcpStream) -> bool {
        let end = client.read_to_end(&mut vec![]).await;
        matches!(end, Err(error) if error.kind() == io::ErrorKind::ConnectionReset)
    }

    fn backend(address: SocketAddr) -> Backend {
        Backend {
            id: "X".into(),
            address,
            incarnation: 1,
            rotation: Rotation::In,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_does_not_wait_for_ever() {
        let start = Instant::now();
        let (client, counters) = serve_to_its_end(vec![]).await;
        assert!(start.elapsed() >= PARK_LIMIT);
        assert_eq!(counters.cut.get(&Cause::ParkTimeout), Some(&1));
        assert!(is_reset(client).await);
    }

    /// The limit holds before the first byte and after it.
    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_cut() {
        for says_hello in [false, true] {
            let program = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = program.local_addr().unwrap();
            let start = Instant::now();
            let talking = async {
                let (mut stream, _) = program.accept().await.unwrap();
                if says_hello {
                    stream.write_all(b"hello").await.unwrap();
                }
                stream
            };
            let serving = serve_to_its_end(vec![backend(address)]);
            let (stream, (_client, counters)) = tokio::join!(talking, serving);
            assert!(start.elapsed() >= crate::IDLE_LIMIT);
            assert_eq!(counters.cut.get(&Cause::IdleTimeout), Some(&1));
            assert!(is_reset(stream).await, "says hello: {says_hello}");
        }
    }

    #[test]
    fn what_a_failed_connect_says() {
        let of = |errno: Errno| Failure::of(&io::Error::from(errno));
        assert_eq!(of(Errno::CONNREFUSED), Failure::Refused);
        assert_eq!(of(Errno::MFILE), Failure::Here);
        assert_eq!(of(Errno::ADDRNOTAVAIL), Failure::Here);
        assert_eq!(of(Errno::HOSTUNREACH), Failure::Late);
        assert_eq!(Failure::of(&io::Error::other("no number")), Failure::Late);
    }
}
