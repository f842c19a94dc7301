//! The state machine itself. The picture is in the crate's documentation.

mod changes;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use host_core::{Order, Report, Status};
use plan::{DeploymentPlan, InstanceId, InstancePlan};

use crate::member::{Drain, Host, Member};
use crate::messages::{Action, Event, MemberView, Outcome};
use crate::routing::{EndpointRouting, Routing, endpoints};

/// How long connections may go on after their instance was taken out of rotation. Long enough for a request
/// to end; a person at a terminal does not notice a recycle that waits this long, and does one that takes minutes.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// How many attempts an instance has to become Ready when a deployment is first started, and how many hosts. A task that
/// fails three times in a row will fail a fourth time, and whoever waits at the terminal wants to know.
pub const START_ATTEMPTS_MAX: u32 = 3;

/// The longest wait before a host that died is spawned again.
pub const HOST_PACE_MAX: Duration = Duration::from_secs(60);

/// How many hosts of an instance may end in a row, with none of them Ready, until it is called Failed. It is still
/// tried, at the longest pace.
pub const HOST_FAILURES_MAX: u32 = 3;

/// How long a stop may take. A host has limits of its own for each step (its drain, the role's five minutes, as long
/// again for foreground tasks); one that outlasts their sum is stuck, and is killed.
pub const STOP_LIMIT: Duration = Duration::from_secs(11 * 60);

/// What the deployment is wanted to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Run,
    Stop,
    /// The stop is complete and was said.
    Over,
}

pub use changes::CHANGE_LIMIT;

/// The controller of one deployment.
#[derive(Debug)]
pub struct Controller {
    plan: DeploymentPlan,
    goal: Goal,
    /// When hosts that have not ended are killed, while the deployment is being stopped.
    kill_at: Option<Duration>,
    /// Whether the outcome of the start is still to be said.
    starting: bool,
    members: BTreeMap<InstanceId, Member>,
    number: u64,
    routed: Vec<EndpointRouting>,
    has_balancer: bool,
    acknowledged: u64,
    /// When the latest configuration came.
    changed_at: Option<Duration>,
    actions: VecDeque<Action>,
}

impl Controller {
    /// A controller that brings `plan` to life, as soon as it hears that the instances are vacant.
    pub fn new(plan: DeploymentPlan) -> Self {
        let member = |instance: &InstancePlan| Member::new(is_public(&plan, &instance.role));
        let members = plan
            .instances()
            .map(|instance| (instance.id.clone(), member(instance)))
            .collect();
        Controller {
            plan,
            goal: Goal::Run,
            kill_at: None,
            starting: true,
            members,
            number: 0,
            routed: Vec::new(),
            has_balancer: false,
            acknowledged: 0,
            changed_at: None,
            actions: VecDeque::new(),
        }
    }

    /// Takes over a deployment that an earlier fabric had committed. If `has_started`, its start is over and no
    /// longer on trial.
    pub fn resume(plan: DeploymentPlan, has_started: bool) -> Self {
        Controller {
            starting: !has_started,
            ..Controller::new(plan)
        }
    }

    /// The plan that is carried out.
    pub fn plan(&self) -> &DeploymentPlan {
        &self.plan
    }

    /// Whether a balancer is there to be asked.
    pub fn has_balancer(&self) -> bool {
        self.has_balancer
    }

    /// What is known of an instance; `None` for one that the plan does not have.
    pub fn member(&self, instance: &InstanceId) -> Option<MemberView> {
        let member = self.members.get(instance)?;
        Some(MemberView {
            report: member.report.clone(),
            recycles: member.recycles(),
        })
    }

    /// Takes in what happened at `now`, counted from any fixed moment.
    pub fn handle_event(&mut self, now: Duration, event: Event) {
        match event {
            Event::Vacant(id) => self.handle_vacant(now, &id),
            Event::HostStarted(id) => self.handle_host_started(&id),
            Event::HostEnded(id) => self.handle_host_ended(now, &id),
            Event::Reported(id, report) => self.handle_report(&id, report),
            Event::BalancerConnected => {
                self.has_balancer = true;
                // A new balancer has seen nothing, whatever the one before it had acknowledged.
                self.acknowledged = 0;
                self.routed.clear();
                self.route();
            }
            Event::BalancerGone => self.has_balancer = false,
            // A balancer that served an earlier fabric may still say that it is through with a table of that one.
            Event::Acknowledged(number) if number > self.number => {}
            Event::Acknowledged(number) => self.acknowledged = self.acknowledged.max(number),
            Event::Idle {
                instance,
                incarnation,
            } => self.handle_idle(&instance, incarnation),
            Event::Recycle(id) => self.order(&id, Order::Recycle),
            Event::Reboot(id) => self.reboot(now, &id),
            Event::Configured(plan) => self.configure(now, *plan),
            Event::Stop => self.begin_stop(now),
        }
        self.settle(now);
    }

    /// Call it at the time that [`poll_timeout`](Self::poll_timeout) named, or later.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.settle(now);
    }

    /// What to do next; call it until it returns `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Duration> {
        let due = |member: &Member| {
            let spawn = match member.host {
                Host::Absent { spawn_at } if self.goal == Goal::Run => Some(spawn_at),
                _ => None,
            };
            let kill = member.leaving.as_ref().map(|leaving| leaving.kill_at);
            [spawn, member.drain.map(|drain| drain.until), kill]
        };
        self.members
            .values()
            .flat_map(due)
            .chain([self.kill_at])
            .flatten()
            .min()
    }

    fn handle_vacant(&mut self, now: Duration, id: &InstanceId) {
        if let Some(member) = self.members.get_mut(id)
            && member.host == Host::Unknown
        {
            member.host = Host::Absent { spawn_at: now };
            self.discard_if_left(id);
        }
    }

    fn handle_host_started(&mut self, id: &InstanceId) {
        // A host that is known to have ended has not started, even if that news comes later.
        if let Some(member) = self.members.get_mut(id)
            && !matches!(member.host, Host::Absent { .. })
        {
            member.host = Host::Present;
            if self.goal != Goal::Run || member.leaving.is_some() {
                self.order(id, Order::Stop);
            } else if member.is_rebooting {
                self.order(id, Order::Reboot);
            }
        }
    }

    fn handle_host_ended(&mut self, now: Duration, id: &InstanceId) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let pace = match member.host_deaths {
            0 => Duration::ZERO,
            _ if member.is_rebooting => Duration::ZERO,
            deaths => Duration::from_secs(1 << (deaths - 1).min(6)).min(HOST_PACE_MAX),
        };
        member.host_deaths += u32::from(!member.is_rebooting);
        member.changes = 0;
        member.host = Host::Absent {
            spawn_at: now + pace,
        };
        member.drain = None;
        if let Some(report) = &mut member.report {
            // Its program died with it.
            let is_over = self.goal != Goal::Run;
            report.status = if is_over {
                Status::Stopped
            } else if member.host_deaths > HOST_FAILURES_MAX {
                Status::Failed
            } else {
                Status::Recycling
            };
            report.pid = None;
            report.draining = false;
            // The next host counts from nothing.
            report.ends = 0;
            report.failed_starts = 0;
            report.changes = 0;
            if !is_over {
                let detail = if member.is_rebooting {
                    "it is started anew"
                } else {
                    "its host has ended"
                };
                report.detail = Some(detail.to_owned());
            }
        }
        self.discard_if_left(id);
    }

    fn handle_report(&mut self, id: &InstanceId, report: Report) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        // The last words of a host may cross the news of its end, and would raise its program from the dead.
        if member.host != Host::Present {
            return;
        }
        if report.attempt > 0 {
            member.first_attempt.get_or_insert(report.attempt);
        }
        let known_ends = member.report.as_ref().map_or(0, |earlier| earlier.ends);
        if report.ends > known_ends {
            let cause = report.last_end.clone().unwrap_or_default();
            self.actions.push_back(Action::AttemptEnded {
                instance: id.clone(),
                cause,
            });
        }
        if report.status == Status::Ready {
            member.was_ready = true;
            member.host_deaths = 0;
            member.is_replacing &= report.changes < member.changes;
        }
        let is_same_attempt =
            member.report.as_ref().map(|known| known.attempt) == Some(report.attempt);
        if !report.draining || !is_same_attempt {
            member.drain = None;
        }
        member.report = Some(report);
    }

    fn handle_idle(&mut self, id: &InstanceId, incarnation: u64) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let is_current = member
            .report
            .as_ref()
            .is_some_and(|report| report.attempt == incarnation);
        if let Some(drain) = &mut member.drain
            && is_current
        {
            drain.idle = true;
        }
    }

    fn begin_stop(&mut self, now: Duration) {
        if self.goal != Goal::Run {
            return;
        }
        self.goal = Goal::Stop;
        self.kill_at = Some(now + STOP_LIMIT);
        self.starting = false;
        self.actions.push_back(Action::CloseListeners);
        let ids: Vec<InstanceId> = self.members.keys().cloned().collect();
        for id in ids {
            self.order(&id, Order::Stop);
        }
    }

    fn order(&mut self, id: &InstanceId, order: Order) {
        if self
            .members
            .get(id)
            .is_some_and(|member| member.host == Host::Present)
        {
            self.actions.push_back(Action::Order(id.clone(), order));
        }
    }

    /// Draws every conclusion that what is known now allows.
    fn settle(&mut self, now: Duration) {
        self.spawn(now);
        self.tell_changes();
        self.route();
        self.drain(now);
        self.judge_start();
        self.kill_late_hosts(now);
        self.judge_stop();
        self.check_invariants();
    }

    fn spawn(&mut self, now: Duration) {
        if self.goal != Goal::Run {
            return;
        }
        for (id, member) in &mut self.members {
            if matches!(member.host, Host::Absent { spawn_at } if spawn_at <= now) {
                member.host = Host::Spawning;
                // It is given the plan as it is now, and makes anew what it is told to.
                member.due = None;
                member.is_rebooting = false;
                self.actions.push_back(Action::SpawnHost(id.clone()));
            }
        }
    }

    /// Sends a new routing, if anything about it has changed.
    fn route(&mut self) {
        let endpoints = endpoints(&self.plan, &self.members);
        if !self.has_balancer || endpoints == self.routed {
            return;
        }
        self.number += 1;
        self.routed = endpoints.clone();
        self.actions.push_back(Action::Route(Routing {
            number: self.number,
            endpoints,
        }));
    }

    /// Moves every drain on: begun when the host asks for one, over when the instance is idle behind the
    /// barrier, when its time has passed, or when there is no balancer that could hold a connection.
    fn drain(&mut self, now: Duration) {
        for (id, member) in &mut self.members {
            let Some(report) = member.report.as_ref().filter(|report| report.draining) else {
                continue;
            };
            let fresh = Drain {
                barrier: self.number,
                idle: !member.is_public,
                until: now + DRAIN_LIMIT,
            };
            let drain = *member.drain.get_or_insert(fresh);
            let is_quiet = !self.has_balancer
                || !member.is_public
                || (drain.idle && self.acknowledged >= drain.barrier);
            let is_late = drain.until <= now;
            if !is_quiet && !is_late {
                continue;
            }
            if !is_quiet {
                self.actions.push_back(Action::Cut {
                    instance: id.clone(),
                    incarnation: report.attempt,
                });
            }
            self.actions
                .push_back(Action::Order(id.clone(), Order::Drained));
            member.drain = None;
            // The host answers with a report that drains no more; until then nothing is to be said twice.
            if let Some(report) = &mut member.report {
                report.draining = false;
            }
        }
    }

    fn judge_start(&mut self) {
        if !self.starting {
            return;
        }
        let failed = self
            .members
            .iter()
            .filter(|(_, member)| member.leaving.is_none())
            .find_map(|(id, member)| Some((id.clone(), failure(member)?)));
        if let Some((instance, cause)) = failed {
            self.starting = false;
            self.actions
                .push_back(Action::Started(Outcome::Failed { instance, cause }));
        } else if self.members.values().all(|member| member.was_ready) {
            self.starting = false;
            self.actions.push_back(Action::Started(Outcome::AllReady));
        }
    }

    fn kill_late_hosts(&mut self, now: Duration) {
        for (id, member) in &mut self.members {
            if let Some(leaving) = &mut member.leaving
                && leaving.kill_at <= now
            {
                self.actions.push_back(Action::KillHost(id.clone()));
                leaving.kill_at = now + STOP_LIMIT;
            }
        }
        if self.kill_at.is_none_or(|kill_at| now < kill_at) {
            return;
        }
        self.kill_at = None;
        for (id, member) in &self.members {
            if matches!(member.host, Host::Spawning | Host::Present) {
                self.actions.push_back(Action::KillHost(id.clone()));
            }
        }
    }

    fn judge_stop(&mut self) {
        // A host of an earlier fabric is waited for as well: it is stopping its role.
        let is_gone = |member: &Member| matches!(member.host, Host::Absent { .. });
        if self.goal == Goal::Stop && self.members.values().all(is_gone) {
            self.goal = Goal::Over;
            self.kill_at = None;
            self.actions.push_back(Action::Stopped);
        }
    }

    fn check_invariants(&self) {
        assert!(
            self.acknowledged <= self.number,
            "the balancer acknowledged a routing that was never made"
        );
        for (id, member) in &self.members {
            let drains = member.report.as_ref().is_some_and(|report| report.draining);
            assert!(
                member.drain.is_none() || drains,
                "{id} is drained without having asked for it"
            );
        }
    }
}

/// Whether any input endpoint leads to the role.
fn is_public(plan: &DeploymentPlan, role: &str) -> bool {
    plan.public.iter().any(|public| public.role == role)
}

/// Why an instance that was never Ready will not become so.
fn failure(member: &Member) -> Option<String> {
    if member.was_ready {
        return None;
    }
    if member.host_deaths >= START_ATTEMPTS_MAX {
        return Some(format!("its host has ended {} times", member.host_deaths));
    }
    let report = member.report.as_ref()?;
    let has_failed = report.failed_starts >= START_ATTEMPTS_MAX;
    has_failed.then(|| report.last_end.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests;
