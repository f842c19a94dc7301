//! How soon an instance is started again.

use std::time::Duration;

/// Being Ready for this long forgives all earlier deaths.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// The longest wait, in seconds, before its jitter.
const DELAY_MAX_S: u64 = 60;

/// At once after the first death, then after 1, 2, 4 … 60 s, each up to a quarter longer so that instances
/// which died of one cause do not come back in step.
#[derive(Debug)]
pub(crate) struct Pacing {
    deaths: u32,
    seed: u64,
}

impl Pacing {
    pub(crate) fn new(seed: u64) -> Self {
        Pacing { deaths: 0, seed }
    }

    /// The wait after an attempt that had been Ready for `ready`.
    pub(crate) fn delay(&mut self, ready: Duration) -> Duration {
        if ready >= FORGIVEN_AFTER {
            self.deaths = 0;
        }
        let deaths = self.deaths;
        self.deaths = deaths.saturating_add(1);
        if deaths == 0 {
            return Duration::ZERO;
        }
        let seconds = 1u64
            .checked_shl(deaths - 1)
            .map_or(DELAY_MAX_S, |s| s.min(DELAY_MAX_S));
        let jitter_ms = self.random() % (seconds * 250);
        Duration::from_millis(seconds * 1000 + jitter_ms)
    }

    /// Forgets all deaths: there is a new configuration, and what killed the program may be gone.
    pub(crate) fn forgive(&mut self) {
        self.deaths = 0;
    }

    /// SplitMix64: its quality does not matter here, that it needs no crate does.
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_in_a_row_are_slowed_up_to_a_minute() {
        let mut pacing = Pacing::new(7);
        let expected = [0, 1, 2, 4, 8, 16, 32, 60, 60];
        for seconds in expected {
            let delay = pacing.delay(Duration::ZERO);
            assert!(
                delay >= Duration::from_secs(seconds),
                "{delay:?} for {seconds}"
            );
            assert!(
                delay <= Duration::from_millis(seconds * 1250),
                "{delay:?} for {seconds}"
            );
        }
        assert_eq!(pacing.delay(FORGIVEN_AFTER), Duration::ZERO);
    }

    #[test]
    fn two_instances_do_not_wait_alike() {
        let delay = |seed| {
            let mut pacing = Pacing::new(seed);
            (0..4)
                .map(|_| pacing.delay(Duration::ZERO))
                .collect::<Vec<_>>()
        };
        assert_ne!(delay(1), delay(2));
    }

    #[test]
    fn a_very_long_loop_does_not_overflow() {
        let mut pacing = Pacing {
            deaths: u32::MAX,
            seed: 1,
        };
        assert!(pacing.delay(Duration::ZERO) >= Duration::from_secs(DELAY_MAX_S));
        assert!(pacing.delay(Duration::ZERO) >= Duration::from_secs(DELAY_MAX_S));
    }
}
