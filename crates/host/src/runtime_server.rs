//! The host's side of the role runtime protocol `2011-03-08`.
//!
//! Over Unix sockets in the instance's folder: `runtime.sock` writes the discovery document and closes;
//! `goal-state.sock` writes a chunk at connect and one at every change; `current-state.sock` reads one document
//! a connection. A role that opens paths is offered files and FIFOs instead (`fifos`). Either way `notify.sock` takes
//! the datagrams of sd_notify(3). All of them stay for the host's life, so a path that a program has read stays good;
//! what they say changes with [`RuntimeServer::publish`].
//!
//! What clients say becomes [`Event`]s; what follows from it is not decided here.
//!
//! Sockets and FIFOs are the instance's user's, with mode 0600 in a folder that nobody else passes; and who connects must
//! be a process below this host.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use host_core::Event;
use plan::InstancePlan;
use runtime_protocol::{Deadline, Discovery, ExpectedState, GoalState, frame};
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use sandbox::descendants;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixDatagram, UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::clients::{Clients, Outcome, Peer, end_of};
use crate::error::HostError;
use crate::prepare::close;

mod environment;
mod fifos;
mod goal_states;
mod notifications;
mod statuses;

use environment::role_environment;
use fifos::Fifos;
use goal_states::{GoalStates, tell_goal_states};
use notifications::take_notifications;
use statuses::{Holders, Writer, take_current_state};

/// How long a client may take to write its document.
const DOCUMENT_LIMIT: Duration = Duration::from_secs(10);

/// After a connection that could not be accepted: long enough not to spin, short against what clients wait.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Connections of one socket at a time; who comes then waits in the kernel's queue. A role has a handful of processes;
/// without a bound, one that leaks connections would take the host's descriptors.
const CONNECTIONS_MAX: usize = 256;

/// The longest text a role may give as its detail, in bytes: it is shown in a table.
const DETAIL_BYTES_MAX: usize = 256;

const GOAL_STATE_SOCKET: &str = "goal-state.sock";
const CURRENT_STATE_SOCKET: &str = "current-state.sock";
const GOAL_STATE_FIFO: &str = "goal-state.fifo";
const CURRENT_STATE_FIFO: &str = "current-state.fifo";

/// What the server tells the host. Carries no attempt: clients of an earlier attempt are dead before the next begins.
#[derive(Debug)]
pub(crate) enum News {
    /// For the state machine.
    Event(Event),
    /// For the instance's log.
    Warning(String),
}

/// How a role is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    Sockets,
    Fifos,
}

/// What one instance's clients are offered.
pub(crate) struct RuntimeServer {
    shared: Rc<Shared>,
    incarnation: u64,
    fifos: Option<Fifos>,
}

struct Shared {
    folder: PathBuf,
    /// Whose the sockets are; the fabric's user's where there is none.
    identity: Option<u32>,
    goal_states: GoalStates,
    clients: RefCell<Clients>,
    holders: RefCell<Holders>,
    /// Counts the signs of life that a watchdog goes by.
    signs_of_life: watch::Sender<u64>,
    news: mpsc::Sender<News>,
}

impl RuntimeServer {
    /// Opens sockets or FIFOs in `folder` and serves them on this thread's `LocalSet`.
    pub(crate) fn open(
        folder: &Path,
        identity: Option<u32>,
        offer: Offer,
        news: mpsc::Sender<News>,
    ) -> Result<RuntimeServer, HostError> {
        make_private(folder, identity)
            .map_err(HostError::file("make the folder of sockets", folder))?;
        let shared = Rc::new(Shared {
            folder: folder.to_owned(),
            identity,
            goal_states: GoalStates::default(),
            clients: RefCell::default(),
            holders: RefCell::default(),
            signs_of_life: watch::Sender::new(0),
            news,
        });
        let fifos = match offer {
            Offer::Sockets => {
                serve(&shared, "runtime.sock", discover)?;
                serve(&shared, GOAL_STATE_SOCKET, tell_goal_states)?;
                serve(&shared, CURRENT_STATE_SOCKET, take_current_state)?;
                None
            }
            Offer::Fifos => {
                let discovery = shared.discovery(GOAL_STATE_FIFO);
                Some(Fifos::open(&shared, &discovery)?)
            }
        };
        let notify = bind(&shared, "notify.sock", |path| UnixDatagram::bind(path))?;
        tokio::task::spawn_local(take_notifications(notify, shared.clone()));
        Ok(RuntimeServer {
            shared,
            incarnation: 0,
            fifos,
        })
    }

    /// Changes whenever the role's program is heard of in a way that a watchdog counts.
    pub(crate) fn signs_of_life(&self) -> watch::Receiver<u64> {
        self.shared.signs_of_life.subscribe()
    }

    /// The path for `NOTIFY_SOCKET`.
    pub(crate) fn notify_path(&self) -> PathBuf {
        self.shared.path("notify.sock")
    }

    /// Writes a new role environment and then the goal state `Started` that announces it.
    pub(crate) fn publish(&mut self, plan: &InstancePlan) -> Result<(), HostError> {
        self.incarnation += 1;
        let path = self.environment_path();
        let document = role_environment(plan).render();
        // Beside and renamed, under a new name an incarnation: a reader never sees a mix.
        let beside = path.with_extension("new");
        fs::write(&beside, document)
            .map_err(HostError::file("write the role environment", &beside))?;
        give(&beside, self.shared.identity)?;
        fs::rename(&beside, &path).map_err(HostError::file("write the role environment", &path))?;
        self.announce(ExpectedState::Started, Deadline::Never);
        Ok(())
    }

    /// A new program's life begins: nothing of the clients before it counts any more.
    pub(crate) fn forget_clients(&mut self) {
        self.shared.clients.borrow_mut().clear();
        self.shared.holders.borrow_mut().clear();
        for incarnation in 1..=self.incarnation {
            let _ = fs::remove_file(
                self.shared
                    .path(&format!("RoleEnvironment.{incarnation}.xml")),
            );
        }
    }

    /// Sends `Stopped` and waits for the answers, which come as [`Event::ClientsStopped`].
    pub(crate) fn ask_to_stop(&mut self, within: Duration) {
        let environment = self.environment_path();
        self.incarnation += 1;
        // The environment has not changed; only its name goes with the incarnation.
        let copied = fs::copy(environment, self.environment_path());
        // A client that reads it finds what it has read before, or nothing, and takes the goal state all the same.
        let _ = copied.map(|_| give(&self.environment_path(), self.shared.identity));
        let peers = self.shared.clients.borrow_mut().begin_stop();
        self.announce(
            ExpectedState::Stopped,
            Deadline::At(SystemTime::now() + within),
        );
        for peer in peers {
            // The end of a FIFO's reader is seen where it is served.
            let Peer::Process(pid) = peer else { continue };
            let shared = self.shared.clone();
            tokio::task::spawn_local(async move {
                end_of(pid).await;
                let outcome = shared.clients.borrow_mut().ended(peer);
                shared.stopped(outcome).await;
            });
        }
        let outcome = self.shared.clients.borrow_mut().outcome();
        let shared = self.shared.clone();
        tokio::task::spawn_local(async move { shared.stopped(outcome).await });
    }

    fn environment_path(&self) -> PathBuf {
        self.shared
            .path(&format!("RoleEnvironment.{}.xml", self.incarnation))
    }

    fn announce(&self, expected_state: ExpectedState, deadline: Deadline) {
        let current_state = match self.fifos {
            None => CURRENT_STATE_SOCKET,
            Some(_) => CURRENT_STATE_FIFO,
        };
        let document = GoalState {
            incarnation: self.incarnation,
            expected_state,
            role_environment_path: text(&self.environment_path()),
            current_state_endpoint: text(&self.shared.path(current_state)),
            deadline,
        };
        let chunk: Arc<[u8]> = frame(&document.render()).into();
        self.shared.goal_states.announce(chunk);
    }
}

impl Shared {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The discovery document, which leads to the goal states.
    fn discovery(&self, goal_state: &str) -> String {
        let document = Discovery {
            goal_state_path: text(&self.path(goal_state)),
        };
        document.render()
    }

    fn heard(&self) {
        self.signs_of_life.send_modify(|n| *n += 1);
    }

    async fn send(&self, news: News) {
        // The host is ending if nobody listens.
        let _ = self.news.send(news).await;
    }

    async fn stopped(&self, outcome: Option<Outcome>) {
        if let Some(Outcome { answered }) = outcome {
            self.send(News::Event(Event::ClientsStopped { answered }))
                .await;
        }
    }
}

fn make_private(folder: &Path, identity: Option<u32>) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    match identity {
        Some(identity) => close(folder, identity),
        None => Ok(()),
    }
}

/// Lets the instance's user, and nobody else but root, read and write a document or a socket.
fn give(path: &Path, identity: Option<u32>) -> Result<(), HostError> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .and_then(|()| chown(path, identity, identity))
        .map_err(HostError::file("protect", path))
}

fn bind<T>(
    shared: &Shared,
    name: &str,
    bind: impl FnOnce(&Path) -> io::Result<T>,
) -> Result<T, HostError> {
    let path = shared.path(name);
    // Left there by an earlier host: this one holds the instance's lock.
    let _ = fs::remove_file(&path);
    let bound = bind(&path).map_err(HostError::file("listen on", &path))?;
    give(&path, shared.identity)?;
    Ok(bound)
}

/// Accepts on a socket for the host's life, with a task for each connection.
fn serve<F>(
    shared: &Rc<Shared>,
    name: &str,
    connection: fn(UnixStream, Rc<Shared>) -> F,
) -> Result<(), HostError>
where
    F: Future<Output = ()> + 'static,
{
    let listener = bind(shared, name, |path| UnixListener::bind(path))?;
    let shared = shared.clone();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    tokio::task::spawn_local(async move {
        loop {
            let Ok(place) = room.clone().acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) if !is_own(&stream, shared.identity) => {
                    let what = "a connection of another instance's or user's was refused";
                    let pid = peer(&stream).unwrap_or_default();
                    shared.refuse(&Writer::Process(pid, None), what).await;
                }
                Ok((stream, _)) => {
                    let connection = connection(stream, shared.clone());
                    tokio::task::spawn_local(async move {
                        connection.await;
                        drop(place);
                    });
                }
                // Out of descriptors, most likely: wait for some to come free instead of spinning.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    });
    Ok(())
}

async fn discover(mut stream: UnixStream, shared: Rc<Shared>) {
    let document = shared.discovery(GOAL_STATE_SOCKET);
    // A client that has gone needs no answer.
    let _ = stream.write_all(document.as_bytes()).await;
}

/// Whether the peer is the instance's: its user or the fabric's, and a process below this one unless it has ended.
fn is_own(stream: &UnixStream, identity: Option<u32>) -> bool {
    socket_peercred(stream).is_ok_and(|peer| {
        let uid = peer.uid.as_raw();
        (uid == geteuid().as_raw() || Some(uid) == identity) && descendants::may_be_below(peer.pid)
    })
}

fn peer(stream: &UnixStream) -> Option<i32> {
    socket_peercred(stream)
        .ok()
        .map(|credentials| credentials.pid.as_raw_nonzero().get())
}

/// What a role says, as one short line of a table: what would move a terminal's cursor or begin a line is replaced.
fn bounded(text: &str) -> String {
    let plain = text.chars().take(DETAIL_BYTES_MAX);
    let plain = plain.map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut plain: String = plain.collect();
    plain.truncate(plain.floor_char_boundary(DETAIL_BYTES_MAX));
    plain
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod xpaths;
