//! What the fabric orders, and the ways out of an attempt that begin with an order or a wish.

use std::time::Duration;

use super::{DRAIN_LIMIT, Instance, State, TASK_END_LIMIT, Then};
use crate::messages::{Action, Order};

impl Instance {
    pub(super) fn handle_order(&mut self, now: Duration, order: Order) {
        match (order, self.state) {
            (Order::Start, State::Idle) => self.begin_attempt(),
            // Who orders it does not want to wait for the pause to pass.
            (Order::Recycle, State::Waiting { .. }) => self.begin_attempt(),
            (Order::Recycle, _) => self.begin_stop(now, Then::Recycle, "a recycle was ordered"),
            (Order::Stop, _) => self.begin_stop(now, Then::Stop, "a stop was ordered"),
            (Order::Reboot, _) => self.begin_stop(now, Then::Reboot, "a reboot was ordered"),
            (Order::Drained, State::Draining { then, .. }) => self.ask_to_stop(now, then),
            (Order::Change, _) => self.take_change(),
            (Order::Replace, _) => self.take_replacement(now),
            (Order::Start | Order::Drained, _) => {}
        }
    }

    fn take_change(&mut self) {
        self.forgive();
        match self.state {
            State::Waiting { .. } => self.begin_attempt(),
            State::Preparing | State::Tasks(_) | State::Starting | State::Running => {
                self.actions.push_back(Action::Publish);
            }
            // Who is on the way out is not told any more. The next attempt takes the newest plan.
            State::Idle
            | State::Draining { .. }
            | State::Asked { .. }
            | State::Terminated { .. }
            | State::Holding { .. }
            | State::Emptying { .. }
            | State::Ended { .. } => {}
        }
    }

    fn take_replacement(&mut self, now: Duration) {
        self.forgive();
        match self.state {
            State::Waiting { .. } => self.begin_attempt(),
            // Two preparations at work would meet, so the second begins when the first has ended.
            State::Preparing => self.is_outdated = true,
            _ => self.begin_stop(
                now,
                Then::Recycle,
                "a configuration came that cannot change while the program runs",
            ),
        }
    }

    /// There is a new configuration: what the instance has died of may be gone with the old one.
    fn forgive(&mut self) {
        self.changes += 1;
        self.pacing.forgive();
        self.failed_starts = 0;
        self.pause = self.pause.map(|_| Duration::ZERO);
    }

    /// The first step of the one stop path: out of rotation.
    pub(super) fn begin_stop(&mut self, now: Duration, then: Then, why: &str) {
        match self.state {
            State::Idle | State::Waiting { .. } if then > Then::Recycle => self.end(then),
            // The attempt that a recycle wants has only begun. To begin it twice would have two preparations at work,
            // and the end of the first would be taken for that of the second.
            State::Preparing if then == Then::Recycle => {}
            State::Preparing | State::Tasks(_) | State::Starting | State::Running => {
                self.detail = Some(why.to_owned());
                self.log(why.to_owned());
                match self.state {
                    // Nothing is in rotation yet.
                    State::Preparing => self.empty(then),
                    State::Tasks(_) => self.terminate(now, then, now + TASK_END_LIMIT),
                    _ => {
                        self.state = State::Draining {
                            then,
                            until: now + DRAIN_LIMIT,
                        }
                    }
                }
            }
            State::Draining {
                then: under_way,
                until,
            } if then > under_way => self.state = State::Draining { then, until },
            State::Asked {
                then: under_way,
                until,
            } if then > under_way => self.state = State::Asked { then, until },
            State::Terminated {
                then: under_way,
                until,
            } if then > under_way => self.state = State::Terminated { then, until },
            State::Holding {
                then: under_way,
                until,
            } if then > under_way => self.state = State::Holding { then, until },
            State::Emptying { then: under_way } if then > under_way => {
                self.state = State::Emptying { then };
            }
            _ => {}
        }
    }
}
