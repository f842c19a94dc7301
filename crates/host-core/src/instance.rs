//! The state machine itself. The picture is in the crate's documentation.

mod orders;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use plan::{InstancePlan, TaskType};

use crate::leases::{Lease, LeaseStatus, Leases};
use crate::messages::{Action, Event, Exit, Order, Report, Status};
use crate::pacing::Pacing;

/// How long the host waits for [`Order::Drained`]. The fabric's own deadline is shorter; this one only counts
/// when the fabric is gone or stuck, and a stop must always end.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(15);

/// How long a program may go on after SIGTERM when a client has answered `Stopped`: its work is done by its
/// own word, and what is left is a server that never ends by itself.
pub const CLIENT_ANSWERED_LIMIT: Duration = Duration::from_secs(5);

/// How long a simple startup task may go on after SIGTERM.
pub const TASK_END_LIMIT: Duration = Duration::from_secs(5);

/// How long everything may go on after the SIGTERM of a reboot, which waits for nobody: neither OnStop nor foreground
/// tasks hold it back.
pub const REBOOT_LIMIT: Duration = Duration::from_secs(5);

/// What can be set for an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long OnStop, or a program after SIGTERM, may take.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            stop: plan::STOP_LIMIT,
        }
    }
}

/// What the machine has to know of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Name and type of each startup task, in document order.
    pub tasks: Vec<(String, TaskType)>,
    /// Ready as soon as the program runs.
    pub ready_on_process_start: bool,
}

impl From<&InstancePlan> for Shape {
    fn from(plan: &InstancePlan) -> Self {
        let tasks = plan.startup_tasks.iter();
        Shape {
            tasks: tasks
                .map(|task| (task.command.command_line.clone(), task.task_type))
                .collect(),
            ready_on_process_start: plan.ready_on_process_start,
        }
    }
}

/// What follows when an attempt is over. A later one overrides an earlier one that is under way, never the reverse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Then {
    Recycle,
    /// The host ends, and another one begins.
    Reboot,
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No order has come.
    Idle,
    Preparing,
    /// The simple task at this position runs.
    Tasks(usize),
    /// The program was ordered and may run; it has not been ready yet.
    Starting,
    /// The program has been ready.
    Running,
    /// Out of rotation; waits for its connections.
    Draining {
        then: Then,
        until: Duration,
    },
    /// Clients were told to stop; then SIGTERM follows.
    Asked {
        then: Then,
        until: Duration,
    },
    /// SIGTERM was sent; SIGKILL follows at `until`.
    Terminated {
        then: Then,
        until: Duration,
    },
    /// The program has ended; foreground tasks have not.
    Holding {
        then: Then,
        until: Duration,
    },
    /// Everything below the host was killed.
    Emptying {
        then: Then,
    },
    /// The next attempt follows at `until`.
    Waiting {
        until: Duration,
    },
    Ended {
        then: Then,
    },
}

/// The life of one role instance.
#[derive(Debug)]
pub struct Instance {
    shape: Shape,
    limits: Limits,
    state: State,
    leases: Leases,
    pacing: Pacing,
    actions: VecDeque<Action>,
    reported: Option<Report>,
    attempt: u64,
    failed_starts: u32,
    program: Program,
    foreground: BTreeSet<usize>,
    /// The role has said that it is ready; that may overtake the news that its program runs.
    said_ready: bool,
    ready_since: Option<Duration>,
    /// The wait before the next attempt, when this one has ended by itself.
    pause: Option<Duration>,
    detail: Option<String>,
    ends: u64,
    last_end: Option<String>,
    changes: u64,
    /// The attempt is being prepared from a plan that is not the newest any more.
    is_outdated: bool,
}

/// Whether the role program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Absent,
    /// Its start was asked for and not yet answered.
    Ordered,
    Runs {
        pid: i32,
    },
}

impl Instance {
    /// An instance that waits for [`Order::Start`]. `seed` makes the pacing of instances differ.
    pub fn new(shape: Shape, limits: Limits, seed: u64) -> Self {
        Instance {
            shape,
            limits,
            state: State::Idle,
            leases: Leases::default(),
            pacing: Pacing::new(seed),
            actions: VecDeque::new(),
            reported: None,
            attempt: 0,
            failed_starts: 0,
            program: Program::Absent,
            foreground: BTreeSet::new(),
            said_ready: false,
            ready_since: None,
            pause: None,
            detail: None,
            ends: 0,
            last_end: None,
            changes: 0,
            is_outdated: false,
        }
    }

    /// Takes in what happened at `now`. An event that does not fit the state is one that crossed an action of
    /// ours on its way, and changes nothing.
    pub fn handle_event(&mut self, now: Duration, event: Event) {
        if matches!(self.state, State::Ended { .. }) {
            return;
        }
        self.leases.expire(now);
        match event {
            Event::Order(order) => self.handle_order(now, order),
            Event::FabricGone => {
                self.log("the fabric is gone: the instance stops".to_owned());
                self.handle_order(now, Order::Stop);
                self.handle_order(now, Order::Drained);
            }
            Event::Prepared(result) => self.handle_prepared(now, result),
            Event::TaskNotStarted { index, reason } => {
                let name = &self.shape.tasks[index].0;
                self.end_task(
                    now,
                    index,
                    Some(format!(
                        "startup task `{name}` could not be started: {reason}"
                    )),
                );
            }
            Event::TaskEnded { index, exit } => {
                let name = &self.shape.tasks[index].0;
                let failed = exit != Exit::Code(0);
                self.end_task(
                    now,
                    index,
                    failed.then(|| format!("startup task `{name}` {exit}")),
                );
            }
            Event::ProgramStarted { pid } => self.handle_program_started(now, pid),
            Event::ProgramNotStarted { reason } => {
                self.program_gone(
                    now,
                    format!("the role's program could not be started: {reason}"),
                );
            }
            Event::ProgramEnded(exit) => {
                self.program_gone(now, format!("the role's program {exit}"))
            }
            Event::Leased { client, lease } => self.handle_lease(now, &client, &lease),
            Event::Released { client } => self.leases.release(&client),
            Event::Notified => self.say_ready(now),
            Event::Detail(text) => self.detail = Some(text).filter(|text| !text.is_empty()),
            Event::ClientsStopped { answered } => self.handle_clients_stopped(now, answered),
            Event::Emptied => self.handle_emptied(now),
        }
        self.report();
        self.check_invariants();
    }

    /// Call it at the time that [`poll_timeout`](Self::poll_timeout) named, or later.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.leases.expire(now);
        match self.state {
            State::Draining { then, until } if until <= now => self.ask_to_stop(now, then),
            State::Asked { then, until } if until <= now => self.terminate(now, then, until),
            State::Terminated { then, until } if until <= now => {
                self.log("the limit for stopping has passed: what still runs is killed".to_owned());
                self.empty(then);
            }
            State::Holding { then, until } if until <= now => {
                self.log("the limit for foreground tasks has passed: they are killed".to_owned());
                self.empty(then);
            }
            State::Waiting { until } if until <= now => self.begin_attempt(),
            _ => {}
        }
        self.report();
        self.check_invariants();
    }

    /// What to do next; call it until it returns `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Duration> {
        let own = match self.state {
            State::Draining { until, .. }
            | State::Asked { until, .. }
            | State::Terminated { until, .. }
            | State::Holding { until, .. }
            | State::Waiting { until } => Some(until),
            _ => None,
        };
        [own, self.leases.next_expiry()].into_iter().flatten().min()
    }

    fn begin_attempt(&mut self) {
        self.attempt += 1;
        self.is_outdated = false;
        self.leases.clear();
        self.said_ready = false;
        self.ready_since = None;
        self.pause = None;
        self.state = State::Preparing;
        self.actions.push_back(Action::Prepare {
            attempt: self.attempt,
        });
    }

    fn handle_prepared(&mut self, now: Duration, result: Result<(), String>) {
        if self.state != State::Preparing {
            return;
        }
        match result {
            _ if self.is_outdated => self.begin_attempt(),
            Ok(()) => {
                self.detail = None;
                self.start_tasks(0);
            }
            Err(reason) => self.fail(now, format!("the instance could not be prepared: {reason}")),
        }
    }

    /// Starts tasks in document order up to the first simple one, which is waited for; after the last, the program.
    fn start_tasks(&mut self, from: usize) {
        for index in from..self.shape.tasks.len() {
            self.actions.push_back(Action::StartTask { index });
            match self.shape.tasks[index].1 {
                TaskType::Simple => {
                    self.state = State::Tasks(index);
                    return;
                }
                TaskType::Foreground => {
                    self.foreground.insert(index);
                }
                TaskType::Background => {}
            }
        }
        self.state = State::Starting;
        self.program = Program::Ordered;
        self.actions.push_back(Action::StartProgram);
    }

    fn end_task(&mut self, now: Duration, index: usize, failure: Option<String>) {
        self.foreground.remove(&index);
        if let Some(failure) = &failure {
            self.log(failure.clone());
        }
        match (self.state, failure) {
            (State::Tasks(waited), None) if waited == index => self.start_tasks(index + 1),
            (State::Tasks(waited), Some(failure)) if waited == index => self.fail(now, failure),
            (State::Terminated { then, .. }, _)
                if self.program == Program::Absent
                    && self.shape.tasks[index].1 == TaskType::Simple =>
            {
                self.hold(now, then);
            }
            (State::Holding { then, .. }, _) if self.foreground.is_empty() => self.empty(then),
            _ => {}
        }
    }

    fn handle_program_started(&mut self, now: Duration, pid: i32) {
        if self.program != Program::Ordered {
            return;
        }
        self.program = Program::Runs { pid };
        self.log(format!("the role's program runs as process {pid}"));
        self.said_ready |= self.shape.ready_on_process_start;
        self.become_ready(now);
    }

    fn say_ready(&mut self, now: Duration) {
        // What is said while the tasks run is not the program's word.
        self.said_ready |= self.state == State::Starting;
        self.become_ready(now);
    }

    fn become_ready(&mut self, now: Duration) {
        let runs = matches!(self.program, Program::Runs { .. });
        if self.state == State::Starting && runs && self.said_ready {
            self.state = State::Running;
            self.ready_since = Some(now);
            self.failed_starts = 0;
            self.log("the instance is Ready".to_owned());
        }
    }

    fn handle_lease(&mut self, now: Duration, client: &str, lease: &Lease) {
        match lease.status {
            LeaseStatus::Recycle => {
                self.begin_stop(now, Then::Recycle, "the role asked for a recycle")
            }
            LeaseStatus::Started if self.leases.take(now, client, lease) => {
                if matches!(self.state, State::Starting | State::Running) {
                    self.detail = lease.detail.clone();
                }
                self.say_ready(now);
            }
            LeaseStatus::Busy => drop(self.leases.take(now, client, lease)),
            // `Stopped` is the host's business: it knows who still owes an answer.
            LeaseStatus::Started | LeaseStatus::Stopped => {}
        }
    }

    /// The program has ended or never began.
    fn program_gone(&mut self, now: Duration, what: String) {
        if self.program == Program::Absent {
            return;
        }
        self.program = Program::Absent;
        self.log(what.clone());
        match self.state {
            State::Starting | State::Running => self.fail(now, what),
            State::Draining { then, .. }
            | State::Asked { then, .. }
            | State::Terminated { then, .. } => {
                self.hold(now, then);
            }
            _ => {}
        }
    }

    /// An attempt has ended by itself.
    fn fail(&mut self, now: Duration, why: String) {
        if self.ready_since.is_none() {
            self.failed_starts += 1;
        }
        // Counted up to here: what foreground tasks take to end is no merit of the program.
        let ready = self
            .ready_since
            .map_or(Duration::ZERO, |since| now.saturating_sub(since));
        self.pause = Some(self.pacing.delay(ready));
        self.ends += 1;
        self.last_end = Some(why.clone());
        self.detail = Some(why);
        self.hold(now, Then::Recycle);
    }

    fn ask_to_stop(&mut self, now: Duration, then: Then) {
        if then == Then::Reboot {
            return self.terminate(now, then, now + REBOOT_LIMIT);
        }
        self.state = State::Asked {
            then,
            until: now + self.limits.stop,
        };
        self.actions.push_back(Action::AskToStop {
            within: self.limits.stop,
        });
    }

    fn handle_clients_stopped(&mut self, now: Duration, answered: bool) {
        if let State::Asked { then, until } = self.state {
            let until = if answered {
                until.min(now + CLIENT_ANSWERED_LIMIT)
            } else {
                until
            };
            self.terminate(now, then, until);
        }
    }

    fn terminate(&mut self, now: Duration, then: Then, until: Duration) {
        self.actions.push_back(Action::Terminate);
        // A client that let the whole limit pass without an answer has no more time.
        self.state = State::Terminated {
            then,
            until: until.max(now),
        };
    }

    /// The program is gone; foreground tasks hold the instance back until they end.
    fn hold(&mut self, now: Duration, then: Then) {
        if self.foreground.is_empty() {
            return self.empty(then);
        }
        let limit = if then == Then::Reboot {
            REBOOT_LIMIT
        } else {
            self.limits.stop
        };
        self.actions.push_back(Action::Terminate);
        self.state = State::Holding {
            then,
            until: now + limit,
        };
    }

    fn empty(&mut self, then: Then) {
        self.foreground.clear();
        self.state = State::Emptying { then };
        self.actions.push_back(Action::Empty);
    }

    fn handle_emptied(&mut self, now: Duration) {
        let State::Emptying { then } = self.state else {
            return;
        };
        self.program = Program::Absent;
        self.leases.clear();
        if then > Then::Recycle {
            return self.end(then);
        }
        let Some(pause) = self.pause else {
            return self.begin_attempt();
        };
        if pause.is_zero() {
            self.log("the instance is started again at once".to_owned());
            return self.begin_attempt();
        }
        self.log(format!(
            "the instance is started again in {:.1} s",
            pause.as_secs_f64()
        ));
        self.state = State::Waiting { until: now + pause };
    }

    fn end(&mut self, then: Then) {
        self.state = State::Ended { then };
        self.report();
        self.actions.push_back(Action::Exit);
    }

    fn log(&mut self, line: String) {
        self.actions.push_back(Action::Log(line));
    }

    /// Tells the fabric, if something has changed since it was told last.
    fn report(&mut self) {
        let report = Report {
            status: self.status(),
            detail: self.shown_detail().cloned(),
            pid: match self.program {
                Program::Runs { pid } => Some(pid),
                Program::Absent | Program::Ordered => None,
            },
            attempt: self.attempt,
            draining: matches!(self.state, State::Draining { .. }),
            failed_starts: self.failed_starts,
            ends: self.ends,
            last_end: self.last_end.clone(),
            changes: self.changes,
        };
        let is_new = self.state != State::Idle && self.reported.as_ref() != Some(&report);
        if is_new {
            self.reported = Some(report.clone());
            self.actions.push_back(Action::Report(report));
        }
    }

    /// Why it is Busy, while a client says so; else what was said or happened last.
    fn shown_detail(&self) -> Option<&String> {
        let is_running = self.state == State::Running;
        let busy = self.leases.busy_detail().filter(|_| is_running);
        busy.or(self.detail.as_ref())
    }

    fn status(&self) -> Status {
        let leaving = |then| {
            if then == Then::Stop {
                Status::Stopping
            } else {
                Status::Recycling
            }
        };
        match self.state {
            State::Idle | State::Preparing => Status::Starting,
            State::Tasks(_) | State::Starting => Status::Busy,
            State::Running if self.leases.any_busy() => Status::Busy,
            State::Running => Status::Ready,
            State::Draining { then, .. }
            | State::Asked { then, .. }
            | State::Terminated { then, .. }
            | State::Holding { then, .. }
            | State::Emptying { then } => leaving(then),
            State::Waiting { .. } | State::Ended { then: Then::Reboot } => Status::Recycling,
            State::Ended { .. } => Status::Stopped,
        }
    }

    fn check_invariants(&self) {
        let runs = matches!(self.program, Program::Runs { .. });
        match self.state {
            State::Idle
            | State::Preparing
            | State::Tasks(_)
            | State::Waiting { .. }
            | State::Ended { .. } => {
                assert_eq!(
                    self.program,
                    Program::Absent,
                    "a program runs in {:?}",
                    self.state
                );
            }
            State::Running => assert!(runs, "Ready without a program"),
            State::Starting | State::Draining { .. } => {
                assert_ne!(
                    self.program,
                    Program::Absent,
                    "no program in {:?}",
                    self.state
                );
            }
            State::Asked { .. }
            | State::Terminated { .. }
            | State::Holding { .. }
            | State::Emptying { .. } => {}
        }
        assert!(
            self.reported
                .as_ref()
                .is_none_or(|report| report.status == self.status()),
            "a change was not reported"
        );
    }
}

#[cfg(test)]
mod tests;
