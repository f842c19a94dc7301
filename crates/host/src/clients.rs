//! The processes that speak the runtime protocol with this host, and which of them still owe an answer to a stop.
//!
//! A client of the sockets is known by its process id, which the kernel vouches for (`SO_PEERCRED`): the goal-state
//! connection and the documents of one client come over different sockets. That a process has ended is seen
//! through a pidfd. Who reads a FIFO, and who writes to one, the kernel does not say: a reader is known by its pipe,
//! and each client id that answers does so for one of the readers.

use std::collections::{BTreeMap, BTreeSet};

use rustix::process::Pid;
use sandbox::Pidfd;

/// Whoever is told of goal states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    /// A process, by its id.
    Process(i32),
    /// The reader of a FIFO, by a number that the host gave to its pipe.
    Reader(u64),
}

/// The clients of one attempt.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    /// Open goal-state connections by client.
    connections: BTreeMap<Peer, usize>,
    stopping: Option<Stopping>,
}

/// A stop that is under way.
#[derive(Debug, Default)]
struct Stopping {
    /// Who was connected when it began, and whether it has answered.
    asked: BTreeMap<Peer, bool>,
    /// The client ids that have answered by FIFO.
    heard: BTreeSet<String>,
}

impl Clients {
    pub(crate) fn connected(&mut self, peer: Peer) {
        *self.connections.entry(peer).or_default() += 1;
    }

    /// A closed connection means nothing while its process lives: the Node client closes after one read.
    pub(crate) fn disconnected(&mut self, peer: Peer) {
        if let Some(count) = self.connections.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.connections.remove(&peer);
            }
        }
    }

    /// A stop begins; returns the clients to wait for.
    pub(crate) fn begin_stop(&mut self) -> Vec<Peer> {
        let asked: BTreeMap<Peer, bool> =
            self.connections.keys().map(|peer| (*peer, false)).collect();
        let peers = asked.keys().copied().collect();
        self.stopping = Some(Stopping {
            asked,
            heard: BTreeSet::new(),
        });
        peers
    }

    /// A process has answered `Stopped`. Returns whether any did and all are through, as [`ended`](Self::ended) does.
    pub(crate) fn answered(&mut self, pid: i32) -> Option<Outcome> {
        let asked = &mut self.stopping.as_mut()?.asked;
        *asked.get_mut(&Peer::Process(pid))? = true;
        self.outcome()
    }

    /// Somebody has answered `Stopped` through the FIFO: counts for one of the readers, once.
    pub(crate) fn answered_by_reader(&mut self, client: &str) -> Option<Outcome> {
        let Stopping { asked, heard } = self.stopping.as_mut()?;
        let mut owed = asked.iter_mut();
        let (_, answered) =
            owed.find(|(peer, answered)| matches!(peer, Peer::Reader(_)) && !**answered)?;
        if heard.insert(client.to_owned()) {
            *answered = true;
        }
        self.outcome()
    }

    /// A client has ended, answered or not.
    pub(crate) fn ended(&mut self, peer: Peer) -> Option<Outcome> {
        let asked = &mut self.stopping.as_mut()?.asked;
        if asked.get(&peer) == Some(&false) {
            asked.remove(&peer);
        }
        self.outcome()
    }

    /// What the stop has come to, when nobody owes an answer any more; said once.
    pub(crate) fn outcome(&mut self) -> Option<Outcome> {
        let asked = &self.stopping.as_ref()?.asked;
        if asked.values().all(|answered| *answered) {
            let outcome = Outcome {
                answered: !asked.is_empty(),
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

    const A: Peer = Peer::Process(10);
    const B: Peer = Peer::Process(20);

    #[test]
    fn a_stop_waits_for_every_client_that_was_connected() {
        let mut clients = Clients::default();
        for peer in [A, A, B] {
            clients.connected(peer);
        }
        assert_eq!(clients.begin_stop(), [A, B]);
        assert_eq!(clients.answered(10), None);
        clients.disconnected(B);
        assert_eq!(clients.outcome(), None, "a closed connection is no answer");
        assert_eq!(clients.ended(B), Some(Outcome { answered: true }));
        assert_eq!(clients.ended(A), None, "said once");
    }

    #[test]
    fn nobody_connected_is_an_outcome_at_once() {
        let mut clients = Clients::default();
        clients.connected(A);
        clients.disconnected(A);
        assert!(clients.begin_stop().is_empty());
        assert_eq!(clients.outcome(), Some(Outcome { answered: false }));
        assert_eq!(clients.answered(10), None);
    }

    #[test]
    fn a_client_that_ends_without_an_answer_did_not_answer() {
        let mut clients = Clients::default();
        clients.connected(A);
        clients.begin_stop();
        assert_eq!(clients.ended(A), Some(Outcome { answered: false }));
    }

    #[test]
    fn each_client_of_the_fifo_answers_for_one_reader() {
        let mut clients = Clients::default();
        clients.connected(Peer::Reader(1));
        clients.connected(Peer::Reader(2));
        assert_eq!(clients.answered_by_reader("a"), None, "nobody was asked");
        clients.begin_stop();
        assert_eq!(clients.answered_by_reader("a"), None);
        assert_eq!(clients.answered_by_reader("a"), None, "it repeats itself");
        let outcome = clients.answered_by_reader("b");
        assert_eq!(outcome, Some(Outcome { answered: true }));
    }
}
