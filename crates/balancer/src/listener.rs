//! The listening sockets, and the loops that accept at them.
//!
//! Sockets are passed in and shared with other processes; none is opened here. One is accepted at only
//! while the table names it and its endpoint has room: what is not accepted waits in the kernel.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use balancer_core::{Cause, Table};
use rustix::io::Errno;
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, spawn_local, yield_now};
use tokio::time::sleep;

use crate::connection::{serve, without_delay};
use crate::front::Front;

/// Listening sockets held at once: one for each public port and address of the machine.
pub const LISTENERS_MAX: usize = 1024;

/// After an accept that failed for want of descriptors or memory: the socket stays readable, and
/// trying at once would be a loop that takes the whole thread.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Accepts in a row before established connections get their turn.
const ACCEPT_BURST: u32 = 32;

/// All listening sockets, by name.
#[derive(Default)]
pub(crate) struct Listeners(RefCell<BTreeMap<Rc<str>, Held>>);

struct Held {
    socket: Rc<TcpListener>,
    accepting: Option<Accepting>,
}

/// A running accept loop; it ends with this.
struct Accepting {
    endpoint: Arc<str>,
    task: AbortHandle,
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A passed socket was refused.
#[derive(Debug)]
pub(crate) enum ListenerError {
    /// It is not a listening TCP socket.
    Kind { name: String },
    /// There are [`LISTENERS_MAX`] already.
    TooMany { name: String },
    /// The runtime cannot watch it.
    Watch { name: String, source: io::Error },
}

impl fmt::Display for ListenerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenerError::Kind { name } => write!(f, "not a listening TCP socket: `{name}`"),
            ListenerError::TooMany { name } => {
                write!(
                    f,
                    "more than {LISTENERS_MAX} listening sockets, refused: `{name}`"
                )
            }
            ListenerError::Watch { name, .. } => {
                write!(f, "cannot watch listening socket `{name}`")
            }
        }
    }
}

impl std::error::Error for ListenerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ListenerError::Watch { source, .. } => Some(source),
            ListenerError::Kind { .. } | ListenerError::TooMany { .. } => None,
        }
    }
}

impl Listeners {
    /// Takes a socket; one whose name is held already is dropped.
    pub(crate) fn add(&self, name: &str, socket: OwnedFd) -> Result<(), ListenerError> {
        let mut held = self.0.borrow_mut();
        if held.contains_key(name) {
            return Ok(());
        }
        if !is_tcp_listener(&socket) {
            return Err(ListenerError::Kind { name: name.into() });
        }
        if held.len() >= LISTENERS_MAX {
            return Err(ListenerError::TooMany { name: name.into() });
        }
        let socket = std::net::TcpListener::from(socket);
        let watched = socket
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(socket));
        let socket = watched.map_err(|source| ListenerError::Watch {
            name: name.into(),
            source,
        })?;
        let socket = Rc::new(socket);
        let accepting = None;
        held.insert(name.into(), Held { socket, accepting });
        Ok(())
    }

    /// Lets sockets go, and those who wait for an instance there.
    pub(crate) fn close(&self, names: &[String], front: &Front) {
        for name in names {
            self.0.borrow_mut().remove(name.as_str());
            front.close_line(name);
        }
    }

    /// Accepts at the sockets that the table names, for the endpoints that it names them at.
    pub(crate) fn assign(&self, table: &Table, front: &Rc<Front>) {
        let endpoints: BTreeMap<&str, &str> = table
            .endpoints
            .iter()
            .flat_map(|endpoint| endpoint.listeners.iter().map(|l| (&**l, &*endpoint.name)))
            .collect();
        for (name, held) in self.0.borrow_mut().iter_mut() {
            let endpoint = endpoints.get(&**name).copied();
            if held
                .accepting
                .as_ref()
                .map(|accepting| &*accepting.endpoint)
                == endpoint
            {
                continue;
            }
            held.accepting = endpoint.map(|endpoint| {
                let endpoint: Arc<str> = endpoint.into();
                let listener = name.clone();
                let accepts = accept(
                    front.clone(),
                    held.socket.clone(),
                    listener,
                    endpoint.clone(),
                );
                let task = spawn_local(accepts).abort_handle();
                Accepting { endpoint, task }
            });
        }
    }
}

fn is_tcp_listener(socket: &OwnedFd) -> bool {
    let is_inet = matches!(
        socket_domain(socket),
        Ok(AddressFamily::INET | AddressFamily::INET6)
    );
    is_inet
        && socket_type(socket) == Ok(SocketType::STREAM)
        && socket_acceptconn(socket) == Ok(true)
}

/// Accepts for as long as the task lives.
async fn accept(front: Rc<Front>, socket: Rc<TcpListener>, listener: Rc<str>, endpoint: Arc<str>) {
    let mut burst = 0;
    loop {
        front.room(&endpoint).await;
        match next(&front, &socket, &endpoint).await {
            None => burst = 0,
            Some(Ok(stream)) => {
                admit(&front, stream, &listener, &endpoint);
                burst += 1;
            }
            Some(Err(error)) => match Errno::from_io_error(&error) {
                // That client has left again.
                Some(Errno::CONNABORTED | Errno::PROTO | Errno::INTR) => {}
                _ => sleep(ACCEPT_PAUSE).await,
            },
        }
        if burst == ACCEPT_BURST {
            burst = 0;
            yield_now().await;
        }
    }
}

/// The next client; `None` if somebody else took the room before there was one.
async fn next(
    front: &Front,
    socket: &TcpListener,
    endpoint: &str,
) -> Option<io::Result<TcpStream>> {
    poll_fn(|cx| {
        if !front.has_room(endpoint) {
            return Poll::Ready(None);
        }
        let accepted = ready!(socket.poll_accept(cx));
        Poll::Ready(Some(accepted.map(|(stream, _)| stream)))
    })
    .await
}

fn admit(front: &Rc<Front>, stream: TcpStream, listener: &Rc<str>, endpoint: &Arc<str>) {
    let client = front.accept(endpoint);
    match without_delay(stream) {
        Ok(stream) => {
            spawn_local(serve(front.clone(), stream, client, listener.clone()));
        }
        Err(_) => {
            front.with(endpoint, |pool, _| pool.left(client, Cause::OutOfResources));
            front.release();
        }
    }
}
