//! What a role implements: [`RoleEntryPoint`].
//!
//! The names, defaults and order of calls are those of the platform's base class. The methods hold no
//! state of the SDK's; everything they may ask stands in the [`RoleEnvironment`] they are given.

use std::{error::Error, future::Future, time::Duration};

use runtime_protocol::Change;

use crate::environment::RoleEnvironment;

/// Any error of a role's own; a string converts into one.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What a role says to a change that is about to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response {
    /// Take it while running.
    Accept,
    /// Recycle the instance instead. This never vetoes the change: the instance comes back with it.
    Cancel,
}

/// One look at how a role is; the platform's `StatusCheck` event.
#[derive(Debug)]
pub struct StatusCheck {
    is_ready: bool,
    is_busy: bool,
}

impl StatusCheck {
    pub(crate) fn new(is_ready: bool) -> Self {
        Self {
            is_ready,
            is_busy: false,
        }
    }

    /// What the host was told last: `true` for Ready, `false` for Busy.
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Takes the instance out of rotation until the next check, and no longer: that one has to say it again.
    pub fn set_busy(&mut self) {
        self.is_busy = true;
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.is_busy
    }
}

/// How often a role is asked how it is, as on the platform.
pub const STATUS_CHECK_INTERVAL: Duration = Duration::from_secs(15);

/// The entry point of a role. Every method has the default of the platform's base class.
///
/// Methods may be written as `async fn`. `run` and `on_stop` may overlap, hence `&self`; `on_start`
/// has the role to itself. A panic in any of them ends the process with a non-zero status.
pub trait RoleEntryPoint: Send + Sync + 'static {
    /// Called once, before anything else; the instance is Busy and gets no traffic until it ends.
    ///
    /// Bind listeners here rather than in [`RoleEntryPoint::run`]: the instance becomes Ready when
    /// this returns `true`, and `run` is called at the same moment. `false` ends the process at once,
    /// without [`RoleEntryPoint::on_stop`]. When a stop is ordered meanwhile the future is dropped.
    ///
    /// # Errors
    ///
    /// Any error ends the process as `false` does, after it is written to stderr.
    fn on_start(
        &mut self,
        environment: &RoleEnvironment,
    ) -> impl Future<Output = Result<bool, BoxError>> + Send {
        let _ = environment;
        async { Ok(true) }
    }

    /// The role's work. Returning recycles the instance, by way of [`RoleEntryPoint::on_stop`].
    ///
    /// It need not end by itself: once `on_stop` has ended it is abandoned. The default sleeps for ever.
    ///
    /// # Errors
    ///
    /// Any error is written to stderr and ends the process at once, without `on_stop`.
    fn run(
        &self,
        environment: &RoleEnvironment,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = environment;
        std::future::pending()
    }

    /// Called once when the instance stops, as [`RoleEnvironment::stopping`] resolves; out of rotation
    /// by then. The process ends when it returns; the host kills it when its stop limit has passed.
    fn on_stop(&self, environment: &RoleEnvironment) -> impl Future<Output = ()> + Send {
        let _ = environment;
        async {}
    }

    /// Called before `changes` are applied; the old values are still in `environment`.
    ///
    /// Settings, by name, and topology, by role. With `topologyChangeDiscovery="Blast"` topology goes to
    /// [`RoleEntryPoint::simultaneous_changing`] instead.
    ///
    /// It must not block: until it returns the SDK hears nothing from the host. Not called again for
    /// the same change.
    fn changing(&self, changes: &[Change], environment: &RoleEnvironment) -> Response {
        let _ = (changes, environment);
        Response::Accept
    }

    /// Called after `changes` were applied; the new values are in `environment`. It must not block.
    fn changed(&self, changes: &[Change], environment: &RoleEnvironment) {
        let _ = (changes, environment);
    }

    /// Called before changes of topology that reach all instances at once; the old ones are still in
    /// `environment`. It cannot refuse. Only with `topologyChangeDiscovery="Blast"`. It must not block.
    fn simultaneous_changing(&self, changes: &[Change], environment: &RoleEnvironment) {
        let _ = (changes, environment);
    }

    /// Called after changes of topology that reached all instances at once; the new ones are in
    /// `environment`. It must not block.
    fn simultaneous_changed(&self, changes: &[Change], environment: &RoleEnvironment) {
        let _ = (changes, environment);
    }

    /// Asked every [`RoleEntryPoint::status_check_interval`] while `run` is at work below a fabric: a role that
    /// wants no traffic calls [`StatusCheck::set_busy`], each time anew. It must not block.
    fn status_check(&self, check: &mut StatusCheck, environment: &RoleEnvironment) {
        let _ = (check, environment);
    }

    /// How often [`RoleEntryPoint::status_check`] is called. Asked once, before `run`; it must not be zero.
    fn status_check_interval(&self) -> Duration {
        STATUS_CHECK_INTERVAL
    }
}
