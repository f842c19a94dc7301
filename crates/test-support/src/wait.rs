//! Waiting for a value that another process or thread brings about.
//!
//! Blocking, for tests without a runtime; `async` ones have their runtime's own time limits.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long [`wait_until`] waits. Far longer than anything that works takes, since nobody waits
/// for it but in a failure; shorter, and a busy machine fails tests that are right.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks: short against what is waited for, long against the cost of a look.
const INTERVAL: Duration = Duration::from_millis(5);

/// Looks until there is a value, for at most [`DEADLINE`].
///
/// `look` answers with the value, or with what it saw instead, which a failure reports.
///
/// # Panics
///
/// There is no value by then; the message says `what` was awaited, and what was seen last.
pub fn wait_until<T, S: std::fmt::Debug>(what: &str, look: impl FnMut() -> Result<T, S>) -> T {
    wait_within(DEADLINE, what, look)
}

/// [`wait_until`] with a limit that is part of what is tested, such as "Ready again within 2 s".
///
/// Looks at least once.
///
/// # Panics
///
/// As [`wait_until`].
pub fn wait_within<T, S: std::fmt::Debug>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<T, S>,
) -> T {
    let begin = Instant::now();
    loop {
        let seen = match look() {
            Ok(value) => return value,
            Err(seen) => seen,
        };
        assert!(
            begin.elapsed() < limit,
            "waited {limit:?} for {what}, but saw last: {seen:?}"
        );
        sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_ends_the_wait() {
        let mut looks = 0;
        let value = wait_until("the third look", || {
            looks += 1;
            if looks == 3 { Ok("there") } else { Err(looks) }
        });
        assert_eq!((value, looks), ("there", 3));
    }

    #[test]
    fn a_failure_says_what_was_seen_last() {
        let wait = || wait_within(Duration::ZERO, "a Ready instance", || Err::<(), _>("Busy"));
        let panic = std::panic::catch_unwind(wait).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert_eq!(
            message,
            "waited 0ns for a Ready instance, but saw last: \"Busy\""
        );
    }
}
