//! Seeded histories of one deployment: hosts and a balancer that fail in every way we know of, and laws that must hold
//! whatever they do.
//!
//! [`world`] draws what happens from a seed, [`facts`] keeps what the controller was told, [`laws`] checks every action
//! against that, [`flaws`] spoils the controller on purpose, to show that the laws notice. No process, no clock: an
//! hour of a deployment's life takes a millisecond.
//!
//! `SIM_SEEDS` sets how many histories are tried, `SIM_SEED` tries one of them alone. A failure prints its seed and
//! all that happened.

mod deployment;
mod facts;
mod flaws;
mod host;
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
            "no history of {SEEDS} shows by {law:?} that the controller {flaw:?}"
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

/// What is to be seen: every kind of news and of action, each outcome, each place in the rotation.
const SIGHTS: [&str; 27] = [
    "Vacant",
    "HostStarted",
    "HostEnded",
    "BalancerConnected",
    "BalancerGone",
    "Acknowledged(1000000)",
    "Acknowledged(3)",
    "Idle {",
    "Recycle(",
    "Reboot(",
    "Configured(",
    "000 Stop",
    ", Change)",
    ", Replace)",
    ", Reboot)",
    "Discard(",
    "SpawnHost",
    "Drained)",
    "Cut {",
    "CloseListeners",
    "Started(AllReady)",
    "Started(Failed",
    "AttemptEnded",
    "rotation: In",
    "rotation: Draining",
    "rotation: Out",
    "rotation: Dead",
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
