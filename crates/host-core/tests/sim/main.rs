//! Seeded histories of one instance: a world that fails in every way we know of, and laws that must hold
//! whatever it does.
//!
//! [`world`] draws what happens from a seed, [`facts`] keeps what was ordered, said, started and ended, [`laws`] checks
//! every action against that, [`flaws`] spoils the machine on purpose, to show that the laws notice. No process, no
//! clock: an hour of an instance's life takes a millisecond.
//!
//! `SIM_SEEDS` sets how many histories are tried, `SIM_SEED` tries one of them alone. A failure prints its seed and
//! all that happened.

mod facts;
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

/// Histories whose transcripts are read. Even the rarest sight shows up in several of them.
const TOLD_SEEDS: u64 = 300;

/// Histories in a plain `cargo test`: some seconds without optimisation.
const SEEDS: u64 = 2000;

#[test]
fn every_history_obeys_the_laws() {
    for seed in seeds() {
        if let Err(Broken { law, account }) = live(&mut World::new(seed, None)) {
            let transcript = transcript(seed).join("\n");
            panic!("SIM_SEED={seed} breaks {law:?}: {account}\n{transcript}");
        }
    }
}

#[test]
fn every_planted_bug_is_found_by_the_law_against_it() {
    for (flaw, law) in Flaw::ALL {
        let finds = |seed| {
            let outcome = live(&mut World::new(seed, Some(flaw)));
            outcome.is_err_and(|broken| broken.law == law)
        };
        assert!(
            (0..SEEDS).any(finds),
            "no history of {SEEDS} shows by {law:?} that the machine {flaw:?}"
        );
    }
}

/// Laws over a world in which nothing happens would hold too.
#[test]
fn the_histories_see_everything() {
    let told: Vec<String> = (0..TOLD_SEEDS).flat_map(transcript).collect();
    for sight in SIGHTS {
        assert!(told.iter().any(|line| line.contains(sight)), "{sight}");
    }
}

/// What is to be seen: each way out of an attempt, each status, each limit that passes.
const SIGHTS: [&str; 24] = [
    "the instance could not be prepared",
    "could not be started: no such file",
    "startup task `t0` exited with status",
    "the role's program exited with status 0",
    "the role's program was killed by signal 9",
    "the role asked for a recycle",
    "a recycle was ordered",
    "a stop was ordered",
    "a reboot was ordered",
    "a configuration came that cannot change",
    "Publish",
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
    assert_eq!(transcript(7), transcript(7));
    assert_ne!(transcript(7), transcript(8));
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

/// All that happens in a history.
fn transcript(seed: u64) -> Vec<String> {
    let mut world = World::new(seed, None).aloud();
    // Whether a law breaks is the business of another test.
    let _ = live(&mut world);
    world.transcript().to_owned()
}

fn live(world: &mut World) -> Result<(), Broken> {
    // The machine's assertions are for its own bugs; that is what a panic here is.
    catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|_| {
        Err(Broken {
            law: Law::NoPanic,
            account: "the machine panicked".into(),
        })
    })
}
