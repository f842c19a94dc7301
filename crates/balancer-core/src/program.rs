//! One start of an instance's program, seen over all endpoints of the instance.
//!
//! Whether it drains and when it was found dead. Its connections are counted where they stand, at the
//! endpoints' targets.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::EndpointState;
use crate::table::{Backend, Rotation, Table};

/// One start of the program behind a backend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Program {
    /// The instance's id.
    pub backend: Arc<str>,
    /// Which start of its program.
    pub incarnation: u64,
}

impl Program {
    pub(crate) fn of(backend: &Backend) -> Self {
        Program {
            backend: backend.id.as_str().into(),
            incarnation: backend.incarnation,
        }
    }
}

/// The programs that the table lists or that have a connection.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    standing: BTreeMap<Program, Standing>,
    /// By instance id: the incarnation that the table lists, and whether it is dead.
    listed: HashMap<String, (u64, bool)>,
    is_reporting_anew: bool,
}

#[derive(Debug, Default)]
struct Standing {
    draining: Draining,
    dead_since: Option<Duration>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Draining {
    #[default]
    No,
    /// Its last connection's end is to be reported.
    Pending,
    Reported,
}

impl Programs {
    /// Takes what a new table says. The endpoints have taken it already.
    pub(crate) fn relist(
        &mut self,
        table: &Table,
        endpoints: &BTreeMap<Arc<str>, EndpointState>,
        now: Duration,
    ) {
        self.listed = table
            .endpoints
            .iter()
            .flat_map(|endpoint| &endpoint.backends)
            .fold(HashMap::new(), |mut listed, backend| {
                let entry = listed
                    .entry(backend.id.clone())
                    .or_insert((backend.incarnation, false));
                entry.1 |= backend.rotation == Rotation::Dead;
                listed
            });
        for target in endpoints.values().flat_map(|endpoint| &endpoint.targets) {
            self.standing.entry(target.program.clone()).or_default();
        }
        let is_reporting_anew = std::mem::take(&mut self.is_reporting_anew);
        let listed = &self.listed;
        for (program, standing) in &mut self.standing {
            let rows = || {
                endpoints
                    .values()
                    .flat_map(|endpoint| &endpoint.targets)
                    .filter(|target| target.program == *program)
            };
            let is_staying =
                rows().any(|t| matches!(t.rotation, Some(Rotation::In | Rotation::Out)));
            let is_leaving = !is_staying
                && (rows().any(|t| t.rotation == Some(Rotation::Draining))
                    || rows().all(|t| t.rotation.is_none()));
            if is_staying || is_reporting_anew {
                standing.draining = Draining::No;
            }
            if is_leaving && standing.draining == Draining::No {
                standing.draining = Draining::Pending;
            }
            standing.dead_since =
                is_dead(listed, program).then(|| standing.dead_since.unwrap_or(now));
        }
    }

    /// Whether the table says that this program is gone: dead, or followed by another incarnation.
    pub(crate) fn is_dead(&self, program: &Program) -> bool {
        is_dead(&self.listed, program)
    }

    pub(crate) fn dead_since(&self, program: &Program) -> Option<Duration> {
        self.standing.get(program)?.dead_since
    }

    /// Programs whose draining ends here, each once.
    pub(crate) fn take_idle(&mut self, is_idle: impl Fn(&Program) -> bool) -> Vec<Program> {
        self.standing
            .iter_mut()
            .filter(|(program, s)| s.draining == Draining::Pending && is_idle(program))
            .map(|(program, standing)| {
                standing.draining = Draining::Reported;
                program.clone()
            })
            .collect()
    }

    /// Whether the end of this program's last connection is to be reported.
    pub(crate) fn is_pending(&self, program: &Program) -> bool {
        self.standing
            .get(program)
            .is_some_and(|standing| standing.draining == Draining::Pending)
    }

    /// With the next table, what was reported is to be reported again.
    pub(crate) fn report_anew(&mut self) {
        self.is_reporting_anew = true;
    }

    pub(crate) fn retain(&mut self, is_known: impl Fn(&Program) -> bool) {
        self.standing.retain(|program, _| is_known(program));
    }
}

fn is_dead(listed: &HashMap<String, (u64, bool)>, program: &Program) -> bool {
    listed
        .get(&*program.backend)
        .is_some_and(|&(incarnation, dead)| dead || incarnation != program.incarnation)
}
