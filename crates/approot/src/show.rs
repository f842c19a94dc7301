//! Results, errors and findings as people and programs see them.

use std::io::{ErrorKind, IsTerminal};

use anyhow::Context;
use diagnostics::{Finding, Sources, Style, render_human};
use fabric::{FabricError, Status};
use serde::Serialize;

use crate::cli::Format;
use crate::{print, table};

/// Prints an error with its causes, and what helps where that is known.
pub(crate) fn error(error: &anyhow::Error) {
    print::words(&with_causes(error.as_ref()));
}

/// What [`error`] says of a fabric's error.
pub(crate) fn failed(error: &FabricError) -> String {
    with_causes(error)
}

fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("error: {error}\n");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!("  because {cause}\n"));
        source = cause.source();
    }
    if let Some(help) = error.downcast_ref::<FabricError>().and_then(help) {
        text.push_str(&format!("  help: {help}\n"));
    }
    text
}

fn help(error: &FabricError) -> Option<String> {
    match error {
        FabricError::NoProgram { word, .. } if let Some(stem) = schema::windows_script_stem(word) => Some(format!(
            "Windows scripts are not run: put `{stem}.sh`, or `{stem}`, into the approot, which then runs instead"
        )),
        FabricError::NoProgram { role, what: "program", .. } => Some(format!(
            "build the program and name it with `--binary {role}=FILE`; `cargo xtask run-local` and `cargo xtask \
             package` do both for a role that is a package of this workspace"
        )),
        FabricError::NoProgram { .. } => {
            Some("put the file into the approot, with `Contents` or in the folder `<Role>Content` beside the definition".to_owned())
        }
        FabricError::Certificates { .. } => Some(
            "put the PFX or PEM file there, name another folder with `--certificates DIR`, or have stand-ins made for \
             development with `--dev-certificates`"
                .to_owned(),
        ),
        FabricError::Port { source, .. } => help_with_port(source.kind()).map(str::to_owned),
        _ => None,
    }
}

fn help_with_port(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::AddrInUse => Some(
            "end the program that has the port, or listen on another address with `--listen IP`",
        ),
        ErrorKind::PermissionDenied => Some(
            "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE: run approot with it, or lower \
             that number with sysctl",
        ),
        ErrorKind::AddrNotAvailable => Some("name an address of this machine with `--listen IP`"),
        _ => None,
    }
}

/// Prints findings for people, and how many there are.
pub(crate) fn findings(sources: &Sources, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    let style = if std::io::stderr().is_terminal() {
        Style::Coloured
    } else {
        Style::Plain
    };
    let n_errors = findings.iter().filter(|finding| finding.is_error()).count();
    print::words(&render_human(sources, findings, style));
    line(&format!(
        "{}, {n_errors} of them errors",
        counted(findings.len(), "finding")
    ));
}

fn counted(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

/// A line that a role has said, as it may stand in a terminal: what would move its cursor, begin another line or turn
/// the direction of writing is shown as an escape.
pub(crate) fn plain(said: &str) -> String {
    let is_plain = |c: char| match c {
        '\t' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        _ => !c.is_control(),
    };
    let mut plain = String::with_capacity(said.len());
    for c in said.chars() {
        if is_plain(c) {
            plain.push(c);
        } else {
            plain.extend(c.escape_default());
        }
    }
    plain
}

/// Prints lines for people.
pub(crate) fn words(text: &str) {
    print::words(text);
}

/// Prints a line for people.
pub(crate) fn line(text: &str) {
    print::words(&format!("{text}\n"));
}

/// Prints a document for programs, on one line. A reader that has gone does not want it.
///
/// # Errors
/// It cannot be written.
pub(crate) fn json<T: Serialize>(document: &T) -> anyhow::Result<()> {
    let text = serde_json::to_string(document).context("cannot write the result as JSON")?;
    print::result(format!("{text}\n").as_bytes()).map(drop)
}

/// Prints the status as `approot status` does.
///
/// # Errors
/// The JSON cannot be written.
pub(crate) fn status(status: &Status, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => json(status)?,
        Format::Human => print::words(&table::table(status)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn port(kind: ErrorKind) -> String {
        failed(&FabricError::Port {
            endpoint: "Web/Http".to_owned(),
            address: ([127, 0, 0, 1], 80).into(),
            holder: None,
            source: io::Error::from(kind),
        })
    }

    #[test]
    fn each_refusal_of_a_port_has_its_own_cure() {
        for (kind, cure) in [
            (ErrorKind::AddrInUse, "end the program that has the port"),
            (
                ErrorKind::PermissionDenied,
                "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE",
            ),
            (
                ErrorKind::AddrNotAvailable,
                "name an address of this machine",
            ),
        ] {
            let text = port(kind);
            assert!(
                text.starts_with("error: cannot listen on 127.0.0.1:80"),
                "{text}"
            );
            assert!(text.contains(&format!("  help: {cure}")), "{text}");
        }
        assert!(!port(ErrorKind::OutOfMemory).contains("help"));
    }
}
