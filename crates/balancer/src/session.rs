//! One fabric's time as the controlling one.
//!
//! Two tasks: one acts upon messages, one sends events, so that neither waits for the other. Both end
//! when another fabric takes over or the link breaks; nothing that they set up ends with them.

use std::error::Error;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use balancer_core::Program;
use ipc::{LinkError, Receiver, Sender};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, spawn_local};

use crate::front::Front;
use crate::listener::Listeners;
use crate::protocol::{Event, Message};

/// Events that wait for a fabric to read them. One that is further behind is let go.
const EVENTS_WAITING_MAX: usize = 1024;

/// A fabric's two tasks; they end with this.
pub(crate) struct Session {
    tasks: [AbortHandle; 2],
}

impl Drop for Session {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Session {
    /// Hears and obeys this fabric from now on.
    pub(crate) fn begin(
        front: &Rc<Front>,
        listeners: &Rc<Listeners>,
        (receiver, sender): (Receiver, Sender),
    ) -> Session {
        let (events, waiting) = mpsc::channel(EVENTS_WAITING_MAX);
        front.begin_anew(events);
        let telling = spawn_local(tell(sender, waiting)).abort_handle();
        let obeying = obey(front.clone(), listeners.clone(), receiver);
        let silence = telling.clone();
        let hearing = spawn_local(async move {
            // However it ends, the fabric notices by the link's end, and sends everything anew.
            let _ = obeying.await;
            silence.abort();
        });
        Session {
            tasks: [hearing.abort_handle(), telling],
        }
    }
}

async fn tell(mut sender: Sender, mut waiting: mpsc::Receiver<Event>) -> Result<(), LinkError> {
    while let Some(event) = waiting.recv().await {
        sender.send(&event, &[]).await?;
    }
    Ok(())
}

async fn obey(
    front: Rc<Front>,
    listeners: Rc<Listeners>,
    mut receiver: Receiver,
) -> Result<(), LinkError> {
    while let Some((message, descriptors)) = receiver.receive().await? {
        if let Err(refusal) = act(&front, &listeners, message, descriptors) {
            let reason = with_sources(&*refusal);
            front.tell(Event::Refused { reason });
        }
    }
    Ok(())
}

fn act(
    front: &Rc<Front>,
    listeners: &Listeners,
    message: Message,
    descriptors: Vec<OwnedFd>,
) -> Result<(), Box<dyn Error>> {
    match message {
        Message::Listener { name } => {
            let socket = descriptors.into_iter().next();
            let socket = socket.ok_or_else(|| format!("no descriptor came with `{name}`"))?;
            listeners.add(&name, socket)?;
            if let Some(table) = &*front.table() {
                listeners.assign(table, front);
            }
        }
        Message::Table(table) => {
            front.replace(table)?;
            if let Some(table) = &*front.table() {
                listeners.assign(table, front);
            }
        }
        Message::Close { names } => listeners.close(&names, front),
        Message::Counters { request } => {
            let counters = front.counters();
            front.tell(Event::Counters { request, counters });
        }
        Message::CutDraining {
            backend,
            incarnation,
        } => front.cut(&Program {
            backend: backend.into(),
            incarnation,
        }),
        Message::Exit => front.exit.notify_one(),
    }
    Ok(())
}

/// An error and all that is behind it, in one line.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}
