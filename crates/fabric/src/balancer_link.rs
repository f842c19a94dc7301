//! The fabric's talk with the balancer, which may be replaced at any time.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use balancer::{Event as Said, Message};
use balancer_core::{Backend, Endpoint, Rotation as TheirRotation, Table};
use fabric_core::{Rotation, Routing};
use ipc::{Link, LinkError, greet};
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use crate::event::Event;

/// How long to wait before the balancer's socket is tried again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(5);

/// How long a balancer may take to greet. One that is there and does not is stuck, and is tried again.
const GREET_LIMIT: Duration = Duration::from_secs(5);

/// Messages on their way to the balancer. One that leaves so many unread is stuck: its link is given up, and it gets
/// everything anew when it answers again.
const MESSAGES: usize = 256;

/// A public port that is open.
pub(crate) struct Listener {
    /// The name that keeper, fabric and balancer have for it.
    pub(crate) name: String,
    /// The endpoint it belongs to, `Role/Endpoint`.
    pub(crate) endpoint: String,
    /// The socket itself.
    pub(crate) socket: OwnedFd,
}

/// Says things to whichever balancer is there.
pub(crate) struct BalancerLink {
    messages: mpsc::Sender<Message>,
    overflow: Rc<Notify>,
}

impl BalancerLink {
    /// Connects, and connects again whenever a balancer has gone. Each new one gets the listeners first.
    pub(crate) fn start(
        socket: PathBuf,
        listeners: Rc<Vec<Listener>>,
        events: mpsc::Sender<Event>,
    ) -> BalancerLink {
        let (messages, mut queue) = mpsc::channel(MESSAGES);
        let overflow = Rc::new(Notify::new());
        let given_up = overflow.clone();
        tokio::task::spawn_local(async move {
            loop {
                if let Ok(stream) = UnixStream::connect(&socket).await {
                    // What was meant for the balancer before means nothing to this one.
                    while queue.try_recv().is_ok() {}
                    // Whatever ends it, a dead balancer or a garbled message, the answer is the same.
                    tokio::select! {
                        _ = talk(stream, &listeners, &mut queue, &events) => {}
                        () = given_up.notified() => {}
                    }
                    if events.send(Event::BalancerGone).await.is_err() {
                        return;
                    }
                }
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
        });
        BalancerLink { messages, overflow }
    }

    /// Queues a message, never waits; returns whether it was queued. One that no balancer takes is lost with that
    /// balancer: the next gets its table anew.
    pub(crate) fn send(&self, message: Message) -> bool {
        let is_queued = self.messages.try_send(message).is_ok();
        if !is_queued {
            self.overflow.notify_one();
        }
        is_queued
    }
}

async fn talk(
    stream: UnixStream,
    listeners: &[Listener],
    queue: &mut mpsc::Receiver<Message>,
    events: &mpsc::Sender<Event>,
) -> Result<(), LinkError> {
    let (mut receiver, mut sender) = Link::new(stream).split();
    timeout(GREET_LIMIT, greet(&mut receiver, &mut sender, "fabric"))
        .await
        .map_err(|_| LinkError::Truncated)??;
    for listener in listeners {
        let message = Message::Listener {
            name: listener.name.clone(),
        };
        sender.send(&message, &[listener.socket.as_fd()]).await?;
    }
    if events.send(Event::BalancerConnected).await.is_err() {
        return Ok(());
    }
    let reading = async {
        while let Some((said, _)) = receiver.receive::<Said>().await? {
            if events.send(Event::Balancer(said)).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let writing = async {
        while let Some(message) = queue.recv().await {
            sender.send(&message, &[]).await?;
        }
        Ok(())
    };
    tokio::select! {
        ended = reading => ended,
        ended = writing => ended,
    }
}

/// The controller's routing as the balancer's table.
pub(crate) fn table(routing: &Routing, listeners: &[Listener]) -> Table {
    let endpoints = routing.endpoints.iter().map(|endpoint| Endpoint {
        name: endpoint.key.clone(),
        listeners: listeners
            .iter()
            .filter(|listener| listener.endpoint == endpoint.key)
            .map(|listener| listener.name.clone())
            .collect(),
        backends: endpoint
            .routes
            .iter()
            .map(|route| Backend {
                id: route.instance.to_string(),
                address: route.address,
                incarnation: route.incarnation,
                rotation: match route.rotation {
                    Rotation::In => TheirRotation::In,
                    Rotation::Draining => TheirRotation::Draining,
                    Rotation::Out => TheirRotation::Out,
                    Rotation::Dead => TheirRotation::Dead,
                },
            })
            .collect(),
    });
    Table {
        number: routing.number,
        endpoints: endpoints.collect(),
    }
}
