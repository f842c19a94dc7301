//! `approot package build` as a whole process, side by side with tar through pigz and gzip, and with `cat`.
//!
//! The tree is made of the Rust toolchain that is at hand: 10,000 of its small files, and its largest ones up to
//! 600 MiB, the same each time. It is in the page cache throughout. All take turns in the same run; figures are
//! medians, and medians of the ratios of a round. Processor time, user's and system's, is the steadier figure where
//! other work shares the machine. approot alone syncs what it wrote to disk, and hashes everything twice.
//!
//! Also: a second packaging of what did not change, the most memory that approot had, and where its time goes.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use archive::{ArchiveWriter, Hasher, Limits, Mode};
use e2e::service::binary;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use rustix::time::{ClockId, clock_gettime};

/// Rounds of all that is compared: enough for a median, in about two minutes.
const ROUNDS: usize = 3;

const SMALL_FILES: usize = 10_000;
/// What counts as small, in bytes.
const SMALL_BYTES_MAX: u64 = 63 << 10;
/// What counts as large, in bytes.
const LARGE_BYTES_MIN: u64 = (1 << 20) + 1;
/// How many large files are considered, the largest first.
const LARGE_FILES_MAX: usize = 60;
/// The most that the tree may have in bytes.
const TREE_BYTES_MAX: u64 = 600 << 20;

/// Of pigz's, what approot is to take: time, processor time, size, and the time of a second run.
const TARGETS: [f64; 4] = [0.55, 0.6, 1.025, 0.05];
/// The most memory that approot is to have, in KiB.
const PEAK_KIB_MAX: u64 = 64 << 10;

/// What the kernel counts processor time in towards programs, on every architecture that we build for.
const TICKS_PER_SECOND: u64 = 100;

fn main() -> Result<()> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let bench = Bench::new(folder.path())?;
    let (n_files, bytes) = (bench.files.len(), bench.bytes());
    println!("{n_files} files of {} MiB", bytes >> 20);
    bench.run(Contender::Cat)?;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let mut order = Contender::ALL.to_vec();
        // Every other round runs backwards, so that none always follows the same.
        if round % 2 == 1 {
            order.reverse();
        }
        let costs = order.into_iter().map(|one| Ok((one, bench.run(one)?)));
        rounds.push(costs.collect::<Result<Vec<_>>>()?);
    }
    print_table(&rounds);
    print_stages(&bench)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contender {
    Cat,
    Pigz,
    Gzip,
    Approot,
    /// approot again, with nothing changed.
    Again,
}

impl Contender {
    const ALL: [Contender; 5] = [
        Contender::Cat,
        Contender::Pigz,
        Contender::Approot,
        Contender::Again,
        Contender::Gzip,
    ];

    fn name(self) -> &'static str {
        match self {
            Contender::Cat => "cat",
            Contender::Pigz => "tar | pigz -6 -p2",
            Contender::Gzip => "tar | gzip -6",
            Contender::Approot => "approot",
            Contender::Again => "approot again",
        }
    }
}

/// A service that is mostly content, and where packages of it go.
struct Bench {
    approot: PathBuf,
    service: PathBuf,
    tree: PathBuf,
    out: PathBuf,
    /// Of the tree, by path.
    files: Vec<(PathBuf, u64)>,
}

/// What one run took, and made.
#[derive(Debug, Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
    peak_kib: u64,
    bytes_out: u64,
}

impl Bench {
    fn new(folder: &Path) -> Result<Bench> {
        let service = folder.join("service");
        let tree = service.join("BulkContent");
        fs::create_dir_all(&tree)?;
        let namespace = "http://schemas.microsoft.com/ServiceHosting/2008/10";
        let definition = format!(
            "<ServiceDefinition name=\"Bulk\" xmlns=\"{namespace}/ServiceDefinition\">\
             <WorkerRole name=\"Bulk\" vmsize=\"Small\"><Runtime><EntryPoint>\
             <ProgramEntryPoint commandLine=\"bulk\" setReadyOnProcessStart=\"true\" />\
             </EntryPoint></Runtime></WorkerRole></ServiceDefinition>\n"
        );
        fs::write(service.join("ServiceDefinition.csdef"), definition)?;
        let configuration = format!(
            "<ServiceConfiguration serviceName=\"Bulk\" xmlns=\"{namespace}/ServiceConfiguration\">\
             <Role name=\"Bulk\"><Instances count=\"1\" /></Role></ServiceConfiguration>\n"
        );
        let name = "ServiceConfiguration.Cloud.cscfg";
        fs::write(service.join(name), configuration)?;
        let files = make_tree(&tree)?;
        Ok(Bench {
            approot: binary("approot"),
            service,
            tree,
            out: folder.join("out"),
            files,
        })
    }

    fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes).sum()
    }

    fn run(&self, contender: Contender) -> Result<Cost> {
        let packed = self.out.join("packed");
        let package = self.out.join("Bulk.cspkg.tar.gz");
        if self.out.exists() {
            fs::remove_dir_all(&self.out)?;
        }
        fs::create_dir(&self.out)?;
        let piped = |program: &str| {
            let line = "set -o pipefail; tar --sort=name -C \"$1\" -cf - . | ".to_owned();
            shell(&(line + program + " >\"$2\""), &[&self.tree, &packed])
        };
        let (mut command, made) = match contender {
            Contender::Cat => {
                let line = "cd \"$1\" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 cat";
                (shell(line, &[&self.tree]), None)
            }
            Contender::Pigz => (piped("pigz -6 -p2"), Some(packed)),
            Contender::Gzip => (piped("gzip -6"), Some(packed)),
            Contender::Approot => (self.approot(&["--no-cache"]), Some(package)),
            Contender::Again => {
                cost_of(&mut self.approot(&[]))?;
                (self.approot(&[]), Some(package))
            }
        };
        let mut cost = cost_of(&mut command)?;
        if let Some(path) = made {
            cost.bytes_out = fs::metadata(path)?.len();
        }
        Ok(cost)
    }

    fn approot(&self, options: &[&str]) -> Command {
        let mut command = Command::new(&self.approot);
        command.args(["package", "build"]).arg(&self.service);
        command.arg("--out").arg(&self.out);
        command.args(["--quiet", "--format", "json"]).args(options);
        command
    }
}

fn shell(line: &str, arguments: &[&PathBuf]) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", line, "bench"]).args(arguments);
    command
}

/// Copies the toolchain's files, and lists the copies.
fn make_tree(tree: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()?;
    let sysroot = String::from_utf8(sysroot.stdout)?;
    let mut all = Vec::new();
    list(Path::new(sysroot.trim_end()), &mut all)?;
    all.sort();
    let (small, mut large): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|(_, bytes)| *bytes <= SMALL_BYTES_MAX);
    large.retain(|(_, bytes)| *bytes >= LARGE_BYTES_MIN);
    large.sort_by(|(a_path, a), (b_path, b)| (b, b_path).cmp(&(a, a_path)));
    let every = (small.len() / SMALL_FILES).max(1);
    let chosen = small.into_iter().skip(every - 1).step_by(every);
    let mut copies = Vec::new();
    let mut copy = |from: &Path, to: PathBuf, bytes| -> Result<()> {
        fs::create_dir_all(to.parent().context("it is below the tree")?)?;
        fs::copy(from, &to)?;
        copies.push((to, bytes));
        Ok(())
    };
    let mut bytes_so_far = 0;
    for (path, bytes) in chosen.take(SMALL_FILES) {
        let below = path.strip_prefix(sysroot.trim_end())?;
        copy(&path, tree.join("small").join(below), bytes)?;
        bytes_so_far += bytes;
    }
    for (path, bytes) in large.into_iter().take(LARGE_FILES_MAX) {
        if bytes_so_far + bytes <= TREE_BYTES_MAX {
            let name = path.file_name().context("a file has a name")?;
            copy(&path, tree.join("large").join(name), bytes)?;
            bytes_so_far += bytes;
        }
    }
    Ok(copies)
}

fn list(folder: &Path, files: &mut Vec<(PathBuf, u64)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push((entry.path(), entry.metadata()?.len()));
        }
    }
    Ok(())
}

/// Runs a program to its end, which must be a success.
fn cost_of(command: &mut Command) -> Result<Cost> {
    command.stdout(Stdio::null()).stderr(Stdio::inherit());
    let began = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let pid = Pid::from_child(&child);
    let is_over = AtomicBool::new(false);
    let (wall, peak_kib) = thread::scope(|scope| {
        let watch = scope.spawn(|| peak_kib_of(pid, &is_over));
        // Left unreaped, it still has its processor time to tell.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let waited = waitid(WaitId::Pid(pid), options);
        let wall = began.elapsed();
        is_over.store(true, Ordering::Relaxed);
        let peak_kib = watch.join().expect("it does not panic");
        waited.map(|_| (wall, peak_kib))
    })?;
    let cpu = processor_time(pid)?;
    let status = child.wait()?;
    ensure!(
        status.success(),
        "{command:?} ended with {status}; it may need Debian's `pigz`"
    );
    Ok(Cost {
        wall,
        cpu,
        peak_kib,
        bytes_out: 0,
    })
}

/// The most memory that a process had while it ran, in KiB; it is asked again and again, for a dead one cannot tell.
fn peak_kib_of(pid: Pid, is_over: &AtomicBool) -> u64 {
    let path = format!("/proc/{}/status", pid.as_raw_nonzero());
    let mut peak_kib = 0;
    while !is_over.load(Ordering::Relaxed) {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak_kib = peak_kib.max(kib.unwrap_or(0));
        thread::sleep(Duration::from_millis(10));
    }
    peak_kib
}

/// User's and system's time of a process, its threads and the children that it has waited for.
///
/// Source: proc(5), `/proc/pid/stat`, fields 14 to 17.
fn processor_time(pid: Pid) -> Result<Duration> {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let (_, after_name) = text.rsplit_once(')').context("it has a name")?;
    let fields = after_name.split_whitespace().skip(11).take(4);
    let ticks = fields.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

type Round = Vec<(Contender, Cost)>;

fn of(round: &Round, contender: Contender) -> Cost {
    let found = round.iter().find(|(other, _)| *other == contender);
    found.expect("a round has all").1
}

fn print_table(rounds: &[Round]) {
    println!(
        "{:18} {:>8} {:>8} {:>11} {:>9}  {:>9} {:>8} {:>6}",
        "", "wall s", "cpu s", "bytes out", "peak MiB", "wall/pigz", "cpu/pigz", "size"
    );
    for contender in Contender::ALL {
        let figure = |figure: fn(Cost) -> f64| {
            median(rounds.iter().map(|round| figure(of(round, contender))))
        };
        let ratio = |figure: fn(Cost) -> f64| {
            let ratio = |round| figure(of(round, contender)) / figure(of(round, Contender::Pigz));
            median(rounds.iter().map(ratio))
        };
        println!(
            "{:18} {:>8.2} {:>8.2} {:>11} {:>9.1}  {:>9.3} {:>8.3} {:>6.3}",
            contender.name(),
            figure(|cost| cost.wall.as_secs_f64()),
            figure(|cost| cost.cpu.as_secs_f64()),
            figure(|cost| cost.bytes_out as f64),
            figure(|cost| cost.peak_kib as f64) / 1024.0,
            ratio(|cost| cost.wall.as_secs_f64()),
            ratio(|cost| cost.cpu.as_secs_f64()),
            ratio(|cost| cost.bytes_out as f64),
        );
    }
    let [wall, cpu, size, again] = TARGETS;
    println!(
        "targets of approot: wall {wall}, cpu {cpu}, size {size}, again {again}, peak {} MiB",
        PEAK_KIB_MAX >> 10
    );
}

/// The processor time of what packaging consists of, each done alone in this process.
fn print_stages(bench: &Bench) -> Result<()> {
    let read = seconds_of(|| bench.read_all(|_| {}))?;
    let mut hasher = Hasher::new();
    let hashed = seconds_of(|| bench.read_all(|bytes| hasher.update(bytes)))?;
    let packed = seconds_of(|| {
        let mut archive = ArchiveWriter::new(io::sink(), Limits::default());
        for (path, bytes) in &bench.files {
            let name = path.strip_prefix(&bench.tree)?;
            let name = name.to_str().context("a name of UTF-8")?;
            archive.append_file(name, Mode::Plain, *bytes, File::open(path)?)?;
        }
        archive.finish()?;
        Ok(())
    })?;
    println!(
        "cpu s of one pass each: reading {read:.2}, hashing {:.2}, deflate and its sums {:.2}; approot reads and \
         hashes twice",
        hashed - read,
        packed - hashed
    );
    Ok(())
}

impl Bench {
    fn read_all(&self, mut take: impl FnMut(&[u8])) -> Result<()> {
        let mut buffer = vec![0; 256 << 10];
        for (path, _) in &self.files {
            let mut file = File::open(path)?;
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    n => take(&buffer[..n]),
                }
            }
        }
        Ok(())
    }
}

fn seconds_of(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let now = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let began = now();
    work()?;
    Ok(now() - began)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
