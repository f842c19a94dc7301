//! One link for each host, from its spawning to its end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use causes::Doing;
use fabric_core::Event as ControllerEvent;
use host::protocol::{Assignment, FromHost, Renewal, ToHost};
use host_core::Order;
use ipc::{Link, LinkError, ProcessLock, greet};
use keeper::protocol::Request;
use plan::{InstanceId, InstancePlan};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};

use crate::event::Event;
use crate::keeper_link::Keeper;

/// How long a forked host may take to answer. It has little more to do than to take a lock; a machine that
/// needs this long for it is in trouble.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// How often a host's socket is tried until it is there.
const TRY_PAUSE: Duration = Duration::from_millis(1);

/// How often the lock of an earlier host is looked at.
const VACANCY_PAUSE: Duration = Duration::from_millis(5);

/// Orders on their way to one host; see [`Hosts::order`].
const ORDERS: usize = 64;

/// The links to the hosts.
pub(crate) struct Hosts {
    keeper: Keeper,
    claim: String,
    events: mpsc::Sender<Event>,
    links: BTreeMap<InstanceId, HostLink>,
    doings: Doings,
}

/// What each host has last said that it does.
type Doings = Rc<RefCell<BTreeMap<InstanceId, Doing>>>;

struct HostLink {
    orders: mpsc::Sender<ToHost>,
    task: AbortHandle,
}

impl Hosts {
    /// `claim` is the name of the block's socket, which every host inherits.
    pub(crate) fn new(keeper: Keeper, claim: String, events: mpsc::Sender<Event>) -> Hosts {
        Hosts {
            keeper,
            claim,
            events,
            links: BTreeMap::new(),
            doings: Rc::default(),
        }
    }

    /// Waits until no host of an earlier fabric holds the instance any more, then reports it vacant.
    pub(crate) fn await_vacancy(&self, plan: &InstancePlan) {
        let (id, lock) = (plan.id.clone(), plan.paths.root.join("lock"));
        let socket = socket_path(plan);
        let events = self.events.clone();
        let is_vacant = !matches!(ProcessLock::held_by(&lock), Ok(Some(_)));
        if is_vacant && let Ok(room) = events.try_reserve() {
            // The usual case: all of them are said before the first is acted on, and so acted on together.
            return room.send(Event::Controller(ControllerEvent::Vacant(id)));
        }
        tokio::task::spawn_local(async move {
            while matches!(ProcessLock::held_by(&lock), Ok(Some(_))) {
                // A host that no fabric has spoken to would wait for one, for long: it is greeted and left, and ends.
                // One that serves does not listen any more.
                drop(UnixStream::connect(&socket).await);
                sleep(VACANCY_PAUSE).await;
            }
            let _ = events
                .send(Event::Controller(ControllerEvent::Vacant(id)))
                .await;
        });
    }

    /// Has a host forked, gives it its plan, and passes its reports on.
    pub(crate) fn spawn(&mut self, plan: InstancePlan, generation: u64, renewal: Option<Renewal>) {
        let (orders, queue) = mpsc::channel(ORDERS);
        let instance = plan.id.clone();
        let (keeper, claim, events) =
            (self.keeper.clone(), self.claim.clone(), self.events.clone());
        let doings = self.doings.clone();
        let task = tokio::task::spawn_local(async move {
            let id = plan.id.clone();
            let socket = socket_path(&plan);
            let assignment = Assignment {
                instance: id.clone(),
                root: plan.paths.root.clone(),
                socket: socket.clone(),
            };
            let order =
                serde_json::to_string(&assignment).expect("an assignment is two paths and a name");
            let spawned = keeper.spawn(id.to_string(), order, vec![claim]).await;
            if !matches!(spawned, Ok(Ok(()))) {
                let _ = events
                    .send(Event::Controller(ControllerEvent::HostEnded(id)))
                    .await;
                return;
            }
            match connect(&socket).await {
                // However it ends: the host ends with it.
                Ok(stream) => {
                    let start = ToHost::Start {
                        generation,
                        plan: Box::new(plan),
                        renewal,
                    };
                    drop(talk(stream, id.clone(), start, queue, &events, &doings).await);
                }
                // It is stuck before it has begun.
                Err(_) => drop(
                    keeper
                        .tell(Request::Kill {
                            name: id.to_string(),
                        })
                        .await,
                ),
            }
            let _ = events.send(Event::HostUnlinked(id)).await;
        });
        // The task for a host that is gone must not reach the one that comes after it at the same socket.
        let link = HostLink {
            orders,
            task: task.abort_handle(),
        };
        if let Some(earlier) = self.links.insert(instance, link) {
            earlier.task.abort();
        }
    }

    /// What the host of an instance has last said that it does.
    pub(crate) fn doing(&self, id: &InstanceId) -> Option<Doing> {
        self.doings.borrow().get(id).cloned()
    }

    /// Queues an order. A host that does not take its orders is stuck, and one order more is not what it needs.
    pub(crate) fn order(&self, id: &InstanceId, order: Order) {
        self.say(id, ToHost::Order(order));
    }

    /// Queues a new plan, with what is to be done about it.
    pub(crate) fn change(&self, plan: InstancePlan, order: Order) {
        let id = plan.id.clone();
        let plan = Box::new(plan);
        self.say(&id, ToHost::Change { order, plan });
    }

    fn say(&self, id: &InstanceId, message: ToHost) {
        if let Some(link) = self.links.get(id) {
            let _ = link.orders.try_send(message);
        }
    }
}

/// Where the host of an instance answers.
pub(crate) fn socket_path(plan: &InstancePlan) -> PathBuf {
    plan.paths.sockets.join("host.sock")
}

async fn talk(
    stream: UnixStream,
    id: InstanceId,
    start: ToHost,
    mut orders: mpsc::Receiver<ToHost>,
    events: &mpsc::Sender<Event>,
    doings: &Doings,
) -> Result<(), LinkError> {
    let (mut receiver, mut sender) = Link::new(stream).split();
    greet(&mut receiver, &mut sender, "fabric").await?;
    sender.send(&start, &[]).await?;
    let _ = events
        .send(Event::Controller(ControllerEvent::HostStarted(id.clone())))
        .await;
    let reading = async {
        while let Some((said, _)) = receiver.receive::<FromHost>().await? {
            let event = match said {
                FromHost::Report(report, doing) => {
                    doings.borrow_mut().insert(id.clone(), doing);
                    Event::Controller(ControllerEvent::Reported(id.clone(), report))
                }
                FromHost::Refused { reason } => Event::HostRefused(id.clone(), reason),
            };
            if events.send(event).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let writing = async {
        while let Some(order) = orders.recv().await {
            sender.send(&order, &[]).await?;
        }
        Ok(())
    };
    tokio::select! {
        ended = reading => ended,
        ended = writing => ended,
    }
}

/// Connects as soon as the host listens; a socket file of an earlier host refuses until then.
async fn connect(socket: &Path) -> io::Result<UnixStream> {
    let deadline = Instant::now() + ANSWER_LIMIT;
    let connecting = async {
        loop {
            match UnixStream::connect(socket).await {
                Ok(stream) => return stream,
                Err(_) => sleep(TRY_PAUSE).await,
            }
        }
    };
    timeout_at(deadline, connecting)
        .await
        .map_err(io::Error::from)
}
