//! Goal states on their way to clients: each one gets the current chunk and every later one.
//!
//! The Node client takes whatever one read brings for exactly one chunk. So each goes out in one write, and over a
//! socket the next waits until the one before has been read.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, sleep};

use super::{Shared, peer};
use crate::clients::Peer;

/// Chunks that wait for a client. Of more, which nobody sends in earnest, the oldest are left out.
const WAITING_MAX: usize = 16;

/// How long a client may leave a chunk unread before the next is written behind it: one that reads chunk by chunk is
/// served by that too, and one that does not read at all must not hide a stop from its own other connections.
const UNREAD_LIMIT: Duration = Duration::from_secs(1);

/// Between two looks whether a chunk has been read; each look doubles the pause.
const UNREAD_PAUSE: Duration = Duration::from_millis(1);

/// The current chunk, and the stream of later ones.
pub(super) struct GoalStates {
    current: RefCell<Arc<[u8]>>,
    later: broadcast::Sender<Arc<[u8]>>,
}

impl Default for GoalStates {
    fn default() -> Self {
        GoalStates {
            current: RefCell::new(Arc::from([])),
            later: broadcast::Sender::new(WAITING_MAX),
        }
    }
}

impl GoalStates {
    pub(super) fn announce(&self, chunk: Arc<[u8]>) {
        self.current.replace(chunk.clone());
        // Nobody may be listening yet; whoever comes gets the current one.
        let _ = self.later.send(chunk);
    }

    pub(super) fn subscribe(&self) -> Chunks {
        let current = self.current.borrow().clone();
        Chunks {
            first: Some(current).filter(|chunk| !chunk.is_empty()),
            later: self.later.subscribe(),
        }
    }
}

/// What one client gets.
pub(super) struct Chunks {
    first: Option<Arc<[u8]>>,
    later: broadcast::Receiver<Arc<[u8]>>,
}

impl Chunks {
    /// The next chunk; `None` when there is no server any more. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Arc<[u8]>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            match self.later.recv().await {
                Ok(chunk) => return Some(chunk),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

pub(super) async fn tell_goal_states(mut stream: UnixStream, shared: Rc<Shared>) {
    let Some(pid) = peer(&stream) else { return };
    shared.clients.borrow_mut().connected(Peer::Process(pid));
    let mut chunks = shared.goal_states.subscribe();
    let mut ignored = [0; 64];
    loop {
        tokio::select! {
            chunk = chunks.next() => {
                let Some(chunk) = chunk else { break };
                until_read(&stream).await;
                if stream.write_all(&chunk).await.is_err() {
                    break;
                }
            }
            // Nothing is expected from the client but its end.
            read = stream.read(&mut ignored) => if !matches!(read, Ok(1..)) { break },
        }
    }
    shared.clients.borrow_mut().disconnected(Peer::Process(pid));
}

async fn until_read(stream: &UnixStream) {
    let deadline = Instant::now() + UNREAD_LIMIT;
    let mut pause = UNREAD_PAUSE;
    while sandbox::unread_bytes(stream).is_ok_and(|n| n > 0) && Instant::now() < deadline {
        sleep(pause).await;
        pause *= 2;
    }
}
