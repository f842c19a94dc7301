//! What could not be executed, or whose loader, interpreter or shell could not go on.

use super::{Cause, DeathRule};
use crate::codes;
use crate::death::{Death, End, Executable, FileKind, NotStarted};

pub(super) const RULES: &[DeathRule] = &[
    no_program,
    not_executable,
    wrong_machine,
    carriage_returns,
    no_interpreter,
    no_loader,
    no_library,
    command_not_found,
    command_not_executable,
    no_program_file,
];

/// Error numbers. Source: errno(3).
const ENOENT: i32 = 2;
const ENOEXEC: i32 = 8;
const EACCES: i32 = 13;

/// The statuses with which a shell says that it found no command, and that it could not execute one.
/// Source: sh(1p), "Exit Status for Commands".
const NOT_FOUND: i32 = 127;
const NOT_EXECUTED: i32 = 126;

/// What a shell ends with when it cannot read its script. Source: dash(1), bash(1).
const NOT_UNDERSTOOD: i32 = 2;

fn refused_with(death: &Death, number: i32) -> bool {
    let expected = Some(number);
    matches!(&death.end, End::NotStarted { why: NotStarted::Refused { errno }, .. } if *errno == expected)
}

fn exited_with(death: &Death, statuses: &[i32]) -> bool {
    matches!(death.end, End::Exited(status) if statuses.contains(&status))
}

fn kind(death: &Death) -> Option<(&Executable, &FileKind)> {
    let executable = death.executable.as_ref()?;
    Some((executable, &executable.kind))
}

fn no_program(death: &Death) -> Option<Cause> {
    let End::NotStarted {
        why: NotStarted::NoFile { word },
        ..
    } = &death.end
    else {
        return None;
    };
    let cause = format!(
        "{} names `{word}`, which is neither in the approot nor on PATH",
        death.subject()
    );
    Some(Cause::new(codes::NO_PROGRAM, cause, vec![death.end()]))
}

fn not_executable(death: &Death) -> Option<Cause> {
    let executable = death.executable.as_ref()?;
    if !refused_with(death, EACCES) || executable.may_execute {
        return None;
    }
    let path = executable.path.display();
    let evidence = vec![
        death.end(),
        format!("no x-bit is set in the mode of {path}"),
    ];
    let cause = format!("{path} is there, and its mode does not allow to execute it");
    Some(Cause::new(codes::NOT_EXECUTABLE, cause, evidence))
}

/// Where the C library hands a file that the kernel does not know to a shell, the shell ends in one of its own ways.
fn wrong_machine(death: &Death) -> Option<Cause> {
    let (executable, kind) = kind(death)?;
    let FileKind::Elf {
        machine,
        is_native: false,
        ..
    } = kind
    else {
        return None;
    };
    let by_shell = exited_with(death, &[NOT_UNDERSTOOD, NOT_EXECUTED, NOT_FOUND]);
    if !refused_with(death, ENOEXEC) && !by_shell {
        return None;
    }
    let path = executable.path.display();
    let evidence = vec![
        death.end(),
        format!("{path} is a program for {machine}, by its own header"),
    ];
    let cause = format!("{path} was built for {machine}, which this machine is not");
    Some(Cause::new(codes::WRONG_MACHINE, cause, evidence))
}

fn carriage_returns(death: &Death) -> Option<Cause> {
    let in_first_line = kind(death).and_then(|(executable, kind)| {
        let is_it = matches!(
            kind,
            FileKind::Script {
                has_carriage_return: true,
                ..
            }
        );
        let path = executable.path.display();
        is_it.then(|| format!("the first line of {path} ends in CR LF"))
    });
    let ended = refused_with(death, ENOENT)
        || exited_with(death, &[NOT_UNDERSTOOD, NOT_EXECUTED, NOT_FOUND]);
    let found = in_first_line.filter(|_| ended).or_else(|| {
        let line = death.line_with(&["\r: not found", "\\r': command not found", "\r': No such"]);
        line.filter(|_| death.failed()).cloned()
    })?;
    let cause = format!("{} has the line ends of Windows", script(death));
    let evidence = vec![death.end(), found];
    Some(Cause::new(codes::CARRIAGE_RETURNS, cause, evidence))
}

fn script(death: &Death) -> String {
    match &death.executable {
        Some(executable) if matches!(executable.kind, FileKind::Script { .. }) => {
            executable.path.display().to_string()
        }
        _ => format!("a script of {}", death.subject()),
    }
}

fn no_interpreter(death: &Death) -> Option<Cause> {
    let (executable, kind) = kind(death)?;
    let FileKind::Script {
        interpreter,
        has_interpreter,
        has_carriage_return: false,
    } = kind
    else {
        return None;
    };
    let path = executable.path.display();
    if refused_with(death, ENOENT) && !has_interpreter {
        let interpreter = interpreter.display();
        let cause = format!("{path} is a script for {interpreter}, which is not on this machine");
        let evidence = vec![death.end(), format!("there is no {interpreter}")];
        return Some(Cause::new(codes::NO_INTERPRETER, cause, evidence));
    }
    // `#!/usr/bin/env NAME` looks NAME up, and says itself that it is not there.
    let by_env = interpreter.ends_with("env") && exited_with(death, &[NOT_FOUND]);
    let line =
        death.line(|line| by_env && line.contains("env: ") && line.contains("No such file"))?;
    let cause = format!("the interpreter of {path} is not on PATH");
    let evidence = vec![death.end(), line.clone()];
    Some(Cause::new(codes::NO_INTERPRETER, cause, evidence))
}

fn no_loader(death: &Death) -> Option<Cause> {
    let (executable, kind) = kind(death)?;
    let FileKind::Elf {
        loader: Some(loader),
        has_loader: false,
        ..
    } = kind
    else {
        return None;
    };
    if !refused_with(death, ENOENT) {
        return None;
    }
    let (path, loader) = (executable.path.display(), loader.display());
    let cause = format!("{path} needs the loader {loader}, which is not on this machine");
    let evidence = vec![death.end(), format!("there is no {loader}")];
    Some(Cause::new(codes::NO_LOADER, cause, evidence))
}

/// The loaders' own words: those of the GNU C library, and of musl.
fn no_library(death: &Death) -> Option<Cause> {
    let words = [
        "error while loading shared libraries: ",
        "Error loading shared library ",
    ];
    let line = death.line_with(&words).filter(|_| death.failed())?;
    let after = words.iter().find_map(|word| line.split_once(word))?.1;
    let library = after.split(':').next().unwrap_or(after);
    let mut evidence = vec![death.end(), line.clone()];
    if let Some((executable, FileKind::Elf { needs, .. })) = kind(death)
        && needs.iter().any(|need| need == library)
    {
        let path = executable.path.display();
        evidence.push(format!("{path} names {library} itself"));
    }
    let cause = format!("the shared library `{library}` cannot be found or loaded");
    Some(Cause::new(codes::NO_LIBRARY, cause, evidence))
}

/// Whether a shell speaks: the status alone is any program's to give.
fn is_of_a_shell(death: &Death) -> bool {
    kind(death).is_some_and(|(executable, kind)| {
        let shells = ["sh", "bash", "dash", "ash", "zsh", "ksh"];
        let name = executable.path.file_name().and_then(|name| name.to_str());
        let by_name = name.is_some_and(|name| shells.contains(&name));
        by_name || matches!(kind, FileKind::Script { .. } | FileKind::Other)
    })
}

fn command_not_found(death: &Death) -> Option<Cause> {
    let is_it = exited_with(death, &[NOT_FOUND]) && is_of_a_shell(death);
    let is_other = carriage_returns(death)
        .or(no_interpreter(death))
        .or(no_library(death));
    if !is_it || is_other.is_some() {
        return None;
    }
    let mut evidence = vec![death.end()];
    evidence.extend(death.line_with(&["not found", "No such file"]).cloned());
    let cause = format!(
        "{} ran a command that its shell could not find",
        death.subject()
    );
    Some(Cause::new(codes::COMMAND_NOT_FOUND, cause, evidence))
}

fn command_not_executable(death: &Death) -> Option<Cause> {
    let is_it = exited_with(death, &[NOT_EXECUTED]) && is_of_a_shell(death);
    if !is_it || carriage_returns(death).is_some() {
        return None;
    }
    let mut evidence = vec![death.end()];
    let words = [
        "Permission denied",
        "cannot execute",
        "Exec format error",
        "s a directory",
    ];
    evidence.extend(death.line_with(&words).cloned());
    let cause = format!(
        "{} ran a file that its shell could not execute",
        death.subject()
    );
    Some(Cause::new(codes::COMMAND_NOT_EXECUTABLE, cause, evidence))
}

fn no_program_file(death: &Death) -> Option<Cause> {
    let (executable, FileKind::Other) = kind(death)? else {
        return None;
    };
    if !refused_with(death, ENOEXEC) {
        return None;
    }
    let path = executable.path.display();
    let cause = format!("{path} is neither a program of this machine nor a script with `#!`");
    Some(Cause::new(codes::NO_PROGRAM_FILE, cause, vec![death.end()]))
}
