//! What can go wrong on a link.

use std::fmt;
use std::io;

/// A link failed; it cannot be used any further.
#[derive(Debug)]
pub enum LinkError {
    /// The socket failed.
    Socket {
        /// What the kernel said.
        source: io::Error,
    },
    /// A frame is larger than [`FRAME_BYTES_MAX`](crate::FRAME_BYTES_MAX), or carries too many descriptors.
    TooLarge {
        /// The size of the frame, in bytes.
        bytes: usize,
        /// How many descriptors it carries.
        descriptors: usize,
    },
    /// A frame is not the document that was expected, or a message cannot be written as one.
    Document {
        /// What the JSON reader or writer said.
        source: serde_json::Error,
    },
    /// The peer closed the link in the middle of a frame, or before its `Hello`.
    Truncated,
    /// The kernel delivered fewer descriptors than the frame announces.
    DescriptorsLost,
    /// The peer speaks another protocol.
    Protocol {
        /// The peer's process and version, as it calls itself.
        peer: String,
        /// The protocol number that it speaks.
        theirs: u32,
    },
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::Socket { .. } => write!(f, "the link's socket failed"),
            LinkError::TooLarge { bytes, descriptors } => {
                write!(
                    f,
                    "a message of {bytes} bytes with {descriptors} descriptors is over the limit"
                )
            }
            LinkError::Document { .. } => write!(f, "a message is not the document expected here"),
            LinkError::Truncated => {
                write!(f, "the peer closed the link in the middle of a message")
            }
            LinkError::DescriptorsLost => write!(f, "a message came without its descriptors"),
            LinkError::Protocol { peer, theirs } => {
                write!(
                    f,
                    "{peer} speaks protocol {theirs}, this process speaks {}",
                    crate::PROTOCOL
                )
            }
        }
    }
}

impl std::error::Error for LinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LinkError::Socket { source } => Some(source),
            LinkError::Document { source } => Some(source),
            LinkError::TooLarge { .. }
            | LinkError::Truncated
            | LinkError::DescriptorsLost
            | LinkError::Protocol { .. } => None,
        }
    }
}
