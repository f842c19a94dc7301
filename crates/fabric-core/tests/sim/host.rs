//! A host made simple: it starts a program, reports, drains when it is to, and dies.
//!
//! Of the tasks, leases and limits of the real one only the traces in its reports are here.

use std::time::Duration;

use host_core::{DRAIN_LIMIT, Order, Report, Status};

use crate::random::Random;

/// Where the instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Preparing,
    Tasks,
    Running,
    /// Waits for `Drained`, and stops or begins again then.
    Draining {
        stop: bool,
    },
    Ending {
        stop: bool,
    },
    Pausing,
    Ended,
}

pub(crate) struct Host {
    stage: Stage,
    pub(crate) report: Report,
    /// Steps of an earlier count are void.
    pub(crate) step: u64,
}

/// When the host's next step is due; `None` when it waits for an order only.
pub(crate) type Due = Option<Duration>;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

impl Host {
    /// A host whose first attempt has this number.
    pub(crate) fn new(attempt: u64) -> Host {
        let report = Report {
            status: Status::Starting,
            detail: None,
            pid: None,
            attempt,
            draining: false,
            failed_starts: 0,
            ends: 0,
            last_end: None,
            changes: 0,
        };
        Host {
            stage: Stage::Preparing,
            report,
            step: 0,
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// Something happens by itself.
    pub(crate) fn advance(&mut self, random: &mut Random) -> Due {
        match self.stage {
            Stage::Preparing => {
                self.enter(Stage::Tasks, Status::Busy);
                Some(random.within(seconds(1)))
            }
            Stage::Tasks if random.one_in(6) => Some(self.crash(random)),
            Stage::Tasks => {
                let said = if random.one_in(2) {
                    Status::Ready
                } else {
                    Status::Busy
                };
                self.enter(Stage::Running, said);
                self.report.pid = Some(random.below(30_000) as i32 + 2);
                Some(self.run(random))
            }
            Stage::Running => match random.below(8) {
                0 | 1 => Some(self.crash(random)),
                2 => self.leave(false),
                _ => Some(self.run(random)),
            },
            // The fabric did not answer.
            Stage::Draining { stop } => self.end_program(stop, random),
            Stage::Ending { stop: true } => {
                self.enter(Stage::Ended, Status::Stopped);
                self.report.pid = None;
                None
            }
            Stage::Ending { stop: false } | Stage::Pausing => Some(self.begin_again(random)),
            Stage::Ended => None,
        }
    }

    pub(crate) fn obey(&mut self, order: Order, random: &mut Random) -> Due {
        if matches!(order, Order::Change | Order::Replace) {
            self.report.changes += 1;
            self.report.failed_starts = 0;
        }
        match (order, self.stage) {
            (Order::Change | Order::Replace, Stage::Pausing) => Some(self.begin_again(random)),
            (Order::Replace, Stage::Tasks | Stage::Running) => self.leave(false),
            // Its next step stands, as it was told only.
            (Order::Change | Order::Replace, _) => Some(random.within(seconds(2))),
            // Its end is that of a stop, as far as anybody sees.
            (Order::Reboot, stage) if stage != Stage::Ended => self.obey(Order::Stop, random),
            (Order::Stop, Stage::Draining { .. }) => {
                self.report.status = Status::Stopping;
                self.stage = Stage::Draining { stop: true };
                // The limit stands.
                Some(DRAIN_LIMIT)
            }
            (Order::Stop, Stage::Ending { .. }) => self.end_program(true, random),
            (Order::Stop, _) => self.leave(true),
            (Order::Recycle, Stage::Tasks | Stage::Running) => self.leave(false),
            (Order::Drained, Stage::Draining { stop }) => self.end_program(stop, random),
            _ => Some(random.within(seconds(2))),
        }
    }

    /// A report is news of the same stage, too: the detail changes.
    pub(crate) fn chatter(&mut self, random: &mut Random) {
        self.report.detail = Some(format!("{}", random.below(100)));
    }

    fn enter(&mut self, stage: Stage, status: Status) {
        self.stage = stage;
        self.report.status = status;
        self.report.draining = matches!(stage, Stage::Draining { .. });
    }

    /// Busy or Ready, for a while.
    fn run(&mut self, random: &mut Random) -> Duration {
        let is_busy = random.one_in(3);
        self.report.status = if is_busy { Status::Busy } else { Status::Ready };
        if !is_busy {
            self.report.failed_starts = 0;
        }
        let limit = seconds(random.pick(&[1, 10, 100]));
        random.within(limit)
    }

    fn crash(&mut self, random: &mut Random) -> Duration {
        if self.stage == Stage::Tasks || self.report.status == Status::Busy {
            self.report.failed_starts += 1;
        }
        self.enter(Stage::Pausing, Status::Recycling);
        self.report.pid = None;
        self.report.ends += 1;
        self.report.last_end = Some(format!("end {}", self.report.ends));
        random.within(seconds(5))
    }

    fn begin_again(&mut self, random: &mut Random) -> Duration {
        self.enter(Stage::Preparing, Status::Starting);
        self.report.pid = None;
        self.report.attempt += 1;
        random.within(Duration::from_millis(100))
    }

    fn leave(&mut self, stop: bool) -> Due {
        let status = if stop {
            Status::Stopping
        } else {
            Status::Recycling
        };
        if self.stage == Stage::Running {
            self.enter(Stage::Draining { stop }, status);
            return Some(DRAIN_LIMIT);
        }
        self.enter(Stage::Ending { stop }, status);
        Some(Duration::from_millis(5))
    }

    fn end_program(&mut self, stop: bool, random: &mut Random) -> Due {
        let status = if stop {
            Status::Stopping
        } else {
            Status::Recycling
        };
        self.enter(Stage::Ending { stop }, status);
        let limit = seconds(random.pick(&[0, 1, 10]));
        Some(random.within(limit))
    }
}
