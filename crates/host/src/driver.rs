//! Carries out what the state machine asks for and tells it what came of that.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use causes::{Doing, Limit};
use host_core::{Action, Event, Report};
use plan::InstancePlan;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};
use sandbox::descendants;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::confine::{Alone, Confiner};
use crate::error::HostError;
use crate::evidence::{Evidence, Part};
use crate::logs::{self, Log};
use crate::prepare::prepare;
use crate::programs::{self, Running, StartError};
use crate::runtime_server::{News, Offer, RuntimeServer};
use crate::sockets::Sockets;
use crate::stores::Watch;
use crate::watchdog;

/// How soon the end of what was killed is looked for; each look doubles the pause, up to the longest. What was killed
/// is gone in a moment, unless the kernel holds it or it is another user's, and then looking soon does not help.
const EMPTY_PAUSE: Duration = Duration::from_micros(500);

/// The longest pause between two looks.
const EMPTY_PAUSE_MAX: Duration = Duration::from_millis(100);

/// When what does not end is named in the log.
const EMPTY_WARNING: Duration = Duration::from_secs(5);

/// What the attempt runs in.
pub(crate) struct Driver {
    plan: Rc<InstancePlan>,
    /// A newer plan, until the running program is told of it or the next attempt begins.
    next: Option<Rc<InstancePlan>>,
    server: RuntimeServer,
    log: Log,
    /// Attempts of earlier hosts of this instance.
    earlier_attempts: u64,
    confiner: Rc<RefCell<Confiner>>,
    /// Process ids of what this host started and has not reaped.
    running: Rc<RefCell<BTreeSet<i32>>>,
    /// Waits for the program to fall silent.
    watchdog: Option<AbortHandle>,
    evidence: Evidence,
    events: mpsc::Sender<News>,
    said: watch::Sender<Said>,
    sockets: Sockets,
    /// Makes what the attempt finds on disk; nothing else runs meanwhile.
    preparing: Option<JoinHandle<()>>,
}

/// What the fabric is told; the newest counts.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) report: Option<Report>,
    pub(crate) doing: Option<Doing>,
}

impl Driver {
    pub(crate) fn new(
        plan: InstancePlan,
        events: mpsc::Sender<News>,
        said: watch::Sender<Said>,
    ) -> Result<Driver, HostError> {
        let folder = plan.paths.logs.clone();
        let failed = || HostError::file("keep the instance's log in", &folder);
        let earlier_attempts = logs::latest_attempt(&folder).map_err(failed())?;
        let log = Log::begin(&folder, earlier_attempts + 1).map_err(failed())?;
        let identity = plan.sandbox.identity;
        let offer = match plan.options.fifo {
            true => Offer::Fifos,
            false => Offer::Sockets,
        };
        let server = RuntimeServer::open(&plan.paths.sockets, identity, offer, events.clone())?;
        let (confiner, failed) = Confiner::new(&plan);
        if let Some(error) = failed {
            let line = "the instance has no control group, so each process is limited by itself";
            log.line("host", &format!("{line}: {error}"));
        }
        let plan = Rc::new(plan);
        Ok(Driver {
            evidence: Evidence::new(plan.clone()),
            plan,
            next: None,
            server,
            log,
            earlier_attempts,
            confiner: Rc::new(RefCell::new(confiner)),
            running: Rc::default(),
            watchdog: None,
            events,
            said,
            sockets: Sockets::default(),
            preparing: None,
        })
    }

    /// Keeps a newer plan until the state machine has it taken.
    pub(crate) fn keep(&mut self, plan: InstancePlan) {
        self.next = Some(Rc::new(plan));
    }

    /// Carries out one action. Returns `true` when the host is to end.
    pub(crate) fn act(&mut self, action: Action) -> bool {
        let is_new_phase = self.evidence.see(&action);
        match action {
            Action::Prepare { attempt } => self.prepare(attempt),
            Action::StartTask { index } => self.start_task(index),
            Action::StartProgram => self.start_program(),
            Action::AskToStop { within } => {
                self.call_off_watchdog();
                self.server.ask_to_stop(within);
            }
            Action::Terminate => self.terminate(),
            Action::Empty => {
                self.call_off_watchdog();
                self.empty();
            }
            Action::Publish => self.publish(),
            Action::Report(report) => self.report(report),
            Action::Log(line) => self.log.line("host", &line),
            Action::Exit => return true,
        }
        if is_new_phase {
            tell_doing(&self.said, &self.evidence);
        }
        false
    }

    /// What is known of deaths. The host waits for its last records before it ends.
    pub(crate) fn evidence(&self) -> Evidence {
        self.evidence.clone()
    }

    pub(crate) fn warn(&self, line: &str) {
        self.log.line("host", line);
    }

    fn report(&self, mut report: Report) {
        if report.attempt > 0 {
            report.attempt += self.earlier_attempts;
        }
        self.said.send_modify(|said| {
            said.report = Some(report);
            said.doing = Some(self.evidence.doing());
        });
    }

    /// Tells the program of the newest plan. Variables are captured when a process starts; those that a task or the
    /// program gets from now on are the new ones.
    fn publish(&mut self) {
        let Some(next) = self.next.take().filter(|next| *next != self.plan) else {
            return;
        };
        self.take(next);
        match self.server.publish(&self.plan) {
            Ok(()) => self
                .log
                .line("host", "a new configuration is told to the role"),
            Err(error) => self.log.line(
                "host",
                &format!(
                    "the role is not told of a new configuration: {}",
                    chain(&error)
                ),
            ),
        }
    }

    fn take(&mut self, plan: Rc<InstancePlan>) {
        self.evidence.replan(plan.clone());
        self.plan = plan;
    }

    fn prepare(&mut self, attempt: u64) {
        if let Some(next) = self.next.take() {
            self.take(next);
        }
        let number = self.earlier_attempts + attempt;
        self.evidence.begin(number);
        match Log::begin(&self.plan.paths.logs, number) {
            Ok(log) => self.log = log,
            Err(error) => self.log.line(
                "host",
                &format!("attempt {number} has no log of its own: {error}"),
            ),
        }
        self.log.line(
            "host",
            &format!("attempt {number} of {} begins", self.plan.id),
        );
        self.server.forget_clients();
        if let Err(error) = self.server.publish(&self.plan) {
            let reason = chain(&error);
            self.evidence.not_prepared(&reason);
            return self.tell(Event::Prepared(Err(reason)));
        }
        let plan = self.plan.clone();
        let (events, evidence) = (self.events.clone(), self.evidence.clone());
        // Copying an approot may take long; the host goes on answering meanwhile.
        let copying = InstancePlan::clone(&plan);
        let confiner = self.confiner.clone();
        let log = self.log.clone();
        self.preparing = Some(tokio::task::spawn_local(async move {
            let prepared = tokio::task::spawn_blocking(move || prepare(&copying)).await;
            let result = match prepared {
                Ok(Ok(remarks)) => {
                    remarks.iter().for_each(|remark| log.line("host", remark));
                    Ok(())
                }
                Ok(Err(error)) => Err(chain(&error)),
                Err(_) => Err("the copying of files was cut short".to_owned()),
            };
            let result = result.and_then(|()| {
                let confined = confiner.borrow_mut().begin_attempt(&plan);
                confined.map_err(|error| format!("cannot confine its programs: {error}"))
            });
            if let Err(reason) = &result {
                evidence.not_prepared(reason);
            }
            let _ = events.send(News::Event(Event::Prepared(result))).await;
        }));
    }

    fn start_task(&mut self, index: usize) {
        let task = &self.plan.startup_tasks[index];
        let command = &task.command;
        let source = format!("task {}", command.command_line);
        let confiner = self.confiner.borrow();
        let confinement = confiner.confinement(&self.plan, task.is_elevated, None);
        match programs::start(
            command,
            &self.plan.paths,
            &[],
            &[],
            &source,
            &self.log,
            &confinement,
        ) {
            Ok(running) => self.watch(running, Part::Task(index), move |exit| Event::TaskEnded {
                index,
                exit,
            }),
            Err(error) => {
                self.evidence.not_started(Part::Task(index), &error);
                self.tell(Event::TaskNotStarted {
                    index,
                    reason: error.to_string(),
                });
            }
        }
    }

    fn start_program(&mut self) {
        match self.execute_program() {
            Ok(running) => {
                let pid = running.pid;
                self.tell(Event::ProgramStarted {
                    pid: pid.as_raw_nonzero().get(),
                });
                self.set_watchdog(pid);
                let looking = self.watch_stores();
                self.watch(running, Part::Program, |exit| {
                    drop(looking);
                    Event::ProgramEnded(exit)
                });
            }
            Err(error) => {
                self.evidence.not_started(Part::Program, &error);
                self.tell(Event::ProgramNotStarted {
                    reason: error.to_string(),
                });
            }
        }
    }

    fn execute_program(&mut self) -> Result<Running, StartError> {
        let sockets = self.sockets.open(&self.plan);
        let sockets = sockets.map_err(|error| StartError::NotPrepared {
            reason: chain(&error),
        })?;
        let notify = self.server.notify_path();
        let watchdog = self.plan.options.watchdog.map(watchdog::variable);
        let mut extra = vec![("NOTIFY_SOCKET", notify.as_path())];
        extra.extend(
            watchdog
                .iter()
                .map(|usec| (watchdog::VARIABLE, Path::new(usec))),
        );
        let alone = self.alone(&extra)?;
        let sandbox = &self.plan.sandbox;
        let confiner = self.confiner.borrow();
        let confinement = confiner.confinement(&self.plan, sandbox.is_elevated, alone.as_ref());
        programs::start(
            &self.plan.entry_point,
            &self.plan.paths,
            &extra,
            &sockets,
            "",
            &self.log,
            &confinement,
        )
    }

    /// Says of stores that nothing else keeps to their sizes when they hold more, until what is returned is dropped.
    fn watch_stores(&self) -> Option<Looking> {
        let mut watch = Watch::of(&self.plan)?;
        let looking = Looking::default();
        let is_over = looking.is_over.clone();
        let (events, log) = (self.events.clone(), self.log.clone());
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(watch.pause()).await;
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let is_over = is_over.clone();
                let looked = tokio::task::spawn_blocking(move || {
                    let said = watch.look(&is_over);
                    (watch, said)
                });
                let Ok((looked, said)) = looked.await else {
                    return;
                };
                watch = looked;
                for line in said {
                    log.line("host", &line);
                    let _ = events.send(News::Event(Event::Detail(line))).await;
                }
            }
        });
        Some(looking)
    }

    /// What keeps the program from executing another file, where it may not.
    fn alone(&self, extra: &[(&str, &Path)]) -> Result<Option<Alone>, StartError> {
        let plan = &self.plan;
        if plan.sandbox.native_code {
            return Ok(None);
        }
        let identity = plan.sandbox.identity.filter(|_| !plan.sandbox.is_elevated);
        let program = programs::locate(&plan.entry_point, &plan.paths, extra, identity)?;
        let alone = self.confiner.borrow().alone(plan, &program.executable);
        alone.map_err(|error| StartError::NotPrepared {
            reason: format!("cannot keep it from executing other files: {error}"),
        })
    }

    /// Ends a program that has promised to be heard of and is not.
    fn set_watchdog(&mut self, pid: Pid) {
        let Some(limit) = self.plan.options.watchdog else {
            return;
        };
        let signs = self.server.signs_of_life();
        let is_armed = self.plan.ready_on_process_start;
        let (running, log) = (self.running.clone(), self.log.clone());
        let evidence = self.evidence.clone();
        let watching = tokio::task::spawn_local(async move {
            watchdog::silence(limit, signs, is_armed).await;
            // What is not reaped yet still has its number.
            let runs = || running.borrow().contains(&pid.as_raw_nonzero().get());
            for signal in [Signal::ABORT, Signal::KILL] {
                if !runs() {
                    return;
                }
                evidence.exceeded(pid.as_raw_nonzero().get(), Limit::Watchdog);
                log.line("host", &watchdog::words(limit, signal));
                let _ = kill_process(pid, signal);
                tokio::time::sleep(watchdog::ABORT_LIMIT).await;
            }
        });
        self.watchdog = Some(watching.abort_handle());
    }

    fn call_off_watchdog(&mut self) {
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.abort();
        }
    }

    fn watch(
        &self,
        running: Running,
        part: Part,
        event: impl FnOnce(host_core::Exit) -> Event + 'static,
    ) {
        let pid = running.pid.as_raw_nonzero().get();
        self.running.borrow_mut().insert(pid);
        self.evidence.began(pid, part);
        let (pids, events) = (self.running.clone(), self.events.clone());
        let (evidence, confiner) = (self.evidence.clone(), self.confiner.clone());
        tokio::task::spawn_local(async move {
            let ended = running.wait().await;
            pids.borrow_mut().remove(&pid);
            let event = event(ended.exit);
            // Before the state machine hears of it: what it does next is not what this was in.
            evidence.ended(pid, ended, confiner.borrow().memory());
            let _ = events.send(News::Event(event)).await;
        });
    }

    fn terminate(&self) {
        for pid in self
            .running
            .borrow()
            .iter()
            .copied()
            .filter_map(Pid::from_raw)
        {
            // It may have ended in this moment, and then there is nobody to tell.
            let _ = kill_process_group(pid, Signal::TERM);
        }
    }

    /// Kills until nothing is left below this process, then says so. What this host started is reaped by those
    /// who watch it, so that no exit status is lost; orphans that came to us are reaped here.
    ///
    /// What is still being prepared is waited for, as the next attempt and the end of the host would: the programs
    /// that work on local stores are children too, and are not to be cut short.
    fn empty(&mut self) {
        let preparing = self.preparing.take();
        let (running, events, log) = (self.running.clone(), self.events.clone(), self.log.clone());
        // All at once where the machine can; the loop finds them dead then.
        if let Some(group) = self.confiner.borrow().group() {
            group.kill();
        }
        let (evidence, said) = (self.evidence.clone(), self.said.clone());
        tokio::task::spawn_local(async move {
            if let Some(mut preparing) = preparing
                && timeout(EMPTY_WARNING, &mut preparing).await.is_err()
            {
                log.line(
                    "host",
                    "what was begun for the attempt is brought to its end first",
                );
                let _ = preparing.await;
            }
            let began = Instant::now();
            let mut is_warned = false;
            let mut pause = EMPTY_PAUSE;
            loop {
                let children = descendants::children();
                if children.is_empty() {
                    break;
                }
                for pid in &children {
                    let _ = kill_process(*pid, Signal::KILL);
                    if !running.borrow().contains(&pid.as_raw_nonzero().get()) {
                        let _ = waitpid(Some(*pid), WaitOptions::NOHANG);
                    }
                }
                if !is_warned && began.elapsed() > EMPTY_WARNING {
                    is_warned = true;
                    log.line(
                        "host",
                        &format!("processes do not end, not even when killed: {children:?}"),
                    );
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(EMPTY_PAUSE_MAX);
            }
            if evidence.emptied() {
                tell_doing(&said, &evidence);
            }
            let _ = events.send(News::Event(Event::Emptied)).await;
        });
    }

    /// Tells the state machine, after what it has been told already.
    fn tell(&self, event: Event) {
        let events = self.events.clone();
        tokio::task::spawn_local(async move {
            let _ = events.send(News::Event(event)).await;
        });
    }
}

/// Stores are looked at until this is dropped, also by the look that is under way: the next attempt waits for it.
#[derive(Debug, Default)]
struct Looking {
    is_over: Arc<AtomicBool>,
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Tells what the instance does, which is not in every report.
fn tell_doing(said: &watch::Sender<Said>, evidence: &Evidence) {
    said.send_modify(|said| said.doing = Some(evidence.doing()));
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
