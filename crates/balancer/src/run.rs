//! The process: its event loop, and the one fabric that controls it.

use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::time::Duration;

use ipc::{Link, Receiver, Sender, greet};
use rustix::process::getppid;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::{Instant, sleep, timeout};

use crate::error::BalancerError;
use crate::front::Front;
use crate::limits::clients_max;
use crate::listener::Listeners;
use crate::session::Session;

/// For a fabric to say hello. It is on this machine; one that says nothing must not keep out another.
const GREET_LIMIT: Duration = Duration::from_secs(1);

/// After a control connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How long a balancer goes on that has lost both the process that started it and its fabric. A keeper and a
/// fabric that are started again come with a balancer of their own, so all it could do is hold its ports for ever.
const ABANDONED_LIMIT: Duration = Duration::from_secs(5);

/// Runs the balancer on this thread until it is told to exit, or until nobody is left who could. `control` is where fabrics connect; a new
/// one replaces the one before, and without any the last table stays in force.
///
/// Raises this process's descriptor limit as far as it may.
///
/// # Errors
/// If the kernel has no event queue for it, or `control` cannot be used.
pub fn run(control: UnixListener) -> Result<(), BalancerError> {
    let front = Rc::new(Front::new(clients_max()));
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(|source| BalancerError::Runtime { source })?;
    runtime.block_on(async {
        let control = control
            .set_nonblocking(true)
            .and_then(|()| tokio::net::UnixListener::from_std(control))
            .map_err(|source| BalancerError::Control { source })?;
        tokio::select! {
            () = obey_fabrics(&front, &control) => {}
            () = front.exit.notified() => {}
            () = be_abandoned(&front) => {}
        }
        Ok(())
    })
}

/// Ends when the process that started this one is gone and no fabric has been there for a while.
async fn be_abandoned(front: &Front) {
    let starter = getppid();
    let mut seen = Instant::now();
    while seen.elapsed() < ABANDONED_LIMIT {
        sleep(ABANDONED_LIMIT / 10).await;
        if getppid() == starter || front.has_fabric() {
            seen = Instant::now();
        }
    }
}

/// Never ends by itself.
async fn obey_fabrics(front: &Rc<Front>, control: &tokio::net::UnixListener) {
    let listeners = Rc::new(Listeners::default());
    let mut session = None;
    loop {
        let Ok((stream, _)) = control.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        if let Some(link) = meet(stream).await {
            drop(session.take());
            session = Some(Session::begin(front, &listeners, link));
        }
    }
}

/// Whoever does not greet, or speaks another protocol, is let go; the present fabric stays.
async fn meet(stream: UnixStream) -> Option<(Receiver, Sender)> {
    let (mut receiver, mut sender) = Link::new(stream).split();
    let greeting = greet(&mut receiver, &mut sender, "balancer");
    let greeted = timeout(GREET_LIMIT, greeting).await;
    matches!(greeted, Ok(Ok(_))).then_some((receiver, sender))
}
