//! Buffers for bytes on their way, shared by all connections.
//!
//! A connection holds one only while it has bytes that the other side has not taken; an idle
//! connection holds none.

use std::cell::RefCell;
use std::rc::Rc;

/// Bytes of one buffer, and so of what one direction of a connection holds under back-pressure.
/// Larger ones move bulk faster; a stalled connection costs two of them.
pub const BUFFER_BYTES: usize = 16 << 10;

/// Free buffers kept for the next read, 1 MiB in all; those beyond go back to the allocator.
pub const BUFFERS_KEPT_MAX: usize = 64;

/// The free buffers.
#[derive(Clone, Default)]
pub(crate) struct Buffers(Rc<RefCell<Vec<Box<[u8]>>>>);

/// Bytes that were read and not yet all written.
pub(crate) struct Chunk {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    home: Buffers,
}

impl Buffers {
    /// An empty chunk, to be filled by one read.
    pub(crate) fn take(&self) -> Chunk {
        let kept = self.0.borrow_mut().pop();
        Chunk {
            buffer: kept.unwrap_or_else(|| vec![0; BUFFER_BYTES].into()),
            start: 0,
            end: 0,
            home: self.clone(),
        }
    }
}

impl Chunk {
    /// Where a read puts its bytes.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// The read brought `n` bytes.
    pub(crate) fn fill(mut self, n: usize) -> Chunk {
        assert!(self.start == self.end && n > 0 && n <= self.buffer.len());
        (self.start, self.end) = (0, n);
        self
    }

    /// What is still to be written.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// `n` bytes were written. What is left, if anything is.
    pub(crate) fn advance(mut self, n: usize) -> Option<Chunk> {
        assert!(n <= self.end - self.start);
        self.start += n;
        (self.start < self.end).then_some(self)
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let mut free = self.home.0.borrow_mut();
        if free.len() < BUFFERS_KEPT_MAX {
            free.push(std::mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_and_is_used_again() {
        let buffers = Buffers::default();
        let mut chunk = buffers.take();
        chunk.space()[..3].copy_from_slice(b"abc");
        let chunk = chunk.fill(3).advance(1).unwrap();
        assert_eq!(chunk.bytes(), b"bc");
        assert!(chunk.advance(2).is_none());
        assert_eq!(buffers.0.borrow().len(), 1);
        drop(buffers.take());
        assert_eq!(buffers.0.borrow().len(), 1);
    }

    #[test]
    fn no_more_than_so_many_are_kept() {
        let buffers = Buffers::default();
        let many: Vec<_> = (0..=BUFFERS_KEPT_MAX).map(|_| buffers.take()).collect();
        drop(many);
        assert_eq!(buffers.0.borrow().len(), BUFFERS_KEPT_MAX);
    }
}
