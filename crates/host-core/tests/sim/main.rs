//! Seeded histories of one instance: a world that fails in every way we know of, and laws that must hold
//! whatever it does.
//!
//! [`world`] draws what happens from a seed, [`laws`] keeps the plain facts and checks every action against them,
//! [`flaws`] spoils the machine on purpose, to show that the laws notice. No process, no clock: an hour of an
//! instance's life takes a millisecond.
//!
//! `SIM_SEEDS` sets how many histories are tried, `SIM_SEED` tries one of them alone. A failure prints its seed and
//! all that happened.

mod flaws;
mod laws;
mod random;
mod world;

use std::env;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use flaws::Flaw;
use laws::{Broken, Law};
use world::World;

/// Histories in a plain `cargo test`: some seconds without optimisation.
const SEEDS: u64 = 2000;

#[test]
fn every_history_obeys_the_laws() {
    for seed in seeds() {
        if let Err(broken) = history(seed, None) {
            panic!(
                "SIM_SEED={seed} breaks {:?}: {}",
                broken.law, broken.account
            );
        }
    }
}

#[test]
fn every_planted_bug_is_found_by_the_law_against_it() {
    for (flaw, law) in Flaw::ALL {
        let finds = |seed: u64| history(seed, Some(flaw)).is_err_and(|broken| broken.law == law);
        assert!(
            (0..SEEDS).any(finds),
            "no history of {SEEDS} shows by {law:?} that the machine {flaw:?}"
        );
    }
}

/// Laws over a world in which nothing happens would hold too.
#[test]
fn the_histories_see_everything() {
    let told: Vec<String> = (0..500)
        .flat_map(|seed| {
            let mut world = World::new(seed, None);
            let _ = world.run();
            world.transcript().to_owned()
        })
        .collect();
    for sight in SIGHTS {
        assert!(told.iter().any(|line| line.contains(sight)), "{sight}");
    }
}

/// What is to be seen: each way out of an attempt, each status, each limit that passes.
const SIGHTS: [&str; 21] = [
    "the instance could not be prepared",
    "could not be started: no such file",
    "startup task `t0` exited with status",
    "the role's program exited with status 0",
    "the role's program was killed by signal 9",
    "the role asked for a recycle",
    "a recycle was ordered",
    "a stop was ordered",
    "the fabric is gone",
    "ClientsStopped { answered: true }",
    "ClientsStopped { answered: false }",
    "the limit for stopping has passed",
    "the limit for foreground tasks has passed",
    "the instance is started again in 1.",
    "the instance is started again in 7",
    "draining: true",
    "status: Ready",
    "status: Busy",
    "status: Stopping",
    "status: Recycling",
    "status: Stopped",
];

#[test]
fn a_history_is_a_function_of_its_seed() {
    let tell = |seed| {
        let mut world = World::new(seed, None);
        let outcome = world.run().map_err(|broken| broken.account);
        (outcome, world.transcript().to_owned())
    };
    assert_eq!(tell(7), tell(7));
    assert_ne!(tell(7), tell(8));
}

fn seeds() -> Range<u64> {
    let number = |name| {
        let text = env::var(name).ok()?;
        let number: u64 = text.parse().unwrap_or_else(|_| panic!("{name}={text}"));
        Some(number)
    };
    match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIM_SEEDS").unwrap_or(SEEDS),
    }
}

/// Lives through one history. The account of a broken law ends with the transcript.
fn history(seed: u64, flaw: Option<Flaw>) -> Result<(), Broken> {
    let mut world = World::new(seed, flaw);
    let lived = catch_unwind(AssertUnwindSafe(|| world.run()));
    // The machine's assertions are for its own bugs; that is what a panic here is.
    let outcome = lived.unwrap_or_else(|_| {
        Err(Broken {
            law: Law::NoPanic,
            account: "the machine panicked".into(),
        })
    });
    outcome.map_err(|broken| Broken {
        account: format!("{}\n{}", broken.account, world.transcript().join("\n")),
        ..broken
    })
}
