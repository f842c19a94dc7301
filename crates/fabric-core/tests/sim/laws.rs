//! What must be true of the controller whatever happens, checked against the plain [`Facts`].

use std::collections::BTreeSet;
use std::time::Duration;

use fabric_core::{Action, DRAIN_LIMIT, Event, Outcome, Rotation, Routing, START_ATTEMPTS_MAX};
use host_core::{Order, Report, Status};
use plan::{DeploymentPlan, InstanceId};

use crate::deployment::{IGNORES_STATUS, UPGRADE_DOMAINS};
use crate::facts::{Drain, Facts, HOST_PACE_MAX, Told};

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Law {
    /// A host is spawned where it is known that none is, and only one.
    OneHost,
    /// Hosts that die are spawned ever slower.
    Paced,
    /// A host that died is followed by another in bounded time.
    HostsComeBack,
    /// `Drained` is ordered only of a host that asked for it.
    DrainedOnRequest,
    /// … and when no pick can be under way and no connection is left, or its time has passed and the rest was cut.
    DrainedWhenQuiet,
    /// A host that asks for it is told `Drained` when the limit has passed, at the latest.
    DrainEnds,
    /// Only what is being drained is cut, and not before the limit.
    CutIsDue,
    /// The newest routing has in rotation who is Ready, and nobody else.
    RoutingIsTrue,
    /// Routings are numbered upwards, and made for a balancer that is there.
    RoutingsGrow,
    /// The start is said to be over once at most.
    StartedOnce,
    /// All were Ready, or one failed again and again.
    StartedIsTrue,
    /// … and once it is true, it is said.
    StartEnds,
    /// Each end of an attempt that a report tells of is told on.
    EndsAreTold,
    /// A stop reaches every host.
    StopReachesAll,
    /// … and closes the ports, once.
    StopClosesOnce,
    NoSpawnAfterStop,
    /// A stop ends in bounded time.
    StopEnds,
    /// A host is killed only when a stop has lasted too long for it.
    KillsLate,
    /// The deployment is stopped when no host is left, and that is said once.
    StoppedIsTrue,
    /// Every host is told of a new plan, once, and none that has it already.
    ChangesReachAll,
    /// Programs are replaced in one upgrade domain at a time.
    OneDomain,
    /// Only what has left is discarded, and nothing runs of it.
    DiscardsTheLeft,
    /// Timeouts without time passing are few.
    NoBusyLoop,
    /// The controller's assertions hold.
    NoPanic,
}

/// A law that did not hold.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) law: Law,
    pub(crate) account: String,
}

/// Timeouts in a row at one moment.
const TIMEOUTS_MAX: u32 = 8;

/// More than a host of this world takes to stop: its drain, its program, its start.
const STOP_LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Laws {
    facts: Facts,
    timeouts: u32,
    /// By how much the world was late, in all.
    late: Duration,
}

impl Laws {
    pub(crate) fn new(plan: &DeploymentPlan) -> Self {
        Laws {
            facts: Facts::new(plan),
            timeouts: 0,
            late: Duration::ZERO,
        }
    }

    /// The world was this much too late.
    pub(crate) fn late(&mut self, by: Duration) {
        self.late += by;
    }

    /// The controller is about to hear `event`.
    pub(crate) fn hear(&mut self, now: Duration, event: &Event) {
        self.facts.hear(now, event);
    }

    /// The controller wants `action`, while `hosts` live or are being spawned.
    pub(crate) fn check_action(
        &mut self,
        now: Duration,
        action: &Action,
        hosts: &BTreeSet<InstanceId>,
    ) -> Result<(), Broken> {
        match action {
            Action::SpawnHost(id) => self.check_spawn(now, id, hosts),
            Action::KillHost(id) => {
                let leaving_since = self.facts.told(id).leaving_since;
                let since = self.facts.stop_since.or(leaving_since);
                let is_due = since.is_some_and(|since| now >= since + fabric_core::STOP_LIMIT);
                require(Law::KillsLate, is_due && hosts.contains(id), || {
                    format!("the host of {id} is killed")
                })
            }
            Action::Order(id, Order::Drained) => self.check_drained(now, id),
            Action::Order(id, order) => {
                self.facts.told(id).stop_ordered |= *order == Order::Stop;
                Ok(())
            }
            Action::Change(id, order) => self.check_change(id, *order),
            Action::Discard(id) => {
                let told = self.facts.told(id);
                let has_left = told.leaving_since.is_some() && !hosts.contains(id);
                require(Law::DiscardsTheLeft, has_left, || {
                    format!("{id} is discarded")
                })?;
                self.facts.discard(id);
                Ok(())
            }
            Action::Route(routing) => self.check_route(routing),
            Action::Cut {
                instance,
                incarnation,
            } => self.check_cut(now, instance, *incarnation),
            Action::CloseListeners => {
                self.facts.closed += 1;
                let is_due = self.facts.stop_since.is_some() && self.facts.closed == 1;
                require(Law::StopClosesOnce, is_due, || {
                    "the ports are closed".into()
                })
            }
            Action::Started(outcome) => self.check_started(outcome),
            Action::AttemptEnded { instance, .. } => {
                let told = self.facts.told(instance);
                require(Law::EndsAreTold, told.ends_to_tell > 0, || {
                    format!("an end of {instance} that was none")
                })?;
                told.ends_to_tell -= 1;
                Ok(())
            }
            Action::Stopped => self.check_stopped(hosts),
        }
    }

    fn check_spawn(
        &mut self,
        now: Duration,
        id: &InstanceId,
        hosts: &BTreeSet<InstanceId>,
    ) -> Result<(), Broken> {
        let is_running = self.facts.stop_since.is_none();
        require(Law::NoSpawnAfterStop, is_running, || {
            format!("{id} is spawned")
        })?;
        let told = self.facts.told(id);
        let is_free = told.vacant && !hosts.contains(id) && told.leaving_since.is_none();
        require(Law::OneHost, is_free, || format!("another host for {id}"))?;
        let not_before = told.ended_at.map_or(now, |at| at + told.pace);
        told.ended_at = None;
        told.is_spawned = true;
        told.is_rebooting = false;
        told.due = None;
        require(Law::Paced, now >= not_before, || {
            format!("{id} is spawned before {not_before:?}")
        })
    }

    fn check_drained(&mut self, now: Duration, id: &InstanceId) -> Result<(), Broken> {
        let incarnation = self.facts.told(id).attempt();
        let drain = self.facts.told(id).drain.take();
        let Some(Drain { since, is_cut }) = drain else {
            let account = format!("{id} is told `Drained` without having asked");
            return Err(Broken {
                law: Law::DrainedOnRequest,
                account,
            });
        };
        let is_idle = self.facts.idle.contains(&(id.clone(), incarnation));
        let is_quiet = is_idle && self.facts.no_pick_can_happen(id);
        let is_late = is_cut && now >= since + DRAIN_LIMIT;
        let is_reached = self.facts.has_balancer && self.facts.is_public(id);
        require(
            Law::DrainedWhenQuiet,
            !is_reached || is_quiet || is_late,
            || format!("{id} is told `Drained` at once, idle: {is_idle}, cut: {is_cut}"),
        )
    }

    fn check_change(&mut self, id: &InstanceId, order: Order) -> Result<(), Broken> {
        let domain = upgrade_domain(id);
        let is_elsewhere = |(other, told): (&InstanceId, &Told)| {
            told.is_replacing && told.leaving_since.is_none() && upgrade_domain(other) != domain
        };
        let is_alone = order != Order::Replace || !self.facts.instances.iter().any(is_elsewhere);
        require(Law::OneDomain, is_alone, || {
            format!("{id} is replaced while another domain is")
        })?;
        let told = self.facts.told(id);
        let is_due = told.due.take() == Some(order) && told.has_host;
        told.changes += 1;
        told.is_replacing |= order == Order::Replace;
        require(Law::ChangesReachAll, is_due, || {
            format!("{order:?} of {id}, for which there is no reason")
        })
    }

    fn check_cut(
        &mut self,
        now: Duration,
        id: &InstanceId,
        incarnation: u64,
    ) -> Result<(), Broken> {
        let told = self.facts.told(id);
        let is_current = told.attempt() == incarnation;
        let drain = told
            .drain
            .as_mut()
            .filter(|drain| is_current && now >= drain.since + DRAIN_LIMIT);
        require(Law::CutIsDue, drain.is_some(), || {
            format!("{id} {incarnation} is cut")
        })?;
        drain.into_iter().for_each(|drain| drain.is_cut = true);
        Ok(())
    }

    fn check_route(&mut self, routing: &Routing) -> Result<(), Broken> {
        let is_next = self.facts.has_balancer && routing.number > self.facts.number;
        require(Law::RoutingsGrow, is_next, || {
            format!("routing {} follows {}", routing.number, self.facts.number)
        })?;
        self.facts.route(routing);
        Ok(())
    }

    fn check_started(&mut self, outcome: &Outcome) -> Result<(), Broken> {
        self.facts.started += 1;
        let is_first = self.facts.started == 1 && self.facts.stop_since.is_none();
        require(Law::StartedOnce, is_first, || format!("{outcome:?}"))?;
        let is_true = match outcome {
            Outcome::AllReady => self.facts.all_were_ready(),
            Outcome::Failed { instance, .. } => has_failed(self.facts.told(instance)),
        };
        require(Law::StartedIsTrue, is_true, || format!("{outcome:?}"))
    }

    fn check_stopped(&mut self, hosts: &BTreeSet<InstanceId>) -> Result<(), Broken> {
        self.facts.stopped += 1;
        let is_asked = self.facts.stop_since.is_some() && self.facts.stopped == 1;
        let is_true = is_asked && hosts.is_empty();
        require(Law::StoppedIsTrue, is_true, || {
            format!("stopped, with hosts {hosts:?}")
        })
    }

    /// A timeout was delivered.
    pub(crate) fn check_timeout(&mut self, now: Duration) -> Result<(), Broken> {
        self.timeouts += 1;
        require(Law::NoBusyLoop, self.timeouts <= TIMEOUTS_MAX, || {
            format!("{} timeouts at {now:?}", self.timeouts)
        })
    }

    /// All that was to happen up to now has happened, and nothing will before `next`; `None` is never.
    pub(crate) fn check_rest(&mut self, next: Option<Duration>) -> Result<(), Broken> {
        self.timeouts = 0;
        let late = self.late;
        let in_time = |since: Option<Duration>, limit: Duration| {
            since.is_none_or(|since| next.is_some_and(|next| next <= since + limit + late))
        };
        let is_running = self.facts.stop_since.is_none();
        for (id, told) in &self.facts.instances {
            let stays = told.leaving_since.is_none();
            let gone_since = told.ended_at.filter(|_| is_running && stays);
            require(
                Law::HostsComeBack,
                in_time(gone_since, HOST_PACE_MAX),
                || format!("no host for {id} since {gone_since:?}"),
            )?;
            let drain_since = told.drain.as_ref().map(|drain| drain.since);
            require(Law::DrainEnds, in_time(drain_since, DRAIN_LIMIT), || {
                format!("{id} drains since {drain_since:?}")
            })?;
            require(Law::EndsAreTold, told.ends_to_tell == 0, || {
                format!("an end of {id} is kept secret")
            })?;
            let is_reached = (is_running && stays) || !told.has_host || told.stop_ordered;
            require(Law::StopReachesAll, is_reached, || {
                format!("{id} is not told to stop")
            })?;
            let is_held_back = told.due == Some(Order::Replace) && self.is_walking();
            let is_told = told.due.is_none() || !told.has_host || is_held_back || !is_running;
            require(Law::ChangesReachAll, is_told, || {
                format!("{id} is not told of a new plan")
            })?;
        }
        let stop_since = self.facts.stop_since.filter(|_| self.facts.stopped == 0);
        require(Law::StopEnds, in_time(stop_since, STOP_LIMIT), || {
            format!("a stop goes on since {stop_since:?}")
        })?;
        let is_due = is_running && self.facts.started == 0;
        let is_over = self.facts.all_were_ready() || self.facts.instances.values().any(has_failed);
        require(Law::StartEnds, !is_due || !is_over, || {
            "the outcome of the start is kept secret".into()
        })?;
        self.check_rotation()
    }

    fn is_walking(&self) -> bool {
        let mut instances = self.facts.instances.values();
        instances.any(|told| told.is_replacing && told.leaving_since.is_none())
    }

    fn check_rotation(&self) -> Result<(), Broken> {
        let newest = self.facts.newest.as_ref();
        let missing = self.facts.has_balancer && newest.is_none();
        require(Law::RoutingIsTrue, !missing, || {
            "the balancer has no table".into()
        })?;
        for endpoint in newest.into_iter().flat_map(|newest| &newest.endpoints) {
            let stranger = endpoint
                .routes
                .iter()
                .find(|route| !self.facts.instances.contains_key(&route.instance));
            require(Law::RoutingIsTrue, stranger.is_none(), || {
                format!("{stranger:?} has left")
            })?;
            let ignores_status = endpoint.key == IGNORES_STATUS;
            for (id, told) in &self.facts.instances {
                let route = endpoint.routes.iter().find(|route| route.instance == *id);
                let rotation = route.map(|route| route.rotation);
                let is_current = route.is_none_or(|route| route.incarnation == told.attempt());
                let is_in = rotation == Some(Rotation::In);
                let serves = self.facts.is_public(id) && serves(told, ignores_status);
                let is_buried = rotation == Some(Rotation::Dead) && told.pid().is_some();
                require(
                    Law::RoutingIsTrue,
                    is_current && is_in == serves && !is_buried,
                    || {
                        format!(
                            "{id} is {rotation:?} at {}: {:?}",
                            endpoint.key, told.report
                        )
                    },
                )?;
            }
        }
        Ok(())
    }
}

/// It has not been Ready, and neither patience nor another attempt will help.
fn has_failed(told: &Told) -> bool {
    if told.leaving_since.is_some() {
        return false;
    }
    let failed_starts = told
        .report
        .as_ref()
        .map_or(0, |report| report.failed_starts);
    !told.was_ready && failed_starts.max(told.deaths) >= START_ATTEMPTS_MAX
}

fn upgrade_domain(id: &InstanceId) -> u32 {
    let index = id.as_str().rsplit('_').next();
    let index: u32 = index
        .and_then(|index| index.parse().ok())
        .expect("an instance's id ends in its index");
    index % UPGRADE_DOMAINS
}

fn serves(told: &Told, ignores_status: bool) -> bool {
    let serves = |report: &Report| match report.status {
        Status::Ready => true,
        Status::Starting | Status::Busy => ignores_status && report.pid.is_some(),
        Status::Stopping | Status::Recycling | Status::Stopped | Status::Failed => false,
    };
    told.has_host && told.report.as_ref().is_some_and(serves)
}

fn require(law: Law, holds: bool, account: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds {
        return Ok(());
    }
    let account = account();
    Err(Broken { law, account })
}
