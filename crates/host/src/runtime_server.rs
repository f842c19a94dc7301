//! The host's side of the role runtime protocol `2011-03-08`, on Unix sockets.
//!
//! Four sockets in the instance's folder: `runtime.sock` writes the discovery document and closes;
//! `goal-state.sock` writes a chunk at connect and one at every change; `current-state.sock` reads one document
//! a connection; `notify.sock` takes the datagrams of sd_notify(3). The sockets stay for the host's life, so a
//! path that a program has read stays good; what they say changes with [`RuntimeServer::publish`].
//!
//! What clients say becomes [`Event`]s; what follows from it is not decided here.
//!
//! Not here yet: FIFOs for clients that open paths, and a check that a peer belongs to the instance beyond the
//! sockets' mode (0600 in a folder 0700).

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use host_core::{Event, LeaseStatus};
use plan::{InstancePlan, InstanceView};
use runtime_protocol::{
    CurrentInstance, CurrentState, Deadline, Discovery, Endpoint, ExpectedState, Expiration,
    GoalState, Instance, Lease, LocalResource, MAX_CURRENT_STATE_BYTES, Role, RoleEnvironment,
    Setting, frame,
};
use rustix::net::sockopt::socket_peercred;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixDatagram, UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::clients::{Clients, Outcome, end_of};
use crate::error::HostError;

/// How long a client may take to write its document.
const DOCUMENT_LIMIT: Duration = Duration::from_secs(10);

/// After a connection that could not be accepted: long enough not to spin, short against what clients wait.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// The largest notification, in bytes. systemd allows as much; ours are a line or two.
const NOTIFICATION_BYTES_MAX: usize = 4096;

/// The longest text a role may give as its detail, in bytes: it is shown in a table.
const DETAIL_BYTES_MAX: usize = 256;

/// What the server tells the host. Carries no attempt: clients of an earlier attempt are dead before the next begins.
#[derive(Debug)]
pub(crate) enum News {
    /// For the state machine.
    Event(Event),
    /// For the instance's log.
    Warning(String),
}

/// The sockets of one instance.
pub(crate) struct RuntimeServer {
    shared: Rc<Shared>,
    incarnation: u64,
}

struct Shared {
    folder: PathBuf,
    chunk: watch::Sender<Arc<[u8]>>,
    clients: RefCell<Clients>,
    /// Of each client id, the process whose end gives its lease back.
    watched: RefCell<std::collections::BTreeMap<String, i32>>,
    news: mpsc::Sender<News>,
}

impl RuntimeServer {
    /// Opens the sockets in `folder` and serves them on this thread's `LocalSet`.
    pub(crate) fn open(
        folder: &Path,
        news: mpsc::Sender<News>,
    ) -> Result<RuntimeServer, HostError> {
        make_private(folder).map_err(HostError::file("make the folder of sockets", folder))?;
        let shared = Rc::new(Shared {
            folder: folder.to_owned(),
            chunk: watch::Sender::new(Arc::from([])),
            clients: RefCell::default(),
            watched: RefCell::default(),
            news,
        });
        serve(&shared, "runtime.sock", discover)?;
        serve(&shared, "goal-state.sock", tell_goal_states)?;
        serve(&shared, "current-state.sock", take_current_state)?;
        let notify = bind(&shared, "notify.sock", |path| UnixDatagram::bind(path))?;
        tokio::task::spawn_local(take_notifications(notify, shared.clone()));
        Ok(RuntimeServer {
            shared,
            incarnation: 0,
        })
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
        fs::rename(&beside, &path).map_err(HostError::file("write the role environment", &path))?;
        self.announce(ExpectedState::Started, Deadline::Never);
        Ok(())
    }

    /// A new program's life begins: nothing of the clients before it counts any more.
    pub(crate) fn forget_clients(&mut self) {
        self.shared.clients.borrow_mut().clear();
        self.shared.watched.borrow_mut().clear();
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
        let _ = fs::copy(environment, self.environment_path());
        let pids = self.shared.clients.borrow_mut().begin_stop();
        self.announce(
            ExpectedState::Stopped,
            Deadline::At(SystemTime::now() + within),
        );
        for pid in pids {
            let shared = self.shared.clone();
            tokio::task::spawn_local(async move {
                end_of(pid).await;
                let outcome = shared.clients.borrow_mut().ended(pid);
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
        let document = GoalState {
            incarnation: self.incarnation,
            expected_state,
            role_environment_path: text(&self.environment_path()),
            current_state_endpoint: text(&self.shared.path("current-state.sock")),
            deadline,
        };
        self.shared
            .chunk
            .send_replace(frame(&document.render()).into());
    }
}

impl Shared {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
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

fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

fn bind<T>(
    shared: &Shared,
    name: &str,
    bind: impl FnOnce(&Path) -> io::Result<T>,
) -> Result<T, HostError> {
    let path = shared.path(name);
    // Left there by an earlier host: this one holds the instance's lock.
    let _ = fs::remove_file(&path);
    bind(&path).map_err(HostError::file("listen on", path))
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
    tokio::task::spawn_local(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    drop(tokio::task::spawn_local(connection(stream, shared.clone())))
                }
                // Out of descriptors, most likely: wait for some to come free instead of spinning.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    });
    Ok(())
}

async fn discover(mut stream: UnixStream, shared: Rc<Shared>) {
    let document = Discovery {
        goal_state_path: text(&shared.path("goal-state.sock")),
    };
    // A client that has gone needs no answer.
    let _ = stream.write_all(document.render().as_bytes()).await;
}

async fn tell_goal_states(mut stream: UnixStream, shared: Rc<Shared>) {
    let Some(pid) = peer(&stream) else { return };
    shared.clients.borrow_mut().connected(pid);
    let mut chunks = shared.chunk.subscribe();
    chunks.mark_changed();
    let mut ignored = [0; 64];
    loop {
        tokio::select! {
            changed = chunks.changed() => {
                let chunk = chunks.borrow_and_update().clone();
                // One write for one chunk: the Node client takes whatever one read brings for exactly one.
                if changed.is_err() || (!chunk.is_empty() && stream.write_all(&chunk).await.is_err()) {
                    break;
                }
            }
            // Nothing is expected from the client but its end.
            read = stream.read(&mut ignored) => if !matches!(read, Ok(1..)) { break },
        }
    }
    shared.clients.borrow_mut().disconnected(pid);
}

async fn take_current_state(stream: UnixStream, shared: Rc<Shared>) {
    let pid = peer(&stream).unwrap_or_default();
    let document = match timeout(DOCUMENT_LIMIT, read_document(stream)).await {
        Ok(Ok(document)) => document,
        Ok(Err(error)) => {
            return shared
                .refuse(pid, &format!("a current state could not be read: {error}"))
                .await;
        }
        Err(_) => {
            return shared
                .refuse(pid, "a current state was not written in time")
                .await;
        }
    };
    match CurrentState::parse(&document) {
        Ok(state) => shared.take(pid, state).await,
        Err(error) => {
            shared
                .refuse(pid, &format!("a current state was refused: {error}"))
                .await
        }
    }
}

async fn read_document(stream: UnixStream) -> io::Result<Vec<u8>> {
    let mut document = Vec::new();
    // One byte more than allowed, so that the parser can tell what is too large.
    stream
        .take(MAX_CURRENT_STATE_BYTES as u64 + 1)
        .read_to_end(&mut document)
        .await?;
    Ok(document)
}

impl Shared {
    async fn refuse(&self, pid: i32, what: &str) {
        self.send(News::Warning(format!("{what} (from process {pid})")))
            .await;
    }

    async fn take(self: &Rc<Self>, pid: i32, state: CurrentState) {
        let client = state.client_id;
        let Lease::Acquire {
            incarnation,
            status,
            detail,
            expiration,
        } = state.lease
        else {
            self.watched.borrow_mut().remove(&client);
            return self.send(News::Event(Event::Released { client })).await;
        };
        // Clients that have nothing to add repeat the status as its detail.
        let detail = detail
            .filter(|detail| detail != status.as_str())
            .unwrap_or_default();
        self.send(News::Event(Event::Detail(bounded(&detail))))
            .await;
        let status = match status {
            runtime_protocol::LeaseStatus::Started => LeaseStatus::Started,
            runtime_protocol::LeaseStatus::Busy => LeaseStatus::Busy,
            runtime_protocol::LeaseStatus::Recycle => LeaseStatus::Recycle,
            runtime_protocol::LeaseStatus::Stopped => LeaseStatus::Stopped,
        };
        if status == LeaseStatus::Stopped {
            let outcome = self.clients.borrow_mut().answered(pid);
            self.stopped(outcome).await;
        }
        // Turned into a span at once: the clock of the wall may jump later.
        let expires_in = match expiration {
            Expiration::Never => None,
            Expiration::At(time) => {
                Some(time.duration_since(SystemTime::now()).unwrap_or_default())
            }
        };
        let lease = host_core::Lease {
            status,
            incarnation,
            expires_in,
        };
        self.send(News::Event(Event::Leased {
            client: client.clone(),
            lease,
        }))
        .await;
        if expires_in.is_none() {
            self.release_at_end_of(pid, client);
        }
    }

    /// A lease without an end of its own ends with its writer.
    fn release_at_end_of(self: &Rc<Self>, pid: i32, client: String) {
        let is_watched = self.watched.borrow_mut().insert(client.clone(), pid) == Some(pid);
        if is_watched {
            return;
        }
        let shared = self.clone();
        tokio::task::spawn_local(async move {
            end_of(pid).await;
            let is_last = shared.watched.borrow().get(&client) == Some(&pid);
            if is_last {
                shared.watched.borrow_mut().remove(&client);
                shared.send(News::Event(Event::Released { client })).await;
            }
        });
    }
}

async fn take_notifications(socket: UnixDatagram, shared: Rc<Shared>) {
    let mut buffer = [0; NOTIFICATION_BYTES_MAX];
    loop {
        let Ok(n) = socket.recv(&mut buffer).await else {
            return;
        };
        let text = String::from_utf8_lossy(&buffer[..n]);
        for assignment in text.lines() {
            match assignment.split_once('=') {
                Some(("READY", "1")) => shared.send(News::Event(Event::Notified)).await,
                Some(("STATUS", status)) => {
                    shared
                        .send(News::Event(Event::Detail(bounded(status))))
                        .await
                }
                // STOPPING, RELOADING, WATCHDOG and whatever else the protocol grows are not acted on.
                _ => {}
            }
        }
    }
}

fn peer(stream: &UnixStream) -> Option<i32> {
    socket_peercred(stream)
        .ok()
        .map(|credentials| credentials.pid.as_raw_nonzero().get())
}

/// The document that roles read, from what the planner decided.
fn role_environment(plan: &InstancePlan) -> RoleEnvironment {
    let settings = plan.settings.iter().map(|(name, value)| Setting {
        name: name.clone(),
        value: value.clone(),
    });
    let resources = plan.local_resources.iter().map(|store| LocalResource {
        name: store.name.clone(),
        path: format!("{}/", text(&store.path)),
        size_mb: u64::from(store.size_mb),
    });
    let endpoints = plan.endpoints.iter().map(|endpoint| Endpoint {
        name: endpoint.name.clone(),
        address: endpoint.address.ip(),
        port: endpoint.address.port(),
        public_port: endpoint.public.map(|public| public.port()),
        protocol: endpoint.protocol.clone(),
    });
    let roles = plan.topology.iter().map(|role| Role {
        name: role.name.clone(),
        instances: role.instances.iter().map(instance_view).collect(),
    });
    RoleEnvironment {
        deployment_id: plan.deployment_id.clone(),
        emulated: plan.emulated,
        current: CurrentInstance {
            role: plan.role.clone(),
            instance: Instance {
                id: plan.id.to_string(),
                fault_domain: plan.fault_domain,
                update_domain: plan.upgrade_domain,
                endpoints: endpoints.collect(),
            },
            settings: settings.collect(),
            resources: resources.collect(),
        },
        roles: roles.collect(),
    }
}

fn instance_view(view: &InstanceView) -> Instance {
    let endpoints = view
        .endpoints
        .iter()
        .map(|(name, protocol, address)| Endpoint {
            name: name.clone(),
            address: address.ip(),
            port: address.port(),
            public_port: None,
            protocol: protocol.clone(),
        });
    Instance {
        id: view.id.to_string(),
        fault_domain: view.fault_domain,
        update_domain: view.upgrade_domain,
        endpoints: endpoints.collect(),
    }
}

fn bounded(text: &str) -> String {
    let end = text.floor_char_boundary(DETAIL_BYTES_MAX);
    text[..end].to_owned()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod xpaths;
