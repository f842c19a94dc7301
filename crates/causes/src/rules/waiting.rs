//! What an instance that lives waits for, or does not do.

use host_core::Status;

use super::Cause;
use crate::codes;
use crate::death::{Endpoint, Phase};
use crate::facts::{Facts, SLOW};

pub(super) const RULES: &[fn(&Facts) -> Option<Cause>] = &[
    task_runs,
    foreground_holds,
    stops_slowly,
    says_busy,
    elsewhere,
    not_listening,
    never_ready,
];

fn lasts(facts: &Facts, what: &str) -> String {
    format!("{what} for {:.1} s", facts.lasts.as_secs_f64())
}

fn task_runs(facts: &Facts) -> Option<Cause> {
    let Some(Phase::Task(index)) = facts.phase() else {
        return None;
    };
    let task = facts.tasks.get(index).filter(|_| facts.lasts >= SLOW)?;
    let evidence = lasts(facts, &format!("startup task {} `{task}` runs", index + 1));
    Some(Cause::new(
        codes::TASK_RUNS,
        format!("startup task `{task}` has not ended yet, and everything after it waits"),
        vec![evidence],
    ))
}

fn foreground_holds(facts: &Facts) -> Option<Cause> {
    let doing = facts.doing.as_ref()?;
    if doing.phase != Phase::Holding || doing.tasks.is_empty() {
        return None;
    }
    let tasks: Vec<String> = doing.tasks.iter().map(|task| format!("`{task}`")).collect();
    let tasks = tasks.join(", ");
    Some(Cause::new(
        codes::FOREGROUND_HOLDS,
        format!("the role's program has ended, and foreground task {tasks} has not"),
        vec![lasts(
            facts,
            &format!("{tasks} was told to end and runs on"),
        )],
    ))
}

fn stops_slowly(facts: &Facts) -> Option<Cause> {
    if facts.phase() != Some(Phase::Stopping) || facts.lasts < SLOW {
        return None;
    }
    let (what, name) = match facts.doing.as_ref()?.tasks.first() {
        Some(task) => ("startup task", task),
        None => ("the role's program", &facts.program),
    };
    Some(Cause::new(
        codes::STOPS_SLOWLY,
        format!("{what} `{name}` was told to stop and has not ended yet"),
        vec![lasts(facts, "it has been stopping")],
    ))
}

fn says_busy(facts: &Facts) -> Option<Cause> {
    if facts.phase() != Some(Phase::Busy) {
        return None;
    }
    let detail = facts.detail.as_deref();
    let detail = detail.map_or_else(String::new, |detail| {
        format!(", with the detail `{detail}`")
    });
    Some(Cause::new(
        codes::SAYS_BUSY,
        "the role itself says that it is busy",
        vec![lasts(
            facts,
            &format!("a lease of status Busy holds{detail}"),
        )],
    ))
}

/// The endpoints at which nobody listens, while a program runs that should.
fn silent(facts: &Facts) -> Vec<&Endpoint> {
    let runs = matches!(
        facts.phase(),
        Some(Phase::Starting | Phase::Running | Phase::Busy)
    );
    let endpoints = facts.endpoints.iter();
    let silent = endpoints.filter(|endpoint| runs && endpoint.listener.is_none());
    silent.collect()
}

fn elsewhere(facts: &Facts) -> Option<Cause> {
    let silent = silent(facts);
    let (endpoint, listener) = silent.iter().find_map(|endpoint| {
        let same_port = |address: &std::net::SocketAddr| address.port() == endpoint.address.port();
        let mut listens = facts.listens.iter();
        let listener = listens.find(|listener| same_port(&listener.address))?;
        Some((endpoint, listener))
    })?;
    let who = listener
        .pid
        .map_or_else(String::new, |pid| format!(" (pid {pid})"));
    let (name, wanted, found) = (&endpoint.name, endpoint.address, listener.address);
    Some(Cause::new(
        codes::ELSEWHERE,
        format!("the program listens at {found}, and not at {wanted}, where endpoint `{name}` is"),
        vec![
            format!("{}{who} listens at {found}", listener.name),
            format!("nothing listens at {wanted}"),
        ],
    ))
}

fn not_listening(facts: &Facts) -> Option<Cause> {
    if facts.lasts < SLOW || elsewhere(facts).is_some() {
        return None;
    }
    // One that has not said that it is ready may well listen later; what it has not said is the nearer cause.
    if facts.phase() == Some(Phase::Starting) {
        return None;
    }
    let silent = silent(facts);
    let first = silent.first()?;
    let mut evidence: Vec<String> = silent
        .iter()
        .map(|endpoint| format!("nothing listens at {}", endpoint.address))
        .collect();
    let listens = facts.listens.iter();
    evidence.extend(listens.map(|listener| format!("it listens at {}", listener.address)));
    let is_taken = |line: &&String| super::needs::IN_USE.iter().any(|word| line.contains(word));
    if let Some(line) = facts.lines.iter().rev().find(is_taken) {
        evidence.push(line.clone());
    }
    Some(Cause::new(
        codes::NOT_LISTENING,
        format!(
            "nothing listens at {}, where endpoint `{}` is",
            first.address, first.name
        ),
        evidence,
    ))
}

fn never_ready(facts: &Facts) -> Option<Cause> {
    let waits = facts.phase() == Some(Phase::Starting) && facts.status == Status::Busy;
    if !waits || facts.lasts < SLOW {
        return None;
    }
    Some(Cause::new(
        codes::NEVER_READY,
        format!(
            "the role's program `{}` runs and has not said that it is ready",
            facts.program
        ),
        vec![lasts(facts, "it runs without having said so")],
    ))
}
