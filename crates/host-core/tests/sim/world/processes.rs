//! The processes of the world: tasks and role programs, what they say, and how they end.

use std::time::Duration;

use host_core::{Event, Exit, Lease, LeaseStatus};
use plan::TaskType;

use super::{Coming, MS, Process, World, seconds};
use crate::laws::Living;

impl World {
    fn spawn(&mut self, task: Option<usize>) -> u64 {
        self.serial += 1;
        let process = Process {
            living: Living {
                attempt: self.attempt,
                task,
            },
            ignores_sigterm: self.random.one_in(4),
            is_client: self.random.one_in(2),
        };
        self.processes.insert(self.serial, process);
        self.serial
    }

    pub(super) fn start_task(&mut self, index: usize) {
        if self.random.one_in(16) {
            let reason = "no such file".to_owned();
            return self.within(MS, Coming::News(Event::TaskNotStarted { index, reason }));
        }
        let process = self.spawn(Some(index));
        let is_simple = self.shape.tasks[index].1 == TaskType::Simple;
        let hangs = self.random.one_in(if is_simple { 20 } else { 2 });
        let fails = self.random.one_in(if is_simple { 10 } else { 2 });
        if self.random.one_in(4) {
            self.chat(process, seconds(20));
        }
        if !hangs {
            let exit = if fails { self.death() } else { Exit::Code(0) };
            let life = seconds(if is_simple { 3 } else { 60 });
            self.within(life, Coming::Ends { process, exit });
        }
    }

    pub(super) fn start_program(&mut self) {
        if self.random.one_in(16) {
            let reason = "no such file".to_owned();
            return self.within(MS, Coming::News(Event::ProgramNotStarted { reason }));
        }
        let process = self.spawn(None);
        // A process may speak before the news that it runs has gone round.
        self.within(
            2 * MS,
            Coming::News(Event::ProgramStarted {
                pid: process as i32,
            }),
        );
        if !self.random.one_in(8) {
            let event = match self.random.below(2) {
                0 => Event::Notified,
                _ => leased("main", LeaseStatus::Started, 1, None),
            };
            let limit_ms = self.random.pick(&[2, 100, 5000]);
            self.within(
                Duration::from_millis(limit_ms),
                Coming::Says { process, event },
            );
        }
        let life = seconds(self.random.pick(&[1, 10, 100, 1000]));
        for _ in 0..self.random.below(6) {
            self.chat(process, life);
        }
        if !self.random.one_in(3) {
            let exit = self.death();
            let delay = 3 * MS + self.random.within(life);
            self.after(delay, Coming::Ends { process, exit });
        }
    }

    fn death(&mut self) -> Exit {
        match self.random.below(4) {
            0 => Exit::Code(1 + self.random.below(4) as i32),
            1 => Exit::Code(0),
            n => Exit::Signal(if n == 2 { 11 } else { 9 }),
        }
    }

    /// A process says one thing to the host.
    fn chat(&mut self, process: u64, limit: Duration) {
        let client = self.random.pick(&["main", "main", "side", "task"]);
        let incarnation = 1 + self.random.below(2);
        let until = match self.random.below(3) {
            0 => None,
            1 => Some(Duration::ZERO),
            _ => Some(self.random.within(seconds(30))),
        };
        let event = match self.random.below(16) {
            0..4 => leased(client, LeaseStatus::Started, incarnation, until),
            4..10 => leased(client, LeaseStatus::Busy, incarnation, until),
            10 | 11 => Event::Released {
                client: client.into(),
            },
            12 => leased(client, LeaseStatus::Recycle, incarnation, until),
            13 => leased(client, LeaseStatus::Stopped, incarnation, until),
            14 => Event::Notified,
            _ => Event::Detail(client.to_owned()),
        };
        self.within(limit, Coming::Says { process, event });
    }

    /// A program that listens takes the new plan, refuses it, which is a recycle, or says nothing.
    pub(super) fn publish(&mut self) {
        let mut processes = self.processes.iter();
        let Some((&process, _)) =
            processes.find(|(_, process)| process.living.task.is_none() && process.is_client)
        else {
            return;
        };
        let status = match self.random.below(4) {
            0 => LeaseStatus::Recycle,
            1 | 2 => LeaseStatus::Started,
            _ => return,
        };
        let event = leased("main", status, 2, None);
        self.within(seconds(1), Coming::Says { process, event });
    }

    pub(super) fn ask_to_stop(&mut self, within: Duration) {
        let attempt = self.attempt;
        self.asked = Some(attempt);
        let program = self
            .processes
            .iter()
            .find(|(_, process)| process.living.task.is_none());
        match program {
            Some((
                &process,
                Process {
                    is_client: true, ..
                },
            )) => {
                // It answers in time, too late, or not at all, and may end or stay when it has.
                if !self.random.one_in(4) {
                    self.within(
                        2 * within,
                        Coming::Answered {
                            attempt,
                            answered: true,
                        },
                    );
                }
                if self.random.one_in(2) {
                    let exit = self.death();
                    self.within(2 * within, Coming::Ends { process, exit });
                }
            }
            _ => self.within(
                MS,
                Coming::Answered {
                    attempt,
                    answered: false,
                },
            ),
        }
    }

    pub(super) fn terminate(&mut self) {
        let obedient: Vec<u64> = self
            .processes
            .iter()
            .filter(|(_, process)| !process.ignores_sigterm)
            .map(|(process, _)| *process)
            .collect();
        let limit = seconds(8).max(self.limits.stop);
        for process in obedient {
            let limit = if self.random.one_in(2) { MS * 5 } else { limit };
            let delay = 3 * MS + self.random.within(limit);
            self.after(
                delay,
                Coming::Ends {
                    process,
                    exit: Exit::Signal(15),
                },
            );
        }
    }

    pub(super) fn empty(&mut self) {
        let processes: Vec<u64> = self.processes.keys().copied().collect();
        for process in processes {
            let delay = 3 * MS + self.random.within_ms(5);
            self.after(
                delay,
                Coming::Ends {
                    process,
                    exit: Exit::Signal(9),
                },
            );
        }
        let delay = 10 * MS + self.random.within_ms(20);
        self.after(delay, Coming::News(Event::Emptied));
    }
}

fn leased(
    client: &str,
    status: LeaseStatus,
    incarnation: u64,
    expires_in: Option<Duration>,
) -> Event {
    let lease = Lease {
        status,
        incarnation,
        expires_in,
        detail: None,
    };
    Event::Leased {
        client: client.to_owned(),
        lease,
    }
}
