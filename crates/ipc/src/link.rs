//! A link on tokio.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::frame::{Decoder, encode};
use crate::{LinkError, socket};

/// Read at once from the socket, in bytes: most messages fit, and a large table takes a few calls.
const READ_BYTES: usize = 16 << 10;

/// One end of a connection between two of approot's processes.
pub struct Link {
    stream: UnixStream,
}

impl Link {
    /// Takes over a connected socket.
    pub fn new(stream: UnixStream) -> Self {
        Link { stream }
    }

    /// Takes over a connected socket of the standard library. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`LinkError::Socket`]: the socket cannot be polled.
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> Result<Self, LinkError> {
        let socket = |source| LinkError::Socket { source };
        stream.set_nonblocking(true).map_err(socket)?;
        UnixStream::from_std(stream).map(Link::new).map_err(socket)
    }

    /// The two directions, for two tasks. The socket closes when both halves are dropped.
    pub fn split(self) -> (Receiver, Sender) {
        let stream = Arc::new(self.stream);
        (
            Receiver {
                stream: stream.clone(),
                decoder: Decoder::default(),
            },
            Sender { stream },
        )
    }
}

/// The incoming direction of a [`Link`].
pub struct Receiver {
    stream: Arc<UnixStream>,
    decoder: Decoder,
}

impl Receiver {
    /// The next message with its descriptors; `None` when the peer has closed.
    ///
    /// Cancel safe: what has arrived of a message is kept for the next call.
    ///
    /// # Errors
    /// See [`LinkError`]; the link is of no use afterwards.
    pub async fn receive<T: DeserializeOwned>(
        &mut self,
    ) -> Result<Option<(T, Vec<OwnedFd>)>, LinkError> {
        loop {
            if let Some(message) = self.decoder.next()? {
                return Ok(Some(message));
            }
            let mut buffer = [0; READ_BYTES];
            let (n, descriptors) = self
                .stream
                .async_io(Interest::READABLE, || {
                    socket::receive(self.stream.as_fd(), &mut buffer)
                })
                .await
                .map_err(|source| LinkError::Socket { source })?;
            if n == 0 {
                return if self.decoder.is_between_frames() {
                    Ok(None)
                } else {
                    Err(LinkError::Truncated)
                };
            }
            self.decoder.push(&buffer[..n], descriptors);
        }
    }
}

/// The outgoing direction of a [`Link`].
pub struct Sender {
    stream: Arc<UnixStream>,
}

impl Sender {
    /// Sends one message and duplicates of `descriptors`.
    ///
    /// Not cancel safe: a cancelled call may have sent a part of the message.
    ///
    /// # Errors
    /// See [`LinkError`]; after [`LinkError::TooLarge`] and [`LinkError::Document`] nothing was sent.
    pub async fn send<T: Serialize>(
        &mut self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), LinkError> {
        let bytes = encode(message, descriptors.len())?;
        let mut sent = 0;
        while sent < bytes.len() {
            // The descriptors go with the first byte, once.
            let now = if sent == 0 { descriptors } else { &[] };
            sent += self
                .stream
                .async_io(Interest::WRITABLE, || {
                    socket::send(self.stream.as_fd(), &bytes[sent..], now)
                })
                .await
                .map_err(|source| LinkError::Socket { source })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};

    use crate::{Hello, greet};

    use super::*;

    fn pair() -> ((Receiver, Sender), (Receiver, Sender)) {
        let (a, b) = UnixStream::pair().unwrap();
        (Link::new(a).split(), Link::new(b).split())
    }

    #[tokio::test]
    async fn a_descriptor_travels_with_its_message() {
        let ((_, mut sender), (mut receiver, _)) = pair();
        let path = std::env::temp_dir().join(format!("approot-ipc-{}", std::process::id()));
        let mut file = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        file.write_all(b"through the wall").unwrap();
        sender.send(&"plain", &[]).await.unwrap();
        sender.send(&"with", &[file.as_fd()]).await.unwrap();
        drop(sender);

        let (first, none) = receiver.receive::<String>().await.unwrap().unwrap();
        assert_eq!((first.as_str(), none.len()), ("plain", 0));
        let (second, mut descriptors) = receiver.receive::<String>().await.unwrap().unwrap();
        assert_eq!((second.as_str(), descriptors.len()), ("with", 1));
        let mut copy = File::from(descriptors.remove(0));
        copy.rewind().unwrap();
        let mut text = String::new();
        copy.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through the wall");
        std::fs::remove_file(path).unwrap();
    }

    #[tokio::test]
    async fn a_message_larger_than_the_socket_buffer_arrives_whole() {
        let ((_, mut sender), (mut receiver, _)) = pair();
        let long = "y".repeat(3 << 20);
        let expected = long.clone();
        let sending = tokio::spawn(async move { sender.send(&long, &[]).await });
        let (got, _) = receiver.receive::<String>().await.unwrap().unwrap();
        sending.await.unwrap().unwrap();
        assert!(got == expected);
    }

    #[tokio::test]
    async fn both_sides_greet_and_another_protocol_is_refused() {
        let ((mut ra, mut sa), (mut rb, mut sb)) = pair();
        let (a, b) = tokio::join!(
            greet(&mut ra, &mut sa, "fabric"),
            greet(&mut rb, &mut sb, "balancer")
        );
        assert_eq!(
            (a.unwrap().process, b.unwrap().process),
            ("balancer".to_owned(), "fabric".to_owned())
        );

        let ((_, mut sender), (mut rb, mut sb)) = pair();
        sender
            .send(
                &Hello {
                    protocol: 99,
                    ..Hello::new("host X")
                },
                &[],
            )
            .await
            .unwrap();
        let refused = greet(&mut rb, &mut sb, "fabric").await.unwrap_err();
        assert!(
            matches!(refused, LinkError::Protocol { theirs: 99, .. }),
            "{refused}"
        );
    }

    #[tokio::test]
    async fn the_end_is_clean_only_between_messages() {
        let ((_, mut sender), (mut receiver, _)) = pair();
        sender.send(&1u8, &[]).await.unwrap();
        drop(sender);
        assert!(receiver.receive::<u8>().await.unwrap().is_some());

        let (a, b) = UnixStream::pair().unwrap();
        let (mut receiver, _keep) = Link::new(b).split();
        a.try_write(&[0, 0]).unwrap();
        drop(a);
        assert!(matches!(
            receiver.receive::<u8>().await,
            Err(LinkError::Truncated)
        ));
    }
}
