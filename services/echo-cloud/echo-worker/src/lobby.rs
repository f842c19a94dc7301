//! All visitors of one worker: who is let in, how many, and how they leave.
//!
//! When all places are taken it stops accepting and refuses nobody: who comes then waits in the
//! kernel's queue. It binds no address and says nothing itself.

use std::{
    io::{self, Write as _},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use runtime::RoleEnvironment;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};
use uuid::Uuid;

use crate::{
    connection::{self, Host},
    dialogue::Visit,
    settings::Settings,
};

/// The visitors, and what they are told.
pub(crate) struct Lobby {
    settings: Settings,
    greeting: RwLock<String>,
    menu: String,
    environment: RoleEnvironment,
    role_id: String,
    trace: bool,
    places: Arc<Semaphore>,
    closing: watch::Sender<bool>,
    served: AtomicU64,
}

/// What a lobby shows and where it is.
pub(crate) struct Sign {
    /// The menu's lines, each with its CR LF.
    pub(crate) menu: String,
    /// The id of the role instance.
    pub(crate) role_id: String,
    /// Whether each connection gets a line in the log.
    pub(crate) trace: bool,
}

impl Lobby {
    pub(crate) fn new(settings: Settings, sign: Sign, environment: RoleEnvironment) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(settings.connection_limit as usize));
        let greeting = RwLock::new(settings.greeting.clone());
        let Sign {
            menu,
            role_id,
            trace,
        } = sign;
        let closing = watch::Sender::new(false);
        let served = AtomicU64::new(0);
        Arc::new(Self {
            settings,
            greeting,
            menu,
            environment,
            role_id,
            trace,
            places,
            closing,
            served,
        })
    }

    /// What later visitors are greeted with.
    pub(crate) fn greet_with(&self, greeting: String) {
        *self
            .greeting
            .write()
            .unwrap_or_else(PoisonError::into_inner) = greeting;
    }

    /// How many visitors have been and gone.
    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// Lets visitors in until the instance stops; then the listener is closed and they are left alone.
    pub(crate) async fn open(self: &Arc<Self>, listener: TcpListener) {
        loop {
            let (stream, place) = tokio::select! {
                () = self.environment.stopping() => return,
                visitor = self.next_visitor(&listener) => visitor,
            };
            let lobby = Arc::clone(self);
            tokio::spawn(async move {
                lobby.receive(stream).await;
                drop(place);
            });
        }
    }

    /// Waits for those who are there: first as long as they like within `limit`, then only until they
    /// have read that they must go.
    pub(crate) async fn close(&self, limit: Duration) {
        if timeout(limit, self.empty()).await.is_err() {
            self.closing.send_replace(true);
            // Whoever is not gone by then ends with the process.
            let _ = timeout(FAREWELL_LIMIT, self.empty()).await;
        }
    }

    async fn empty(&self) {
        // The semaphore is never closed, so this ends when all places are free.
        let _ = self
            .places
            .acquire_many(self.settings.connection_limit)
            .await;
    }

    /// The next connection, with its place. Cancel safe: a place without a visitor is given back.
    async fn next_visitor(&self, listener: &TcpListener) -> (TcpStream, OwnedSemaphorePermit) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("the semaphore is never closed");
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return (stream, place),
                // Either the visitor has gone already, or the process has no descriptor left; the
                // pause keeps the latter from turning into a busy loop.
                Err(error) => {
                    warn(&format!("cannot accept a connection: {error}"));
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn receive(self: &Arc<Self>, mut stream: TcpStream) {
        let visit = Visit {
            greeting: self
                .greeting
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            menu: self.menu.clone(),
            role_id: self.role_id.clone(),
            connection_id: Uuid::new_v4().to_string(),
            can_recycle: self.environment.is_available(),
        };
        if self.trace {
            let line = format!("accepted connection {}", visit.connection_id);
            let _ = writeln!(io::stdout(), "{}: {line}", self.role_id);
        }
        let recycle = || drop(tokio::spawn(recycle(self.environment.clone())));
        let host = Host {
            idle_limit: self.settings.idle_limit,
            closing: self.closing.subscribe(),
            recycle: &recycle,
        };
        // A failure here is the visitor's network or their going away: nothing to tell anyone.
        let _ = stream.set_nodelay(true);
        let _ = connection::converse(&mut stream, &visit, host).await;
        self.served.fetch_add(1, Ordering::Relaxed);
    }
}

async fn recycle(environment: RoleEnvironment) {
    if let Err(error) = environment.request_recycle().await {
        warn(&format!("cannot ask for a recycle: {error}"));
    }
}

/// Writes a line to the role's log; a closed stderr is nothing to fail over.
pub(crate) fn warn(line: &str) {
    let _ = writeln!(io::stderr(), "echo-worker: {line}");
}

/// The last words are under way at once; a second covers a slow network.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);
/// Ten attempts a second while descriptors are short: quick enough for a person not to notice.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
