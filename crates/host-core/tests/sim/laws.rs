//! The plain facts of a history, and what must be true of the machine whatever happens.
//!
//! It hears every event before the machine does and every action before the world carries it out. It knows nothing
//! of the machine's states: only what was ordered, said, started and ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use host_core::{
    Action, CLIENT_ANSWERED_LIMIT, DRAIN_LIMIT, Event, Exit, Lease, LeaseStatus, Limits, Order,
    Report, Shape, Status, TASK_END_LIMIT,
};
use plan::TaskType;

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Law {
    /// Nothing starts before its own attempt was prepared.
    PreparedFirst,
    /// Tasks start in order, each once, and the program when every simple one has ended with 0.
    TasksFirst,
    /// One program an attempt, and never two at a time.
    OneProgram,
    /// Nothing starts while something of an earlier attempt lives.
    NothingOfBefore,
    /// `draining` is reported before the program is asked to stop, as long as there is a fabric.
    DrainingBeforeAsking,
    /// Nobody is killed before the limit that he was given.
    TimeToStop,
    /// Ready is said when, and only when, the program runs, has said so, and nobody is Busy.
    StatusIsTrue,
    /// An attempt has the next number, and reports carry it.
    AttemptsGrow,
    /// Attempts that end by themselves follow each other ever slower.
    Paced,
    /// An attempt that ended is followed by another in bounded time.
    NextAttempt,
    /// A stop, or the loss of the fabric, ends the instance in bounded time.
    StopEnds,
    /// The end is the last word.
    NothingAfterExit,
    /// Timeouts without time passing are few.
    NoBusyLoop,
    /// The machine's assertions hold.
    NoPanic,
}

/// A law that did not hold.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) law: Law,
    pub(crate) account: String,
}

/// What runs in the world.
pub(crate) struct Living {
    pub(crate) attempt: u64,
    /// Its position among the tasks; `None` for the role program.
    pub(crate) task: Option<usize>,
}

/// Timeouts in a row at one moment: one for each step of the stop path would be many.
const TIMEOUTS_MAX: u32 = 8;

/// More than the world takes to prepare, and to empty.
const WORLD_SLACK: Duration = Duration::from_secs(60);

/// The longest pause between two attempts, with its jitter.
const PACE_MAX: Duration = Duration::from_secs(75);

/// Being Ready for this long forgives earlier deaths.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// The facts of one attempt.
#[derive(Default)]
struct Attempt {
    prepared: bool,
    tasks_started: usize,
    tasks_done: BTreeSet<usize>,
    program_ordered: bool,
    pid: Option<i32>,
    said_ready: bool,
    ready_since: Option<Duration>,
    reported_draining: bool,
    /// Somebody wants it to end.
    leaving: bool,
    /// It has ended by itself.
    failed: bool,
    asked_at: Option<Duration>,
    answered: bool,
    terminated_at: Option<Duration>,
    emptied_at: Option<Duration>,
    /// The least pause after it.
    pause: Duration,
    leases: BTreeMap<String, (LeaseStatus, u64, Option<Duration>)>,
}

pub(crate) struct Laws {
    shape: Shape,
    limits: Limits,
    attempt: u64,
    current: Attempt,
    deaths: u32,
    reported: Option<Report>,
    fabric_gone: bool,
    stop_since: Option<Duration>,
    ended_since: Option<Duration>,
    exited: bool,
    timeouts: u32,
    /// By how much the world was late, in all.
    late: Duration,
}

impl Laws {
    pub(crate) fn new(shape: Shape, limits: Limits) -> Self {
        Laws {
            shape,
            limits,
            attempt: 0,
            current: Attempt::default(),
            deaths: 0,
            reported: None,
            fabric_gone: false,
            stop_since: None,
            ended_since: None,
            exited: false,
            timeouts: 0,
            late: Duration::ZERO,
        }
    }

    /// The current attempt's own preparation is over, and the machine is about to hear of it.
    pub(crate) fn prepared(&mut self, now: Duration, succeeded: bool) {
        self.current.prepared = succeeded;
        if !succeeded {
            self.fail(now);
        }
    }

    /// The world was this much too late.
    pub(crate) fn late(&mut self, by: Duration) {
        self.late += by;
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
            Event::Order(Order::Stop) => self.stop(now),
            Event::FabricGone => {
                self.fabric_gone = true;
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
    fn has_been_ready(&self) -> bool {
        let current = &self.current;
        let said_ready = current.said_ready || self.shape.ready_on_process_start;
        current.pid.is_some() && said_ready && !current.leaving && !current.failed
    }

    fn is_busy(&self, now: Duration) -> bool {
        let is_live = |until: Option<Duration>| until.is_none_or(|until| until > now);
        let leases = self.current.leases.values();
        leases
            .filter(|(_, _, until)| is_live(*until))
            .any(|(status, ..)| *status == LeaseStatus::Busy)
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

    /// The machine wants `action`, while `living` run.
    pub(crate) fn check_action<'a>(
        &mut self,
        now: Duration,
        action: &Action,
        living: impl Iterator<Item = &'a Living> + Clone,
    ) -> Result<(), Broken> {
        require(Law::NothingAfterExit, !self.exited, || {
            format!("{action:?}")
        })?;
        let is_start = matches!(
            action,
            Action::Prepare { .. } | Action::StartTask { .. } | Action::StartProgram
        );
        let is_attempt = matches!(action, Action::Prepare { .. });
        let n_old = living
            .clone()
            .filter(|living| living.attempt != self.attempt || is_attempt)
            .count();
        require(Law::NothingOfBefore, !is_start || n_old == 0, || {
            format!("{action:?} while {n_old} processes of an earlier attempt live")
        })?;
        match action {
            Action::Prepare { attempt } => self.check_attempt(now, *attempt),
            Action::StartTask { index } => self.check_task(*index),
            Action::StartProgram => self.check_program(living),
            Action::AskToStop { .. } => {
                self.current.asked_at = Some(now);
                let is_told = self.current.reported_draining || self.fabric_gone;
                require(Law::DrainingBeforeAsking, is_told, || {
                    "asked to stop without having drained".into()
                })
            }
            Action::Terminate => {
                self.current.terminated_at.get_or_insert(now);
                Ok(())
            }
            Action::Empty => self.check_kill(now, living),
            Action::Report(report) => self.check_report(now, report),
            Action::Log(_) => Ok(()),
            Action::Exit => {
                self.exited = true;
                require(Law::NothingOfBefore, living.count() == 0, || {
                    "the host ends before its processes".into()
                })
            }
        }
    }

    fn check_attempt(&mut self, now: Duration, attempt: u64) -> Result<(), Broken> {
        require(Law::AttemptsGrow, attempt == self.attempt + 1, || {
            format!("attempt {attempt} follows {}", self.attempt)
        })?;
        let pause = self.current.emptied_at.map_or(now, |at| now - at);
        let least = self.current.pause;
        require(Law::Paced, pause >= least, || {
            format!("the next attempt after {pause:?} instead of {least:?}")
        })?;
        self.attempt = attempt;
        self.current = Attempt::default();
        self.ended_since = None;
        Ok(())
    }

    fn check_task(&mut self, index: usize) -> Result<(), Broken> {
        self.check_prepared()?;
        let in_order = index == self.current.tasks_started && self.simple_tasks_done(index);
        self.current.tasks_started += 1;
        require(Law::TasksFirst, in_order, || format!("task {index} starts"))
    }

    fn check_program<'a>(
        &mut self,
        mut living: impl Iterator<Item = &'a Living>,
    ) -> Result<(), Broken> {
        self.check_prepared()?;
        let n_tasks = self.shape.tasks.len();
        let tasks_done = self.current.tasks_started == n_tasks && self.simple_tasks_done(n_tasks);
        require(Law::TasksFirst, tasks_done, || "the program starts".into())?;
        let is_second = self.current.program_ordered || living.any(|living| living.task.is_none());
        self.current.program_ordered = true;
        require(Law::OneProgram, !is_second, || "a second program".into())
    }

    fn check_prepared(&self) -> Result<(), Broken> {
        require(Law::PreparedFirst, self.current.prepared, || {
            format!("attempt {} is not prepared", self.attempt)
        })
    }

    fn simple_tasks_done(&self, before: usize) -> bool {
        let is_simple = |index: &usize| self.shape.tasks[*index].1 == TaskType::Simple;
        (0..before)
            .filter(is_simple)
            .all(|index| self.current.tasks_done.contains(&index))
    }

    fn check_kill<'a>(
        &self,
        now: Duration,
        mut living: impl Iterator<Item = &'a Living>,
    ) -> Result<(), Broken> {
        let after =
            |start: Option<Duration>, limit| start.is_some_and(|start| now >= start + limit);
        let Attempt {
            asked_at,
            terminated_at,
            answered,
            ..
        } = self.current;
        let limit_passed = after(asked_at, self.limits.stop);
        let program_had_time =
            limit_passed || (answered && after(terminated_at, CLIENT_ANSWERED_LIMIT));
        let task_had_time =
            limit_passed || after(terminated_at, TASK_END_LIMIT.min(self.limits.stop));
        let too_soon = living.find(|living| match living.task {
            None => !program_had_time,
            Some(index) => match self.shape.tasks[index].1 {
                TaskType::Simple | TaskType::Foreground => !task_had_time,
                TaskType::Background => false,
            },
        });
        require(Law::TimeToStop, too_soon.is_none(), || {
            match too_soon.and_then(|living| living.task) {
                Some(index) => format!("task {index} is killed too soon"),
                None => "the program is killed too soon".into(),
            }
        })
    }

    fn check_report(&mut self, now: Duration, report: &Report) -> Result<(), Broken> {
        require(Law::AttemptsGrow, report.attempt == self.attempt, || {
            format!("a report of attempt {} in {}", report.attempt, self.attempt)
        })?;
        let may_be_ready = self.has_been_ready() && !self.is_busy(now);
        let is_true =
            report.status != Status::Ready || (may_be_ready && report.pid == self.current.pid);
        require(Law::StatusIsTrue, is_true, || format!("{report:?}"))?;
        self.current.reported_draining |= report.draining;
        self.reported = Some(report.clone());
        Ok(())
    }

    /// A timeout was delivered.
    pub(crate) fn check_timeout(&mut self, now: Duration) -> Result<(), Broken> {
        self.timeouts += 1;
        require(Law::NoBusyLoop, self.timeouts <= TIMEOUTS_MAX, || {
            format!("{} timeouts at {now:?}", self.timeouts)
        })
    }

    /// All that was to happen up to `now` has happened, and nothing will before `next`; `None` is never.
    pub(crate) fn check_rest(
        &mut self,
        now: Duration,
        next: Option<Duration>,
    ) -> Result<(), Broken> {
        self.timeouts = 0;
        if self.has_been_ready() && self.stop_since.is_none() {
            let busy = self.is_busy(now);
            let expected = if busy { Status::Busy } else { Status::Ready };
            let status = self.reported.as_ref().map(|report| report.status);
            require(Law::StatusIsTrue, status == Some(expected), || {
                format!("{status:?} is the word, {expected:?} the truth")
            })?;
        }
        let stopping =
            DRAIN_LIMIT + 2 * self.limits.stop + TASK_END_LIMIT + WORLD_SLACK + self.late;
        let in_time = |since: Option<Duration>, limit: Duration| {
            since.is_none_or(|since| next.is_some_and(|next| next <= since + limit))
        };
        require(Law::StopEnds, in_time(self.stop_since, stopping), || {
            format!("a stop goes on since {:?}", self.stop_since)
        })?;
        let recycles = self.ended_since.filter(|_| self.stop_since.is_none());
        require(
            Law::NextAttempt,
            in_time(recycles, stopping + PACE_MAX),
            || format!("no attempt follows the one that ended at {recycles:?}"),
        )
    }
}

fn require(law: Law, holds: bool, account: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds {
        return Ok(());
    }
    let account = account();
    Err(Broken { law, account })
}
