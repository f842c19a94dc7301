//! The plain facts of a history: what was ordered, said, started and ended.
//!
//! They hear every event before the machine does, and know nothing of its states.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use host_core::{Event, Exit, Lease, LeaseStatus, Limits, Order, Report, Shape};
use plan::TaskType;

/// Being Ready for this long forgives earlier deaths.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// The facts of one attempt.
#[derive(Default)]
pub(crate) struct Attempt {
    pub(crate) prepared: bool,
    pub(crate) tasks_started: usize,
    pub(crate) tasks_done: BTreeSet<usize>,
    pub(crate) program_ordered: bool,
    pub(crate) pid: Option<i32>,
    pub(crate) said_ready: bool,
    pub(crate) ready_since: Option<Duration>,
    pub(crate) reported_draining: bool,
    /// Somebody wants it to end.
    pub(crate) leaving: bool,
    /// It has ended by itself.
    pub(crate) failed: bool,
    pub(crate) asked_at: Option<Duration>,
    pub(crate) answered: bool,
    pub(crate) terminated_at: Option<Duration>,
    pub(crate) emptied_at: Option<Duration>,
    /// It has a plan that is not told to it yet.
    pub(crate) owes_publish: bool,
    /// While it was being prepared, a plan came that it has to be prepared for again.
    pub(crate) is_outdated: bool,
    /// The least pause after it.
    pub(crate) pause: Duration,
    pub(crate) leases: BTreeMap<String, (LeaseStatus, u64, Option<Duration>)>,
}

pub(crate) struct Facts {
    pub(crate) shape: Shape,
    pub(crate) limits: Limits,
    pub(crate) attempt: u64,
    pub(crate) current: Attempt,
    /// Attempts in a row that ended by themselves.
    deaths: u32,
    pub(crate) reported: Option<Report>,
    pub(crate) fabric_gone: bool,
    pub(crate) stop_since: Option<Duration>,
    /// A stop was ordered, or the fabric is gone: not merely a reboot.
    pub(crate) stop_ordered: bool,
    pub(crate) reboot_ordered: bool,
    /// New plans that were ordered.
    pub(crate) changes: u64,
    /// Since when the next attempt is due.
    pub(crate) ended_since: Option<Duration>,
}

impl Facts {
    pub(crate) fn new(shape: Shape, limits: Limits) -> Self {
        Facts {
            shape,
            limits,
            attempt: 0,
            current: Attempt::default(),
            deaths: 0,
            reported: None,
            fabric_gone: false,
            stop_since: None,
            stop_ordered: false,
            reboot_ordered: false,
            changes: 0,
            ended_since: None,
        }
    }

    /// The current attempt's own preparation is over.
    pub(crate) fn prepared(&mut self, now: Duration, succeeded: bool) {
        if self.current.is_outdated {
            self.ended_since.get_or_insert(now);
            return;
        }
        self.current.prepared = succeeded;
        if !succeeded {
            self.fail(now);
        }
    }

    /// The machine is about to hear `event`.
    pub(crate) fn hear(&mut self, now: Duration, event: &Event) {
        self.current
            .leases
            .retain(|_, (_, _, until)| until.is_none_or(|until| until > now));
        match event {
            Event::Order(Order::Recycle) => {
                // Whoever orders a recycle does not want to wait for the pause to pass.
                if self.current.emptied_at.is_some() {
                    self.current.pause = Duration::ZERO;
                }
                self.leave(now);
            }
            Event::Order(Order::Change) => self.change(),
            Event::Order(Order::Replace) => {
                self.change();
                self.current.owes_publish = false;
                let is_preparing = self.attempt > 0 && self.is_live() && !self.current.prepared;
                self.current.is_outdated |= is_preparing;
                self.leave(now);
            }
            Event::Order(Order::Reboot) => {
                self.reboot_ordered = true;
                self.stop(now);
            }
            Event::Order(Order::Stop) => {
                self.stop_ordered = true;
                self.stop(now);
            }
            Event::FabricGone => {
                self.fabric_gone = true;
                self.stop_ordered = true;
                self.stop(now);
            }
            Event::TaskEnded {
                index,
                exit: Exit::Code(0),
            } => {
                self.current.tasks_done.insert(*index);
            }
            Event::TaskEnded { index, .. } | Event::TaskNotStarted { index, .. } => {
                if self.shape.tasks[*index].1 == TaskType::Simple {
                    self.fail(now);
                }
            }
            Event::ProgramStarted { pid } => {
                self.current.pid = Some(*pid);
                self.begin_ready(now);
            }
            Event::ProgramEnded(_) | Event::ProgramNotStarted { .. } => {
                self.current.pid = None;
                self.fail(now);
            }
            Event::Leased { client, lease } => self.hear_lease(now, client, lease),
            Event::Released { client } => drop(self.current.leases.remove(client)),
            Event::Notified => self.say_ready(now),
            Event::ClientsStopped { answered } => self.current.answered = *answered,
            Event::Emptied => self.current.emptied_at = Some(now),
            Event::Order(Order::Start | Order::Drained) | Event::Prepared(_) | Event::Detail(_) => {
            }
        }
    }

    fn hear_lease(&mut self, now: Duration, client: &str, lease: &Lease) {
        let known = self.current.leases.get(client);
        let is_stale = known.is_some_and(|(_, incarnation, _)| *incarnation > lease.incarnation);
        match lease.status {
            LeaseStatus::Recycle => self.leave(now),
            LeaseStatus::Started | LeaseStatus::Busy if !is_stale => {
                let until = lease.expires_in.map(|expires_in| now + expires_in);
                let held = (lease.status, lease.incarnation, until);
                self.current.leases.insert(client.to_owned(), held);
                if lease.status == LeaseStatus::Started {
                    self.say_ready(now);
                }
            }
            LeaseStatus::Started | LeaseStatus::Busy | LeaseStatus::Stopped => {}
        }
    }

    fn say_ready(&mut self, now: Duration) {
        if self.current.program_ordered {
            self.current.said_ready = true;
            self.begin_ready(now);
        }
    }

    fn begin_ready(&mut self, now: Duration) {
        if self.has_been_ready() {
            self.current.ready_since.get_or_insert(now);
        }
    }

    /// The program runs in an attempt that nobody has ended, and is ready by its own word.
    pub(crate) fn has_been_ready(&self) -> bool {
        let current = &self.current;
        let said_ready = current.said_ready || self.shape.ready_on_process_start;
        current.pid.is_some() && said_ready && !current.leaving && !current.failed
    }

    pub(crate) fn is_busy(&self, now: Duration) -> bool {
        let is_live = |until: Option<Duration>| until.is_none_or(|until| until > now);
        let leases = self.current.leases.values();
        leases
            .filter(|(_, _, until)| is_live(*until))
            .any(|(status, ..)| *status == LeaseStatus::Busy)
    }

    /// Nobody has ended the attempt, nor has it itself.
    fn is_live(&self) -> bool {
        !self.current.leaving && !self.current.failed
    }

    /// A new plan forgives all deaths, and is told to the attempt that lives.
    fn change(&mut self) {
        self.changes += 1;
        self.deaths = 0;
        self.current.pause = Duration::ZERO;
        self.current.owes_publish = self.attempt > 0 && self.is_live();
    }

    fn leave(&mut self, now: Duration) {
        // While an attempt is being prepared, it is the one that a recycle wants.
        if self.current.prepared && !self.current.failed {
            self.current.leaving = true;
            self.ended_since.get_or_insert(now);
        }
    }

    fn stop(&mut self, now: Duration) {
        self.current.leaving |= !self.current.failed;
        self.stop_since.get_or_insert(now);
    }

    /// The attempt has ended by itself, unless it was ending already.
    fn fail(&mut self, now: Duration) {
        self.ended_since.get_or_insert(now);
        if self.current.leaving || self.current.failed {
            return;
        }
        self.current.failed = true;
        let ready_since = self.current.ready_since;
        if ready_since.is_some_and(|since| now - since >= FORGIVEN_AFTER) {
            self.deaths = 0;
        }
        self.current.pause = match self.deaths {
            0 => Duration::ZERO,
            deaths => Duration::from_secs(1 << (deaths - 1).min(6)).min(Duration::from_secs(60)),
        };
        self.deaths += 1;
    }

    pub(crate) fn simple_tasks_done(&self, before: usize) -> bool {
        let is_simple = |index: &usize| self.shape.tasks[*index].1 == TaskType::Simple;
        (0..before)
            .filter(is_simple)
            .all(|index| self.current.tasks_done.contains(&index))
    }
}
