//! The pool: all endpoints under one table, and every client at them.
//!
//! Calling order, for one client:
//!
//! ```text
//! accept ─► pick ─┬─ To ─┬─► connected ─┬─► closed
//!                 │      │              └─► moved ─► pick    (no byte had passed)
//!                 │      └─► refused, late, abandoned ─► pick
//!                 ├─ Park ─► pick, when it is first in line and something changed; or left
//!                 └─ Exhausted, Closed ─► left
//! ```
//!
//! After every call the caller drains [`Pool::poll_event`] and lets [`Pool::next_parked`] pick again.
//! Tables come by [`Pool::replace`], at any moment.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::client::{Client, End, Pick, Ticket};
use crate::counters::{Bytes, Cause, Counters};
use crate::endings::{Ending, Endings};
use crate::endpoint::{Choice, EndpointState, PARKED_MAX};
use crate::program::{Program, Programs};
use crate::table::{Table, TableError};
use crate::target::{LATE_TRIAL_INTERVAL, TRIAL_INTERVAL, Target};

/// News for whoever writes the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolEvent {
    /// No pick that the table of this number forbids is under way any more.
    Acknowledged {
        /// The newest table's number.
        number: u64,
    },
    /// A program that drains, or that the table dropped, has no connection. Once for each draining.
    Idle(Program),
}

/// Which backend gets a connection, who waits, and what happened. See the module's text.
#[derive(Debug, Default)]
pub struct Pool {
    endpoints: BTreeMap<Arc<str>, EndpointState>,
    programs: Programs,
    endings: Endings,
    events: VecDeque<PoolEvent>,
    /// The table in use.
    number: Option<u64>,
    /// The smallest number that the next table may have.
    smallest: u64,
    acknowledged: Option<u64>,
    serials: u64,
}

impl Pool {
    /// Without any table: no endpoint, nothing accepted.
    pub fn new() -> Self {
        Pool::default()
    }

    /// Puts a table in the place of the one before. The same table again is harmless.
    ///
    /// # Errors
    /// A table that contradicts itself, or one older than the table in use; that one stays.
    pub fn replace(&mut self, table: &Table, now: Duration) -> Result<(), TableError> {
        table.check()?;
        if table.number < self.smallest {
            return Err(TableError::Stale {
                number: table.number,
                newest: self.smallest,
            });
        }
        self.settle(now);
        let rows: BTreeMap<&str, _> = table.endpoints.iter().map(|e| (&*e.name, e)).collect();
        for &name in rows.keys() {
            if !self.endpoints.contains_key(name) {
                self.endpoints.insert(name.into(), EndpointState::new());
            }
        }
        for (name, endpoint) in &mut self.endpoints {
            endpoint.relist(rows.get(&**name).copied());
        }
        self.programs.relist(table, &self.endpoints, now);
        self.number = Some(table.number);
        self.smallest = table.number;
        self.acknowledged = None;

        let programs = &self.programs;
        let is_explained =
            |ending: &Ending| ending.is_explained_by(now) && programs.is_dead(&ending.program);
        for ending in self.endings.take(is_explained) {
            self.put_down(&ending, true);
        }
        self.acknowledge();
        let endpoints = &self.endpoints;
        let idle = self
            .programs
            .take_idle(|program| load_of(endpoints, program) == 0);
        self.events.extend(idle.into_iter().map(PoolEvent::Idle));
        self.forget_gone();
        self.checked();
        Ok(())
    }

    /// Another fabric speaks from now on: it may number its tables anew, and after its first one it
    /// hears again of every program that has drained.
    pub fn begin_anew(&mut self) {
        self.smallest = 0;
        // The number of a table of the fabric before would be taken for one of its own.
        self.number = None;
        self.acknowledged = None;
        self.events
            .retain(|event| !matches!(event, PoolEvent::Acknowledged { .. }));
        self.programs.report_anew();
    }

    /// The table in use, once no pick that it forbids is on its way to a backend any more.
    /// `None` until then: an older one does not count.
    pub fn acknowledged(&self) -> Option<u64> {
        self.acknowledged
    }

    /// The next piece of news; to be drained after every other call.
    pub fn poll_event(&mut self) -> Option<PoolEvent> {
        self.events.pop_front()
    }

    /// Whether clients may be accepted there: the endpoint exists and its line is not full.
    pub fn is_accepting(&self, endpoint: &str) -> bool {
        self.endpoints
            .get(endpoint)
            .is_some_and(|endpoint| endpoint.listed && endpoint.parked.len() < PARKED_MAX)
    }

    /// A client was accepted.
    ///
    /// # Panics
    /// If the table does not list the endpoint: see [`Pool::is_accepting`].
    pub fn accept(&mut self, endpoint: &str) -> Client {
        self.serials += 1;
        let (name, state) = self
            .endpoints
            .get_key_value(endpoint)
            .expect("clients are accepted at listed endpoints only");
        assert!(
            state.listed,
            "clients are accepted at listed endpoints only"
        );
        let client = Client {
            number: self.serials,
            endpoint: name.clone(),
            has_parked: false,
        };
        let totals = &mut self.at(&client.endpoint).totals;
        totals.accepted += 1;
        totals.open += 1;
        self.checked();
        client
    }

    /// Chooses the backend for a client, past those that it has `tried`. To be repeated for a client
    /// that waits; it keeps its place in the line.
    pub fn pick(&mut self, client: &mut Client, tried: &[Program], now: Duration) -> Pick {
        self.settle(now);
        let serial = self.serials + 1;
        let endpoint = self.at(&client.endpoint);
        if !endpoint.listed {
            endpoint.parked.remove(&client.number);
            return Pick::Closed;
        }
        let choice = match endpoint.is_turn_of(client.number) {
            true => endpoint.choose(tried, now),
            false => Choice::Wait(None),
        };
        let pick = match choice {
            Choice::Wait(trial) => {
                endpoint.parked.insert(client.number);
                endpoint.totals.parked_total += u64::from(!client.has_parked);
                client.has_parked = true;
                Pick::Park(trial)
            }
            Choice::Exhausted => {
                endpoint.parked.remove(&client.number);
                Pick::Exhausted
            }
            Choice::Target(index) => {
                endpoint.parked.remove(&client.number);
                let ticket = Ticket {
                    serial,
                    endpoint: client.endpoint.clone(),
                    program: endpoint.targets[index].program.clone(),
                    address: endpoint.targets[index].address,
                };
                endpoint.targets[index].begin(&ticket);
                endpoint.advance_past(index);
                self.serials = serial;
                Pick::To(ticket)
            }
        };
        self.checked();
        pick
    }

    /// The client that is first in line at an endpoint, by its number.
    pub fn next_parked(&self, endpoint: &str) -> Option<u64> {
        self.endpoints.get(endpoint)?.parked.first().copied()
    }

    /// The connect succeeded.
    pub fn connected(&mut self, ticket: &Ticket) {
        let endpoint = self.at(&ticket.endpoint);
        endpoint.target(&ticket.program).connected();
        let id = ticket.program.backend.clone();
        *endpoint.connections.entry(id).or_default() += 1;
        self.vacated(&ticket.program);
    }

    /// The connect was refused.
    pub fn refused(&mut self, ticket: Ticket, now: Duration) {
        self.failed(&ticket, now + TRIAL_INTERVAL);
    }

    /// The connect was not answered in time.
    pub fn late(&mut self, ticket: Ticket, now: Duration) {
        self.failed(&ticket, now + LATE_TRIAL_INTERVAL);
    }

    /// The connect was given up, or failed for want of something on this side.
    pub fn abandoned(&mut self, ticket: Ticket) {
        self.target(&ticket).abandoned(&ticket);
        self.vacated(&ticket.program);
    }

    /// The connection ended before any byte passed, and its client goes on to another instance.
    pub fn moved(&mut self, ticket: Ticket) {
        self.target(&ticket).open -= 1;
        self.at(&ticket.endpoint).totals.retried += 1;
        self.vacated(&ticket.program);
    }

    /// A connect beside any ticket was refused: the program does not listen any more.
    pub fn suspect(&mut self, endpoint: &str, program: &Program, now: Duration) {
        let endpoint = self.endpoints.get_mut(endpoint);
        let target = endpoint.and_then(|e| e.targets.iter_mut().find(|t| t.program == *program));
        if let Some(target) = target {
            target.suspect(now + TRIAL_INTERVAL);
        }
    }

    /// Bytes were moved.
    pub fn transferred(&mut self, ticket: &Ticket, bytes: Bytes) {
        let total = &mut self.at(&ticket.endpoint).totals.bytes;
        total.up += bytes.up;
        total.down += bytes.down;
    }

    /// A client that an instance served has ended.
    pub fn closed(&mut self, client: Client, ticket: Ticket, end: End, now: Duration) {
        self.settle(now);
        self.target(&ticket).open -= 1;
        let totals = &mut self.at(&client.endpoint).totals;
        totals.open -= 1;
        match end {
            End::Ordinary => totals.ended += 1,
            End::Cut(cause) => *totals.cut.entry(cause).or_default() += 1,
            End::Instance { at, reset } => {
                totals.settling += 1;
                let endpoint = client.endpoint.clone();
                let program = ticket.program.clone();
                self.end_by_instance(
                    Ending {
                        endpoint,
                        program,
                        at,
                        reset,
                    },
                    now,
                );
            }
        }
        self.vacated(&ticket.program);
    }

    /// A client that no instance serves has ended.
    pub fn left(&mut self, client: Client, cause: Cause) {
        let endpoint = self.at(&client.endpoint);
        endpoint.parked.remove(&client.number);
        endpoint.totals.open -= 1;
        *endpoint.totals.cut.entry(cause).or_default() += 1;
        self.forget_gone();
        self.checked();
    }

    /// Whether the table says that this program is gone: dead, or followed by another incarnation.
    pub fn is_dead(&self, program: &Program) -> bool {
        self.programs.is_dead(program)
    }

    /// Whether a program is in rotation at an endpoint.
    pub fn is_in_rotation(&self, endpoint: &str, program: &Program) -> bool {
        self.endpoints
            .get(endpoint)
            .is_some_and(|e| e.targets.iter().any(|t| t.program == *program && t.is_in()))
    }

    /// Everything counted up to `now`.
    pub fn counters(&mut self, now: Duration) -> Counters {
        self.settle(now);
        let endpoints = self.endpoints.iter();
        Counters {
            endpoints: endpoints
                .map(|(name, endpoint)| (name.to_string(), endpoint.counters()))
                .collect(),
        }
    }

    /// Asserts what always holds; every call does so in a build with assertions.
    ///
    /// # Panics
    /// If it does not hold.
    pub fn check_invariants(&self) {
        for endpoint in self.endpoints.values() {
            endpoint.check_invariants();
        }
        let is_early = self.acknowledged.is_some()
            && self.acknowledged == self.number
            && self.has_forbidden_connects();
        assert!(!is_early, "table {:?} was acknowledged early", self.number);
        for target in targets(&self.endpoints) {
            let is_overdue = self.programs.is_pending(&target.program)
                && load_of(&self.endpoints, &target.program) == 0;
            assert!(
                !is_overdue,
                "{:?} is idle and that was not said",
                target.program
            );
        }
    }

    fn checked(&self) {
        if cfg!(debug_assertions) {
            self.check_invariants();
        }
    }

    fn at(&mut self, endpoint: &str) -> &mut EndpointState {
        self.endpoints
            .get_mut(endpoint)
            .expect("an endpoint stays as long as a client is at it")
    }

    fn target(&mut self, ticket: &Ticket) -> &mut Target {
        self.at(&ticket.endpoint).target(&ticket.program)
    }

    fn failed(&mut self, ticket: &Ticket, next_trial: Duration) {
        self.target(ticket).failed(ticket, next_trial);
        self.at(&ticket.endpoint).totals.retried += 1;
        self.vacated(&ticket.program);
    }

    /// A seat of this program's became free, or a connect towards it ended.
    fn vacated(&mut self, program: &Program) {
        self.acknowledge();
        if self.programs.is_pending(program) {
            let endpoints = &self.endpoints;
            let is_idle = |other: &Program| other == program && load_of(endpoints, program) == 0;
            let idle = self.programs.take_idle(is_idle);
            self.events.extend(idle.into_iter().map(PoolEvent::Idle));
        }
        self.forget_gone();
        self.checked();
    }

    fn acknowledge(&mut self) {
        let Some(number) = self.number.filter(|_| self.acknowledged.is_none()) else {
            return;
        };
        if !self.has_forbidden_connects() {
            self.acknowledged = Some(number);
            self.events.push_back(PoolEvent::Acknowledged { number });
        }
    }

    fn has_forbidden_connects(&self) -> bool {
        targets(&self.endpoints).any(|target| !target.is_in() && target.connecting > 0)
    }

    fn end_by_instance(&mut self, ending: Ending, now: Duration) {
        let dead_since = self.programs.dead_since(&ending.program);
        if dead_since.is_some_and(|since| ending.is_explained_by(since)) {
            self.put_down(&ending, true);
        } else if !ending.is_explained_by(now) {
            self.put_down(&ending, false);
        } else if let Some(oldest) = self.endings.push(ending) {
            self.put_down(&oldest, false);
        }
    }

    /// Puts down the endings that no death can explain any more.
    fn settle(&mut self, now: Duration) {
        let mut any = false;
        while let Some(ending) = self.endings.pop_expired(now) {
            self.put_down(&ending, false);
            any = true;
        }
        if any {
            self.forget_gone();
        }
    }

    fn put_down(&mut self, ending: &Ending, died: bool) {
        let totals = &mut self.at(&ending.endpoint).totals;
        totals.settling -= 1;
        let cause = match (died, ending.reset) {
            (true, _) => Cause::InstanceDied,
            (false, true) => Cause::InstanceReset,
            (false, false) => {
                totals.ended += 1;
                return;
            }
        };
        *totals.cut.entry(cause).or_default() += 1;
    }

    /// Drops what neither the table nor a client holds.
    fn forget_gone(&mut self) {
        let is_in_use = |target: &Target| target.rotation.is_some() || target.load() > 0;
        if targets(&self.endpoints).all(is_in_use) && self.endpoints.values().all(|e| e.listed) {
            return;
        }
        for endpoint in self.endpoints.values_mut() {
            endpoint.forget_gone();
        }
        self.endpoints.retain(|_, endpoint| !endpoint.is_gone());
        let endpoints = &self.endpoints;
        self.programs
            .retain(|program| targets(endpoints).any(|target| target.program == *program));
    }
}

fn targets(endpoints: &BTreeMap<Arc<str>, EndpointState>) -> impl Iterator<Item = &Target> {
    endpoints.values().flat_map(|endpoint| &endpoint.targets)
}

/// Connections to a program, made or being made, over all endpoints.
fn load_of(endpoints: &BTreeMap<Arc<str>, EndpointState>, program: &Program) -> u32 {
    targets(endpoints)
        .filter(|target| target.program == *program)
        .map(Target::load)
        .sum()
}

#[cfg(test)]
mod tests;
