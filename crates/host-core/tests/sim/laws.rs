//! What must be true of the machine whatever happens, checked against the plain [`Facts`].

use std::time::Duration;

use host_core::{
    Action, CLIENT_ANSWERED_LIMIT, DRAIN_LIMIT, Event, Limits, REBOOT_LIMIT, Report, Shape, Status,
    TASK_END_LIMIT,
};
use plan::TaskType;

use crate::facts::{Attempt, Facts};

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
    /// A reboot asks nobody.
    RebootAsksNobody,
    /// A new plan is told to the attempt that lives, to no other, and the fabric hears that it was taken.
    ChangesAreTold,
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

pub(crate) struct Laws {
    facts: Facts,
    exited: bool,
    timeouts: u32,
    /// By how much the world was late, in all.
    late: Duration,
}

impl Laws {
    pub(crate) fn new(shape: Shape, limits: Limits) -> Self {
        Laws {
            facts: Facts::new(shape, limits),
            exited: false,
            timeouts: 0,
            late: Duration::ZERO,
        }
    }

    /// The current attempt's own preparation is over, and the machine is about to hear of it.
    pub(crate) fn prepared(&mut self, now: Duration, succeeded: bool) {
        self.facts.prepared(now, succeeded);
    }

    /// The machine is about to hear `event`.
    pub(crate) fn hear(&mut self, now: Duration, event: &Event) {
        self.facts.hear(now, event);
    }

    /// The world was this much too late.
    pub(crate) fn late(&mut self, by: Duration) {
        self.late += by;
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
            .filter(|living| living.attempt != self.facts.attempt || is_attempt)
            .count();
        require(Law::NothingOfBefore, !is_start || n_old == 0, || {
            format!("{action:?} while {n_old} processes of an earlier attempt live")
        })?;
        match action {
            Action::Prepare { attempt } => self.check_attempt(now, *attempt),
            Action::StartTask { index } => self.check_task(*index),
            Action::StartProgram => self.check_program(living),
            Action::AskToStop { .. } => {
                self.facts.current.asked_at = Some(now);
                let is_reboot = self.facts.reboot_ordered && !self.facts.stop_ordered;
                require(Law::RebootAsksNobody, !is_reboot, || {
                    "asked to stop by a reboot".into()
                })?;
                self.check_drained("asked to stop")
            }
            Action::Terminate => {
                self.facts.current.terminated_at.get_or_insert(now);
                if living.into_iter().any(|living| living.task.is_none()) {
                    return self.check_drained("sent SIGTERM");
                }
                Ok(())
            }
            Action::Publish => {
                let owes = std::mem::take(&mut self.facts.current.owes_publish);
                require(Law::ChangesAreTold, owes, || {
                    "a change is told where there is none, or nobody to hear it".into()
                })
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

    fn check_drained(&self, what: &str) -> Result<(), Broken> {
        let is_told = self.facts.current.reported_draining || self.facts.fabric_gone;
        require(Law::DrainingBeforeAsking, is_told, || {
            format!("{what} without having drained")
        })
    }

    fn check_attempt(&mut self, now: Duration, attempt: u64) -> Result<(), Broken> {
        require(Law::AttemptsGrow, attempt == self.facts.attempt + 1, || {
            format!("attempt {attempt} follows {}", self.facts.attempt)
        })?;
        let pause = self.facts.current.emptied_at.map_or(now, |at| now - at);
        let least = self.facts.current.pause;
        require(Law::Paced, pause >= least, || {
            format!("the next attempt after {pause:?} instead of {least:?}")
        })?;
        self.facts.attempt = attempt;
        self.facts.current = Attempt::default();
        self.facts.ended_since = None;
        Ok(())
    }

    fn check_task(&mut self, index: usize) -> Result<(), Broken> {
        self.check_prepared()?;
        let in_order =
            index == self.facts.current.tasks_started && self.facts.simple_tasks_done(index);
        self.facts.current.tasks_started += 1;
        require(Law::TasksFirst, in_order, || format!("task {index} starts"))
    }

    fn check_program<'a>(
        &mut self,
        mut living: impl Iterator<Item = &'a Living>,
    ) -> Result<(), Broken> {
        self.check_prepared()?;
        let n_tasks = self.facts.shape.tasks.len();
        let tasks_done =
            self.facts.current.tasks_started == n_tasks && self.facts.simple_tasks_done(n_tasks);
        require(Law::TasksFirst, tasks_done, || "the program starts".into())?;
        let is_second =
            self.facts.current.program_ordered || living.any(|living| living.task.is_none());
        self.facts.current.program_ordered = true;
        require(Law::OneProgram, !is_second, || "a second program".into())
    }

    fn check_prepared(&self) -> Result<(), Broken> {
        require(Law::PreparedFirst, self.facts.current.prepared, || {
            format!("attempt {} is not prepared", self.facts.attempt)
        })
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
        } = self.facts.current;
        let limit_passed = after(asked_at, self.facts.limits.stop);
        let limit_passed =
            limit_passed || (self.facts.reboot_ordered && after(terminated_at, REBOOT_LIMIT));
        let program_had_time =
            limit_passed || (answered && after(terminated_at, CLIENT_ANSWERED_LIMIT));
        let task_had_time =
            limit_passed || after(terminated_at, TASK_END_LIMIT.min(self.facts.limits.stop));
        let too_soon = living.find(|living| match living.task {
            None => !program_had_time,
            Some(index) => match self.facts.shape.tasks[index].1 {
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
        require(
            Law::AttemptsGrow,
            report.attempt == self.facts.attempt,
            || {
                format!(
                    "a report of attempt {} in {}",
                    report.attempt, self.facts.attempt
                )
            },
        )?;
        let may_be_ready = self.facts.has_been_ready() && !self.facts.is_busy(now);
        let is_true = report.status != Status::Ready
            || (may_be_ready && report.pid == self.facts.current.pid);
        require(Law::StatusIsTrue, is_true, || format!("{report:?}"))?;
        self.facts.current.reported_draining |= report.draining;
        self.facts.reported = Some(report.clone());
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
        if self.facts.has_been_ready() && self.facts.stop_since.is_none() {
            let busy = self.facts.is_busy(now);
            let expected = if busy { Status::Busy } else { Status::Ready };
            let status = self.facts.reported.as_ref().map(|report| report.status);
            require(Law::StatusIsTrue, status == Some(expected), || {
                format!("{status:?} is the word, {expected:?} the truth")
            })?;
        }
        let taken = self
            .facts
            .reported
            .as_ref()
            .map_or(0, |report| report.changes);
        let is_taken = self.exited || self.facts.attempt == 0 || taken == self.facts.changes;
        let is_told = is_taken && !self.facts.current.owes_publish;
        require(Law::ChangesAreTold, is_told, || {
            format!("{taken} of {} changes are taken", self.facts.changes)
        })?;
        let stopping =
            DRAIN_LIMIT + 2 * self.facts.limits.stop + TASK_END_LIMIT + WORLD_SLACK + self.late;
        let in_time = |since: Option<Duration>, limit: Duration| {
            since.is_none_or(|since| next.is_some_and(|next| next <= since + limit))
        };
        require(
            Law::StopEnds,
            in_time(self.facts.stop_since, stopping),
            || format!("a stop goes on since {:?}", self.facts.stop_since),
        )?;
        let recycles = self
            .facts
            .ended_since
            .filter(|_| self.facts.stop_since.is_none());
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
