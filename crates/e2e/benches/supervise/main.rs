//! Supervision, side by side with Debian's runit, s6 and supervisor, and with a bare spawn.
//!
//! Of trivial servers, 4 and 100 of them: the time from the start of the supervisor to all of them accepting; from the
//! kill -9 of one, which has been up for seconds, to its successor accepting at the same address; and the private dirty
//! memory of the process that started a server, which for approot is a host. All take turns in the same run, the
//! order turns every round; figures are medians, and medians of the ratios of a round. runit and s6 start each server by
//! a shell script, as they do, and so does approot here.
//!
//! approot's way is `approot.sh` beside this file, for other harnesses too.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use e2e::processes;
use e2e::service::binary;
use rustix::process::Signal;

/// Rounds of all that is compared: enough for a median, in about two minutes.
const ROUNDS: usize = 5;

/// How many servers.
const COUNTS: [u16; 2] = [4, 100];

/// The first server's port; below the kernel's own choices, and no well-known one.
const BASE: u16 = 25_000;

/// Servers that are killed, each once: the first failure is what is measured.
const KILLS: u16 = 4;

/// runit and s6 start nothing twice within a second.
const SETTLED: Duration = Duration::from_millis(2_200);

/// What is tried again and again is given up after this.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two tries of a port.
const TRY_PAUSE: Duration = Duration::from_micros(100);

/// What approot is to take: 4 and 100 servers and a replacement in ms, the memory of a host in KiB.
const TARGETS: [f64; 4] = [20.0, 250.0, 5.0, 2048.0];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Contender {
    Bare,
    Runit,
    S6,
    Supervisor,
    Approot,
}

impl Contender {
    const ALL: [Contender; 5] = [
        Contender::Bare,
        Contender::Runit,
        Contender::S6,
        Contender::Supervisor,
        Contender::Approot,
    ];

    fn name(self) -> &'static str {
        match self {
            Contender::Bare => "bare spawn",
            Contender::Runit => "runit",
            Contender::S6 => "s6",
            Contender::Supervisor => "supervisor",
            Contender::Approot => "approot",
        }
    }
}

/// What one run of one contender showed.
#[derive(Debug, Clone, Copy)]
struct Figures {
    start: Duration,
    /// Absent for those who replace nothing.
    replaced: Option<Duration>,
    memory_kib: Option<u64>,
}

/// Of one round, by the number of servers.
type Round = BTreeMap<(u16, Contender), Figures>;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = binary("trivial-server");
    let approot = binary("approot");
    for port in BASE..BASE + COUNTS[1] {
        ensure!(!accepts(port), "port {port} is taken");
    }
    let mut rounds: Vec<Round> = Vec::new();
    for round in 0..ROUNDS {
        let mut order = Contender::ALL;
        order.rotate_left(round % Contender::ALL.len());
        let mut figures = Round::new();
        for contender in order {
            for count in COUNTS {
                let name = format!("{}-{count}-{round}", contender.name());
                let bench = Bench {
                    contender,
                    count,
                    server: &server,
                    approot: &approot,
                    folder: folder.path().join(name),
                };
                let figure = bench
                    .run()
                    .with_context(|| format!("{} with {count}", contender.name()))?;
                figures.insert((count, contender), figure);
            }
        }
        rounds.push(figures);
    }
    print_table(&rounds);
    Ok(())
}

struct Bench<'a> {
    contender: Contender,
    count: u16,
    server: &'a Path,
    approot: &'a Path,
    folder: PathBuf,
}

impl Bench<'_> {
    fn run(&self) -> Result<Figures> {
        fs::create_dir_all(&self.folder)?;
        if self.contender == Contender::Bare {
            return self.run_bare();
        }
        let mut command = self.command()?;
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // A group of its own, so that a terminal's Ctrl-C reaches this process alone, which ends it in order.
        command.stderr(Stdio::null()).process_group(0);
        let began = Instant::now();
        let mut supervisor = command
            .spawn()
            .with_context(|| format!("cannot start {command:?}; is it installed?"))?;
        let measured = self.measure(began);
        self.stop(&mut supervisor)?;
        measured
    }

    fn measure(&self, began: Instant) -> Result<Figures> {
        self.await_all()?;
        let start = began.elapsed();
        thread::sleep(SETTLED);
        let parent = parent_of(self.listener(BASE)?)?;
        let memory_kib = Some(private_dirty_kib(parent)?);
        let mut replaced = Vec::new();
        for port in BASE..BASE + KILLS.min(self.count) {
            let pid = self.listener(port)?;
            let began = Instant::now();
            processes::kill(pid);
            while processes::is_running(pid) {
                thread::yield_now();
            }
            await_port(port)?;
            replaced.push(began.elapsed().as_secs_f64());
            // One death does not meet the work that another has left.
            thread::sleep(Duration::from_millis(200));
        }
        let replaced = Some(Duration::from_secs_f64(median(replaced.into_iter())));
        Ok(Figures {
            start,
            replaced,
            memory_kib,
        })
    }

    fn run_bare(&self) -> Result<Figures> {
        let began = Instant::now();
        let mut servers = Vec::new();
        for port in self.ports() {
            servers.push(Command::new(self.server).arg(port.to_string()).spawn()?);
        }
        let started = self.await_all();
        let start = began.elapsed();
        for server in &mut servers {
            server.kill()?;
            server.wait()?;
        }
        started?;
        Ok(Figures {
            start,
            replaced: None,
            memory_kib: None,
        })
    }

    fn command(&self) -> Result<Command> {
        let server = self.server.display();
        let services = self.folder.join("services");
        Ok(match self.contender {
            Contender::Bare => bail!("it has no command"),
            Contender::Runit | Contender::S6 => {
                for port in self.ports() {
                    let folder = services.join(format!("s{port}"));
                    fs::create_dir_all(&folder)?;
                    let run = folder.join("run");
                    fs::write(&run, format!("#!/bin/sh\nexec {server} {port}\n"))?;
                    fs::set_permissions(&run, fs::Permissions::from_mode(0o755))?;
                }
                // runsvdir waits for a second where its folder was touched within the last one.
                let past = SystemTime::now() - Duration::from_secs(3600);
                fs::File::open(&services)?.set_modified(past)?;
                if self.contender == Contender::S6 {
                    let mut command = Command::new("s6-svscan");
                    command.arg(&services);
                    command
                } else {
                    let mut command = Command::new("runsvdir");
                    command.arg("-P").arg(&services);
                    command
                }
            }
            Contender::Supervisor => {
                let pid_file = self.folder.join("pid");
                let mut text = format!(
                    "[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={}\n",
                    pid_file.display()
                );
                for port in self.ports() {
                    text += &format!(
                        "[program:s{port}]\ncommand={server} {port}\nautorestart=true\n\
                         stdout_logfile=/dev/null\nstdout_logfile_maxbytes=0\n\
                         stderr_logfile=/dev/null\nstderr_logfile_maxbytes=0\n"
                    );
                }
                let path = self.folder.join("conf");
                fs::write(&path, text)?;
                let mut command = Command::new("supervisord");
                command.arg("-n").arg("-c").arg(path);
                command
            }
            Contender::Approot => {
                let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/supervise");
                // What the script starts does nothing: the service is there before the time is taken, as those of
                // the others are.
                let mut script = Command::new(here.join("approot.sh"));
                script.arg("/bin/true").arg(&self.folder);
                script.args([self.count.to_string(), BASE.to_string()]);
                let written = script.arg(self.server).status()?;
                ensure!(written.success(), "the service is not written");
                let mut command = Command::new(self.approot);
                command.arg("run").arg(&self.folder);
                command.args(["--configuration", "Local", "--state"]);
                command.arg(self.folder.join("state"));
                command
            }
        })
    }

    fn stop(&self, supervisor: &mut Child) -> Result<()> {
        let own = supervisor.id().cast_signed();
        let below = descendants(own);
        // runsvdir ends what it runs on SIGHUP alone.
        let signal = match self.contender {
            Contender::Runit => Signal::HUP,
            _ => Signal::TERM,
        };
        processes::signal(own, signal);
        let deadline = Instant::now() + Duration::from_secs(5);
        while supervisor.try_wait()?.is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = supervisor.kill();
        supervisor.wait()?;
        // s6 and runit leave theirs running.
        for pid in below {
            processes::kill(pid);
        }
        let deadline = Instant::now() + PATIENCE;
        while self.ports().any(accepts) {
            ensure!(Instant::now() < deadline, "a server does not end");
            thread::sleep(TRY_PAUSE);
        }
        Ok(())
    }

    fn ports(&self) -> impl Iterator<Item = u16> + use<> {
        BASE..BASE + self.count
    }

    fn await_all(&self) -> Result<()> {
        self.ports().try_for_each(await_port)
    }

    /// The server on `port`, by its command line.
    fn listener(&self, port: u16) -> Result<i32> {
        let wanted = format!("{}\0{port}\0", self.server.display());
        let is_it = |pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line == wanted.as_bytes()
        };
        let found = all_processes().find(is_it);
        found.with_context(|| format!("nobody listens on {port}"))
    }
}

fn accepts(port: u16) -> bool {
    TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok()
}

fn await_port(port: u16) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !accepts(port) {
        ensure!(Instant::now() < deadline, "port {port} does not accept");
        thread::sleep(TRY_PAUSE);
    }
    Ok(())
}

fn all_processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn parent_of(pid: i32) -> Result<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit(')').next().context("it has a name")?;
    let parent = fields.split_whitespace().nth(1);
    Ok(parent.context("it has a parent")?.parse()?)
}

fn descendants(pid: i32) -> Vec<i32> {
    let children = processes::children(pid);
    let below: Vec<i32> = children
        .iter()
        .flat_map(|child| descendants(*child))
        .collect();
    children.into_iter().chain(below).collect()
}

/// Source: proc(5), `/proc/pid/smaps_rollup`.
fn private_dirty_kib(pid: i32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Private_Dirty:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kib.context("the kernel tells of private memory")
}

fn print_table(rounds: &[Round]) {
    println!(
        "{:12} {:>9} {:>9} {:>12} {:>12}  {:>8} {:>9}",
        "", "4 ms", "100 ms", "replaced ms", "private KiB", "4 /bare", "100 /bare"
    );
    for contender in Contender::ALL {
        let figures = |count: u16| rounds.iter().map(move |round| round[&(count, contender)]);
        let start = |count| median(figures(count).map(|figure| ms(figure.start)));
        let ratio = |count| {
            let bare = |round: &Round| ms(round[&(count, Contender::Bare)].start);
            let ratios = rounds
                .iter()
                .map(|round| ms(round[&(count, contender)].start) / bare(round));
            median(ratios)
        };
        let all = || COUNTS.into_iter().flat_map(figures);
        let replaced: Vec<f64> = all().filter_map(|figure| figure.replaced).map(ms).collect();
        let memory = all().filter_map(|figure| figure.memory_kib);
        let memory: Vec<f64> = memory.map(|kib| kib as f64).collect();
        let shown = |values: Vec<f64>, digits| match values.len() {
            0 => "-".to_owned(),
            _ => format!("{:.digits$}", median(values.into_iter())),
        };
        println!(
            "{:12} {:>9.1} {:>9.1} {:>12} {:>12}  {:>8.2} {:>9.2}",
            contender.name(),
            start(COUNTS[0]),
            start(COUNTS[1]),
            shown(replaced, 2),
            shown(memory, 0),
            ratio(COUNTS[0]),
            ratio(COUNTS[1]),
        );
    }
    let [four, hundred, replaced, memory] = TARGETS;
    println!(
        "targets of approot: 4 in {four} ms, 100 in {hundred} ms, replaced in {replaced} ms, {memory} KiB"
    );
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
