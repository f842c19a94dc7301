//! What instances that are in no plan any more have left behind.
//!
//! The host of a planned instance ends what its predecessor left. An instance that an earlier run had and this one
//! has not, because it runs fewer, gets no host, and the host of one that leaves may be killed; this module does the
//! same for these, and unmounts their local stores.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use ipc::ProcessLock;
use plan::{DeploymentPlan, InstanceId};
use rustix::process::{Signal, kill_process};
use sandbox::descendants;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::FabricError;
use crate::event::Event;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// How often processes are looked for that SIGKILL does not end at once. What the kernel holds longer than this
/// cannot be helped from here.
const LOOKS_MAX: u32 = 250;

/// Before it is tried again to end what did not end.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

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
            end(&root, &events).await;
            if is_leaving {
                // One that cannot be removed is in nobody's way.
                let _ = tokio::task::spawn_blocking(move || fs::remove_dir_all(root)).await;
            }
            let _ = events.send(Event::Discarded(id, None)).await;
        });
    }
    ids
}

/// Ends what is left of the instance whose folder is `root`, so that the folder may be removed or be another host's.
/// Tries until it is done, as nobody else would; tells of the first failure.
pub(crate) async fn end(root: &Path, events: &mpsc::Sender<Event>) {
    let mut is_told = false;
    while let Err(error) = try_to_end(root).await {
        if !is_told {
            let _ = events.send(Event::Failed(error)).await;
        }
        is_told = true;
        sleep(RETRY_PAUSE).await;
    }
}

async fn try_to_end(root: &Path) -> Result<(), FabricError> {
    while matches!(ProcessLock::held_by(&root.join("lock")), Ok(Some(_))) {
        sleep(PAUSE).await;
    }
    let failed = |source| FabricError::file("end what is left of", root)(source);
    let mut left = 0;
    for _ in 0..LOOKS_MAX {
        let marked = root.to_owned();
        left = blocking(move || kill_marked(&marked))
            .await
            .map_err(failed)?;
        if left == 0 {
            let mounted = root.to_owned();
            let released = blocking(move || host::stores::release(&mounted)).await;
            return released
                .and_then(|done| done.map_err(io::Error::other))
                .map_err(failed);
        }
        sleep(PAUSE).await;
    }
    let words = format!("{left} processes do not end, not even when killed");
    Err(failed(io::Error::other(words)))
}

/// Kills what bears the mark of the instance; returns how many processes that were.
fn kill_marked(root: &Path) -> usize {
    let left = descendants::marked("RoleRoot", &root.to_string_lossy());
    for pid in &left {
        let _ = kill_process(*pid, Signal::KILL);
    }
    left.len()
}

/// Does what reads all of /proc or waits for other programs; the fabric's own thread goes on meanwhile.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn what_bears_the_mark_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("/bin/sh")
            .args(["-c", "read line"])
            .env("RoleRoot", folder.path())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let (events, mut told) = mpsc::channel(1);
        end(folder.path(), &events).await;
        assert!(told.try_recv().is_err(), "nothing failed");
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}
