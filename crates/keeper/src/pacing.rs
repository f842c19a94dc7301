//! How soon the fabric and the balancer are started again.

use std::time::{Duration, Instant};

/// A process that ran this long was healthy; its next death is the first again.
/// Shorter, and a crash loop would look healthy; longer, and an honest crash would wait for no reason.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// The longest wait between two starts: long enough to spare the machine, short against a park's limit.
const DELAY_MAX: Duration = Duration::from_secs(8);

/// At once after the first death, then after 1, 2, 4 and 8 s.
#[derive(Debug, Default)]
pub(crate) struct Pacing {
    deaths: u32,
}

impl Pacing {
    /// When to start again a process that ran from `started` until `now`.
    pub(crate) fn next_start(&mut self, started: Instant, now: Instant) -> Instant {
        if now.duration_since(started) >= HEALTHY_AFTER {
            self.deaths = 0;
        }
        let delay = match self.deaths {
            0 => Duration::ZERO,
            n => Duration::from_secs(1 << (n - 1).min(3)),
        };
        self.deaths += 1;
        now + delay.min(DELAY_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_deaths_are_slowed_and_a_healthy_run_forgives() {
        let mut pacing = Pacing::default();
        let now = Instant::now();
        let delays: Vec<u64> = (0..6)
            .map(|_| (pacing.next_start(now, now) - now).as_secs())
            .collect();
        assert_eq!(delays, [0, 1, 2, 4, 8, 8]);
        let later = now + HEALTHY_AFTER;
        assert_eq!(pacing.next_start(now, later), later);
    }
}
