//! What a role implements: [`RoleEntryPoint`].
//!
//! The names, defaults and order of calls are those of the platform's base class. The methods hold no
//! state of the SDK's; everything they may ask stands in the [`RoleEnvironment`] they are given.

use std::{error::Error, future::Future};

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
}
