//! What is kept of each death, and what is known of an instance when somebody asks why it is as it is.
//!
//! `Evidence` follows what the host does, so that a death is kept with the phase in which it happened, and with the
//! limit that brought it about. A record is a file beside the logs; of many, the first and the latest are kept.
//! It is written a moment after the death: what comes next for the instance does not wait for it.
//!
//! [`facts`] is for whoever answers `approot why`. What follows from evidence and facts is not said here: the crate
//! `causes` does.

mod executable;
mod record;
mod sockets;
mod stores;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use causes::{Death, Doing, End, Facts, Limit, Memory, NotStarted, Phase, Process};
use host_core::{Action, Exit, Report, Status};
use plan::{InstancePlan, TaskType};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::logs;
use crate::programs::{Ended, StartError};

pub use record::latest;

/// Between a death and its record: the restart comes first, and the last lines are still on their way.
const RECORD_PAUSE: Duration = Duration::from_millis(15);

/// How long the last lines of what has died are waited for. A child that lives on may hold its output open.
const LINES_LIMIT: Duration = Duration::from_millis(200);

/// How long a host that ends waits for records that are not written yet.
const SETTLE_LIMIT: Duration = Duration::from_millis(500);

/// The lines of the log that [`facts`] has.
const LOG_LINES: usize = 50;

/// What a process is to its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Task(usize),
    Program,
}

/// Follows one host's instance.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    inner: Rc<Inner>,
}

#[derive(Debug)]
struct Inner {
    plan: RefCell<Rc<InstancePlan>>,
    attempt: Cell<u64>,
    number: Cell<u64>,
    phase: Cell<Phase>,
    since: Cell<SystemTime>,
    running: RefCell<BTreeMap<i32, Ran>>,
    writing: RefCell<Vec<JoinHandle<()>>>,
}

/// A process that runs.
#[derive(Debug)]
struct Ran {
    part: Part,
    began: Instant,
    /// Why it is being killed.
    limit: Option<Limit>,
}

impl Evidence {
    pub(crate) fn new(plan: Rc<InstancePlan>) -> Evidence {
        let number = record::latest_number(&plan.paths.logs);
        let inner = Inner {
            plan: RefCell::new(plan),
            attempt: Cell::new(0),
            number: Cell::new(number),
            phase: Cell::new(Phase::Preparing),
            since: Cell::new(SystemTime::now()),
            running: RefCell::default(),
            writing: RefCell::default(),
        };
        Evidence {
            inner: Rc::new(inner),
        }
    }

    /// The instance has another plan from now on.
    pub(crate) fn replan(&self, plan: Rc<InstancePlan>) {
        *self.inner.plan.borrow_mut() = plan;
    }

    /// An attempt begins; its number over the instance's whole life.
    pub(crate) fn begin(&self, attempt: u64) {
        self.inner.attempt.set(attempt);
    }

    /// What the instance does, and since when.
    pub(crate) fn doing(&self) -> Doing {
        let running = self.inner.running.borrow();
        let tasks = running.values().filter_map(|ran| match ran.part {
            Part::Task(index) => Some(self.inner.task(index).0),
            Part::Program => None,
        });
        Doing {
            phase: self.inner.phase.get(),
            tasks: tasks.collect(),
            since: time(self.inner.since.get()),
        }
    }

    /// Learns the phase from what the host is about to do. Returns whether it is another one.
    pub(crate) fn see(&self, action: &Action) -> bool {
        let now = self.inner.phase.get();
        let next = match action {
            Action::Prepare { .. } => Phase::Preparing,
            Action::StartTask { index } if self.inner.task(*index).1 == TaskType::Simple => {
                Phase::Task(*index)
            }
            Action::StartProgram => Phase::Starting,
            Action::Report(report) => phase_of(report, now),
            Action::AskToStop { .. } => Phase::Stopping,
            Action::Terminate if self.inner.waits_for_something() => Phase::Stopping,
            Action::Terminate => Phase::Holding,
            Action::Empty => {
                self.inner.note_limits();
                Phase::Emptying
            }
            _ => now,
        };
        self.enter(next)
    }

    /// Nothing runs any more.
    pub(crate) fn emptied(&self) -> bool {
        self.enter(Phase::Waiting)
    }

    fn enter(&self, next: Phase) -> bool {
        let is_new = self.inner.phase.replace(next) != next;
        if is_new {
            self.inner.since.set(SystemTime::now());
        }
        is_new
    }

    /// Something runs.
    pub(crate) fn began(&self, pid: i32, part: Part) {
        let ran = Ran {
            part,
            began: Instant::now(),
            limit: None,
        };
        self.inner.running.borrow_mut().insert(pid, ran);
    }

    /// Something is about to be killed because of `limit`.
    pub(crate) fn exceeded(&self, pid: i32, limit: Limit) {
        if let Some(ran) = self.inner.running.borrow_mut().get_mut(&pid) {
            ran.limit = Some(limit);
        }
    }

    /// Something has ended, and `memory` is what the kernel knows of the instance's. Keeps what is known in this
    /// moment, and writes it later if it is a death.
    pub(crate) fn ended(&self, pid: i32, ended: Ended, memory: Memory) {
        let Some(ran) = self.inner.running.borrow_mut().remove(&pid) else {
            return;
        };
        if !self.inner.is_death(&ran, ended.exit) {
            return;
        }
        let mut limits: Vec<Limit> = ran.limit.into_iter().collect();
        if ended.exit == Exit::Signal(SIGXFSZ) {
            limits.push(Limit::FileSize);
        }
        if ended.exit == Exit::Signal(SIGKILL) && limits.is_empty() && memory.oom_kills > 0 {
            limits.push(Limit::Memory);
        }
        let end = match ended.exit {
            Exit::Code(status) => End::Exited(status),
            Exit::Signal(signal) => End::Killed(signal),
        };
        let mut death = self.inner.death(self.inner.process(ran.part), end);
        death.ran_ms = u64::try_from(ran.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        death.memory = Memory {
            peak_bytes: ended.peak_memory_bytes,
            ..memory
        };
        death.limits = limits;
        let executable = ended.executable.clone();
        self.write(death, Some(executable), async move {
            // What does not end in time has said what it said up to now.
            let _ = timeout(LINES_LIMIT, ended.output_ends).await;
            ended.tail.lines()
        });
    }

    /// A task or the program could not be started.
    pub(crate) fn not_started(&self, part: Part, error: &StartError) {
        let (why, executable) = match error {
            StartError::NotThere { word, .. } => (NotStarted::NoFile { word: word.clone() }, None),
            StartError::NotPrepared { .. } => (NotStarted::Refused { errno: None }, None),
            StartError::Refused { executable, source } => {
                let errno = source.source.raw_os_error();
                (NotStarted::Refused { errno }, Some(executable.clone()))
            }
        };
        let reason = error.to_string();
        let end = End::NotStarted { why, reason };
        let death = self.inner.death(self.inner.process(part), end);
        self.write(death, executable, async { Vec::new() });
    }

    /// The attempt's folders could not be made.
    pub(crate) fn not_prepared(&self, reason: &str) {
        let end = End::NotStarted {
            why: NotStarted::Refused { errno: None },
            reason: reason.to_owned(),
        };
        let death = self.inner.death(Process::Preparation, end);
        self.write(death, None, async { Vec::new() });
    }

    /// Completes a record and writes it, in a moment. A disk that cannot take it loses it, as it would lose a log.
    fn write(
        &self,
        mut death: Death,
        executable: Option<PathBuf>,
        lines: impl Future<Output = Vec<String>> + 'static,
    ) {
        let plan = self.inner.plan.borrow().clone();
        let writing = tokio::task::spawn_local(async move {
            sleep(RECORD_PAUSE).await;
            death.lines = lines.await;
            let plan = InstancePlan::clone(&plan);
            let written = tokio::task::spawn_blocking(move || {
                complete(&mut death, executable, &plan);
                record::write(&plan.paths.logs, &death)
            });
            let _ = written.await;
        });
        let mut all = self.inner.writing.borrow_mut();
        all.retain(|writing| !writing.is_finished());
        all.push(writing);
    }

    /// Waits until what is known is written. The host is about to end.
    pub(crate) async fn settle(&self) {
        let writing = self.inner.writing.take();
        let all = async {
            for writing in writing {
                let _ = writing.await;
            }
        };
        let _ = timeout(SETTLE_LIMIT, all).await;
    }
}

/// Source: signal(7); the numbers are those of every machine that approot runs on.
const SIGKILL: i32 = 9;

/// Source: as for [`SIGKILL`].
const SIGXFSZ: i32 = 25;

/// SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXFSZ, SIGSYS: nobody sends these to stop a program.
const CRASHES: [i32; 8] = [4, 5, 6, 7, 8, 11, SIGXFSZ, 31];

fn phase_of(report: &Report, now: Phase) -> Phase {
    let was_ready = matches!(now, Phase::Running | Phase::Busy);
    match report.status {
        _ if report.draining => Phase::Draining,
        Status::Ready => Phase::Running,
        Status::Busy if was_ready => Phase::Busy,
        _ => now,
    }
}

impl Inner {
    fn task(&self, index: usize) -> (String, TaskType) {
        let plan = self.plan.borrow();
        let task = &plan.startup_tasks[index];
        (task.command.command_line.clone(), task.task_type)
    }

    fn process(&self, part: Part) -> Process {
        match part {
            Part::Task(index) => {
                let (command_line, task_type) = self.task(index);
                let is_simple = task_type == TaskType::Simple;
                Process::Task {
                    command_line,
                    is_simple,
                }
            }
            Part::Program => Process::Program {
                command_line: self.plan.borrow().entry_point.command_line.clone(),
            },
        }
    }

    fn type_of(&self, part: Part) -> Option<TaskType> {
        match part {
            Part::Task(index) => Some(self.task(index).1),
            Part::Program => None,
        }
    }

    /// Whether the program or a simple task runs, which end before foreground tasks are waited for.
    fn waits_for_something(&self) -> bool {
        let running = self.running.borrow();
        let mut types = running.values().map(|ran| self.type_of(ran.part));
        types.any(|task_type| matches!(task_type, None | Some(TaskType::Simple)))
    }

    /// All that runs is about to be killed. The program and a simple task run then only when their time has passed;
    /// a foreground task only when its own has, if it was waited for. What was being killed already had its reason.
    fn note_limits(&self) {
        let was_holding = self.phase.get() == Phase::Holding;
        for ran in self.running.borrow_mut().values_mut() {
            ran.limit = ran.limit.or(match self.type_of(ran.part) {
                None | Some(TaskType::Simple) => Some(Limit::Stop),
                Some(TaskType::Foreground) if was_holding => Some(Limit::Foreground),
                Some(TaskType::Foreground | TaskType::Background) => None,
            });
        }
    }

    /// Whether an end is one that nobody asked for, or one that a limit brought about.
    fn is_death(&self, ran: &Ran, exit: Exit) -> bool {
        let is_crash = matches!(exit, Exit::Signal(signal) if CRASHES.contains(&signal));
        let was_asked = matches!(
            self.phase.get(),
            Phase::Stopping | Phase::Holding | Phase::Emptying | Phase::Waiting
        );
        let is_done = exit == Exit::Code(0) && ran.part != Part::Program;
        ran.limit.is_some() || is_crash || !(was_asked || is_done)
    }

    fn death(&self, process: Process, end: End) -> Death {
        let number = self.number.get() + 1;
        self.number.set(number);
        Death {
            number,
            attempt: self.attempt.get(),
            time: time(SystemTime::now()),
            phase: self.phase.get(),
            process,
            end,
            ran_ms: 0,
            executable: None,
            lines: Vec::new(),
            memory: Memory::default(),
            limits: Vec::new(),
            endpoints: Vec::new(),
            stores: Vec::new(),
            development_storage: Vec::new(),
        }
    }
}

/// What a setting holds that was never given a real storage account.
const DEVELOPMENT_STORAGE: &str = "UseDevelopmentStorage=true";

/// Looks at what the death itself gives reason to look at, and at nothing else. Blocking.
fn complete(death: &mut Death, executable: Option<PathBuf>, plan: &InstancePlan) {
    death.executable = executable.map(|path| executable::look_at(path, &death.end));
    if death.speaks_of_addresses() {
        death.endpoints = sockets::held_by_others(plan);
    }
    if death.speaks_of_space() {
        death.stores = stores::look_at(plan);
    }
    let settings = plan.settings.iter();
    let marked = settings.filter(|(_, value)| value.contains(DEVELOPMENT_STORAGE));
    death.development_storage = marked.map(|(name, _)| name.clone()).collect();
}

fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// How long ago a time stamp was; nothing where it is of the future or none.
fn age(time: &str) -> Duration {
    let parsed = humantime::parse_rfc3339(time).ok();
    let age = parsed.and_then(|time| SystemTime::now().duration_since(time).ok());
    age.unwrap_or_default()
}

/// Everything that is known of an instance now, from what its host has told, its records, and its processes. Blocking.
pub fn facts(plan: &InstancePlan, report: Option<&Report>, doing: Option<Doing>) -> Facts {
    let death = record::latest(&plan.paths.logs);
    let runs = report.is_some_and(|report| report.pid.is_some());
    let (listens, endpoints) = if runs {
        sockets::of_instance(plan)
    } else {
        Default::default()
    };
    Facts {
        instance: plan.id.to_string(),
        status: report.map_or(Status::Starting, |report| report.status),
        detail: report.and_then(|report| report.detail.clone()),
        attempt: report.map_or(0, |report| report.attempt),
        lasts: doing
            .as_ref()
            .map_or(Duration::ZERO, |doing| age(&doing.since)),
        doing,
        tasks: plan
            .startup_tasks
            .iter()
            .map(|task| task.command.command_line.clone())
            .collect(),
        program: plan.entry_point.command_line.clone(),
        death_age: death
            .as_ref()
            .map_or(Duration::ZERO, |death| age(&death.time)),
        death,
        listens,
        endpoints,
        lines: last_lines(&plan.paths.logs),
    }
}

fn last_lines(folder: &Path) -> Vec<String> {
    logs::last_lines(folder, LOG_LINES).unwrap_or_default()
}

#[cfg(test)]
mod tests;
