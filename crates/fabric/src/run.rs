//! A fabric process from its fork to its end: one loop of events into the controller, its actions out.

mod changes;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;

use balancer::{Event as BalancerEvent, Message};
use balancer_core::Counters;
use fabric_core::{Action, Controller, Event as ControllerEvent, Outcome};
use ipc::ProcessLock;
use keeper::protocol::{Address, Notice as KeeperNotice, Request};
use keeper::{Client, FabricStart};
use plan::{DeploymentPlan, InstanceId};
use sandbox::{Hierarchies, Machine};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::{Duration, Instant, sleep_until, timeout};

use crate::addresses;
use crate::balancer_link::{BalancerLink, Listener, table};
use crate::configure::definition;
use crate::error::FabricError;
use crate::event::Event;
use crate::handle::{ControlRequest, Handle, NoSuchInstance, Subject};
use crate::hosts::Hosts;
use crate::keeper_link::Keeper;
use crate::left_over;
use crate::notice::Notice;
use crate::start::{LAYOUT, Settings, control_group, make_folders, start};
use crate::status::Status;
use crate::store::Store;

/// Events on their way to the loop. Who finds the queue full waits; the loop never waits for who fills it.
const EVENTS: usize = 1024;

/// Operators' requests on their way to the loop.
const REQUESTS: usize = 64;

/// How long the balancer may take to end when it is told to. The keeper kills it otherwise.
const BALANCER_END_LIMIT: Duration = Duration::from_secs(1);

/// Said at the start and in `status`, where a role has local stores.
const WATCHED_STORES: &str = "the sizes of local stores are watched, not enforced: that takes root, loop devices and mkfs.ext4";

/// What this machine does not give to a deployment.
fn limitations(machine: &Machine, plan: &DeploymentPlan) -> Vec<String> {
    let has_stores = plan
        .instances()
        .any(|instance| !instance.local_resources.is_empty());
    let is_watched = has_stores && !host::stores::are_enforced();
    let watched = is_watched.then(|| WATCHED_STORES.to_owned());
    machine.limitation().into_iter().chain(watched).collect()
}

/// What the fabric needs of those who started it.
pub struct Outside<'a> {
    /// Tells people.
    pub tell: &'a dyn Fn(Notice),
    /// Serves operators on the control socket, for as long as the fabric runs.
    pub serve: &'a dyn Fn(UnixListener, Handle) -> Pin<Box<dyn Future<Output = ()>>>,
}

/// The `main` of a forked fabric. Returns the process's exit status; the deployment's is told to the keeper.
pub fn run(start: FabricStart, settings: &Settings, outside: &Outside<'_>) -> i32 {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = built
        .map_err(|source| FabricError::System {
            doing: "start the event loop",
            source,
        })
        .and_then(|runtime| LocalSet::new().block_on(&runtime, serve(start, settings, outside)));
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            (outside.tell)(Notice::Failed(error));
            1
        }
    }
}

async fn serve(
    start: FabricStart,
    settings: &Settings,
    outside: &Outside<'_>,
) -> Result<(), FabricError> {
    let (events, queue) = mpsc::channel(EVENTS);
    let history = History {
        resumed: start.resumed,
        started: start.started,
    };
    let client = Client::connect(start.link)
        .await
        .map_err(|source| FabricError::Keeper { source })?;
    let keeper = Keeper::new(client, events.clone());
    match begin(settings, outside, &keeper, history, events).await {
        Ok(fabric) => fabric.live(queue).await,
        // A deployment that has been committed is never given up: the keeper starts another fabric in a while.
        Err(error) if history.resumed => Err(error),
        Err(error) => {
            let status = if error.is_invalid() { 3 } else { 1 };
            (outside.tell)(Notice::Failed(error));
            keeper.tell(Request::Finish { status }).await
        }
    }
}

/// What earlier fabrics of the same keeper have come to.
#[derive(Clone, Copy)]
struct History {
    /// One of them has committed the deployment.
    resumed: bool,
    /// One of them has said that its start is over.
    started: bool,
}

/// Everything up to the first event.
async fn begin<'a>(
    settings: &'a Settings,
    outside: &'a Outside<'a>,
    keeper: &Keeper,
    history: History,
    events: mpsc::Sender<Event>,
) -> Result<Fabric<'a>, FabricError> {
    make_folders(settings)?;
    let lock = ProcessLock::take(&settings.state.join(LAYOUT.fabric_lock))
        .map_err(|source| FabricError::Lock { source })?;
    let mut store = Store::open(&settings.state.join(LAYOUT.database))?;
    let hierarchies = Hierarchies::find();
    if store.incarnation()? > 0 {
        hierarchies.remove_left_over(&control_group(settings));
    }
    let machine = Machine::look(&hierarchies);
    let committed = if history.resumed {
        store.deployment()?
    } else {
        None
    };
    let controller = match committed {
        Some(plan) => {
            (outside.tell)(Notice::Resumed);
            addresses::claim(keeper, plan.block).await?;
            Controller::resume(plan, history.started)
        }
        None => {
            let controller =
                Controller::new(start(settings, &mut store, keeper, outside.tell).await?);
            for limitation in limitations(&machine, controller.plan()) {
                (outside.tell)(Notice::Limitation(limitation));
            }
            controller
        }
    };
    let limitations = limitations(&machine, controller.plan());
    let listeners = Rc::new(open_ports(keeper, controller.plan()).await?);
    keeper.tell(Request::Committed).await?;
    let control = settings.runtime_directory.join(LAYOUT.control_socket);
    let requests = serve_control(&control, keeper, outside).await?;
    let balancer_socket = settings.runtime_directory.join(LAYOUT.balancer_socket);
    let balancer = BalancerLink::start(balancer_socket, listeners.clone(), events.clone());
    let claim = addresses::claim_name(controller.plan().block);
    let hosts = Hosts::new(keeper.clone(), claim, events.clone());
    for instance in controller.plan().instances() {
        hosts.await_vacancy(instance);
    }
    let mut leaving = store.leaving()?;
    for instance in controller.plan().instances() {
        if leaving.remove(&instance.id) {
            store.left(&instance.id)?;
        }
    }
    let instances = settings.state.join(LAYOUT.instances);
    let discarding = left_over::end_unplanned(controller.plan(), &instances, &leaving, &events);
    Ok(Fabric {
        outside,
        settings,
        events,
        control,
        limitations,
        controller,
        store,
        keeper: keeper.clone(),
        balancer,
        hosts,
        listeners,
        requests,
        began: Instant::now(),
        unlinked: BTreeSet::new(),
        renewing: BTreeSet::new(),
        discarding,
        asked: RefCell::default(),
        has_keeper: true,
        exit: 0,
        _lock: lock,
    })
}

async fn open_ports(keeper: &Keeper, plan: &DeploymentPlan) -> Result<Vec<Listener>, FabricError> {
    let mut listeners = Vec::new();
    for public in &plan.public {
        for address in &public.listen {
            let name = format!("{} at {address}", public.key());
            let opened = keeper.open(name.clone(), Address::Tcp(*address)).await?;
            let socket = opened.map_err(|source| FabricError::Port {
                endpoint: public.key(),
                address: *address,
                holder: holder(*address, &source),
                source,
            })?;
            listeners.push(Listener {
                name,
                endpoint: public.key(),
                socket,
            });
        }
    }
    Ok(listeners)
}

fn holder(address: SocketAddr, error: &std::io::Error) -> Option<String> {
    let is_taken = error.kind() == std::io::ErrorKind::AddrInUse;
    is_taken.then(|| addresses::holder_of(address)).flatten()
}

async fn serve_control(
    path: &std::path::Path,
    keeper: &Keeper,
    outside: &Outside<'_>,
) -> Result<mpsc::Receiver<ControlRequest>, FabricError> {
    let address = Address::Unix(path.to_owned());
    let opened = keeper.open("control".to_owned(), address).await?;
    let socket = opened.map_err(FabricError::file("listen on", path))?;
    let (asking, requests) = mpsc::channel(REQUESTS);
    tokio::task::spawn_local((outside.serve)(
        UnixListener::from(socket),
        Handle { requests: asking },
    ));
    Ok(requests)
}

struct Fabric<'a> {
    outside: &'a Outside<'a>,
    settings: &'a Settings,
    events: mpsc::Sender<Event>,
    control: PathBuf,
    /// What this machine does not give to a sandbox: said in `status` and once at the start.
    limitations: Vec<String>,
    controller: Controller,
    store: Store,
    keeper: Keeper,
    balancer: BalancerLink,
    hosts: Hosts,
    listeners: Rc<Vec<Listener>>,
    requests: mpsc::Receiver<ControlRequest>,
    began: Instant,
    /// Instances whose host's link has ended, of whose host the keeper has not told.
    unlinked: BTreeSet<InstanceId>,
    /// Instances whose host was told to make them anew and has not done so yet.
    renewing: BTreeSet<InstanceId>,
    /// Instances whose folders are being removed.
    discarding: BTreeSet<InstanceId>,
    /// Who waits for the balancer's counters, by the number of the question.
    asked: RefCell<BTreeMap<u64, oneshot::Sender<Status>>>,
    has_keeper: bool,
    /// The exit status of the deployment, once it is stopped.
    exit: u8,
    _lock: ProcessLock,
}

impl Fabric<'_> {
    async fn live(mut self, mut events: mpsc::Receiver<Event>) -> Result<(), FabricError> {
        while !self.act().await {
            let timeout = self.controller.poll_timeout();
            let due = self.began + timeout.unwrap_or_default();
            let told = tokio::select! {
                Some(event) = events.recv() => self.translate(event),
                Some(request) = self.requests.recv() => self.answer(request).await,
                () = sleep_until(due), if timeout.is_some() => Vec::new(),
            };
            for event in told {
                self.controller.handle_event(self.began.elapsed(), event);
            }
            // What else has come meanwhile is acted on together: one commit for all hosts that are due.
            for _ in 0..EVENTS {
                let Ok(event) = events.try_recv() else { break };
                for event in self.translate(event) {
                    self.controller.handle_event(self.began.elapsed(), event);
                }
            }
            self.controller.handle_timeout(self.began.elapsed());
        }
        self.finish(events).await;
        Ok(())
    }

    /// Everything is stopped: ends the balancer, which the keeper would only kill, and then the keeper.
    async fn finish(self, mut events: mpsc::Receiver<Event>) {
        if self.controller.has_balancer() {
            self.balancer.send(Message::Exit);
            let gone =
                async { while !matches!(events.recv().await, Some(Event::BalancerGone) | None) {} };
            let _ = timeout(BALANCER_END_LIMIT, gone).await;
        }
        self.tell(Notice::Stopped);
        self.tell_keeper(Request::Finish { status: self.exit })
            .await;
    }

    /// What an event means to the controller, if anything.
    fn translate(&mut self, event: Event) -> Vec<ControllerEvent> {
        self.note_renewal(&event);
        match event {
            Event::Controller(event) => vec![event],
            Event::Keeper(KeeperNotice::HostExited { name, .. }) => {
                let instance = InstanceId::from(name.as_str());
                self.unlinked.remove(&instance);
                vec![ControllerEvent::HostEnded(instance)]
            }
            Event::Keeper(KeeperNotice::Stop { status, signal }) => {
                self.exit = status;
                let why = signal.map_or_else(
                    || "an earlier fabric had begun to".to_owned(),
                    |signal| format!("signal {signal}"),
                );
                self.tell(Notice::Stopping(why));
                vec![ControllerEvent::Stop]
            }
            // Its end shows as that of the link.
            Event::Keeper(_) => vec![],
            Event::KeeperGone => self.lose_keeper(),
            Event::HostUnlinked(instance) if self.has_keeper => {
                self.unlinked.insert(instance);
                vec![]
            }
            Event::HostUnlinked(instance) => vec![ControllerEvent::HostEnded(instance)],
            Event::BalancerConnected => vec![ControllerEvent::BalancerConnected],
            Event::BalancerGone => {
                self.answer_status(None, None);
                vec![ControllerEvent::BalancerGone]
            }
            Event::Balancer(said) => self.translate_balancer(said).into_iter().collect(),
            Event::Failed(error) => {
                self.tell(Notice::Failed(error));
                vec![]
            }
            Event::Discarded(instance, failed) => {
                self.discarded(instance.clone(), failed);
                vec![ControllerEvent::Vacant(instance)]
            }
            Event::HostRefused(instance, reason) => {
                let cause = format!("its host refused to start: {reason}");
                self.tell(Notice::AttemptEnded { instance, cause });
                vec![]
            }
        }
    }

    fn translate_balancer(&mut self, said: BalancerEvent) -> Option<ControllerEvent> {
        match said {
            BalancerEvent::Acknowledged { number } => Some(ControllerEvent::Acknowledged(number)),
            BalancerEvent::Idle {
                backend,
                incarnation,
            } => {
                let instance = InstanceId::from(backend.as_str());
                Some(ControllerEvent::Idle {
                    instance,
                    incarnation,
                })
            }
            BalancerEvent::Counters { request, counters } => {
                self.answer_status(Some(request), Some(counters));
                None
            }
            BalancerEvent::Refused { reason } => {
                let trouble = format!("the balancer refused a message: {reason}");
                self.tell(Notice::Limitation(trouble));
                None
            }
        }
    }

    /// Nobody forks or reaps any more: the deployment is stopped, and the end of a host is that of its link.
    fn lose_keeper(&mut self) -> Vec<ControllerEvent> {
        self.has_keeper = false;
        self.exit = 1;
        self.tell(Notice::Stopping("the keeper has ended".to_owned()));
        let ended = std::mem::take(&mut self.unlinked)
            .into_iter()
            .map(ControllerEvent::HostEnded);
        std::iter::once(ControllerEvent::Stop)
            .chain(ended)
            .collect()
    }

    async fn answer(&mut self, request: ControlRequest) -> Vec<ControllerEvent> {
        match request {
            ControlRequest::Status(answer) => {
                self.ask_counters(answer);
                vec![]
            }
            ControlRequest::Recycle(instance, answer) => {
                let known = self.controller.member(&instance).is_some();
                let outcome = if known {
                    Ok(())
                } else {
                    Err(self.no_such_instance())
                };
                // Who asked may have gone; the recycle is ordered all the same.
                let _ = answer.send(outcome);
                known
                    .then_some(ControllerEvent::Recycle(instance))
                    .into_iter()
                    .collect()
            }
            ControlRequest::Renew(instance, renewal, answer) => {
                let outcome = self.renew(&instance, renewal);
                let is_known = outcome.is_ok();
                let _ = answer.send(outcome);
                is_known
                    .then_some(ControllerEvent::Reboot(instance))
                    .into_iter()
                    .collect()
            }
            ControlRequest::Configure(request, answer) => {
                let (outcome, event) = self.configure(request).await;
                let _ = answer.send(outcome);
                event.into_iter().collect()
            }
            ControlRequest::Definition(answer) => {
                let _ = answer.send(definition(self.settings));
                vec![]
            }
            ControlRequest::Stop(answer) => {
                // The keeper knows before anyone hears that it is so; a fabric that dies now changes nothing.
                let _ = self.keeper.tell(Request::Stopping { status: 0 }).await;
                let _ = answer.send(());
                self.tell(Notice::Stopping("an operator's order".to_owned()));
                vec![ControllerEvent::Stop]
            }
            ControlRequest::Subject(instance, answer) => {
                let _ = answer.send(self.subject(&instance));
                vec![]
            }
            ControlRequest::LogFolders(answer) => {
                let instances = self.controller.plan().instances();
                let folders = instances
                    .map(|plan| (plan.id.clone(), plan.paths.logs.clone()))
                    .collect();
                let _ = answer.send(folders);
                vec![]
            }
        }
    }

    fn subject(&self, instance: &InstanceId) -> Result<Box<Subject>, NoSuchInstance> {
        let mut plans = self.controller.plan().instances();
        let plan = plans.find(|plan| plan.id == *instance);
        let plan = plan.ok_or_else(|| self.no_such_instance())?.clone();
        let member = self.controller.member(instance);
        Ok(Box::new(Subject {
            plan,
            report: member.and_then(|member| member.report),
            doing: self.hosts.doing(instance),
        }))
    }

    fn ask_counters(&mut self, answer: oneshot::Sender<Status>) {
        let mut asked = self.asked.borrow_mut();
        let number = asked.keys().next_back().map_or(0, |last| last + 1);
        asked.insert(number, answer);
        let is_sent = self.controller.has_balancer()
            && asked.len() <= REQUESTS
            && self.balancer.send(Message::Counters { request: number });
        drop(asked);
        if !is_sent {
            self.answer_status(Some(number), None);
        }
    }

    fn no_such_instance(&self) -> NoSuchInstance {
        NoSuchInstance {
            known: self
                .controller
                .plan()
                .instances()
                .map(|plan| plan.id.clone())
                .collect(),
        }
    }

    /// Answers one question, or with `None` all that are open.
    fn answer_status(&self, request: Option<u64>, counters: Option<Counters>) {
        let answers: Vec<_> = match request {
            Some(request) => self
                .asked
                .borrow_mut()
                .remove(&request)
                .into_iter()
                .collect(),
            None => std::mem::take(&mut *self.asked.borrow_mut())
                .into_values()
                .collect(),
        };
        for answer in answers {
            let _ = answer.send(self.status(counters.clone()));
        }
    }

    fn status(&self, counters: Option<Counters>) -> Status {
        Status::of(
            &self.controller,
            self.control.clone(),
            self.limitations.clone(),
            counters,
        )
    }

    fn tell(&self, notice: Notice) {
        (self.outside.tell)(notice);
    }

    /// Carries out what the controller asks for. Returns `true` when the fabric is to end.
    async fn act(&mut self) -> bool {
        let mut spawns = Vec::new();
        while let Some(action) = self.controller.poll_action() {
            match action {
                Action::SpawnHost(instance) => spawns.push(instance),
                Action::KillHost(instance) => {
                    let name = instance.to_string();
                    self.tell_keeper(Request::Kill { name }).await;
                }
                Action::Order(instance, order) => self.hosts.order(&instance, order),
                Action::Change(instance, order) => {
                    let mut instances = self.controller.plan().instances();
                    if let Some(plan) = instances.find(|plan| plan.id == instance) {
                        self.hosts.change(plan.clone(), order);
                    }
                }
                Action::Discard(instance) => self.discard(instance),
                Action::Route(routing) => {
                    self.balancer
                        .send(Message::Table(table(&routing, &self.listeners)));
                }
                Action::Cut {
                    instance,
                    incarnation,
                } => {
                    let backend = instance.to_string();
                    self.balancer.send(Message::CutDraining {
                        backend,
                        incarnation,
                    });
                }
                Action::CloseListeners => self.close_listeners().await,
                Action::Started(outcome) => self.started(outcome).await,
                Action::AttemptEnded { instance, cause } => {
                    self.tell(Notice::AttemptEnded { instance, cause });
                }
                Action::Stopped => return true,
            }
        }
        self.spawn(&spawns);
        false
    }

    /// Commits the generations of all hosts that are due, in one commit, and has them forked. A disk that cannot
    /// take the commit holds these hosts back, and nothing else: they are due again in a while.
    fn spawn(&mut self, instances: &[InstanceId]) {
        if instances.is_empty() {
            return;
        }
        let committed = self
            .store
            .next_generations(instances)
            .and_then(|generations| Ok((generations, self.store.renewals()?)));
        let (generations, renewals) = match committed {
            Ok(committed) => committed,
            Err(error) => {
                self.tell(Notice::Failed(error));
                let now = self.began.elapsed();
                for instance in instances {
                    self.controller
                        .handle_event(now, ControllerEvent::HostEnded(instance.clone()));
                }
                return;
            }
        };
        for plan in self.controller.plan().instances() {
            if let Some(generation) = generations.get(&plan.id) {
                self.unlinked.remove(&plan.id);
                let renewal = renewals.get(&plan.id).copied();
                if renewal.is_some() {
                    self.renewing.insert(plan.id.clone());
                }
                self.hosts.spawn(plan.clone(), *generation, renewal);
            }
        }
    }

    async fn close_listeners(&self) {
        let names: Vec<String> = self
            .listeners
            .iter()
            .map(|listener| listener.name.clone())
            .collect();
        for name in &names {
            self.tell_keeper(Request::Close { name: name.clone() })
                .await;
        }
        self.balancer.send(Message::Close { names });
    }

    async fn started(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::AllReady => {
                self.tell(Notice::Started(Box::new(self.status(None))));
                self.tell_keeper(Request::Started { status: 0 }).await;
            }
            Outcome::Failed { instance, cause } => {
                self.exit = 1;
                self.tell_keeper(Request::Stopping { status: self.exit })
                    .await;
                self.tell(Notice::StartFailed { instance, cause });
                self.controller
                    .handle_event(self.began.elapsed(), ControllerEvent::Stop);
            }
        }
    }

    /// Tells the keeper. That it has gone comes as an event of its own.
    async fn tell_keeper(&self, request: Request) {
        let _ = self.keeper.tell(request).await;
    }
}
