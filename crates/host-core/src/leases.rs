//! The leases that clients of the runtime protocol hold on an instance's status.
//!
//! The status is the worst over the live leases: one `Busy` makes the instance Busy.

use std::collections::BTreeMap;
use std::time::Duration;

/// Clients that may hold a lease at once. A role has a handful of processes; without a bound, a script that
/// makes up an id for each document would grow the host.
pub const CLIENTS_MAX: usize = 1024;

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The status it claims.
    pub status: LeaseStatus,
    /// The incarnation of the goal state it answers.
    pub incarnation: u64,
    /// How long it holds; `None` for as long as the client lives.
    pub expires_in: Option<Duration>,
    /// What the client adds, for people.
    pub detail: Option<String>,
}

/// The statuses of the runtime protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseStatus {
    /// Ready to serve.
    Started,
    /// Not to be sent new connections.
    Busy,
    /// Asks for a recycle.
    Recycle,
    /// Has finished stopping.
    Stopped,
}

#[derive(Debug)]
struct Held {
    busy: bool,
    incarnation: u64,
    until: Option<Duration>,
    detail: Option<String>,
}

/// The live leases of one program's life.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    held: BTreeMap<String, Held>,
}

impl Leases {
    /// Takes a lease in; returns whether it counts. One that is older than the one that the same client holds does
    /// not, nor does one beyond [`CLIENTS_MAX`]. A client whose lease has ended is forgotten: a script that is
    /// Busy for a second leaves nothing behind.
    pub(crate) fn take(&mut self, now: Duration, client: &str, lease: &Lease) -> bool {
        let is_stale = self
            .held
            .get(client)
            .is_some_and(|held| held.incarnation > lease.incarnation);
        let is_full = self.held.len() >= CLIENTS_MAX && !self.held.contains_key(client);
        if is_stale || is_full {
            return false;
        }
        let until = lease
            .expires_in
            .map(|expires_in| now.saturating_add(expires_in));
        let busy = lease.status == LeaseStatus::Busy;
        self.held.insert(
            client.to_owned(),
            Held {
                busy,
                incarnation: lease.incarnation,
                until,
                detail: lease.detail.clone(),
            },
        );
        true
    }

    pub(crate) fn release(&mut self, client: &str) {
        self.held.remove(client);
    }

    pub(crate) fn clear(&mut self) {
        self.held.clear();
    }

    pub(crate) fn expire(&mut self, now: Duration) {
        self.held
            .retain(|_, held| held.until.is_none_or(|until| until > now));
    }

    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.held.values().filter_map(|held| held.until).min()
    }

    pub(crate) fn any_busy(&self) -> bool {
        self.held.values().any(|held| held.busy)
    }

    /// What one of the busy clients says of it.
    pub(crate) fn busy_detail(&self) -> Option<&String> {
        let mut busy = self.held.values().filter(|held| held.busy);
        busy.find_map(|held| held.detail.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(status: LeaseStatus, incarnation: u64, seconds: Option<u64>) -> Lease {
        Lease {
            status,
            incarnation,
            expires_in: seconds.map(Duration::from_secs),
            detail: Some(format!("{status:?}")),
        }
    }

    #[test]
    fn one_busy_client_is_enough_until_its_lease_ends() {
        let mut leases = Leases::default();
        let at = Duration::from_secs;
        assert!(leases.take(at(0), "a", &lease(LeaseStatus::Started, 1, None)));
        assert!(leases.take(at(0), "b", &lease(LeaseStatus::Busy, 1, Some(5))));
        assert!(leases.any_busy());
        assert_eq!(leases.next_expiry(), Some(at(5)));
        assert_eq!(leases.busy_detail().unwrap(), "Busy");
        leases.expire(at(5));
        assert!(!leases.any_busy() && leases.busy_detail().is_none());
        leases.take(at(6), "a", &lease(LeaseStatus::Busy, 1, None));
        leases.release("a");
        assert!(!leases.any_busy());
    }

    #[test]
    fn an_older_document_does_not_replace_a_newer_one() {
        let mut leases = Leases::default();
        leases.take(Duration::ZERO, "a", &lease(LeaseStatus::Busy, 2, None));
        assert!(!leases.take(Duration::ZERO, "a", &lease(LeaseStatus::Started, 1, None)));
        assert!(leases.any_busy());
    }

    #[test]
    fn clients_are_bounded() {
        let mut leases = Leases::default();
        for n in 0..CLIENTS_MAX {
            assert!(leases.take(
                Duration::ZERO,
                &n.to_string(),
                &lease(LeaseStatus::Started, 1, None)
            ));
        }
        assert!(!leases.take(Duration::ZERO, "more", &lease(LeaseStatus::Busy, 1, None)));
        assert!(leases.take(Duration::ZERO, "0", &lease(LeaseStatus::Busy, 1, None)));
    }
}
