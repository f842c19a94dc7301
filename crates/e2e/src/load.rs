//! A bounded load: so many new dialogues a second, whether the earlier ones have ended or not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::dialogue::{Broken, hold};

/// What became of one dialogue.
#[derive(Debug)]
pub struct Held {
    /// When its client connected.
    pub started: Instant,
    /// How long it took.
    pub took: Duration,
    /// The instance that answered, or how it broke.
    pub outcome: Result<String, Broken>,
}

/// Starts `rate` dialogues a second, for `seconds`, and waits for all of them.
pub async fn run(address: SocketAddr, rate: u32, seconds: u32) -> Vec<Held> {
    let mut ticks = interval(Duration::from_secs(1) / rate);
    // A late tick is made up for: the load does not wait for who it loads.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut dialogues = JoinSet::new();
    for _ in 0..rate * seconds {
        ticks.tick().await;
        dialogues.spawn(async move {
            let started = Instant::now();
            let outcome = hold(address).await;
            Held {
                started,
                took: started.elapsed(),
                outcome,
            }
        });
    }
    dialogues.join_all().await
}

/// How many dialogues each instance has answered.
pub fn by_instance(held: &[Held]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for instance in held.iter().filter_map(|held| held.outcome.as_ref().ok()) {
        *counts.entry(instance.clone()).or_default() += 1;
    }
    counts
}

/// The dialogues that broke.
pub fn broken(held: &[Held]) -> Vec<&Held> {
    held.iter().filter(|held| held.outcome.is_err()).collect()
}
