//! `cargo xtask test`: everything that a contributor must pass.
//!
//! Shows what `cargo test` prints, counts along, and ends with one line of numbers. A test whose
//! outside tool or privilege is missing says so in the file named by [`NOT_RUN`] and counts as
//! skipped; where `CI` is set such a test fails by itself.

use std::fs;
use std::io::{self, BufRead, BufReader, PipeReader, Write};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use xshell::{Shell, cmd};

use crate::python;
use crate::tally::{Summary, Tally, not_run};
use crate::workspace::Workspace;

/// The variable that names the file in which tests say that they were not run.
const NOT_RUN: &str = "APPROOT_NOT_RUN";

/// How long the output may go on after `cargo test` has ended. What is left is in a pipe already,
/// so that a second is plenty; but a process that a test left behind keeps the pipe open for good.
const OUTPUT_AFTER_END: Duration = Duration::from_secs(1);

pub(crate) fn run(sh: &Shell) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::read(sh)?;
    conclude(test(sh, &workspace)?)
}

/// Prints the closing line, the last one in any case.
pub(crate) fn conclude(summary: Summary) -> anyhow::Result<ExitCode> {
    println!("{summary}");
    Ok(match summary.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Builds the workspace, so that whole-system tests find its programs, and tests it.
///
/// # Errors
///
/// The workspace does not build. A failed test is no error but a number.
pub(crate) fn test(sh: &Shell, workspace: &Workspace) -> anyhow::Result<Summary> {
    let _dir = sh.push_dir(&workspace.root);
    let target = &workspace.target;
    let _target = sh.push_env("CARGO_TARGET_DIR", target);
    cmd!(sh, "cargo build --workspace --locked").run()?;
    cmd!(sh, "cargo test --workspace --locked --no-run").run()?;

    let file = target.join("not-run.txt");
    fs::write(&file, "").with_context(|| format!("empty {}", file.display()))?;
    let command = cmd!(sh, "cargo test --workspace --locked --no-fail-fast");
    let command = command.env(NOT_RUN, &file);
    let command = command.env("PATH", python::path(workspace)?).into();
    let mut summary = count(command, &mut io::stdout())?;

    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let not_run = not_run(&text);
    if !not_run.is_empty() {
        println!("\nnot run:");
    }
    for (test, missing) in &not_run {
        println!("  {test}: {}", missing.join(", "));
    }
    // They returned early, which their harness took for a pass.
    summary.passed = summary.passed.saturating_sub(not_run.len());
    summary.skipped += not_run.len();
    Ok(summary)
}

enum Event {
    Line(Vec<u8>),
    Ended(io::Result<ExitStatus>),
}

/// Runs `cargo test`, passing its output on.
///
/// Both of its outputs go through one pipe: [`Tally`] needs their order.
fn count(mut command: Command, output: &mut impl Write) -> anyhow::Result<Summary> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null());
    command.stdout(writer.try_clone()?).stderr(writer);
    let child = command.spawn().context("start cargo test")?;
    // It holds the pipe's other end.
    drop(command);

    let (events, received) = mpsc::channel();
    let lines = events.clone();
    thread::spawn(move || send_lines(reader, &lines));
    thread::spawn(move || send_end(child, &events));
    follow(&received, output)
}

fn send_lines(reader: PipeReader, events: &Sender<Event>) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        if events.send(Event::Line(std::mem::take(&mut line))).is_err() {
            return;
        }
    }
}

fn send_end(mut child: Child, events: &Sender<Event>) {
    // Who no longer listens has no use for it.
    let _ = events.send(Event::Ended(child.wait()));
}

fn follow(events: &Receiver<Event>, output: &mut impl Write) -> anyhow::Result<Summary> {
    let mut tally = Tally::default();
    let mut status = None;
    loop {
        let event = match status {
            None => events
                .recv()
                .map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            Some(_) => events.recv_timeout(OUTPUT_AFTER_END),
        };
        match event {
            Ok(Event::Line(line)) => {
                output.write_all(&line)?;
                tally.line(String::from_utf8_lossy(&line).trim_end());
            }
            Ok(Event::Ended(ended)) => status = Some(ended?),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                writeln!(
                    output,
                    "warning: a process that a test started is still running"
                )?;
                break;
            }
        }
    }
    let status = status.context("cargo test ended without a status")?;
    Ok(tally.finish(status.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a script in place of cargo comes to, and what of its output was passed on.
    fn shell(script: &str) -> (String, String) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut output = Vec::new();
        let summary = count(command, &mut output).unwrap();
        (
            summary.to_string(),
            String::from_utf8_lossy(&output).into_owned(),
        )
    }

    #[test]
    fn both_outputs_are_read_in_order() {
        let script = "
            echo '     Running tests/a.rs (a)' >&2
            echo 'test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured'
            echo '     Running tests/keeper.rs (keeper)' >&2
            echo 'error: test failed, to rerun pass `--test keeper`' >&2
            exit 101";
        let (summary, output) = shell(script);
        assert_eq!(summary, "2 passed, 1 failed, 0 skipped");
        assert_eq!(output.lines().count(), 4);
    }

    #[test]
    fn bytes_that_are_no_text_and_a_missing_line_end_are_read() {
        let script = r"printf '\377\n     Running x\ntest result: ok. 1 passed; 0 failed'";
        assert_eq!(shell(script).0, "1 passed, 0 failed, 0 skipped");
    }

    #[test]
    fn a_process_left_behind_does_not_hold_up_the_end() {
        let folder = Shell::new().unwrap().create_temp_dir().unwrap();
        let folder = folder.path().display();
        // It lives until this test goes on, or ends by itself should that never be.
        let wait = format!("until [ -e {folder}/end ]; do sleep 0.1; done; touch {folder}/late");
        let script = format!(
            "echo 'test result: ok. 1 passed; 0 failed'
            timeout 60 sh -c '{wait}' &"
        );
        let (summary, output) = shell(&script);
        assert_eq!(summary, "1 passed, 0 failed, 0 skipped");
        assert!(output.ends_with("is still running\n"), "{output}");
        assert!(!fs::exists(format!("{folder}/late")).unwrap());
        fs::write(format!("{folder}/end"), "").unwrap();
    }

    #[test]
    fn the_exit_code_follows_the_failures() {
        let exit_code = |failed| {
            let summary = Summary {
                failed,
                ..Summary::default()
            };
            format!("{:?}", conclude(summary).unwrap())
        };
        assert_eq!(exit_code(0), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(exit_code(1), format!("{:?}", ExitCode::FAILURE));
    }
}
