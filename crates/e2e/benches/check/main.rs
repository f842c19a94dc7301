//! `approot check` as a whole process, side by side with xmllint and a schema of ours for the same files.
//!
//! Both read the same definition and configuration: the largest that the platform takes, and the sample service's own.
//! One xmllint checks both files, which spares it a second start. It goes on to check structure and types only, while
//! approot also applies every rule within and between the files: the comparison is to the advantage of xmllint.
//!
//! The two take turns in the same run; figures are medians, and medians of the ratios of a turn. Processor time is the
//! steadier figure where other work shares the machine.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod maximal;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::service::{binary, workspace};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// Turns of each pair of files: enough for medians that hold within some hundredths.
const ROUNDS: usize = 101;

/// Of wall time, what approot is to need for each of what xmllint does: for the maximal service, and for a small one.
const TARGETS: (f64, f64) = (0.35, 0.5);

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let maximal = Files {
        definition: folder.path().join("ServiceDefinition.csdef"),
        configuration: folder.path().join("ServiceConfiguration.Cloud.cscfg"),
    };
    fs::write(&maximal.definition, maximal::definition())?;
    fs::write(&maximal.configuration, maximal::configuration())?;
    let sample = workspace().join("services/echo-cloud");
    let sample = Files {
        definition: sample.join("ServiceDefinition.csdef"),
        configuration: sample.join("ServiceConfiguration.Cloud.cscfg"),
    };
    let approot = binary("approot");
    println!(
        "{:10} {:>9}  {:>26}  {:>26}  {:>6} {:>6} {:>7}",
        "", "bytes", "approot wall, cpu ms", "xmllint wall, cpu ms", "wall", "cpu", "target"
    );
    for (name, files, target) in [
        ("maximal", maximal, TARGETS.0),
        ("sample", sample, TARGETS.1),
    ] {
        let turns = compare(&approot, &files)?;
        print_line(name, files.len()?, &turns, target);
    }
    Ok(())
}

/// A service's two files.
struct Files {
    definition: PathBuf,
    configuration: PathBuf,
}

impl Files {
    fn len(&self) -> Result<u64> {
        Ok(fs::metadata(&self.definition)?.len() + fs::metadata(&self.configuration)?.len())
    }

    fn approot(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("check").arg(&self.definition);
        command.arg("--configuration").arg(&self.configuration);
        command
    }

    fn xmllint(&self) -> Command {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/check/service.xsd");
        let mut command = Command::new("xmllint");
        command.args(["--noout", "--nonet", "--schema"]).arg(schema);
        command.arg(&self.definition).arg(&self.configuration);
        command
    }
}

/// What one process took.
struct Cost {
    wall: Duration,
    cpu: Duration,
}

/// Both programs, turn by turn: approot's cost, then xmllint's.
fn compare(approot: &Path, files: &Files) -> Result<Vec<(Cost, Cost)>> {
    let (mut approot, mut xmllint) = (files.approot(approot), files.xmllint());
    assert_takes_both(&mut approot, &mut xmllint)?;
    let turn = |round: usize| {
        // Every other turn runs backwards, so that none is always the first.
        if round.is_multiple_of(2) {
            let own = cost_of(&mut approot)?;
            Ok((own, cost_of(&mut xmllint)?))
        } else {
            let peer = cost_of(&mut xmllint)?;
            Ok((cost_of(&mut approot)?, peer))
        }
    };
    (0..ROUNDS).map(turn).collect()
}

/// Both must find the files valid: a program that stops at an error is quick.
fn assert_takes_both(approot: &mut Command, xmllint: &mut Command) -> Result<()> {
    let own = approot.output().context("approot starts")?;
    let said = String::from_utf8_lossy(&own.stderr);
    ensure!(own.status.success(), "approot refuses the files:\n{said}");
    let peer = xmllint
        .output()
        .context("cannot start the peer; install Debian's `libxml2-utils`")?;
    let said = String::from_utf8_lossy(&peer.stderr);
    let n_valid = said.lines().filter(|line| line.ends_with(" validates"));
    ensure!(
        peer.status.success() && n_valid.count() == 2,
        "xmllint refuses the files:\n{said}"
    );
    Ok(())
}

/// Runs a program to its end, which must be a success.
fn cost_of(command: &mut Command) -> Result<Cost> {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);
    // Left unreaped, it still has its processor time to tell.
    waitid(
        WaitId::Pid(pid),
        WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
    )?;
    let wall = began.elapsed();
    let cpu = processor_time(pid)?;
    let status = child.wait()?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(Cost { wall, cpu })
}

/// User and system time of a process with one thread.
fn processor_time(pid: Pid) -> Result<Duration> {
    let path = format!("/proc/{}/schedstat", pid.as_raw_nonzero());
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let nanoseconds = text.split_whitespace().next().context("it has figures")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

fn print_line(name: &str, bytes: u64, turns: &[(Cost, Cost)], target: f64) {
    let of = |figure: fn(&(Cost, Cost)) -> f64| median(turns.iter().map(figure).collect());
    println!(
        "{name:10} {bytes:>9}  {:>17.2}, {:>7.2}  {:>17.2}, {:>7.2}  {:>6.2} {:>6.2} {target:>7.2}",
        of(|(own, _)| milliseconds(own.wall)),
        of(|(own, _)| milliseconds(own.cpu)),
        of(|(_, peer)| milliseconds(peer.wall)),
        of(|(_, peer)| milliseconds(peer.cpu)),
        of(|(own, peer)| own.wall.div_duration_f64(peer.wall)),
        of(|(own, peer)| own.cpu.div_duration_f64(peer.cpu)),
    );
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
