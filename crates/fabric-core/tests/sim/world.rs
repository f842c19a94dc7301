//! A world around the controller: hosts, the keeper that tells of their ends, a balancer and an operator, each with
//! every way to fail that we know of.
//!
//! What is certain about the real one holds here too: each `SpawnHost` is followed by one `HostEnded`; a host is started
//! before it reports; the newest report counts, and older ones may be left out; a balancer is gone before the next
//! one connects. What the keeper says of a host and what the host said itself may cross.

mod balancer;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fabric_core::{Action, Controller, Event};
use host_core::{Order, Report};
use plan::{InstanceId, difference};

use crate::deployment::{Configuration, INTERNAL, PUBLIC, deployment};
use crate::flaws::{Flaw, Machine};
use crate::host::{Due, Host};
use crate::laws::{Broken, Laws};
use crate::random::Random;
use balancer::Balancer;

/// Something that is going to happen.
enum Coming {
    Event(Event),
    /// A spawned host answers, or does not.
    Answers(InstanceId, u64),
    Steps {
        id: InstanceId,
        host: u64,
        step: u64,
    },
    Obeys(InstanceId, u64, Order),
    /// The newest report of a host arrives, dead or alive.
    Arrives(InstanceId, u64),
    Dies(InstanceId),
    /// The folders of an instance that has left are gone.
    Discarded(InstanceId),
    /// The operator gives another configuration.
    Configures,
    BalancerComes,
    BalancerLeaves,
    Acknowledges {
        balancer: u64,
        number: u64,
    },
    Idles {
        balancer: u64,
        id: InstanceId,
        incarnation: u64,
    },
}

/// A host process; without a [`Host`] in it until it answers.
struct Process {
    number: u64,
    host: Option<Host>,
}

pub(crate) struct World {
    random: Random,
    now: Duration,
    machine: Machine,
    laws: Laws,
    /// Every instance that a configuration may ask for.
    ids: Vec<InstanceId>,
    configuration: Configuration,
    /// Instances whose folders are being removed.
    discarding: BTreeSet<InstanceId>,
    is_stopping: bool,
    coming: BTreeMap<(Duration, u64), Coming>,
    /// Numbers what is coming, hosts and balancers.
    serial: u64,
    processes: BTreeMap<InstanceId, Process>,
    /// The newest report of each host that is still on its way.
    on_the_way: BTreeMap<u64, Report>,
    attempts: BTreeMap<InstanceId, u64>,
    balancer: Option<Balancer>,
    has_stopped: bool,
    transcript: Option<Vec<String>>,
}

/// The most instances of the public role.
const PUBLIC_MAX: u32 = 4;

const MS: Duration = Duration::from_millis(1);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

impl World {
    pub(crate) fn new(seed: u64, flaw: Option<Flaw>) -> Self {
        let mut random = Random::new(seed);
        let configuration = Configuration {
            n_public: 1 + random.below(u64::from(PUBLIC_MAX)) as u32,
            n_internal: random.below(2) as u32,
            incarnation: 1,
            setting: 0,
            store: 0,
        };
        let plan = deployment(&configuration);
        let ids = |role, n| (0..n).map(move |index| InstanceId::new(role, index));
        World {
            laws: Laws::new(&plan),
            machine: Machine::new(Controller::new(plan), flaw),
            random,
            now: Duration::ZERO,
            ids: ids(PUBLIC, PUBLIC_MAX)
                .chain(ids(INTERNAL, configuration.n_internal))
                .collect(),
            configuration,
            discarding: BTreeSet::new(),
            is_stopping: false,
            coming: BTreeMap::new(),
            serial: 0,
            processes: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
            attempts: BTreeMap::new(),
            balancer: None,
            has_stopped: false,
            transcript: None,
        }
    }

    /// This world, with a transcript: writing one costs more than living through it.
    pub(crate) fn aloud(mut self) -> Self {
        self.transcript = Some(Vec::new());
        self
    }

    /// What has happened so far, if this world is [`aloud`](Self::aloud).
    pub(crate) fn transcript(&self) -> &[String] {
        self.transcript.as_deref().unwrap_or_default()
    }

    fn note(&mut self, line: impl FnOnce(Duration) -> String) {
        if let Some(transcript) = &mut self.transcript {
            transcript.push(line(self.now));
        }
    }

    /// From the first vacancy up to the end of the deployment, and a little beyond.
    pub(crate) fn run(&mut self) -> Result<(), Broken> {
        self.plan_the_commands();
        while !self.has_stopped {
            let timeout = self.machine.poll_timeout();
            let next = self.coming.first_key_value().map(|((at, _), _)| *at);
            match (timeout, next) {
                (Some(timeout), next) if next.is_none_or(|next| timeout <= next) => {
                    self.time_out(timeout)?;
                }
                (_, Some(next)) => {
                    self.pass_until(next)?;
                    let (_, coming) = self.coming.pop_first().expect("it was seen above");
                    self.happen(coming)?;
                }
                (_, None) => self.laws.check_rest(None)?,
            }
        }
        // Nothing that still arrives brings it back.
        let first = self.ids[0].clone();
        for event in [
            Event::Vacant(first.clone()),
            Event::Recycle(first),
            Event::Stop,
        ] {
            self.tell(event)?;
        }
        self.time_out(self.now)
    }

    /// What the operator will want, and who will be killed.
    fn plan_the_commands(&mut self) {
        let life = seconds(self.random.pick(&[2, 20, 200, 600]));
        let planned = deployment(&self.configuration);
        for id in planned.instances().map(|instance| instance.id.clone()) {
            self.within(seconds(2), Coming::Event(Event::Vacant(id.clone())));
            if self.random.one_in(4) {
                self.within(life, Coming::Event(Event::Vacant(id)));
            }
        }
        for _ in 0..self.random.below(8) {
            let index = self.random.below(self.ids.len() as u64) as usize;
            let id = self.ids[index].clone();
            let coming = match self.random.below(6) {
                0 | 1 => Coming::Dies(id),
                2 => Coming::Event(Event::Reboot(id)),
                3 | 4 => Coming::Configures,
                _ => Coming::Event(Event::Recycle(id)),
            };
            self.within(life, coming);
        }
        self.within(seconds(1), Coming::BalancerComes);
        for _ in 0..self.random.below(3) {
            self.within(life, Coming::BalancerLeaves);
        }
        self.after(life, Coming::Event(Event::Stop));
        if self.random.one_in(2) {
            let delay = life + self.random.within(seconds(10));
            self.after(delay, Coming::Event(Event::Stop));
        }
    }

    fn after(&mut self, delay: Duration, coming: Coming) {
        self.serial += 1;
        self.coming.insert((self.now + delay, self.serial), coming);
    }

    fn within(&mut self, limit: Duration, coming: Coming) {
        let delay = self.random.within(limit);
        self.after(delay, coming);
    }

    fn pass_until(&mut self, then: Duration) -> Result<(), Broken> {
        if then > self.now {
            self.laws.check_rest(Some(then))?;
            self.now = then;
        }
        Ok(())
    }

    fn time_out(&mut self, at: Duration) -> Result<(), Broken> {
        self.pass_until(at)?;
        if self.random.one_in(16) {
            // The fabric slept, or was busy elsewhere.
            let late = self.random.within(seconds(20));
            self.laws.late(late);
            self.now += late;
        }
        self.note(|now| format!("{:>9.3} time", now.as_secs_f64()));
        self.laws.check_timeout(self.now)?;
        self.machine.handle_timeout(self.now);
        self.carry_out()
    }

    fn tell(&mut self, event: Event) -> Result<(), Broken> {
        self.note(|now| format!("{:>9.3} {event:?}", now.as_secs_f64()));
        self.laws.hear(self.now, &event);
        self.machine.handle_event(self.now, event);
        self.carry_out()
    }

    fn happen(&mut self, coming: Coming) -> Result<(), Broken> {
        match coming {
            Coming::Event(event) => {
                self.is_stopping |= event == Event::Stop;
                return self.tell(event);
            }
            Coming::Configures => return self.configure(),
            Coming::Discarded(id) => {
                self.discarding.remove(&id);
                return self.tell(Event::Vacant(id));
            }
            Coming::Answers(id, number) => return self.answer(id, number),
            Coming::Steps { id, host, step } => self.step(&id, host, step),
            Coming::Obeys(id, number, order) => {
                self.with_host(&id, number, |host, random| host.obey(order, random))
            }
            Coming::Arrives(id, number) => {
                if let Some(report) = self.on_the_way.remove(&number) {
                    return self.tell(Event::Reported(id, report));
                }
            }
            Coming::Dies(id) => self.die(&id),
            Coming::BalancerComes => return self.balancer_comes(),
            Coming::BalancerLeaves => {
                if self.balancer.take().is_some() {
                    self.within(seconds(2), Coming::BalancerComes);
                    return self.tell(Event::BalancerGone);
                }
            }
            Coming::Acknowledges { balancer, number } => {
                if self
                    .balancer
                    .as_ref()
                    .is_some_and(|known| known.number == balancer)
                {
                    return self.acknowledge(number);
                }
            }
            Coming::Idles {
                balancer,
                id,
                incarnation,
            } => {
                if self
                    .balancer
                    .as_ref()
                    .is_some_and(|known| known.number == balancer)
                {
                    return self.idle(id, incarnation);
                }
            }
        }
        Ok(())
    }

    /// Another count of instances, another setting, another store, or none of it.
    fn configure(&mut self) -> Result<(), Broken> {
        if self.is_stopping {
            return Ok(());
        }
        let before = deployment(&self.configuration);
        self.configuration.incarnation += 1;
        if self.random.one_in(2) {
            self.configuration.n_public = 1 + self.random.below(u64::from(PUBLIC_MAX)) as u32;
        }
        self.configuration.setting += self.random.below(2);
        self.configuration.store += u64::from(self.random.one_in(3));
        let plan = deployment(&self.configuration);
        let added = difference(&before, &plan).added;
        let leaving: BTreeSet<InstanceId> = self.machine.leaving();
        for id in added {
            if !leaving.contains(&id) && !self.discarding.contains(&id) {
                self.within(seconds(1), Coming::Event(Event::Vacant(id)));
            }
        }
        self.tell(Event::Configured(Box::new(plan)))
    }

    fn carry_out(&mut self) -> Result<(), Broken> {
        while let Some(action) = self.machine.poll_action() {
            self.note(|_| format!("            {action:?}"));
            let hosts = self.processes.keys().cloned().collect();
            self.laws.check_action(self.now, &action, &hosts)?;
            match action {
                Action::SpawnHost(id) => self.spawn(id),
                Action::KillHost(id) => self.die(&id),
                Action::Order(id, order) | Action::Change(id, order) => self.order(id, order),
                Action::Discard(id) => {
                    self.attempts.remove(&id);
                    self.discarding.insert(id.clone());
                    self.within(seconds(1), Coming::Discarded(id));
                }
                Action::Route(routing) => self.route(routing),
                Action::Cut {
                    instance,
                    incarnation,
                } => self.cut(instance, incarnation),
                Action::CloseListeners | Action::Started(_) | Action::AttemptEnded { .. } => {}
                Action::Stopped => self.has_stopped = true,
            }
        }
        Ok(())
    }

    fn spawn(&mut self, id: InstanceId) {
        self.serial += 1;
        let number = self.serial;
        self.processes
            .insert(id.clone(), Process { number, host: None });
        if self.random.one_in(6) {
            return self.within(20 * MS, Coming::Dies(id));
        }
        let delay = 5 * MS + self.random.within_ms(500);
        self.after(delay, Coming::Answers(id, number));
    }

    fn answer(&mut self, id: InstanceId, number: u64) -> Result<(), Broken> {
        let Some(process) = self
            .processes
            .get_mut(&id)
            .filter(|known| known.number == number)
        else {
            return Ok(());
        };
        let attempt = self.attempts.entry(id.clone()).or_default();
        *attempt += 1;
        process.host = Some(Host::new(*attempt));
        if self.random.one_in(16) {
            // It ends as soon as it has answered, and the two pieces of news cross.
            self.die(&id);
            self.within(3 * MS, Coming::Event(Event::HostStarted(id)));
            return Ok(());
        }
        self.tell(Event::HostStarted(id.clone()))?;
        self.with_host(&id, number, |_, random| Some(random.within_ms(500)));
        Ok(())
    }

    fn step(&mut self, id: &InstanceId, number: u64, step: u64) {
        let process = self
            .processes
            .get(id)
            .filter(|known| known.number == number);
        let host = process.and_then(|process| process.host.as_ref());
        if host.is_some_and(|host| host.step == step) {
            self.with_host(id, number, Host::advance);
        }
    }

    /// Something happens to a living host; its report goes out, and its next step is due.
    fn with_host(
        &mut self,
        id: &InstanceId,
        number: u64,
        happen: impl FnOnce(&mut Host, &mut Random) -> Due,
    ) {
        let process = self
            .processes
            .get_mut(id)
            .filter(|known| known.number == number);
        let Some(host) = process.and_then(|process| process.host.as_mut()) else {
            return;
        };
        let due = happen(host, &mut self.random);
        if self.random.one_in(8) {
            host.chatter(&mut self.random);
        }
        host.step += 1;
        let (step, report, has_ended) = (host.step, host.report.clone(), host.has_ended());
        self.attempts.insert(id.clone(), report.attempt);
        if self.on_the_way.insert(number, report).is_none() {
            self.within(4 * MS, Coming::Arrives(id.clone(), number));
        }
        if let Some(due) = due {
            let coming = Coming::Steps {
                id: id.clone(),
                host: number,
                step,
            };
            self.after(due, coming);
        }
        if has_ended {
            self.die(id);
        }
    }

    /// The process is gone; the keeper tells, whatever of the host's own news is still on its way.
    fn die(&mut self, id: &InstanceId) {
        if self.processes.remove(id).is_some() {
            self.within(3 * MS, Coming::Event(Event::HostEnded(id.clone())));
        }
    }

    fn order(&mut self, id: InstanceId, order: Order) {
        if let Some(process) = self.processes.get(&id) {
            let number = process.number;
            // One time for all: orders do not overtake each other.
            self.after(2 * MS, Coming::Obeys(id, number, order));
        }
    }
}
