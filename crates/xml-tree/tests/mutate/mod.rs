//! Seeded damage to documents: what people, editors and merges do to files, and what they never would.
//!
//! Knows nothing of XML but a list of pieces that are worth putting where they do not belong.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

/// Text that means something somewhere, each alone enough to break a document or to leave it whole.
const PIECES: &[&str] = &[
    "<",
    ">",
    "/",
    "=",
    "\"",
    "'",
    "&",
    ";",
    ":",
    "-",
    "!",
    "?",
    "[",
    "]",
    " ",
    "\t",
    "\r",
    "\n",
    "\r\n",
    "\0",
    "\u{1}",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "é",
    "\u{301}",
    "\u{2028}",
    "\u{feff}",
    "\u{fffe}",
    "😀",
    "a",
    "0",
    "x:",
    "xml",
    "xmlns",
    "xmlns=\"\"",
    " xmlns:x=\"urn:x\"",
    " xmlns:x=\"\"",
    " xmlns:xml=\"urn:x\"",
    " xml:lang=\"en\"",
    " x:a=\"1\"",
    " a=\"1\"",
    " a='1'",
    " a=1",
    " a",
    "<a/>",
    "<a>",
    "</a>",
    "<x:a/>",
    "<a:b:c/>",
    "<!--",
    "-->",
    "--",
    "<!-- a -->",
    "<![CDATA[",
    "]]>",
    "<![CDATA[<&]]>",
    "<?a b?>",
    "<?",
    "?>",
    "<?xml version=\"1.0\"?>",
    "&amp;",
    "&#10;",
    "&#x41;",
    "&#0;",
    "&#xD800;",
    "&nbsp;",
    "&a",
    "&#",
    "<!ELEMENT a ANY>",
];

/// The longest piece of a document that is cut, doubled or carried over at once, in bytes.
const MAX_RANGE: usize = 40;

/// One of `documents`, damaged in one to three places; the same seed gives the same bytes.
pub(crate) fn mutate(documents: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut random = Random(Pcg64Mcg::seed_from_u64(seed));
    let mut document = random.choose(documents).clone();
    for _ in 0..=random.below(3) {
        random.damage(&mut document, documents);
    }
    document
}

struct Random(Pcg64Mcg);

impl Random {
    /// A number from 0 to `end - 1`; 0 where `end` is 0.
    fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % (end.max(1) as u64)) as usize
    }

    fn choose<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    fn range(&mut self, document: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(document.len() + 1);
        let len = self.below(MAX_RANGE).min(document.len() - start);
        start..start + len
    }

    fn damage(&mut self, document: &mut Vec<u8>, documents: &[Vec<u8>]) {
        let range = self.range(document);
        let at = self.below(document.len() + 1);
        match self.below(8) {
            0 => drop(document.drain(range)),
            1 => drop(document.drain(range.start..(range.start + 1).min(document.len()))),
            2 => {
                let copy = document[range].to_vec();
                insert(document, at, &copy);
            }
            3 => {
                let other = self.choose(documents);
                let range = self.range(other);
                insert(document, at, &other[range]);
            }
            4 => {
                if let Some(byte) = document.get_mut(at) {
                    *byte = self.below(256) as u8;
                }
            }
            5 => {
                let piece = *self.choose(PIECES);
                let end = (at + piece.len()).min(document.len());
                document.splice(at..end, piece.bytes());
            }
            _ => {
                let piece = *self.choose(PIECES);
                insert(document, at, piece.as_bytes());
            }
        }
    }
}

fn insert(document: &mut Vec<u8>, at: usize, piece: &[u8]) {
    document.splice(at..at, piece.iter().copied());
}
