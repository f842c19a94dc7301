//! What instances that are in no plan any more have left behind.
//!
//! The host of a planned instance ends what its predecessor left. An instance that an earlier run had and this one
//! has not, because it runs fewer, gets no host; this module does the same for it, and unmounts its local stores.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use ipc::ProcessLock;
use plan::{DeploymentPlan, InstanceId};
use rustix::process::{Signal, kill_process};
use sandbox::descendants;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::event::Event;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// How often processes are looked for that SIGKILL does not end at once. What the kernel holds longer than this
/// cannot be helped from here.
const LOOKS_MAX: u32 = 250;

/// Ends, in tasks of their own, the processes of every instance below `instances` that `plan` does not have, as soon
/// as the host that it may still have has stopped it. The folders of those that were `leaving` when their fabric died
/// go as well; a later run may want the others again. Returns all of them; [`Event::Discarded`] follows for each,
/// and until then it must not be started.
pub(crate) fn end_unplanned(
    plan: &DeploymentPlan,
    instances: &Path,
    leaving: &BTreeSet<InstanceId>,
    events: &mpsc::Sender<Event>,
) -> BTreeSet<InstanceId> {
    let is_planned = |id: &InstanceId| plan.instances().any(|instance| instance.id == *id);
    // A first run has no such folder.
    let entries = fs::read_dir(instances).into_iter().flatten().flatten();
    let ids: BTreeSet<InstanceId> = entries
        .filter_map(|entry| Some(InstanceId::from(entry.file_name().to_str()?)))
        .filter(|id| !is_planned(id))
        .collect();
    for id in ids.clone() {
        let (root, events) = (instances.join(id.as_str()), events.clone());
        let is_leaving = leaving.contains(&id);
        tokio::task::spawn_local(async move {
            end(&root).await;
            if is_leaving {
                // One that cannot be removed is in nobody's way.
                let _ = tokio::task::spawn_blocking(move || fs::remove_dir_all(root)).await;
            }
            let _ = events.send(Event::Discarded(id, None)).await;
        });
    }
    ids
}

async fn end(root: &Path) {
    while matches!(ProcessLock::held_by(&root.join("lock")), Ok(Some(_))) {
        sleep(PAUSE).await;
    }
    for _ in 0..LOOKS_MAX {
        let left = descendants::marked("RoleRoot", &root.to_string_lossy());
        if left.is_empty() {
            host::stores::release(root);
            return;
        }
        for pid in left {
            let _ = kill_process(pid, Signal::KILL);
        }
        sleep(PAUSE).await;
    }
}
