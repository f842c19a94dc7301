//! New configurations, instances that are made anew, and instances that have left.

use std::fs;
use std::io;
use std::path::PathBuf;

use fabric_core::Event as ControllerEvent;
use host::protocol::Renewal;
use host_core::Status as InstanceState;
use plan::{InstanceId, difference};

use super::Fabric;
use crate::FabricError;
use crate::configure::{merge, plan_next};
use crate::event::Event;
use crate::handle::{ConfigureRefused, ConfigureRequest, Configured, RenewRefused};
use crate::left_over;
use crate::notice::Notice;
use crate::start::check_socket_paths;

impl Fabric<'_> {
    /// Plans and commits a new configuration; returns what the controller is to hear of it.
    pub(super) async fn configure(
        &mut self,
        request: ConfigureRequest,
    ) -> (
        Result<Configured, ConfigureRefused>,
        Option<ControllerEvent>,
    ) {
        if let Err(refused) = self.may_configure() {
            return (Err(refused), None);
        }
        match self.commit(request).await {
            Ok((configured, event)) => (Ok(configured), event),
            Err(refused) => (Err(refused), None),
        }
    }

    fn may_configure(&self) -> Result<(), ConfigureRefused> {
        if !self.controller.is_running() {
            let words = "the deployment is being stopped".to_owned();
            return Err(ConfigureRefused::Conflict(words));
        }
        let awaited = self.controller.under_way(self.began.elapsed());
        if awaited.is_empty() {
            return Ok(());
        }
        let awaited: Vec<String> = awaited.iter().map(|id| format!("`{id}`")).collect();
        Err(ConfigureRefused::Conflict(format!(
            "configuration {} is still being carried out and waits for {}; try again when it is done",
            self.controller.plan().incarnation,
            awaited.join(", ")
        )))
    }

    async fn commit(
        &mut self,
        request: ConfigureRequest,
    ) -> Result<(Configured, Option<ControllerEvent>), ConfigureRefused> {
        let failed = |error: FabricError| ConfigureRefused::Conflict(error.to_string());
        let request = merge(self.store.request().map_err(failed)?, request);
        let current = self.controller.plan();
        let leaving = self.controller.leaving();
        let (next, notes) = plan_next(self.settings, &request, current, leaving).await?;
        let difference = difference(current, &next);
        if difference.is_empty() {
            // The text may differ, and is what a later `scale` begins from.
            self.store.commit(current, &request).map_err(failed)?;
            let incarnation = current.incarnation;
            let configured = Configured {
                incarnation,
                difference,
            };
            return Ok((configured, None));
        }
        for instance in next.instances() {
            let invalid = |error: FabricError| ConfigureRefused::Invalid(error.to_string());
            check_socket_paths(instance).map_err(invalid)?;
        }
        let committed = self.store.commit_next(&next, &request, &difference.removed);
        committed.map_err(failed)?;
        for instance in next.instances() {
            // The folder of one that is on its way out is removed first, and then it is vacant.
            let is_leaving = self
                .controller
                .leaving()
                .any(|leaving| leaving.id == instance.id);
            let is_awaited = difference.added.contains(&instance.id) && !is_leaving;
            if is_awaited && !self.discarding.contains(&instance.id) {
                self.hosts.await_vacancy(instance);
            }
        }
        let configured = Configured {
            incarnation: next.incarnation,
            difference,
        };
        self.tell(Notice::Configured(configured.clone()));
        for note in notes {
            self.tell(Notice::Limitation(note));
        }
        let event = ControllerEvent::Configured(Box::new(next));
        Ok((configured, Some(event)))
    }

    /// Commits that the instance is made anew. Without that commit a fabric that dies now would forget what it has
    /// promised.
    pub(super) fn renew(
        &mut self,
        instance: &InstanceId,
        renewal: Renewal,
    ) -> Result<(), RenewRefused> {
        if self.controller.member(instance).is_none() {
            return Err(RenewRefused::NoSuchInstance(self.no_such_instance()));
        }
        let failed = |error: FabricError| RenewRefused::Failed(error.to_string());
        self.store.renew(instance, renewal).map_err(failed)
    }

    /// A host that was told to make its instance anew has done so when the attempt is past its preparation.
    pub(super) fn note_renewal(&mut self, event: &Event) {
        let Event::Controller(ControllerEvent::Reported(instance, report)) = event else {
            return;
        };
        let is_prepared = matches!(report.status, InstanceState::Busy | InstanceState::Ready);
        if is_prepared
            && self.renewing.remove(instance)
            && let Err(error) = self.store.renewed(instance)
        {
            self.tell(Notice::Failed(error));
        }
    }

    /// The folders of an instance that has left are gone, or why not.
    pub(super) fn discarded(&mut self, instance: InstanceId, failed: Option<FabricError>) {
        self.discarding.remove(&instance);
        let outcome = failed.map_or_else(|| self.store.left(&instance), Err);
        if let Err(error) = outcome {
            self.tell(Notice::Failed(error));
        }
    }

    /// Ends what a host that was killed has left of an instance, removes the folders, and then says that its place is
    /// vacant: where a store is still mounted, its contents are not to be removed as if they were folders.
    pub(super) fn discard(&mut self, instance: InstanceId) {
        self.discarding.insert(instance.clone());
        let folders = [&self.settings.state, &self.settings.runtime_directory]
            .map(|folder| folder.join(crate::LAYOUT.instances).join(instance.as_str()));
        let events = self.events.clone();
        tokio::task::spawn_local(async move {
            left_over::end(&folders[0], &events).await;
            let removed = tokio::task::spawn_blocking(move || remove(&folders)).await;
            let failed = removed.ok().and_then(Result::err);
            let _ = events.send(Event::Discarded(instance, failed)).await;
        });
    }
}

fn remove(folders: &[PathBuf]) -> Result<(), FabricError> {
    for folder in folders {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(FabricError::file("remove the folder", folder)(error));
            }
            _ => {}
        }
    }
    Ok(())
}
