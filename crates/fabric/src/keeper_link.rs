//! The fabric's talk with the keeper: requests with their answers, and what the keeper says unasked.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use ipc::Sender;
use keeper::Client;
use keeper::protocol::{Address, Notice, Request};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::FabricError;
use crate::event::Event;

type Answer = (Notice, Option<OwnedFd>);

/// Asks the keeper. Clones ask the same one.
#[derive(Clone)]
pub(crate) struct Keeper {
    sender: Rc<Mutex<Sender>>,
    /// Who waits for an answer, in the order of the requests, which is that of the answers.
    waiting: Rc<RefCell<VecDeque<oneshot::Sender<Answer>>>>,
}

impl Keeper {
    /// Takes the client over; what the keeper says unasked goes to `events`.
    pub(crate) fn new(client: Client, events: mpsc::Sender<Event>) -> Keeper {
        let (mut receiver, sender) = client.split();
        let waiting: Rc<RefCell<VecDeque<oneshot::Sender<Answer>>>> = Rc::default();
        let answered = waiting.clone();
        tokio::task::spawn_local(async move {
            let mut hosts = SpawnedHosts::default();
            while let Ok(Some((notice, mut descriptors))) = receiver.receive::<Notice>().await {
                if !hosts.concerns_us(&notice) {
                    continue;
                }
                if is_answer(&notice) {
                    let asker = answered.borrow_mut().pop_front();
                    // Who asked may have been dropped meanwhile, and needs no answer then.
                    let _ = asker.map(|asker| asker.send((notice, descriptors.pop())));
                } else if events.send(Event::Keeper(notice)).await.is_err() {
                    return;
                }
            }
            answered.borrow_mut().clear();
            let _ = events.send(Event::KeeperGone).await;
        });
        Keeper {
            sender: Rc::new(Mutex::new(sender)),
            waiting,
        }
    }

    /// Says something that is not answered.
    pub(crate) async fn tell(&self, request: Request) -> Result<(), FabricError> {
        let mut sender = self.sender.lock().await;
        sender
            .send(&request, &[])
            .await
            .map_err(|source| FabricError::Keeper { source })
    }

    async fn ask(&self, request: Request) -> Result<Answer, FabricError> {
        let (asker, answer) = oneshot::channel();
        {
            let mut sender = self.sender.lock().await;
            // Under the lock, so that the order of the queue is that of the requests.
            self.waiting.borrow_mut().push_back(asker);
            sender
                .send(&request, &[])
                .await
                .map_err(|source| FabricError::Keeper { source })?;
        }
        answer.await.map_err(|_| FabricError::KeeperGone)
    }

    /// Opens a listening socket, or gets the one of that name. The inner error is the kernel's.
    pub(crate) async fn open(
        &self,
        name: String,
        address: Address,
    ) -> Result<io::Result<OwnedFd>, FabricError> {
        match self.ask(Request::Open { name, address }).await? {
            (Notice::Opened { .. }, Some(socket)) => Ok(Ok(socket)),
            (Notice::OpenFailed { errno, .. }, _) => Ok(Err(io::Error::from_raw_os_error(errno))),
            _ => Err(FabricError::KeeperAnswer),
        }
    }

    /// Forks a host. The inner error is the kernel's.
    pub(crate) async fn spawn(
        &self,
        name: String,
        order: String,
        inherit: Vec<String>,
    ) -> Result<io::Result<()>, FabricError> {
        match self
            .ask(Request::Spawn {
                name,
                order,
                inherit,
            })
            .await?
        {
            (Notice::Spawned { .. }, _) => Ok(Ok(())),
            (Notice::SpawnFailed { errno, .. }, _) => Ok(Err(io::Error::from_raw_os_error(errno))),
            _ => Err(FabricError::KeeperAnswer),
        }
    }
}

/// The hosts that this fabric had forked. The end of an earlier fabric's host is told to this one too, and may
/// be told when its successor, of the same name, runs already: only the process id tells them apart.
#[derive(Default)]
struct SpawnedHosts {
    pids: BTreeMap<String, i32>,
}

impl SpawnedHosts {
    fn concerns_us(&mut self, notice: &Notice) -> bool {
        match notice {
            Notice::Spawned { name, pid } => {
                self.pids.insert(name.clone(), *pid);
                true
            }
            Notice::HostExited { name, pid } => self.pids.get(name) == Some(pid),
            _ => true,
        }
    }
}

fn is_answer(notice: &Notice) -> bool {
    match notice {
        Notice::Opened { .. }
        | Notice::OpenFailed { .. }
        | Notice::Spawned { .. }
        | Notice::SpawnFailed { .. } => true,
        Notice::HostExited { .. } | Notice::BalancerExited | Notice::Stop { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_earlier_fabrics_host_is_not_that_of_its_successor() {
        let mut hosts = SpawnedHosts::default();
        let exited = |pid| Notice::HostExited {
            name: "A_IN_0".into(),
            pid,
        };
        assert!(!hosts.concerns_us(&exited(7)));
        assert!(hosts.concerns_us(&Notice::Spawned {
            name: "A_IN_0".into(),
            pid: 8
        }));
        assert!(!hosts.concerns_us(&exited(7)));
        assert!(hosts.concerns_us(&exited(8)));
    }
}
