//! Looking for bytes, sixteen at a time.
//!
//! The compiler turns a block without branches into vector code; a loop that may stop at each byte stays one.

const BLOCK: usize = 16;

/// The index of the first byte for which `is_it` holds.
#[inline]
pub(crate) fn position(bytes: &[u8], is_it: impl Fn(u8) -> bool) -> Option<usize> {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let any_in = |block: &[u8; BLOCK]| block.iter().fold(false, |any, &byte| any | is_it(byte));
    let first = blocks.iter().position(any_in);
    let (start, end) = match first {
        Some(block) => (block * BLOCK, (block + 1) * BLOCK),
        None => (bytes.len() - rest.len(), bytes.len()),
    };
    let found = bytes[start..end].iter().position(|&byte| is_it(byte));
    found.map(|at| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_is_found_wherever_it_stands() {
        for len in 0..50 {
            let mut bytes = vec![b'a'; len];
            assert_eq!(position(&bytes, |byte| byte == b'x'), None);
            for at in (0..len).rev() {
                bytes[at] = b'x';
                assert_eq!(position(&bytes, |byte| byte == b'x'), Some(at));
            }
        }
    }
}
