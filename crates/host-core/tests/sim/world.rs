//! A world around the machine: files, processes, clients and a fabric, each with every way to fail that we know of.
//!
//! What is certain about the real one holds here too: each `Prepare`, start and `Empty` is answered once; the news
//! that a process runs comes before that of its end, and the ends of all before `Emptied`; a process survives anything
//! but SIGKILL; orders come only while there is a fabric, and some are lost.

mod processes;

use std::collections::BTreeMap;
use std::time::Duration;

use host_core::{Action, Event, Exit, Instance, Limits, Order, Report, Shape};
use plan::TaskType;

use crate::flaws::{Flaw, Machine};
use crate::laws::{Broken, Laws, Living};
use crate::random::Random;

/// Something that is going to happen.
enum Coming {
    News(Event),
    Ordered(Order),
    FabricGone,
    Prepared {
        attempt: u64,
        result: Result<(), String>,
    },
    /// A process speaks, if it still lives.
    Says {
        process: u64,
        event: Event,
    },
    Ends {
        process: u64,
        exit: Exit,
    },
    /// The clients of this attempt are through with their stop.
    Answered {
        attempt: u64,
        answered: bool,
    },
}

struct Process {
    living: Living,
    ignores_sigterm: bool,
    is_client: bool,
}

pub(crate) struct World {
    random: Random,
    now: Duration,
    shape: Shape,
    limits: Limits,
    machine: Machine,
    laws: Laws,
    coming: BTreeMap<(Duration, u64), Coming>,
    /// Numbers what is coming, processes and pids.
    serial: u64,
    processes: BTreeMap<u64, Process>,
    attempt: u64,
    /// When the latest preparation ends: they follow each other.
    prepared_at: Duration,
    /// The attempt whose clients were asked and have not answered.
    asked: Option<u64>,
    has_fabric: bool,
    has_ended: bool,
    transcript: Option<Vec<String>>,
}

const MS: Duration = Duration::from_millis(1);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

impl World {
    pub(crate) fn new(seed: u64, flaw: Option<Flaw>) -> Self {
        let mut random = Random::new(seed);
        let kinds = [TaskType::Simple, TaskType::Foreground, TaskType::Background];
        let shape = Shape {
            tasks: (0..random.below(5))
                .map(|n| (format!("t{n}"), random.pick(&kinds)))
                .collect(),
            ready_on_process_start: random.one_in(2),
        };
        let limits = Limits {
            stop: seconds(random.pick(&[1, 5, 30, 300])),
        };
        World {
            machine: Machine::new(Instance::new(shape.clone(), limits, seed), flaw),
            laws: Laws::new(shape.clone(), limits),
            random,
            now: Duration::ZERO,
            shape,
            limits,
            coming: BTreeMap::new(),
            serial: 0,
            processes: BTreeMap::new(),
            attempt: 0,
            prepared_at: Duration::ZERO,
            asked: None,
            has_fabric: true,
            has_ended: false,
            transcript: None,
        }
    }

    /// This world, with a transcript: writing one costs more than living through it.
    pub(crate) fn aloud(mut self) -> Self {
        self.transcript = Some(Vec::new());
        self
    }

    /// What has happened so far, if this world is [`aloud`](Self::aloud).
    pub(crate) fn transcript(&self) -> &[String] {
        self.transcript.as_deref().unwrap_or_default()
    }

    fn note(&mut self, line: impl FnOnce(Duration) -> String) {
        if let Some(transcript) = &mut self.transcript {
            transcript.push(line(self.now));
        }
    }

    /// From the order to start up to the end of the host, and a little beyond.
    pub(crate) fn run(&mut self) -> Result<(), Broken> {
        self.plan_the_fabric();
        self.tell(Event::Order(Order::Start))?;
        while !self.has_ended {
            let timeout = self.machine.poll_timeout();
            let next = self.coming.first_key_value().map(|((at, _), _)| *at);
            match (timeout, next) {
                (Some(timeout), next) if next.is_none_or(|next| timeout <= next) => {
                    self.time_out(timeout)?;
                }
                (_, Some(next)) => {
                    self.pass_until(next)?;
                    let ((_, _), coming) = self.coming.pop_first().expect("it was seen above");
                    self.happen(coming)?;
                }
                (_, None) => self.laws.check_rest(self.now, None)?,
            }
        }
        // Nothing that still arrives brings it back.
        for event in [
            Event::FabricGone,
            Event::Detail("late".into()),
            Event::Emptied,
        ] {
            self.tell(event)?;
        }
        self.time_out(self.now)
    }

    /// What the fabric will want, and how long it lives.
    fn plan_the_fabric(&mut self) {
        let life = seconds(self.random.pick(&[5, 60, 600, 3600]));
        for _ in 0..self.random.below(6) {
            let order = match self.random.below(14) {
                0 => Order::Start,
                1 => Order::Drained,
                2 => Order::Stop,
                3 => Order::Reboot,
                4..7 => Order::Change,
                7 | 8 => Order::Replace,
                _ => Order::Recycle,
            };
            self.within(life, Coming::Ordered(order));
            if self.random.one_in(4) {
                self.within(life, Coming::Ordered(order));
            }
        }
        if self.random.one_in(4) {
            self.within(life, Coming::FabricGone);
        }
        let last = match self.random.below(3) {
            0 => Coming::FabricGone,
            _ => Coming::Ordered(Order::Stop),
        };
        self.after(life, last);
        // Whatever was lost on the way: in the end the link breaks.
        self.after(life + seconds(2000), Coming::FabricGone);
    }

    fn after(&mut self, delay: Duration, coming: Coming) {
        self.serial += 1;
        self.coming.insert((self.now + delay, self.serial), coming);
    }

    fn within(&mut self, limit: Duration, coming: Coming) {
        let delay = self.random.within(limit);
        self.after(delay, coming);
    }

    fn pass_until(&mut self, then: Duration) -> Result<(), Broken> {
        if then > self.now {
            self.laws.check_rest(self.now, Some(then))?;
            self.now = then;
        }
        Ok(())
    }

    fn time_out(&mut self, at: Duration) -> Result<(), Broken> {
        self.pass_until(at)?;
        if self.random.one_in(16) {
            // The machine slept, or was busy elsewhere.
            let late = self.random.within(seconds(4));
            self.laws.late(late);
            self.now += late;
        }
        self.note(|now| format!("{:>9.3} time", now.as_secs_f64()));
        self.laws.check_timeout(self.now)?;
        self.machine.handle_timeout(self.now);
        self.carry_out()
    }

    fn tell(&mut self, event: Event) -> Result<(), Broken> {
        self.note(|now| format!("{:>9.3} {event:?}", now.as_secs_f64()));
        self.laws.hear(self.now, &event);
        self.machine.handle_event(self.now, event);
        self.carry_out()
    }

    fn happen(&mut self, coming: Coming) -> Result<(), Broken> {
        match coming {
            Coming::News(event) => self.tell(event),
            // One in a while is lost on the way.
            Coming::Ordered(_) if self.random.one_in(16) => Ok(()),
            Coming::Ordered(order) if self.has_fabric => self.tell(Event::Order(order)),
            Coming::FabricGone if self.has_fabric => {
                self.has_fabric = false;
                self.tell(Event::FabricGone)
            }
            Coming::Prepared { attempt, result } => {
                if attempt == self.attempt {
                    self.laws.prepared(self.now, result.is_ok());
                }
                self.tell(Event::Prepared(result))
            }
            Coming::Says { process, event } if self.processes.contains_key(&process) => {
                self.tell(event)
            }
            Coming::Ends { process, exit } => self.end(process, exit),
            Coming::Answered { attempt, answered } if self.asked == Some(attempt) => {
                self.asked = None;
                self.tell(Event::ClientsStopped { answered })
            }
            Coming::Ordered(_)
            | Coming::FabricGone
            | Coming::Says { .. }
            | Coming::Answered { .. } => Ok(()),
        }
    }

    fn end(&mut self, process: u64, exit: Exit) -> Result<(), Broken> {
        let Some(ended) = self.processes.remove(&process) else {
            return Ok(());
        };
        let attempt = ended.living.attempt;
        match ended.living.task {
            Some(index) => self.tell(Event::TaskEnded { index, exit }),
            None => {
                // A client that has ended owes no answer.
                self.within(
                    MS,
                    Coming::Answered {
                        attempt,
                        answered: false,
                    },
                );
                self.tell(Event::ProgramEnded(exit))
            }
        }
    }

    fn carry_out(&mut self) -> Result<(), Broken> {
        while let Some(action) = self.machine.poll_action() {
            self.note(|_| format!("            {action:?}"));
            let living = self.processes.values().map(|process| &process.living);
            self.laws.check_action(self.now, &action, living)?;
            match action {
                Action::Prepare { attempt } => self.prepare(attempt),
                Action::StartTask { index } => self.start_task(index),
                Action::StartProgram => self.start_program(),
                Action::AskToStop { within } => self.ask_to_stop(within),
                Action::Terminate => self.terminate(),
                Action::Empty => self.empty(),
                Action::Publish => self.publish(),
                Action::Report(report) => self.report(&report),
                Action::Log(_) => {}
                Action::Exit => self.has_ended = true,
            }
        }
        Ok(())
    }

    fn prepare(&mut self, attempt: u64) {
        self.attempt = attempt;
        self.asked = None;
        let long = if self.random.one_in(6) { 10_000 } else { 50 };
        let result = match self.random.below(10) {
            0 => Err("no room".to_owned()),
            _ => Ok(()),
        };
        self.prepared_at = self.prepared_at.max(self.now) + self.random.within_ms(long);
        self.after(
            self.prepared_at - self.now,
            Coming::Prepared { attempt, result },
        );
    }

    fn report(&mut self, report: &Report) {
        if !report.draining {
            return;
        }
        let limit = seconds(self.random.pick(&[1, 5, 30]));
        for _ in 0..self.random.pick(&[0, 1, 1, 1, 2]) {
            self.within(limit, Coming::Ordered(Order::Drained));
        }
    }
}
