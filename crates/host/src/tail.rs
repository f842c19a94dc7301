//! The last lines of one process's output, for the record of its death.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Lines that are kept.
const LINES_MAX: usize = 50;

/// A longer line is cut there, in bytes: with all lines, what a host may hold of a process is bounded.
const LINE_BYTES_MAX: usize = 1 << 10;

/// Both streams of a process, in the order in which the lines arrived. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail {
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Tail {
    pub(crate) fn line(&self, stream: &str, text: &str) {
        let mut end = text.len().min(LINE_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let cut = if end < text.len() { " […]" } else { "" };
        let line = format!("{stream}: {}{cut}", &text[..end]);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_long_ones_cut() {
        let tail = Tail::default();
        for n in 0..=LINES_MAX {
            tail.line("out", &n.to_string());
        }
        tail.line("err", &"ä".repeat(LINE_BYTES_MAX));
        let lines = tail.lines();
        assert_eq!((lines.len(), lines[0].as_str()), (LINES_MAX, "out: 2"));
        let last = &lines[LINES_MAX - 1];
        assert!(last.len() < LINE_BYTES_MAX + 16 && last.ends_with(" […]"));
    }
}
