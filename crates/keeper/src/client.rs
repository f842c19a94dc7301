//! The fabric's end of the link to the keeper.

use std::os::unix::net::UnixStream;

use ipc::{Link, LinkError, Receiver, Sender, greet};

/// A link to the keeper: [`Request`](crate::protocol::Request)s go out, [`Notice`](crate::protocol::Notice)s come in. Requests are answered
/// in their order.
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

    /// The two directions, for two tasks.
    pub fn split(self) -> (Receiver, Sender) {
        (self.receiver, self.sender)
    }
}
