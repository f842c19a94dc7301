//! The fabric's end of the link to the keeper.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use ipc::{Link, LinkError, Receiver, Sender, greet};

use crate::protocol::{Notice, Request};

/// Asks the keeper and hears from it. Requests are answered in their order.
pub struct Client {
    receiver: Receiver,
    sender: Sender,
}

impl Client {
    /// Takes the link that the fabric was forked with. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// The socket is not usable, or the keeper speaks another protocol.
    pub async fn connect(link: UnixStream) -> Result<Client, LinkError> {
        let (mut receiver, mut sender) = Link::from_std(link)?.split();
        greet(&mut receiver, &mut sender, "fabric").await?;
        Ok(Client { receiver, sender })
    }

    /// Sends a request. Not cancel safe.
    ///
    /// # Errors
    /// The keeper is gone.
    pub async fn send(&mut self, request: &Request) -> Result<(), LinkError> {
        self.sender.send(request, &[]).await
    }

    /// The keeper's next word, with the socket of an [`Notice::Opened`]; `None` when the keeper is gone. Cancel safe.
    ///
    /// # Errors
    /// The link is broken.
    pub async fn next(&mut self) -> Result<Option<(Notice, Option<OwnedFd>)>, LinkError> {
        let received = self.receiver.receive().await?;
        Ok(received.map(|(notice, mut descriptors)| (notice, descriptors.pop())))
    }

    /// The two directions, for two tasks.
    pub fn split(self) -> (Receiver, Sender) {
        (self.receiver, self.sender)
    }
}
