//! One endpoint: its targets, the line of clients that wait, and the choice among the targets.
//!
//! Knows nothing of programs as a whole (draining, death): an instance has several endpoints, and
//! [`Pool`](crate::Pool) sees them together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::counters::{BackendCounters, EndpointCounters};
use crate::program::Program;
use crate::table;
use crate::target::{Readiness, Target};

/// Clients that wait at one endpoint before it stops accepting and leaves the rest to the kernel.
/// Each costs a descriptor and about a kilobyte; a thousand ride out a restart of the only instance.
/// Clients that come back from a failed instance are not turned away, so a few more may wait.
pub const PARKED_MAX: usize = 1024;

/// What the endpoint has for a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The target at this index.
    Target(usize),
    /// Nothing yet; a trial may be due at the moment given.
    Wait(Option<Duration>),
    /// Nothing that it has not tried.
    Exhausted,
}

/// One endpoint, as long as the table lists it or a client is at it.
#[derive(Debug)]
pub(crate) struct EndpointState {
    pub(crate) listed: bool,
    pub(crate) targets: Vec<Target>,
    /// Clients that wait, by number: the order in which they came.
    pub(crate) parked: BTreeSet<u64>,
    /// Totals and the number of open clients; gauges that other fields hold are filled in on demand.
    pub(crate) totals: EndpointCounters,
    /// Connections made so far, by the instance's id.
    pub(crate) connections: BTreeMap<Arc<str>, u64>,
    /// The index at which the search for the next target starts.
    turn: usize,
}

impl EndpointState {
    pub(crate) fn new() -> Self {
        EndpointState {
            listed: true,
            targets: Vec::new(),
            parked: BTreeSet::new(),
            totals: EndpointCounters::default(),
            connections: BTreeMap::new(),
            turn: 0,
        }
    }

    /// Takes over a new table's row; `None` when the table has none.
    pub(crate) fn relist(&mut self, row: Option<&table::Endpoint>) {
        self.listed = row.is_some();
        for target in &mut self.targets {
            target.rotation = None;
        }
        for backend in row.iter().flat_map(|row| &row.backends) {
            let program = Program::of(backend);
            match self.targets.iter_mut().find(|t| t.program == program) {
                Some(target) => target.relist(backend.address, backend.rotation),
                None => {
                    let target = Target::new(program, backend.address, backend.rotation);
                    self.targets.push(target);
                }
            }
        }
    }

    /// Drops targets, and what was counted for them, that are neither listed nor in use.
    pub(crate) fn forget_gone(&mut self) {
        self.targets
            .retain(|target| target.rotation.is_some() || target.load() > 0);
        let targets = &self.targets;
        self.connections
            .retain(|id, _| targets.iter().any(|t| t.program.backend == *id));
    }

    pub(crate) fn is_gone(&self) -> bool {
        !self.listed && self.totals.open == 0 && self.totals.settling == 0
    }

    pub(crate) fn target(&mut self, program: &Program) -> &mut Target {
        self.targets
            .iter_mut()
            .find(|target| target.program == *program)
            .expect("a target stays as long as a ticket for it is out")
    }

    /// Whether it is this client's turn: nobody who came before it waits.
    pub(crate) fn is_turn_of(&self, client: u64) -> bool {
        self.parked.first().is_none_or(|&first| client <= first)
    }

    /// Due trials first, since a suspect backend comes back by them alone; then the least load,
    /// and among equals the next in turn.
    pub(crate) fn choose(&self, tried: &[Program], now: Duration) -> Choice {
        let n = self.targets.len();
        let in_rotation = (0..n)
            .map(|step| (self.turn + step) % n)
            .filter(|&index| self.targets[index].is_in());
        let (mut any, mut untried) = (false, false);
        let (mut trial, mut least, mut wait) = (None, None, None);
        for index in in_rotation {
            let target = &self.targets[index];
            any = true;
            if tried.contains(&target.program) {
                continue;
            }
            untried = true;
            match target.readiness(now) {
                Readiness::Sound => {
                    let load = target.load();
                    if least.is_none_or(|(smallest, _)| load < smallest) {
                        least = Some((load, index));
                    }
                }
                Readiness::TrialDue => trial = trial.or(Some(index)),
                Readiness::TrialAt(at) => {
                    wait = Some(wait.map_or(at, |other: Duration| other.min(at)))
                }
                Readiness::OnTrial => {}
            }
        }
        match trial.or(least.map(|(_, index)| index)) {
            Some(index) => Choice::Target(index),
            None if any && !untried => Choice::Exhausted,
            None => Choice::Wait(wait),
        }
    }

    /// The next search starts behind the target at `index`.
    pub(crate) fn advance_past(&mut self, index: usize) {
        self.turn = (index + 1) % self.targets.len();
    }

    pub(crate) fn counters(&self) -> EndpointCounters {
        let mut counters = self.totals.clone();
        counters.parked = self.parked.len() as u64;
        for target in &self.targets {
            let id = &target.program.backend;
            let backend: &mut BackendCounters =
                counters.backends.entry(id.to_string()).or_default();
            backend.connections = self.connections.get(id).copied().unwrap_or(0);
            backend.open += u64::from(target.open);
            backend.connecting += u64::from(target.connecting);
            backend.suspect |= target.is_in() && target.is_suspect();
        }
        counters
    }

    pub(crate) fn check_invariants(&self) {
        let totals = &self.totals;
        let cut: u64 = totals.cut.values().sum();
        assert_eq!(
            totals.accepted,
            totals.open + totals.ended + totals.settling + cut,
            "every client is somewhere, once"
        );
        let seated: u64 = self.targets.iter().map(|t| u64::from(t.load())).sum();
        let placed = seated + self.parked.len() as u64;
        assert!(placed <= totals.open, "{placed} placed of {}", totals.open);
        for target in &self.targets {
            assert!(target.rotation.is_some() || target.load() > 0);
            assert!(target.connecting > 0 || target.readiness(Duration::MAX) != Readiness::OnTrial);
        }
    }
}
