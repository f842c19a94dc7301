//! Carries out what the state machine asks for and tells it what came of that.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use host_core::{Action, Event, Report};
use plan::InstancePlan;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};
use sandbox::descendants;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::error::HostError;
use crate::logs::{self, Log};
use crate::prepare::prepare;
use crate::programs::{self, Running};
use crate::runtime_server::{News, RuntimeServer};
use crate::stores::Watch;

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
    server: RuntimeServer,
    log: Log,
    /// Attempts of earlier hosts of this instance.
    earlier_attempts: u64,
    /// Process ids of what this host started and has not reaped.
    running: Rc<RefCell<BTreeSet<i32>>>,
    events: mpsc::Sender<News>,
    reports: watch::Sender<Option<Report>>,
    /// Looks at local stores while the program runs.
    watching: Option<JoinHandle<()>>,
}

impl Driver {
    pub(crate) fn new(
        plan: InstancePlan,
        events: mpsc::Sender<News>,
        reports: watch::Sender<Option<Report>>,
    ) -> Result<Driver, HostError> {
        let folder = plan.paths.logs.clone();
        let failed = || HostError::file("keep the instance's log in", &folder);
        let earlier_attempts = logs::latest_attempt(&folder).map_err(failed())?;
        let log = Log::begin(&folder, earlier_attempts + 1).map_err(failed())?;
        let server = RuntimeServer::open(&plan.paths.sockets, events.clone())?;
        Ok(Driver {
            plan: Rc::new(plan),
            server,
            log,
            earlier_attempts,
            running: Rc::default(),
            events,
            reports,
            watching: None,
        })
    }

    /// Carries out one action. Returns `true` when the host is to end.
    pub(crate) fn act(&mut self, action: Action) -> bool {
        match action {
            Action::Prepare { attempt } => self.prepare(attempt),
            Action::StartTask { index } => self.start_task(index),
            Action::StartProgram => self.start_program(),
            Action::AskToStop { within } => self.server.ask_to_stop(within),
            Action::Terminate => self.terminate(),
            Action::Empty => self.empty(),
            Action::Report(report) => self.report(report),
            Action::Log(line) => self.log.line("host", &line),
            Action::Exit => return true,
        }
        false
    }

    pub(crate) fn warn(&self, line: &str) {
        self.log.line("host", line);
    }

    fn report(&self, mut report: Report) {
        if report.attempt > 0 {
            report.attempt += self.earlier_attempts;
        }
        self.reports.send_replace(Some(report));
    }

    fn prepare(&mut self, attempt: u64) {
        let number = self.earlier_attempts + attempt;
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
            return self.tell(Event::Prepared(Err(reason)));
        }
        let plan = self.plan.clone();
        let events = self.events.clone();
        // Copying an approot may take long; the host goes on answering meanwhile.
        let copying = InstancePlan::clone(&plan);
        let log = self.log.clone();
        tokio::task::spawn_local(async move {
            let prepared = tokio::task::spawn_blocking(move || prepare(&copying)).await;
            let result = match prepared {
                Ok(Ok(remarks)) => {
                    remarks.iter().for_each(|remark| log.line("host", remark));
                    Ok(())
                }
                Ok(Err(error)) => Err(chain(&error)),
                Err(_) => Err("the copying of files was cut short".to_owned()),
            };
            let _ = events.send(News::Event(Event::Prepared(result))).await;
        });
    }

    fn start_task(&mut self, index: usize) {
        let task = &self.plan.startup_tasks[index].command;
        let source = format!("task {}", task.command_line);
        match programs::start(task, &self.plan.paths, &[], &source, &self.log) {
            Ok(running) => self.watch(running, move |exit| Event::TaskEnded { index, exit }),
            Err(error) => self.tell(Event::TaskNotStarted {
                index,
                reason: error.to_string(),
            }),
        }
    }

    fn start_program(&mut self) {
        let notify = self.server.notify_path();
        let extra = [("NOTIFY_SOCKET", notify.as_path())];
        match programs::start(
            &self.plan.entry_point,
            &self.plan.paths,
            &extra,
            "",
            &self.log,
        ) {
            Ok(running) => {
                self.tell(Event::ProgramStarted {
                    pid: running.pid.as_raw_nonzero().get(),
                });
                self.watch(running, Event::ProgramEnded);
            }
            Err(error) => self.tell(Event::ProgramNotStarted {
                reason: error.to_string(),
            }),
        }
        self.watch_stores();
    }

    /// Says of stores that nothing else keeps to their sizes when they hold more, until the next attempt.
    fn watch_stores(&mut self) {
        if let Some(before) = self.watching.take() {
            before.abort();
        }
        let Some(mut watch) = Watch::of(&self.plan) else {
            return;
        };
        let (events, log) = (self.events.clone(), self.log.clone());
        self.watching = Some(tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(watch.pause()).await;
                let looked = tokio::task::spawn_blocking(move || {
                    let said = watch.look();
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
        }));
    }

    fn watch(&self, running: Running, event: impl FnOnce(host_core::Exit) -> Event + 'static) {
        let pid = running.pid.as_raw_nonzero().get();
        self.running.borrow_mut().insert(pid);
        let (pids, events) = (self.running.clone(), self.events.clone());
        tokio::task::spawn_local(async move {
            let exit = running.wait().await;
            pids.borrow_mut().remove(&pid);
            let _ = events.send(News::Event(event(exit))).await;
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
    fn empty(&self) {
        let (running, events, log) = (self.running.clone(), self.events.clone(), self.log.clone());
        tokio::task::spawn_local(async move {
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
