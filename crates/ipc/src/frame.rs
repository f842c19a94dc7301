//! Frames: a header of eight bytes, then a JSON document.
//!
//! The header holds the document's length and the number of descriptors, each a big-endian `u32`.
//! Sans-IO: bytes and descriptors are pushed in, whole frames come out.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::LinkError;

/// The largest document, in bytes. A routing table with 25 endpoints and 100 instances each is about 400 KiB;
/// a peer that announces more than this has lost its way, and is not given the memory.
pub const FRAME_BYTES_MAX: usize = 4 << 20;

/// Descriptors a frame may carry. The kernel takes at most 253 in one call (`SCM_MAX_FD`); we need one.
pub const DESCRIPTORS_MAX: usize = 16;

const HEADER_BYTES: usize = 8;

/// The bytes of one message.
pub(crate) fn encode<T: Serialize>(message: &T, descriptors: usize) -> Result<Vec<u8>, LinkError> {
    let mut bytes = vec![0; HEADER_BYTES];
    serde_json::to_writer(&mut bytes, message).map_err(|source| LinkError::Document { source })?;
    let length = bytes.len() - HEADER_BYTES;
    if length > FRAME_BYTES_MAX || descriptors > DESCRIPTORS_MAX {
        return Err(LinkError::TooLarge {
            bytes: length,
            descriptors,
        });
    }
    bytes[..4].copy_from_slice(&(length as u32).to_be_bytes());
    bytes[4..HEADER_BYTES].copy_from_slice(&(descriptors as u32).to_be_bytes());
    Ok(bytes)
}

/// Collects what arrives and hands out whole messages.
#[derive(Default)]
pub(crate) struct Decoder {
    bytes: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

impl Decoder {
    pub(crate) fn push(&mut self, bytes: &[u8], descriptors: impl IntoIterator<Item = OwnedFd>) {
        self.bytes.extend_from_slice(bytes);
        self.descriptors.extend(descriptors);
    }

    /// Whether the stream may end here.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next whole message, or `None` while more bytes are needed.
    pub(crate) fn next<T: DeserializeOwned>(
        &mut self,
    ) -> Result<Option<(T, Vec<OwnedFd>)>, LinkError> {
        let Some((header, rest)) = self.bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let n_descriptors =
            u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
        if length > FRAME_BYTES_MAX || n_descriptors > DESCRIPTORS_MAX {
            return Err(LinkError::TooLarge {
                bytes: length,
                descriptors: n_descriptors,
            });
        }
        let Some(document) = rest.get(..length) else {
            return Ok(None);
        };
        // Descriptors arrive with the first byte of the call that sent them, so a whole frame has all of its own.
        if self.descriptors.len() < n_descriptors {
            return Err(LinkError::DescriptorsLost);
        }
        let message =
            serde_json::from_slice(document).map_err(|source| LinkError::Document { source })?;
        let descriptors = self.descriptors.drain(..n_descriptors).collect();
        self.bytes.drain(..HEADER_BYTES + length);
        Ok(Some((message, descriptors)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_arrives_byte_by_byte() {
        let bytes = encode(&vec!["a", "b"], 0).unwrap();
        let mut decoder = Decoder::default();
        for byte in &bytes[..bytes.len() - 1] {
            decoder.push(&[*byte], []);
            assert!(decoder.next::<Vec<String>>().unwrap().is_none());
            assert!(!decoder.is_between_frames());
        }
        decoder.push(&bytes[bytes.len() - 1..], []);
        let (message, _) = decoder.next::<Vec<String>>().unwrap().unwrap();
        assert_eq!(message, ["a", "b"]);
        assert!(decoder.is_between_frames());
    }

    #[test]
    fn an_announced_size_over_the_limit_is_refused_before_it_arrives() {
        let mut decoder = Decoder::default();
        decoder.push(&(FRAME_BYTES_MAX as u32 + 1).to_be_bytes(), []);
        decoder.push(&0u32.to_be_bytes(), []);
        assert!(matches!(
            decoder.next::<u8>(),
            Err(LinkError::TooLarge { .. })
        ));
    }

    #[test]
    fn a_message_over_the_limit_is_not_sent() {
        let long = "x".repeat(FRAME_BYTES_MAX);
        assert!(matches!(encode(&long, 0), Err(LinkError::TooLarge { .. })));
        assert!(matches!(
            encode(&"x", DESCRIPTORS_MAX + 1),
            Err(LinkError::TooLarge { .. })
        ));
    }

    #[test]
    fn a_frame_without_its_descriptors_is_an_error() {
        let mut decoder = Decoder::default();
        decoder.push(&encode(&1u8, 1).unwrap(), []);
        assert!(matches!(
            decoder.next::<u8>(),
            Err(LinkError::DescriptorsLost)
        ));
    }
}
