//! The processes that speak the runtime protocol with this host, and which of them still owe an answer to a stop.
//!
//! A client is known by its process id, which the kernel vouches for (`SO_PEERCRED`): the goal-state
//! connection and the documents of one client come over different sockets. That a process has ended is seen
//! through a pidfd.

use std::collections::BTreeMap;

use rustix::process::Pid;
use sandbox::Pidfd;

/// The clients of one attempt.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    /// Open goal-state connections by process.
    connections: BTreeMap<i32, usize>,
    /// While a stop is under way: who was connected then, and whether it has answered.
    stopping: Option<BTreeMap<i32, bool>>,
}

impl Clients {
    pub(crate) fn connected(&mut self, pid: i32) {
        *self.connections.entry(pid).or_default() += 1;
    }

    /// A closed connection means nothing while its process lives: the Node client closes after one read.
    pub(crate) fn disconnected(&mut self, pid: i32) {
        if let Some(count) = self.connections.get_mut(&pid) {
            *count -= 1;
            if *count == 0 {
                self.connections.remove(&pid);
            }
        }
    }

    /// A stop begins; returns the processes to wait for.
    pub(crate) fn begin_stop(&mut self) -> Vec<i32> {
        let stopping: BTreeMap<i32, bool> =
            self.connections.keys().map(|pid| (*pid, false)).collect();
        let pids = stopping.keys().copied().collect();
        self.stopping = Some(stopping);
        pids
    }

    /// A process has answered `Stopped`. Returns whether any did and all are through, as [`ended`](Self::ended) does.
    pub(crate) fn answered(&mut self, pid: i32) -> Option<Outcome> {
        *self.stopping.as_mut()?.get_mut(&pid)? = true;
        self.outcome()
    }

    /// A process has ended, answered or not.
    pub(crate) fn ended(&mut self, pid: i32) -> Option<Outcome> {
        let stopping = self.stopping.as_mut()?;
        if stopping.get(&pid) == Some(&false) {
            stopping.remove(&pid);
        }
        self.outcome()
    }

    /// What the stop has come to, when nobody owes an answer any more; said once.
    pub(crate) fn outcome(&mut self) -> Option<Outcome> {
        let stopping = self.stopping.as_ref()?;
        if stopping.values().all(|answered| *answered) {
            let outcome = Outcome {
                answered: !stopping.is_empty(),
            };
            self.stopping = None;
            return Some(outcome);
        }
        None
    }

    pub(crate) fn clear(&mut self) {
        *self = Clients::default();
    }
}

/// Nobody owes an answer any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Whether there was one that answered.
    pub(crate) answered: bool,
}

/// Waits until the process has ended; at once if there is none. Cancel safe.
pub(crate) async fn end_of(pid: i32) {
    if let Some(Ok(pidfd)) = Pid::from_raw(pid).map(Pidfd::open) {
        pidfd.ended().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_waits_for_every_client_that_was_connected() {
        let mut clients = Clients::default();
        for pid in [10, 10, 20] {
            clients.connected(pid);
        }
        assert_eq!(clients.begin_stop(), [10, 20]);
        assert_eq!(clients.answered(10), None);
        clients.disconnected(20);
        assert_eq!(clients.outcome(), None, "a closed connection is no answer");
        assert_eq!(clients.ended(20), Some(Outcome { answered: true }));
        assert_eq!(clients.ended(10), None, "said once");
    }

    #[test]
    fn nobody_connected_is_an_outcome_at_once() {
        let mut clients = Clients::default();
        clients.connected(10);
        clients.disconnected(10);
        assert!(clients.begin_stop().is_empty());
        assert_eq!(clients.outcome(), Some(Outcome { answered: false }));
        assert_eq!(clients.answered(10), None);
    }

    #[test]
    fn a_client_that_ends_without_an_answer_did_not_answer() {
        let mut clients = Clients::default();
        clients.connected(10);
        clients.begin_stop();
        assert_eq!(clients.ended(10), Some(Outcome { answered: false }));
    }
}
