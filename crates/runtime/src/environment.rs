//! What a role may ask and say while it lives: [`RoleEnvironment`].
//!
//! A handle: clones share one state, and each question is answered from the newest environment that
//! the role has accepted. It starts nothing and follows nothing; `life` swaps what is behind it.

use std::sync::{Arc, PoisonError, RwLock};

use runtime_protocol::{
    Endpoint, Expiration, Instance, LocalResource, Role, RoleEnvironment as Document,
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::{
    error::HostError,
    lease::Holder,
    settings::{self, SettingsError},
};

/// The role's view of its deployment. Cheap to clone.
///
/// Outside any fabric [`RoleEnvironment::is_available`] is false; every question is then answered with
/// `None` or nothing, and every request fails with [`HostError::Unavailable`].
#[derive(Clone)]
pub struct RoleEnvironment {
    shared: Arc<Shared>,
}

struct Shared {
    fabric: Option<Fabric>,
    stopping: watch::Sender<bool>,
}

/// What there is only below a fabric.
pub(crate) struct Fabric {
    document: RwLock<Arc<Document>>,
    pub(crate) holder: Holder,
}

impl Fabric {
    pub(crate) fn new(document: Document, holder: Holder) -> Self {
        Self {
            document: RwLock::new(Arc::new(document)),
            holder,
        }
    }

    pub(crate) fn document(&self) -> Arc<Document> {
        // A poisoned lock still holds a whole document: it is only ever replaced by another.
        Arc::clone(&self.document.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, document: Document) {
        *self
            .document
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(document);
    }
}

impl RoleEnvironment {
    pub(crate) fn new(fabric: Option<Fabric>) -> Self {
        Self {
            shared: Arc::new(Shared {
                fabric,
                stopping: watch::Sender::new(false),
            }),
        }
    }

    /// The environment of a program that no fabric runs: for tests of a role, and for those who drive
    /// one by hand.
    pub fn unavailable() -> Self {
        Self::new(None)
    }

    /// Whether a fabric runs this program.
    pub fn is_available(&self) -> bool {
        self.shared.fabric.is_some()
    }

    /// Whether the deployment runs on a developer's machine.
    pub fn is_emulated(&self) -> bool {
        self.document().is_some_and(|document| document.emulated)
    }

    /// The deployment's id, 32 hex digits.
    pub fn deployment_id(&self) -> Option<String> {
        self.document()
            .map(|document| document.deployment_id.clone())
    }

    /// The name of the role that this instance is of.
    pub fn role_name(&self) -> Option<String> {
        self.document()
            .map(|document| document.current.role.clone())
    }

    /// This instance: its id, its fault and update domain, its endpoints.
    pub fn current_instance(&self) -> Option<Instance> {
        self.document()
            .map(|document| document.current.instance.clone())
    }

    /// All settings of the role as a value of the role's own type, which is read with serde.
    ///
    /// A field is a setting of the same name; `#[serde(rename_all = "PascalCase")]` suits the usual names. Texts become
    /// numbers, `bool` (`true`, `false`, `1`, `0`), `char` and enums without data; an empty text becomes `None` in an
    /// `Option`. A setting that no field wants is passed over.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Settings {
    ///     greeting: String,
    ///     #[serde(default)]
    ///     max_connections: Option<u32>,
    /// }
    ///
    /// let environment = runtime::RoleEnvironment::unavailable();
    /// match environment.settings::<Settings>() {
    ///     Ok(settings) => println!("{}, {:?}", settings.greeting, settings.max_connections),
    ///     Err(runtime::SettingsError::Unavailable) => println!("a plain program has no settings"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When a setting is missing or does not fit its field, with its name and without its value, which may be a
    /// secret; and when no fabric runs this program.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, SettingsError> {
        let document = self.document().ok_or(SettingsError::Unavailable)?;
        let settings = document.current.settings.iter();
        settings::read(settings.map(|setting| (&*setting.name, &*setting.value)))
    }

    /// The value of a configuration setting, which may be empty.
    pub fn setting(&self, name: &str) -> Option<String> {
        let document = self.document()?;
        let setting = document
            .current
            .settings
            .iter()
            .find(|setting| setting.name == name)?;
        Some(setting.value.clone())
    }

    /// A local store: its folder, with a separator at the end, and its size in MB.
    pub fn local_resource(&self, name: &str) -> Option<LocalResource> {
        let document = self.document()?;
        document
            .current
            .resources
            .iter()
            .find(|resource| resource.name == name)
            .cloned()
    }

    /// The roles whose internal endpoints this instance may reach, and its own, with this instance.
    pub fn roles(&self) -> Vec<Role> {
        self.document()
            .map(|document| document.all_roles())
            .unwrap_or_default()
    }

    /// One of [`RoleEnvironment::roles`].
    pub fn role(&self, name: &str) -> Option<Role> {
        self.roles().into_iter().find(|role| role.name == name)
    }

    /// An endpoint of this instance. Its address and port are the instance's own, not the public ones.
    pub fn endpoint(&self, name: &str) -> Option<Endpoint> {
        self.document()?.current.instance.endpoint(name).cloned()
    }

    /// Takes this instance out of rotation until `until`, or until [`RoleEnvironment::clear_busy`]; it
    /// comes back by itself. The last call counts. Before `on_start` has ended it is noted only, since
    /// the instance is Busy then anyway.
    ///
    /// # Errors
    ///
    /// When no fabric runs this program, or its host cannot be told.
    pub async fn set_busy(&self, until: Expiration) -> Result<(), HostError> {
        self.holder()?
            .update(|claim| claim.busy_until = Some(until))
            .await
    }

    /// Takes a Busy back. Without one it does nothing.
    ///
    /// # Errors
    ///
    /// As for [`RoleEnvironment::set_busy`].
    pub async fn clear_busy(&self) -> Result<(), HostError> {
        self.holder()?.update(|claim| claim.busy_until = None).await
    }

    /// Asks the host to stop and start this instance. Returns when the host has been told; the stop
    /// comes by [`RoleEnvironment::stopping`] like any other. Asking again changes nothing.
    ///
    /// # Errors
    ///
    /// As for [`RoleEnvironment::set_busy`].
    pub async fn request_recycle(&self) -> Result<(), HostError> {
        self.holder()?.update(|claim| claim.recycle = true).await
    }

    /// Resolves when the instance stops, at once if it does already. Cancel safe.
    pub async fn stopping(&self) {
        let mut stopping = self.shared.stopping.subscribe();
        // The sender lives as long as this handle, so the wait ends only with the value.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    pub(crate) fn begin_stopping(&self) {
        self.shared.stopping.send_replace(true);
    }

    pub(crate) fn fabric(&self) -> Option<&Fabric> {
        self.shared.fabric.as_ref()
    }

    fn holder(&self) -> Result<&Holder, HostError> {
        self.fabric()
            .map(|fabric| &fabric.holder)
            .ok_or(HostError::Unavailable)
    }

    fn document(&self) -> Option<Arc<Document>> {
        self.fabric().map(Fabric::document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn outside_any_fabric_nothing_is_known_and_nobody_to_ask() {
        let environment = RoleEnvironment::unavailable();
        assert!(!environment.is_available() && !environment.is_emulated());
        assert_eq!(environment.deployment_id(), None);
        assert_eq!(environment.current_instance(), None);
        assert_eq!(environment.setting("Greeting"), None);
        assert_eq!(environment.local_resource("Scratch"), None);
        assert_eq!(environment.roles(), []);
        assert_eq!(environment.role("Worker"), None);
        assert!(matches!(
            environment.settings::<std::collections::BTreeMap<String, String>>(),
            Err(SettingsError::Unavailable)
        ));
        for refused in [
            environment.request_recycle().await,
            environment.set_busy(Expiration::Never).await,
            environment.clear_busy().await,
        ] {
            assert!(matches!(refused, Err(HostError::Unavailable)));
        }
    }

    #[tokio::test]
    async fn stopping_resolves_for_waiters_and_latecomers() {
        let environment = RoleEnvironment::unavailable();
        let waiter = tokio::spawn({
            let environment = environment.clone();
            async move { environment.stopping().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        environment.begin_stopping();
        waiter.await.unwrap();
        environment.stopping().await;
    }
}
