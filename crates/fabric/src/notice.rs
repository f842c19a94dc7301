//! What a person at the terminal is to hear.

use plan::InstanceId;

use crate::FabricError;
use crate::handle::Configured;
use crate::status::Status;

/// News for people.
#[derive(Debug)]
pub enum Notice {
    /// Something that this machine or this version does not give, said once.
    Limitation(String),
    /// Every instance is Ready.
    Started(Box<Status>),
    /// An attempt of an instance has ended by itself.
    AttemptEnded {
        /// The instance.
        instance: InstanceId,
        /// How.
        cause: String,
    },
    /// A new configuration was committed and is being carried out.
    Configured(Configured),
    /// The start was given up.
    StartFailed {
        /// The instance that does not become Ready.
        instance: InstanceId,
        /// How its last attempt ended.
        cause: String,
    },
    /// The deployment is being stopped, and why.
    Stopping(String),
    /// The deployment is stopped.
    Stopped,
    /// An earlier fabric died, and this one takes over.
    Resumed,
    /// The fabric cannot begin or go on.
    Failed(FabricError),
}
