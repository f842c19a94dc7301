//! From what clients say of themselves to events, and to the end of leases that end with their writers.
//!
//! A document that is older than the same client's last is ignored here, so that no word of it reaches anybody.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use host_core::{CLIENTS_MAX, Event, LeaseStatus};
use runtime_protocol::{CurrentState, Expiration, Lease, MAX_CURRENT_STATE_BYTES};
use rustix::process::Pid;
use sandbox::Pidfd;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::{DOCUMENT_LIMIT, News, Shared, bounded, peer};

/// Who has written a document.
pub(super) enum Writer {
    /// A process, by its id; and held, so that the number cannot come to mean another one. `None` where it has
    /// ended already.
    Process(i32, Option<Pidfd>),
    /// Whoever wrote to the FIFO: the kernel does not say who.
    Fifo,
}

impl Writer {
    /// For a line of the log.
    pub(super) fn describe(&self) -> String {
        match self {
            Writer::Process(pid, _) => format!("from process {pid}"),
            Writer::Fifo => "from a writer of the FIFO".to_owned(),
        }
    }
}

/// The clients that hold something, by their ids.
#[derive(Default)]
pub(super) struct Holders {
    held: BTreeMap<String, Held>,
}

struct Held {
    incarnation: u64,
    /// When the lease ends by itself.
    until: Option<Instant>,
    /// Gives the lease back when its writer ends.
    watch: Option<AbortHandle>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
    }
}

impl Holders {
    /// Whether the client has said something newer.
    fn is_stale(&self, client: &str, incarnation: u64) -> bool {
        let held = self.held.get(client);
        held.is_some_and(|held| held.incarnation > incarnation)
    }

    /// Whether there is room for this client; those whose time has passed make room.
    fn has_room(&mut self, client: &str) -> bool {
        if self.held.contains_key(client) || self.held.len() < CLIENTS_MAX {
            return true;
        }
        let now = Instant::now();
        self.held
            .retain(|_, held| held.until.is_none_or(|until| until > now));
        self.held.len() < CLIENTS_MAX
    }

    pub(super) fn clear(&mut self) {
        self.held.clear();
    }
}

pub(super) async fn take_current_state(mut stream: UnixStream, shared: Rc<Shared>) {
    let pid = peer(&stream).unwrap_or_default();
    // Now, while the writer most likely lives: a one-shot writer is gone before its document is read.
    let held = Pid::from_raw(pid).and_then(|pid| Pidfd::of_peer(&stream, pid).ok());
    let writer = Writer::Process(pid, held);
    match timeout(DOCUMENT_LIMIT, read_document(&mut stream)).await {
        Ok(Ok(document)) => shared.take_document(writer, &document).await,
        Ok(Err(error)) => {
            let what = format!("a current state could not be read: {error}");
            shared.refuse(&writer, &what).await;
        }
        Err(_) => {
            let what = "a current state was not written in time";
            shared.refuse(&writer, what).await;
        }
    }
}

async fn read_document(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut document = Vec::new();
    // One byte more than allowed, so that the parser can tell what is too large.
    stream
        .take(MAX_CURRENT_STATE_BYTES as u64 + 1)
        .read_to_end(&mut document)
        .await?;
    Ok(document)
}

impl Shared {
    pub(super) async fn refuse(&self, writer: &Writer, what: &str) {
        let line = format!("{what} ({})", writer.describe());
        self.send(News::Warning(line)).await;
    }

    pub(super) async fn take_document(self: &Rc<Self>, writer: Writer, document: &[u8]) {
        match CurrentState::parse(document) {
            Ok(state) => self.take(writer, state).await,
            Err(error) => {
                let what = format!("a current state was refused: {error}");
                self.refuse(&writer, &what).await;
            }
        }
    }

    async fn take(self: &Rc<Self>, writer: Writer, state: CurrentState) {
        let client = state.client_id;
        let Lease::Acquire {
            incarnation,
            status,
            detail,
            expiration,
        } = state.lease
        else {
            self.holders.borrow_mut().held.remove(&client);
            return self.send(News::Event(Event::Released { client })).await;
        };
        let status = lease_status(status);
        if status == LeaseStatus::Stopped {
            let outcome = match &writer {
                Writer::Process(pid, _) => self.clients.borrow_mut().answered(*pid),
                Writer::Fifo => self.clients.borrow_mut().answered_by_reader(&client),
            };
            self.stopped(outcome).await;
        }
        // Turned into a span at once: the clock of the wall may jump later.
        let expires_in = match expiration {
            Expiration::Never => None,
            Expiration::At(time) => {
                Some(time.duration_since(SystemTime::now()).unwrap_or_default())
            }
        };
        // Clients that have nothing to add repeat the status as its detail.
        let detail = detail
            .filter(|detail| !detail.is_empty() && *detail != format!("{status:?}"))
            .map(|detail| bounded(&detail));
        let lease = host_core::Lease {
            status,
            incarnation,
            expires_in,
            detail,
        };
        if matches!(status, LeaseStatus::Started | LeaseStatus::Busy) {
            if self.holders.borrow().is_stale(&client, incarnation) {
                return;
            }
            if !self.holders.borrow_mut().has_room(&client) {
                let what = format!("{CLIENTS_MAX} clients hold a status, and one more was refused");
                return self.refuse(&writer, &what).await;
            }
            self.hold(writer, &client, incarnation, expires_in);
            self.heard();
        }
        self.send(News::Event(Event::Leased { client, lease }))
            .await;
    }

    /// Remembers what a client holds. A lease without an end of its own ends with its writer, if that is known.
    fn hold(
        self: &Rc<Self>,
        writer: Writer,
        client: &str,
        incarnation: u64,
        expires_in: Option<Duration>,
    ) {
        let watch = match (writer, expires_in) {
            (Writer::Process(_, pidfd), None) => {
                let ending = give_back(self.clone(), pidfd, client.to_owned());
                Some(tokio::task::spawn_local(ending).abort_handle())
            }
            (Writer::Process(..) | Writer::Fifo, _) => None,
        };
        // A time that the clock cannot count to never comes.
        let until = expires_in.and_then(|span| Instant::now().checked_add(span));
        let held = Held {
            incarnation,
            until,
            watch,
        };
        self.holders
            .borrow_mut()
            .held
            .insert(client.to_owned(), held);
    }
}

/// Waits for the writer's end and gives its lease back.
async fn give_back(shared: Rc<Shared>, writer: Option<Pidfd>, client: String) {
    if let Some(writer) = writer {
        writer.ended().await;
    }
    let held = shared.holders.borrow_mut().held.remove(&client);
    if let Some(mut held) = held {
        // This very task, which has something left to say.
        held.watch = None;
    }
    shared.send(News::Event(Event::Released { client })).await;
}

fn lease_status(status: runtime_protocol::LeaseStatus) -> LeaseStatus {
    match status {
        runtime_protocol::LeaseStatus::Started => LeaseStatus::Started,
        runtime_protocol::LeaseStatus::Busy => LeaseStatus::Busy,
        runtime_protocol::LeaseStatus::Recycle => LeaseStatus::Recycle,
        runtime_protocol::LeaseStatus::Stopped => LeaseStatus::Stopped,
    }
}
