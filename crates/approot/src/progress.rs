//! How far packaging has come, for people who wait for it.
//!
//! Work that ends within a second shows nothing. After that a terminal has a bar, which is gone at
//! the end, and anything else, a log for instance, a line now and then. It counts bytes of content
//! and promises no time.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use packager::{Progress, Step};

use crate::show;

/// How long a person waits without wondering.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a log gets a line: often enough to see that it moves, and no page of a long one.
const LINE_EVERY: Duration = Duration::from_secs(5);
const BAR: &str = "{prefix} [{bar:30}] {bytes} of {total_bytes}";

/// Shows progress on standard error; the bar goes when it is dropped.
pub(crate) struct Shown {
    manner: Manner,
    began: Instant,
    running: Mutex<Running>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Quiet,
    Bar,
    Lines,
}

/// The step that runs, of which nothing may be visible yet.
struct Running {
    what: &'static str,
    bytes_done: u64,
    bytes: u64,
    bar: ProgressBar,
    /// When the next line is due, since the beginning.
    line_due: Duration,
}

impl Shown {
    pub(crate) fn new(is_quiet: bool) -> Shown {
        let manner = if is_quiet {
            Manner::Quiet
        } else if io::stderr().is_terminal() {
            Manner::Bar
        } else {
            Manner::Lines
        };
        Shown {
            manner,
            began: Instant::now(),
            running: Mutex::new(Running {
                what: "",
                bytes_done: 0,
                bytes: 0,
                bar: ProgressBar::hidden(),
                line_due: PATIENCE,
            }),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Running)) {
        if self.manner != Manner::Quiet {
            let running = self.running.lock();
            change(&mut running.unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Progress for Shown {
    fn begin(&self, step: Step, bytes: u64) {
        self.change(|running| {
            running.what = match step {
                Step::Hash => "hashing",
                Step::Compress => "compressing",
                Step::Verify => "verifying",
            };
            (running.bytes_done, running.bytes) = (0, bytes);
            running.bar.finish_and_clear();
            running.bar = ProgressBar::hidden()
                .with_style(ProgressStyle::with_template(BAR).expect("a template that parses"))
                .with_prefix(running.what);
            running.bar.set_length(bytes);
        });
    }

    fn advance(&self, bytes: u64) {
        self.change(|running| {
            running.bytes_done += bytes;
            running.bar.inc(bytes);
            let elapsed = self.began.elapsed();
            if elapsed < PATIENCE {
                return;
            }
            if self.manner == Manner::Bar {
                if running.bar.is_hidden() {
                    running.bar.set_draw_target(ProgressDrawTarget::stderr());
                }
            } else if elapsed >= running.line_due {
                running.line_due = elapsed + LINE_EVERY;
                show::line(&running.line());
            }
        });
    }

    fn cache_not_kept(&self, path: &Path, error: &io::Error) {
        self.change(|running| {
            running.bar.finish_and_clear();
            show::line(&format!(
                "warning: the next packaging will read everything again, cannot write {}: {error}",
                path.display()
            ));
        });
    }
}

impl Running {
    fn line(&self) -> String {
        let percent = self.bytes_done.saturating_mul(100) / self.bytes.max(1);
        let mib = self.bytes >> 20;
        format!("{} {mib} MiB: {percent} %", self.what)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.change(|running| running.bar.finish_and_clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_and_how_far() {
        let shown = Shown::new(false);
        shown.begin(Step::Compress, 200 << 20);
        shown.advance(50 << 20);
        let running = shown.running.lock().unwrap();
        assert_eq!(running.line(), "compressing 200 MiB: 25 %");
        drop(running);
        shown.begin(Step::Hash, 0);
        assert_eq!(shown.running.lock().unwrap().line(), "hashing 0 MiB: 0 %");
    }

    #[test]
    fn quiet_keeps_nothing() {
        let shown = Shown::new(true);
        shown.begin(Step::Compress, 1);
        shown.advance(1);
        assert_eq!(shown.running.lock().unwrap().bytes, 0);
    }
}
