//! The process: its event loop, and the one fabric that controls it.

use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::time::Duration;

use ipc::{Link, Receiver, Sender, greet};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::{sleep, timeout};

use crate::error::BalancerError;
use crate::front::Front;
use crate::limits::clients_max;
use crate::listener::Listeners;
use crate::session::Session;

/// For a fabric to say hello. It is on this machine; one that says nothing must not keep out another.
const GREET_LIMIT: Duration = Duration::from_secs(1);

/// After a control connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Runs the balancer on this thread until it is told to exit. `control` is where fabrics connect; a new
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
        }
        Ok(())
    })
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
