//! A link without a runtime, for the keeper.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::frame::{Decoder, encode};
use crate::{LinkError, socket};

/// A link whose calls block, or not, as the socket is set.
pub struct BlockingLink {
    stream: UnixStream,
    decoder: Decoder,
}

impl BlockingLink {
    /// Takes over a connected socket.
    pub fn new(stream: UnixStream) -> Self {
        BlockingLink {
            stream,
            decoder: Decoder::default(),
        }
    }

    /// Sends one message and duplicates of `descriptors`; waits for room as long as it takes.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn send<T: Serialize>(
        &mut self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), LinkError> {
        let bytes = encode(message, descriptors.len())?;
        let mut sent = 0;
        while sent < bytes.len() {
            let now = if sent == 0 { descriptors } else { &[] };
            match socket::send(self.stream.as_fd(), &bytes[sent..], now) {
                Ok(n) => sent += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(LinkError::Socket { source }),
            }
        }
        Ok(())
    }

    /// Reads once from the socket. Returns `false` at the end of the stream; a message that was cut short
    /// there never comes out of [`poll`](Self::poll).
    ///
    /// # Errors
    /// [`LinkError::Socket`]. An interrupted call reads nothing and is no error.
    pub fn fill(&mut self) -> Result<bool, LinkError> {
        let mut buffer = [0; 4096];
        match socket::receive(self.stream.as_fd(), &mut buffer) {
            Ok((0, _)) => Ok(false),
            Ok((n, descriptors)) => {
                self.decoder.push(&buffer[..n], descriptors);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(source) => Err(LinkError::Socket { source }),
        }
    }

    /// A whole message out of what [`fill`](Self::fill) has read, if there is one.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn poll<T: DeserializeOwned>(&mut self) -> Result<Option<(T, Vec<OwnedFd>)>, LinkError> {
        self.decoder.next()
    }
}

impl AsFd for BlockingLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_one_by_one() {
        let (a, b) = UnixStream::pair().unwrap();
        let (mut left, mut right) = (BlockingLink::new(a), BlockingLink::new(b));
        left.send(&"one", &[]).unwrap();
        left.send(&"two", &[right.as_fd()]).unwrap();
        drop(left);
        while right.fill().unwrap() {}
        assert_eq!(right.poll::<String>().unwrap().unwrap().0, "one");
        let (two, descriptors) = right.poll::<String>().unwrap().unwrap();
        assert_eq!((two.as_str(), descriptors.len()), ("two", 1));
        assert!(right.poll::<String>().unwrap().is_none());
    }
}
