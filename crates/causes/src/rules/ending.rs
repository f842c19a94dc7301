//! How a process ended, where nothing says why. The first rule that fires is the only one.

use super::{Cause, DeathRule, signals};
use crate::codes;
use crate::death::{Death, End, Limit, NotStarted, Phase, Process};

pub(super) const RULES: &[DeathRule] = &[
    limits,
    memory_limit,
    signalled,
    panicked,
    task_failed,
    program_ended,
    not_started,
];

/// A peak of at least this part of the limit, in percent, together with a SIGKILL that was not approot's.
const NEAR_LIMIT_PERCENT: u64 = 95;

fn limits(death: &Death) -> Option<Cause> {
    let subject = death.subject();
    let (code, what) = match death.limits.first()? {
        Limit::Stop => (
            codes::STOP_LIMIT,
            "did not end in the time that it has to stop",
        ),
        Limit::Foreground => (
            codes::FOREGROUND_LIMIT,
            "did not end in the time that it may hold a stop back",
        ),
        Limit::Watchdog => (
            codes::WATCHDOG_LIMIT,
            "gave no sign of life in the time that it had promised one",
        ),
        Limit::FileSize => (codes::FILE_SIZE_LIMIT, "wrote a file larger than it may"),
        Limit::Memory => return None,
    };
    let cause = match code {
        codes::FILE_SIZE_LIMIT => format!("{subject} {what}"),
        _ => format!("{subject} {what}, and was killed"),
    };
    Some(Cause::new(code, cause, vec![death.end()]))
}

fn memory_limit(death: &Death) -> Option<Cause> {
    let memory = &death.memory;
    let limit = memory.limit_bytes?;
    let is_near = memory
        .peak_bytes
        .is_some_and(|peak| peak >= limit / 100 * NEAR_LIMIT_PERCENT);
    let was_killed = death.end == End::Killed(signals::KILL);
    if !was_killed || (memory.oom_kills == 0 && !is_near) {
        return None;
    }
    let mut evidence = vec![death.end()];
    if memory.oom_kills > 0 {
        evidence.push(format!(
            "the kernel counts {} kills for memory",
            memory.oom_kills
        ));
    }
    if let Some(peak) = memory.peak_bytes {
        evidence.push(format!("the peak was {} MiB", peak >> 20));
    }
    let cause = format!(
        "{} used more memory than the {} MiB that its instance may",
        death.subject(),
        limit >> 20
    );
    Some(Cause::new(codes::MEMORY_LIMIT, cause, evidence))
}

fn signalled(death: &Death) -> Option<Cause> {
    let End::Killed(signal) = death.end else {
        return None;
    };
    // A panic that aborts has said more than its signal.
    if signal == signals::ABRT
        && let Some(cause) = panicked(death)
    {
        return Some(cause);
    }
    let (code, what) = match signal {
        signals::SEGV | signals::BUS => (
            codes::BAD_MEMORY_ACCESS,
            "accessed memory that it does not have",
        ),
        signals::ABRT => (codes::ABORTED, "ended itself"),
        signals::ILL | signals::TRAP => (
            codes::ILLEGAL_INSTRUCTION,
            "met an instruction that it could not execute",
        ),
        signals::KILL => (
            codes::KILLED_FROM_OUTSIDE,
            "was killed by something that is not approot",
        ),
        _ => (
            codes::SIGNALLED_FROM_OUTSIDE,
            "was ended by a signal that approot did not send",
        ),
    };
    let name = signals::name(signal);
    let cause = format!("{} {what}: signal {signal}{name}", death.subject());
    Some(Cause::new(code, cause, vec![death.end()]))
}

fn panicked(death: &Death) -> Option<Cause> {
    let is_panic = |line: &str| line.contains("thread '") && line.contains("panicked at");
    let at = death.lines.iter().rposition(|line| is_panic(line))?;
    if !death.failed() {
        return None;
    }
    // The message stands in the line after the place.
    let said = &death.lines[at..death.lines.len().min(at + 2)];
    let mut evidence = vec![death.end()];
    evidence.extend(said.iter().cloned());
    let cause = format!("{} panicked", death.subject());
    Some(Cause::new(codes::PANICKED, cause, evidence))
}

fn task_failed(death: &Death) -> Option<Cause> {
    let (Process::Task { .. }, End::Exited(status)) = (&death.process, &death.end) else {
        return None;
    };
    let cause = format!(
        "{} ended with status {status}; only 0 lets the role go on",
        death.subject()
    );
    Some(Cause::new(
        codes::TASK_FAILED,
        cause,
        with_last_lines(death),
    ))
}

fn program_ended(death: &Death) -> Option<Cause> {
    let (Process::Program { .. }, End::Exited(status)) = (&death.process, &death.end) else {
        return None;
    };
    let subject = death.subject();
    let (code, cause) = match (status, death.phase) {
        (0, _) => (
            codes::ENDED_WITH_ZERO,
            format!("{subject} has ended with status 0; a worker has to run for ever"),
        ),
        (status, Phase::Starting) => (
            codes::ENDED_IN_START,
            format!("{subject} ended with status {status} before it was ready"),
        ),
        (status, _) => (
            codes::ENDED_IN_RUN,
            format!(
                "{subject} ended with status {status} after it had run for {:.1} s",
                death.ran_ms as f64 / 1000.0
            ),
        ),
    };
    Some(Cause::new(code, cause, with_last_lines(death)))
}

fn not_started(death: &Death) -> Option<Cause> {
    let End::NotStarted {
        why: NotStarted::Refused { .. },
        reason,
    } = &death.end
    else {
        return None;
    };
    let is_ours = death.process == Process::Preparation;
    let cause = format!("{} could not be started: {reason}", death.subject());
    (!is_ours).then(|| Cause::new(codes::TASK_NOT_STARTED, cause, vec![death.end()]))
}

/// How it ended, and what it said last: more than that is not known.
fn with_last_lines(death: &Death) -> Vec<String> {
    /// Enough to show an error, few enough to be read.
    const LINES: usize = 5;
    let from = death.lines.len().saturating_sub(LINES);
    let mut evidence = vec![death.end()];
    evidence.extend(death.lines[from..].iter().cloned());
    evidence
}
