//! What a killed keeper has left: a fabric that is stopping its deployment, and a balancer that nobody has told
//! to end. Each is known by the lock that it holds. Hosts end by themselves, and the next fabric waits for each.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use fabric::LAYOUT;
use ipc::ProcessLock;
use rustix::event::{Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use crate::show;

/// How long the fabric of a keeper that was killed may take to stop its deployment. It is doing so already.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// How long a process gets to go after SIGKILL. Only one stuck in the kernel outlives it.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// Between two looks at a lock: short against a person's patience, long against the cost of a look.
const LOOK_PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 5_000_000,
};

/// Waits for, and in the end kills, what an earlier keeper has left in `state`. The caller must be its keeper,
/// so that nobody else starts a fabric there.
///
/// # Errors
/// A process does not end although it was killed, or cannot be killed from here.
pub(crate) fn retire(state: &Path) -> anyhow::Result<()> {
    await_release(&state.join(LAYOUT.fabric_lock), STOP_LIMIT)?;
    await_release(&state.join(LAYOUT.balancer_lock), Duration::ZERO)
}

fn await_release(lock: &Path, limit: Duration) -> anyhow::Result<()> {
    let begin = Instant::now();
    let mut is_told = false;
    while let Some(pid) = holder(lock)? {
        let number = pid.as_raw_nonzero();
        if !is_told {
            show::line(&format!(
                "waiting for process {number} of an earlier run to end"
            ));
            is_told = true;
        }
        let waited = begin.elapsed();
        if waited >= limit + KILL_LIMIT {
            bail!(
                "process {number} of an earlier run was killed and does not end, it holds the lock: {}",
                lock.display()
            );
        }
        if waited >= limit {
            // One that has ended since takes no signal.
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = poll(&mut [], Some(&LOOK_PAUSE));
    }
    Ok(())
}

/// Who holds a lock. A holder that the kernel cannot name from here could never be waited for or killed.
fn holder(lock: &Path) -> anyhow::Result<Option<Pid>> {
    let look = || format!("cannot look at {}", lock.display());
    if let Some(pid) = ProcessLock::held_by(lock).with_context(look)? {
        return Ok(Pid::from_raw(pid));
    }
    // Either free or without a name; only taking it tells which.
    match ProcessLock::take(lock) {
        Ok(_free) => Ok(None),
        Err(ipc::LockError::Held { .. }) => Err(anyhow!(
            "a process of another pid namespace holds the lock: {}",
            lock.display()
        )),
        Err(failed) => Err(failed).with_context(look),
    }
}
