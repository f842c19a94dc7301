//! The first message each way.

use serde::{Deserialize, Serialize};

use crate::{LinkError, Receiver, Sender};

/// The number of the protocol between approot's processes.
/// It changes when an older process could misread a newer one's messages.
pub const PROTOCOL: u32 = 1;

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The protocol that the speaker uses for all that follows.
    pub protocol: u32,
    /// What the speaker is: `fabric`, `balancer`, `host EchoWorker_IN_0`, …
    pub process: String,
    /// The version of the speaker's binary.
    pub version: String,
}

impl Hello {
    /// This process's greeting, under the name `process`.
    pub fn new(process: &str) -> Self {
        Hello {
            protocol: PROTOCOL,
            process: process.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Refuses a peer of another protocol.
    ///
    /// # Errors
    /// [`LinkError::Protocol`], with the peer's own name for itself.
    pub fn accept(self) -> Result<Hello, LinkError> {
        if self.protocol == PROTOCOL {
            return Ok(self);
        }
        let peer = format!("{} {}", self.process, self.version);
        Err(LinkError::Protocol {
            peer,
            theirs: self.protocol,
        })
    }
}

/// Says who we are and learns who the peer is. Both ends call it, in either order.
///
/// Not cancel safe: a cancelled greeting leaves the link in the middle of one.
///
/// # Errors
/// A broken link, a peer that closes before it has greeted, or one of another protocol.
pub async fn greet(
    receiver: &mut Receiver,
    sender: &mut Sender,
    process: &str,
) -> Result<Hello, LinkError> {
    sender.send(&Hello::new(process), &[]).await?;
    let (hello, _) = receiver
        .receive::<Hello>()
        .await?
        .ok_or(LinkError::Truncated)?;
    hello.accept()
}
