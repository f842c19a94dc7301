//! The status that this process holds with its host.
//!
//! [`Claim`] is the pure half: from what is true of the role to the one lease that says it.
//! [`Holder`] writes that lease whenever it becomes another, one document after the other, under the
//! one client id of the process. It does not know when the role starts or stops; `life` tells it.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use runtime_protocol::{CurrentState, Expiration, Lease, LeaseStatus};
use tokio::sync::{Mutex, watch};

use crate::{error::HostError, host};

/// How far the role's life has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `on_start` has not ended yet.
    Starting,
    /// `run` is at work.
    Running,
    /// `on_stop` is at work.
    Stopping,
    /// `on_stop` has ended.
    Stopped,
}

/// Everything that decides which lease the process wants.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// The incarnation that is answered.
    pub(crate) incarnation: u64,
    /// Where current states are written.
    pub(crate) endpoint: PathBuf,
    pub(crate) phase: Phase,
    /// Set while the role wants no traffic.
    pub(crate) busy_until: Option<Expiration>,
    /// Set from a status check that said Busy to the next check.
    pub(crate) checked_busy: bool,
    /// Set once the role has asked for a recycle, or has cancelled a change; never cleared.
    pub(crate) recycle: bool,
}

impl Claim {
    /// The lease that says what is true. Busy while starting has no end of its own: a role's own Busy
    /// that lapses during `on_start` must not make it Ready.
    fn lease(&self) -> Lease {
        let (status, detail, expiration) = match self.phase {
            Phase::Stopped => (LeaseStatus::Stopped, "Stopped", Expiration::Never),
            _ if self.recycle => (LeaseStatus::Recycle, "Recycle requested", Expiration::Never),
            Phase::Stopping => (LeaseStatus::Busy, "Stopping", Expiration::Never),
            Phase::Starting => (LeaseStatus::Busy, "Starting", Expiration::Never),
            // Until the next check, which replaces it: a role that hangs before that stays out of rotation.
            Phase::Running if self.checked_busy => (LeaseStatus::Busy, "Busy", Expiration::Never),
            Phase::Running => match self.busy_until {
                Some(until) => (LeaseStatus::Busy, "Busy", until),
                None => (LeaseStatus::Started, "Started", Expiration::Never),
            },
        };
        let detail = Some(detail.to_owned());
        Lease::Acquire {
            incarnation: self.incarnation,
            status,
            detail,
            expiration,
        }
    }

    /// Forgets a Busy whose end lies at or before `now`.
    pub(crate) fn lapse(&mut self, now: SystemTime) {
        self.busy_until
            .take_if(|until| matches!(until, Expiration::At(end) if *end <= now));
    }
}

/// Keeps the host told.
pub(crate) struct Holder {
    client_id: String,
    /// The claim and the lease that was written last. Locked across the write: order is meaning.
    state: Mutex<(Claim, Option<Lease>)>,
    busy_until: watch::Sender<Option<Expiration>>,
}

impl Holder {
    /// Holds nothing yet; the first [`Holder::update`] writes.
    pub(crate) fn new(client_id: String, claim: Claim) -> Self {
        let busy_until = watch::Sender::new(claim.busy_until);
        Self {
            client_id,
            state: Mutex::new((claim, None)),
            busy_until,
        }
    }

    /// Changes the claim, and writes the lease if it became another.
    ///
    /// # Errors
    ///
    /// When the lease could not be written; the claim is changed all the same, and the next update
    /// tries again.
    pub(crate) async fn update(&self, change: impl FnOnce(&mut Claim)) -> Result<(), HostError> {
        let mut state = self.state.lock().await;
        let (claim, written) = &mut *state;
        change(claim);
        self.busy_until.send_if_modified(|until| {
            std::mem::replace(until, claim.busy_until) != claim.busy_until
        });
        let lease = claim.lease();
        if written.as_ref() == Some(&lease) {
            return Ok(());
        }
        let state = CurrentState {
            client_id: self.client_id.clone(),
            lease: lease.clone(),
        };
        host::write_current_state(&claim.endpoint, &state).await?;
        *written = Some(lease);
        Ok(())
    }

    /// What the host has been told last: whether the instance takes traffic.
    pub(crate) async fn is_ready(&self) -> bool {
        let state = self.state.lock().await;
        matches!(&state.1, Some(Lease::Acquire { status, .. }) if *status == LeaseStatus::Started)
    }

    /// Waits until a Busy that the role took has lapsed. Cancel safe.
    pub(crate) async fn busy_lapsed(&self) {
        let mut busy_until = self.busy_until.subscribe();
        loop {
            let until = *busy_until.borrow_and_update();
            let lapsed = async {
                match until {
                    Some(Expiration::At(end)) => tokio::time::sleep(remaining(end)).await,
                    Some(Expiration::Never) | None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = lapsed => return,
                _ = busy_until.changed() => {}
            }
        }
    }
}

fn remaining(end: SystemTime) -> Duration {
    // One tick more than the distance: the claim forgets a Busy only once its end has been reached.
    end.duration_since(SystemTime::now()).unwrap_or_default() + Duration::from_millis(1)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const LATER: Expiration = Expiration::At(UNIX_EPOCH);

    #[track_caller]
    fn check(phase: Phase, busy_until: Option<Expiration>, recycle: bool, expected: &str) {
        let claim = Claim {
            incarnation: 3,
            endpoint: PathBuf::new(),
            phase,
            busy_until,
            checked_busy: false,
            recycle,
        };
        let Lease::Acquire {
            incarnation,
            status,
            detail,
            expiration,
        } = claim.lease()
        else {
            panic!("a claim is always a lease");
        };
        let detail = detail.unwrap_or_default();
        let end = if expiration == Expiration::Never {
            "for ever"
        } else {
            "for a time"
        };
        assert_eq!(
            format!("{incarnation} {} {end}: {detail}", status.as_str()),
            expected
        );
    }

    #[test]
    fn one_lease_says_what_is_true() {
        check(Phase::Starting, None, false, "3 Busy for ever: Starting");
        check(
            Phase::Starting,
            Some(LATER),
            false,
            "3 Busy for ever: Starting",
        );
        check(
            Phase::Starting,
            None,
            true,
            "3 Recycle for ever: Recycle requested",
        );
        check(Phase::Running, None, false, "3 Started for ever: Started");
        check(
            Phase::Running,
            Some(LATER),
            false,
            "3 Busy for a time: Busy",
        );
        check(
            Phase::Running,
            Some(Expiration::Never),
            false,
            "3 Busy for ever: Busy",
        );
        check(
            Phase::Running,
            Some(LATER),
            true,
            "3 Recycle for ever: Recycle requested",
        );
        check(Phase::Stopping, None, false, "3 Busy for ever: Stopping");
        check(
            Phase::Stopping,
            None,
            true,
            "3 Recycle for ever: Recycle requested",
        );
        check(
            Phase::Stopped,
            Some(LATER),
            true,
            "3 Stopped for ever: Stopped",
        );
    }

    #[test]
    fn busy_lapses_at_its_end_and_not_before() {
        let end = UNIX_EPOCH + Duration::from_secs(9);
        let mut claim = Claim {
            incarnation: 1,
            endpoint: PathBuf::new(),
            phase: Phase::Running,
            busy_until: Some(Expiration::At(end)),
            checked_busy: false,
            recycle: false,
        };
        claim.lapse(end - Duration::from_nanos(1));
        assert_eq!(claim.busy_until, Some(Expiration::At(end)));
        claim.lapse(end);
        assert_eq!(claim.busy_until, None);
        claim.busy_until = Some(Expiration::Never);
        claim.lapse(end + Duration::from_secs(1 << 40));
        assert_eq!(claim.busy_until, Some(Expiration::Never));
    }
}
