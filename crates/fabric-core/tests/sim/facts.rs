//! The plain facts of a history: what the controller has been told, and what it has said.
//!
//! Knows nothing of the controller's own book-keeping.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fabric_core::{Event, Rotation, Routing};
use host_core::{Order, Report, Status};
use plan::{DeploymentPlan, InstanceId, difference};

use crate::deployment::PUBLIC;

/// The longest wait before a host that died is spawned again.
pub(crate) const HOST_PACE_MAX: Duration = Duration::from_secs(60);

/// A drain that a host has asked for.
pub(crate) struct Drain {
    pub(crate) since: Duration,
    pub(crate) is_cut: bool,
}

/// What the controller was told of one instance.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) vacant: bool,
    pub(crate) has_host: bool,
    /// When its host ended, until the next is asked for.
    pub(crate) ended_at: Option<Duration>,
    /// Hosts that ended in a row without a Ready.
    pub(crate) deaths: u32,
    /// The least time from there to the next host.
    pub(crate) pace: Duration,
    pub(crate) report: Option<Report>,
    pub(crate) drain: Option<Drain>,
    pub(crate) was_ready: bool,
    pub(crate) stop_ordered: bool,
    pub(crate) ends_to_tell: u32,
    /// Its host is being spawned or lives.
    pub(crate) is_spawned: bool,
    /// Its host is to end because the instance is started anew.
    pub(crate) is_rebooting: bool,
    /// Since when it is in the plan no more.
    pub(crate) leaving_since: Option<Duration>,
    /// What its host has to be told of a new plan.
    pub(crate) due: Option<Order>,
    /// How many plans its host was told of.
    pub(crate) changes: u64,
    /// It was told to replace its program, and has not been Ready since.
    pub(crate) is_replacing: bool,
}

impl Told {
    pub(crate) fn attempt(&self) -> u64 {
        self.report.as_ref().map_or(0, |report| report.attempt)
    }

    /// The program that runs, as far as anybody knows.
    pub(crate) fn pid(&self) -> Option<i32> {
        self.report.as_ref().filter(|_| self.has_host)?.pid
    }

    fn host_ended(&mut self, now: Duration) {
        self.has_host = false;
        self.drain = None;
        self.ended_at = Some(now);
        self.changes = 0;
        self.pace = match self.deaths {
            0 => Duration::ZERO,
            _ if self.is_rebooting => Duration::ZERO,
            deaths => Duration::from_secs(1 << (deaths - 1).min(6)).min(HOST_PACE_MAX),
        };
        self.deaths += u32::from(!self.is_rebooting);
        self.is_spawned = false;
        if let Some(report) = &mut self.report {
            report.status = Status::Recycling;
            report.pid = None;
            report.ends = 0;
            report.failed_starts = 0;
            report.changes = 0;
        }
    }

    /// There is a new plan, in which it is as it was in the last.
    fn change(&mut self, order: Order) {
        self.deaths = 0;
        self.pace = Duration::ZERO;
        if self.is_spawned && self.leaving_since.is_none() {
            let is_replaced = order == Order::Replace || self.due == Some(Order::Replace);
            self.due = Some(if is_replaced {
                Order::Replace
            } else {
                Order::Change
            });
        }
    }

    fn reboot(&mut self) {
        if self.leaving_since.is_some() {
            return;
        }
        self.is_rebooting = self.is_spawned;
        if !self.is_spawned {
            self.pace = Duration::ZERO;
        }
    }

    fn reported(&mut self, now: Duration, report: &Report) {
        let known_ends = self.report.as_ref().map_or(0, |known| known.ends);
        self.ends_to_tell += u32::from(report.ends > known_ends);
        let is_new = self.attempt() != report.attempt;
        if !report.draining || is_new {
            self.drain = None;
        }
        if report.draining && self.drain.is_none() {
            self.drain = Some(Drain {
                since: now,
                is_cut: false,
            });
        }
        if report.status == Status::Ready {
            self.was_ready = true;
            self.deaths = 0;
            self.is_replacing &= report.changes < self.changes;
        }
        self.report = Some(report.clone());
    }
}

pub(crate) struct Facts {
    pub(crate) instances: BTreeMap<InstanceId, Told>,
    plan: DeploymentPlan,
    pub(crate) has_balancer: bool,
    /// The newest number ever.
    pub(crate) number: u64,
    /// The newest routing of this balancer.
    pub(crate) newest: Option<Routing>,
    acknowledged: u64,
    /// The first of the routings, without a gap up to the newest, that give an instance nothing.
    out_since: BTreeMap<InstanceId, u64>,
    /// Programs without a connection, by the word of a balancer.
    pub(crate) idle: BTreeSet<(InstanceId, u64)>,
    pub(crate) stop_since: Option<Duration>,
    pub(crate) closed: u32,
    pub(crate) started: u32,
    pub(crate) stopped: u32,
}

impl Facts {
    pub(crate) fn new(plan: &DeploymentPlan) -> Self {
        Facts {
            instances: plan
                .instances()
                .map(|instance| (instance.id.clone(), Told::default()))
                .collect(),
            plan: plan.clone(),
            has_balancer: false,
            number: 0,
            newest: None,
            acknowledged: 0,
            out_since: BTreeMap::new(),
            idle: BTreeSet::new(),
            stop_since: None,
            closed: 0,
            started: 0,
            stopped: 0,
        }
    }

    pub(crate) fn told(&mut self, id: &InstanceId) -> &mut Told {
        self.instances
            .get_mut(id)
            .expect("it is in the plan, or leaves it")
    }

    pub(crate) fn is_public(&self, id: &InstanceId) -> bool {
        id.as_str().starts_with(PUBLIC)
    }

    pub(crate) fn is_planned(&self, id: &InstanceId) -> bool {
        self.plan.instances().any(|instance| instance.id == *id)
    }

    /// What is told of an instance that has left for good is for nobody.
    fn hear_of(&mut self, id: &InstanceId, hear: impl FnOnce(&mut Told)) {
        if let Some(told) = self.instances.get_mut(id) {
            hear(told);
        }
    }

    fn configure(&mut self, now: Duration, plan: &DeploymentPlan) {
        let difference = difference(&self.plan, plan);
        self.plan = plan.clone();
        for id in &difference.removed {
            let told = self.told(id);
            told.leaving_since.get_or_insert(now);
            told.due = None;
        }
        for id in &difference.added {
            self.instances.entry(id.clone()).or_default();
        }
        for instance in plan.instances() {
            if !difference.added.contains(&instance.id) {
                let is_replaced = difference.recycled.contains(&instance.id);
                let order = if is_replaced {
                    Order::Replace
                } else {
                    Order::Change
                };
                self.told(&instance.id).change(order);
            }
        }
    }

    /// An instance that has left is forgotten; one that is wanted again begins anew.
    pub(crate) fn discard(&mut self, id: &InstanceId) {
        self.instances.remove(id);
        self.out_since.remove(id);
        if self.is_planned(id) {
            self.instances.insert(id.clone(), Told::default());
        }
    }

    pub(crate) fn all_were_ready(&self) -> bool {
        self.instances.values().all(|told| told.was_ready)
    }

    /// Whether the balancer has acknowledged a routing since which the instance gets nothing.
    pub(crate) fn no_pick_can_happen(&self, id: &InstanceId) -> bool {
        let out_since = self.out_since.get(id);
        out_since.is_some_and(|number| self.acknowledged >= *number)
    }

    pub(crate) fn hear(&mut self, now: Duration, event: &Event) {
        match event {
            Event::Vacant(id) => self.hear_of(id, |told| told.vacant = true),
            // It may cross the end of the host on its way.
            Event::HostStarted(id) => self.hear_of(id, |told| {
                told.has_host |= told.ended_at.is_none() && told.is_spawned;
                told.stop_ordered = false;
            }),
            Event::HostEnded(id) => self.hear_of(id, |told| told.host_ended(now)),
            // So may its last report.
            Event::Reported(id, report) => self.hear_of(id, |told| {
                if told.has_host {
                    told.reported(now, report);
                }
            }),
            Event::Reboot(id) if self.stop_since.is_none() => self.hear_of(id, Told::reboot),
            Event::Configured(plan) if self.stop_since.is_none() => self.configure(now, plan),
            Event::BalancerConnected => {
                self.has_balancer = true;
                self.acknowledged = 0;
            }
            Event::BalancerGone => {
                self.has_balancer = false;
                self.newest = None;
            }
            // One of a table that an earlier fabric made says nothing about ours.
            Event::Acknowledged(number) if *number <= self.number => {
                self.acknowledged = self.acknowledged.max(*number);
            }
            Event::Idle {
                instance,
                incarnation,
            } => {
                self.idle.insert((instance.clone(), *incarnation));
            }
            Event::Stop => drop(self.stop_since.get_or_insert(now)),
            Event::Acknowledged(_)
            | Event::Recycle(_)
            | Event::Reboot(_)
            | Event::Configured(_) => {}
        }
    }

    pub(crate) fn route(&mut self, routing: &Routing) {
        self.number = routing.number;
        let public = self.instances.keys().filter(|id| self.is_public(id));
        for id in public.cloned().collect::<Vec<_>>() {
            let routes = routing
                .endpoints
                .iter()
                .flat_map(|endpoint| &endpoint.routes);
            let is_in = routes
                .filter(|route| route.instance == id)
                .any(|route| route.rotation == Rotation::In);
            if is_in {
                self.out_since.remove(&id);
            } else {
                self.out_since.entry(id).or_insert(routing.number);
            }
        }
        self.newest = Some(routing.clone());
    }
}
