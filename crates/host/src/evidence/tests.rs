//! Deaths as a host keeps them, and files as they are looked at.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use causes::{Executable, FileKind};
use plan::{Command, EndpointKind, EndpointPlan, InstanceId, Paths, TaskPlan};
use tempfile::TempDir;
use tokio::task::LocalSet;

use super::*;
use crate::driver::Driver;
use crate::tail::Tail;

struct Fixture {
    folder: TempDir,
    evidence: Evidence,
}

impl Fixture {
    fn new() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        fs::create_dir(&logs).unwrap();
        let evidence = Evidence::new(Rc::new(plan(folder.path())));
        evidence.begin(1);
        Fixture { folder, evidence }
    }

    fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    fn see(&self, actions: &[Action]) {
        for action in actions {
            self.evidence.see(action);
        }
    }

    fn ends(&self, pid: i32, exit: Exit) {
        self.ends_with(pid, exit, Memory::default());
    }

    fn ends_with(&self, pid: i32, exit: Exit, memory: Memory) {
        let tail = Tail::default();
        tail.line("out", "last words");
        self.evidence.ended(
            pid,
            Ended {
                exit,
                executable: "/bin/sh".into(),
                peak_memory_bytes: Some(1),
                tail,
                // A child holds the output open for ever.
                output_ends: Box::pin(std::future::pending()),
            },
            memory,
        );
    }

    /// What is kept once all is written.
    async fn kept(&self) -> Option<Death> {
        self.evidence.settle().await;
        latest(&self.logs())
    }
}

fn plan(root: &Path) -> InstancePlan {
    let command = |line: &str| Command {
        command_line: line.into(),
        words: vec![line.into()],
        environment: vec![],
        script: vec![],
    };
    let task = |task_type, line: &str| TaskPlan {
        task_type,
        command: command(line),
        is_elevated: false,
    };
    let below = |name: &str| root.join(name);
    InstancePlan {
        id: InstanceId::new("A", 0),
        role: "A".into(),
        deployment_id: "d".into(),
        emulated: true,
        upgrade_domain: 0,
        fault_domain: 0,
        address: "127.17.0.1".parse().unwrap(),
        endpoints: vec![],
        settings: vec![
            ("Other".into(), "secret".into()),
            ("Storage".into(), "UseDevelopmentStorage=true".into()),
        ],
        local_resources: vec![],
        paths: Paths {
            root: root.into(),
            approot: below("approot"),
            temp: below("temp"),
            logs: below("logs"),
            sockets: below("sockets"),
            approot_source: below("package"),
        },
        package_digest: "one".into(),
        startup_tasks: vec![
            task(TaskType::Simple, "setup"),
            task(TaskType::Foreground, "hold"),
            task(TaskType::Background, "watch"),
        ],
        entry_point: command("role"),
        ready_on_process_start: true,
        topology: vec![],
        sandbox: Default::default(),
        blast: false,
        pass_sockets: false,
        options: Default::default(),
        certificates: vec![],
    }
}

fn report(status: Status, draining: bool) -> Action {
    Action::Report(Report {
        status,
        detail: None,
        pid: None,
        attempt: 1,
        draining,
        failed_starts: 0,
        ends: 0,
        last_end: None,
        changes: 0,
    })
}

async fn local<T>(test: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(test).await
}

#[tokio::test]
async fn a_death_is_kept_with_its_phase_and_its_last_words() {
    local(async {
        let it = Fixture::new();
        it.see(&[Action::Prepare { attempt: 1 }, Action::StartProgram]);
        it.evidence.began(7, Part::Program);
        it.see(&[report(Status::Ready, false)]);
        it.ends(7, Exit::Signal(11));
        let death = it.kept().await.unwrap();
        assert_eq!(
            (death.number, death.attempt, death.phase),
            (1, 1, Phase::Running)
        );
        assert_eq!(death.end, End::Killed(11));
        assert_eq!(death.lines, ["out: last words"]);
        assert_eq!(death.development_storage, ["Storage"]);
        let text = fs::read_to_string(it.logs().join("death-000001.json")).unwrap();
        assert!(!text.contains("secret"), "{text}");
        assert_eq!(record::latest_number(&it.logs()), 1);
    })
    .await;
}

#[tokio::test]
async fn an_end_that_was_asked_for_is_no_death() {
    local(async {
        let it = Fixture::new();
        it.evidence.began(1, Part::Task(0));
        it.ends(1, Exit::Code(0));
        it.see(&[Action::StartProgram, report(Status::Ready, false)]);
        it.evidence.began(2, Part::Task(2));
        it.evidence.began(3, Part::Program);
        it.see(&[report(Status::Recycling, true), Action::Terminate]);
        assert_eq!(it.evidence.doing().phase, Phase::Stopping);
        it.ends(3, Exit::Signal(15));
        it.see(&[Action::Empty]);
        it.ends(2, Exit::Signal(9));
        assert_eq!(it.kept().await, None);
    })
    .await;
}

#[tokio::test]
async fn limits_are_kept_with_whom_they_killed() {
    local(async {
        let it = Fixture::new();
        it.see(&[Action::StartProgram, report(Status::Ready, false)]);
        it.evidence.began(2, Part::Task(1));
        it.evidence.began(3, Part::Program);
        it.see(&[Action::Terminate, Action::Empty]);
        it.ends(3, Exit::Signal(9));
        it.ends(2, Exit::Signal(9));
        let death = it.kept().await.unwrap();
        assert_eq!((death.number, death.limits), (1, vec![Limit::Stop]));

        it.see(&[Action::Prepare { attempt: 2 }]);
        it.evidence.began(4, Part::Task(1));
        it.see(&[Action::Terminate]);
        let doing = it.evidence.doing();
        assert_eq!(
            (doing.phase, doing.tasks),
            (Phase::Holding, vec!["hold".to_owned()])
        );
        it.see(&[Action::Empty]);
        it.ends(4, Exit::Signal(9));
        let death = it.kept().await.unwrap();
        assert_eq!((death.number, death.limits), (2, vec![Limit::Foreground]));
    })
    .await;
}

#[tokio::test]
async fn a_death_of_want_of_memory_or_of_silence_says_so() {
    local(async {
        let it = Fixture::new();
        let limited = |oom_kills| Memory {
            peak_bytes: None,
            limit_bytes: Some(100),
            oom_kills,
        };
        it.see(&[Action::StartProgram, report(Status::Ready, false)]);
        it.evidence.began(1, Part::Program);
        it.ends_with(1, Exit::Signal(9), limited(1));
        let death = it.kept().await.unwrap();
        assert_eq!(death.limits, [Limit::Memory]);
        let memory = Memory {
            peak_bytes: Some(1),
            ..limited(1)
        };
        assert_eq!(death.memory, memory);

        it.evidence.began(2, Part::Program);
        it.ends_with(2, Exit::Signal(9), limited(0));
        assert_eq!(it.kept().await.unwrap().limits, []);

        it.evidence.began(3, Part::Program);
        it.evidence.exceeded(3, Limit::Watchdog);
        it.see(&[Action::Empty]);
        it.ends_with(3, Exit::Signal(9), limited(1));
        assert_eq!(it.kept().await.unwrap().limits, [Limit::Watchdog]);
    })
    .await;
}

#[tokio::test]
async fn a_task_that_nobody_waits_for_does_not_hide_the_program() {
    local(async {
        let it = Fixture::new();
        it.see(&[Action::StartProgram]);
        it.evidence.began(2, Part::Task(2));
        it.evidence.began(3, Part::Program);
        it.ends(3, Exit::Code(0));
        it.ends(2, Exit::Code(4));
        let death = it.kept().await.unwrap();
        assert_eq!((death.number, death.end), (1, End::Exited(0)));
        assert_eq!(record::latest_number(&it.logs()), 2);
    })
    .await;
}

#[tokio::test]
async fn the_first_and_the_latest_deaths_are_kept() {
    local(async {
        let it = Fixture::new();
        for _ in 0..30 {
            it.evidence.not_prepared("no room");
            it.evidence.settle().await;
        }
        let mut names: Vec<String> = fs::read_dir(it.logs())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), 21);
        assert_eq!(names[..2], ["death-000001.json", "death-000011.json"]);
        let next = Evidence::new(Rc::new(plan(it.folder.path())));
        assert_eq!(next.inner.number.get(), 30, "the next host counts on");
    })
    .await;
}

#[test]
fn a_running_phase_goes_through_busy_and_back() {
    let it = Fixture::new();
    let phase = |actions: &[Action]| {
        it.see(actions);
        it.evidence.doing().phase
    };
    assert_eq!(phase(&[Action::StartTask { index: 0 }]), Phase::Task(0));
    assert_eq!(phase(&[Action::StartTask { index: 1 }]), Phase::Task(0));
    assert_eq!(phase(&[Action::StartProgram]), Phase::Starting);
    assert_eq!(phase(&[report(Status::Busy, false)]), Phase::Starting);
    assert_eq!(phase(&[report(Status::Ready, false)]), Phase::Running);
    assert_eq!(phase(&[report(Status::Busy, false)]), Phase::Busy);
    assert_eq!(phase(&[report(Status::Ready, false)]), Phase::Running);
    assert_eq!(phase(&[report(Status::Recycling, true)]), Phase::Draining);
    assert_eq!(
        phase(&[Action::AskToStop {
            within: LINES_LIMIT
        }]),
        Phase::Stopping
    );
    assert_eq!(phase(&[Action::Empty]), Phase::Emptying);
    assert!(it.evidence.emptied() && !it.evidence.emptied());
}

#[tokio::test]
async fn a_program_whose_address_is_taken_is_a_death_of_its_own() {
    local(async {
        let folder = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut plan = plan(folder.path());
        plan.pass_sockets = true;
        plan.endpoints = vec![EndpointPlan {
            name: "In".into(),
            kind: EndpointKind::Internal,
            protocol: "tcp".into(),
            address: taken.local_addr().unwrap(),
            public: None,
        }];
        let (events, mut news) = tokio::sync::mpsc::channel(8);
        let said = tokio::sync::watch::Sender::default();
        let mut driver = Driver::new(plan, events, said).unwrap();
        driver.act(Action::StartProgram);
        let told = news.recv().await.unwrap();
        assert!(
            format!("{told:?}").contains("ProgramNotStarted"),
            "{told:?}"
        );
        driver.evidence().settle().await;
        let death = latest(&folder.path().join("logs")).unwrap();
        let End::NotStarted { why, reason } = &death.end else {
            panic!("{death:?}");
        };
        assert_eq!(*why, NotStarted::Refused { errno: None });
        assert!(
            reason.starts_with("cannot listen for endpoint `In`"),
            "{reason}"
        );
        let listener = death.endpoints[0].listener.as_ref().unwrap();
        assert_eq!(listener.address, taken.local_addr().unwrap());
    })
    .await;
}

fn look_at(bytes: &[u8]) -> Executable {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("role");
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    executable::look_at(path, &End::Exited(127))
}

#[test]
fn files_are_known_by_their_first_bytes() {
    let script = |interpreter: &str, has_interpreter, has_carriage_return| FileKind::Script {
        interpreter: interpreter.into(),
        has_interpreter,
        has_carriage_return,
    };
    for (bytes, expected) in [
        (&b"#!/bin/sh -e\necho"[..], script("/bin/sh", true, false)),
        (b"#! /bin/sh\r\necho\r\n", script("/bin/sh", true, true)),
        (b"#!/no/sh", script("/no/sh", false, false)),
        (b"echo\n", FileKind::Other),
        (b"", FileKind::Other),
        (b"\x7fELF", FileKind::Unknown),
    ] {
        let found = look_at(bytes);
        assert_eq!((found.kind, found.may_execute), (expected, false));
    }
}

#[test]
fn a_program_of_this_machine_names_its_loader_and_libraries() {
    let path = std::env::current_exe().unwrap();
    let found = executable::look_at(path.clone(), &End::Exited(127));
    let FileKind::Elf {
        is_native,
        has_loader,
        needs,
        ..
    } = found.kind
    else {
        panic!("{found:?}");
    };
    assert!(is_native && has_loader && found.may_execute);
    assert!(needs.iter().any(|need| need == "libc.so.6"), "{needs:?}");
    // An end that a file does not explain gives no reason to look into it.
    let other = executable::look_at(path, &End::Exited(1));
    assert_eq!(other.kind, FileKind::Unknown);
}

#[test]
fn a_program_that_is_cut_short_is_no_danger() {
    let own = fs::read(std::env::current_exe().unwrap()).unwrap();
    for length in (0..4096).step_by(13) {
        look_at(&own[..length]);
    }
    let mut foreign = own[..64].to_vec();
    foreign[18..20].copy_from_slice(&22_u16.to_le_bytes());
    foreign[56..58].fill(0);
    let found = look_at(&foreign).kind;
    assert!(
        matches!(&found, FileKind::Elf { machine, is_native: false, .. } if machine == "IBM Z"),
        "{found:?}"
    );
}

#[test]
fn last_lines_are_those_of_the_latest_attempt() {
    let it = Fixture::new();
    assert!(last_lines(&it.logs()).is_empty());
    for (name, text) in [
        ("attempt-000001.1.log", "a\n"),
        ("attempt-000002.1.log", "b\n"),
        ("attempt-000002.3.log", "c\nd\n"),
    ] {
        fs::write(it.logs().join(name), text).unwrap();
    }
    assert_eq!(last_lines(&it.logs()), ["c", "d"]);
}
