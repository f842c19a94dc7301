//! What instances that are in no plan any more have left behind.
//!
//! The host of a planned instance ends what its predecessor left. An instance that an earlier run had and this one
//! has not, because it runs fewer, gets no host; this module does the same for it, and unmounts its local stores.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipc::ProcessLock;
use plan::DeploymentPlan;
use rustix::process::{Signal, kill_process};
use sandbox::descendants;
use tokio::time::sleep;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// How often processes are looked for that SIGKILL does not end at once. What the kernel holds longer than this
/// cannot be helped from here.
const LOOKS_MAX: u32 = 250;

/// Ends, in tasks of their own, the processes of every instance below `instances` that `plan` does not have, as soon
/// as the host that it may still have has stopped it.
pub(crate) fn end_unplanned(plan: &DeploymentPlan, instances: &Path) {
    let is_planned = |root: &Path| plan.instances().any(|instance| instance.paths.root == root);
    // A first run has no such folder.
    let roots = fs::read_dir(instances)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    for root in roots.filter(|root| !is_planned(root)) {
        tokio::task::spawn_local(end(root));
    }
}

async fn end(root: PathBuf) {
    while matches!(ProcessLock::held_by(&root.join("lock")), Ok(Some(_))) {
        sleep(PAUSE).await;
    }
    for _ in 0..LOOKS_MAX {
        let left = descendants::marked("RoleRoot", &root.to_string_lossy());
        if left.is_empty() {
            host::stores::release(&root);
            return;
        }
        for pid in left {
            let _ = kill_process(pid, Signal::KILL);
        }
        sleep(PAUSE).await;
    }
}
