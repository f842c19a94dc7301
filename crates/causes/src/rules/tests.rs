//! Each rule with the evidence that it fires on, and with evidence that looks alike and is not enough.

use std::time::Duration;

use host_core::Status;

use super::*;
use crate::death::{
    Endpoint, Executable, FileKind, Limit, Listener, Memory, NotStarted, Phase, Store,
};
use crate::facts::Doing;
use crate::{Explanation, explain};

fn death(end: End, lines: &[&str]) -> Death {
    Death {
        number: 2,
        attempt: 2,
        time: "2026-11-20T08:30:01.123Z".to_owned(),
        phase: Phase::Running,
        process: Process::Program {
            command_line: "role".to_owned(),
        },
        end,
        ran_ms: 1500,
        executable: None,
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        memory: Memory::default(),
        limits: Vec::new(),
        endpoints: Vec::new(),
        stores: Vec::new(),
        development_storage: Vec::new(),
    }
}

fn exited(status: i32, lines: &[&str]) -> Death {
    death(End::Exited(status), lines)
}

fn killed(signal: i32) -> Death {
    death(End::Killed(signal), &[])
}

fn refused(errno: i32) -> Death {
    let end = End::NotStarted {
        why: NotStarted::Refused { errno: Some(errno) },
        reason: "/approot/role: refused".to_owned(),
    };
    death(end, &[])
}

fn task(mut death: Death, is_simple: bool) -> Death {
    death.process = Process::Task {
        command_line: "setup".to_owned(),
        is_simple,
    };
    death
}

fn of(mut death: Death, may_execute: bool, kind: FileKind) -> Death {
    death.executable = Some(Executable {
        path: "/approot/role".into(),
        may_execute,
        kind,
    });
    death
}

fn script(interpreter: &str, has_interpreter: bool, has_carriage_return: bool) -> FileKind {
    FileKind::Script {
        interpreter: interpreter.into(),
        has_interpreter,
        has_carriage_return,
    }
}

fn elf(is_native: bool, has_loader: bool) -> FileKind {
    FileKind::Elf {
        machine: "aarch64".to_owned(),
        is_native,
        loader: Some("/lib/ld.so".into()),
        has_loader,
        needs: vec!["libq.so.6".to_owned()],
    }
}

fn listener(address: &str) -> Listener {
    Listener {
        address: address.parse().unwrap(),
        pid: Some(7),
        name: "nc".to_owned(),
    }
}

fn endpoint(listener: Option<Listener>) -> Endpoint {
    Endpoint {
        name: "In".to_owned(),
        address: "127.17.0.1:1234".parse().unwrap(),
        listener,
    }
}

/// An instance between two attempts, the first of which ended in this way.
fn dead(death: Death) -> Facts {
    Facts {
        death: Some(death),
        ..living(Status::Recycling, Phase::Waiting, 0)
    }
}

fn living(status: Status, phase: Phase, seconds: u64) -> Facts {
    Facts {
        instance: "A_IN_0".to_owned(),
        status,
        detail: None,
        attempt: 2,
        doing: Some(Doing {
            phase,
            tasks: Vec::new(),
            since: "2026-11-20T08:30:01.123Z".to_owned(),
        }),
        lasts: Duration::from_secs(seconds),
        tasks: vec!["setup".to_owned()],
        program: "role".to_owned(),
        death: None,
        death_age: Duration::ZERO,
        listens: Vec::new(),
        endpoints: Vec::new(),
        lines: Vec::new(),
    }
}

fn codes(facts: &Facts) -> Vec<String> {
    let causes = causes(facts);
    for cause in &causes {
        assert!(
            !cause.evidence.is_empty() && !cause.cure.is_empty(),
            "{cause:?}"
        );
    }
    causes.into_iter().map(|cause| cause.code).collect()
}

#[track_caller]
fn check(death: Death, expected: &[&str]) {
    let shown = format!("{death:?}");
    assert_eq!(codes(&dead(death)), expected, "{shown}");
}

#[test]
fn what_could_not_be_executed() {
    let no_file = End::NotStarted {
        why: NotStarted::NoFile {
            word: "nowhere".to_owned(),
        },
        reason: "`nowhere` is not there".to_owned(),
    };
    check(task(death(no_file, &[]), true), &["AW0101"]);
    check(
        of(refused(13), false, script("/bin/sh", true, false)),
        &["AW0102"],
    );
    check(
        of(refused(13), true, script("/bin/sh", true, false)),
        &["AW0315"],
    );
    for foreign in [
        refused(8),
        exited(2, &[]),
        exited(127, &["err: ELF: not found"]),
    ] {
        check(of(foreign, true, elf(false, true)), &["AW0103"]);
    }
    check(of(exited(1, &[]), true, elf(false, true)), &["AW0304"]);
    check(of(refused(2), true, elf(true, false)), &["AW0104"]);
    check(
        of(refused(2), true, script("/no/sh", false, false)),
        &["AW0106"],
    );
    check(
        of(refused(2), true, script("/bin/sh", true, true)),
        &["AW0107"],
    );
    check(of(refused(8), true, FileKind::Other), &["AW0110"]);
    check(refused(11), &["AW0315"]);
}

#[test]
fn what_a_loader_or_a_shell_says() {
    let library = "err: /approot/role: error while loading shared libraries: libq.so.6: cannot open shared object file: No such file or directory";
    check(
        of(exited(127, &[library]), true, elf(true, true)),
        &["AW0105"],
    );
    let musl = "err: Error loading shared library libq.so.6: No such file or directory (needed by /approot/role)";
    check(exited(127, &[musl]), &["AW0105"]);
    let by_env = exited(
        127,
        &["err: /usr/bin/env: 'python9': No such file or directory"],
    );
    check(
        of(by_env, true, script("/usr/bin/env", true, false)),
        &["AW0106"],
    );
    let crs = [
        "err: role: 2: \r: not found",
        "err: role: line 2: $'\\r': command not found",
    ];
    for line in crs {
        check(exited(127, &[line]), &["AW0107"]);
    }
    let sh = || script("/bin/sh", true, false);
    let lines = ["err: role: 2: tool: not found"];
    check(of(exited(127, &lines), true, sh()), &["AW0108"]);
    let lines = ["err: role: 2: ./tool: Permission denied"];
    check(of(exited(126, &lines), true, sh()), &["AW0109"]);
    // A program may end with any status.
    check(
        of(exited(127, &["out: not found"]), true, elf(true, true)),
        &["AW0304"],
    );
    check(exited(126, &[]), &["AW0304"]);
}

#[test]
fn what_a_program_missed_by_its_own_words() {
    for line in [
        "err: Error: listen EADDRINUSE: address already in use 127.17.0.1:1234",
        "err: OSError: [Errno 98] Address already in use",
    ] {
        check(exited(1, &[line]), &["AW0201"]);
    }
    // The host holds its sockets, and could not have one.
    let refused = End::NotStarted {
        why: NotStarted::Refused { errno: None },
        reason: "cannot listen for endpoint `In`: Address already in use (os error 98)".to_owned(),
    };
    check(death(refused, &[]), &["AW0201"]);
    let taken = Death {
        endpoints: vec![endpoint(Some(listener("0.0.0.0:1234")))],
        ..exited(1, &["err: Address already in use"])
    };
    let causes = causes(&dead(taken));
    assert!(
        causes[0]
            .cause
            .contains("nc (pid 7) listens at 0.0.0.0:1234"),
        "{causes:?}"
    );
    check(
        exited(
            1,
            &["err: OSError: [Errno 99] Cannot assign requested address"],
        ),
        &["AW0202"],
    );
    let key = "err: cat: /r/certificates/LocalMachine/My/Web.key: Permission denied";
    check(exited(1, &[key]), &["AW0203"]);
    check(
        exited(1, &["err: cat: /r/other/Web.key: Permission denied"]),
        &["AW0304"],
    );
    let storage = |line, settings: &[&str]| Death {
        development_storage: settings.iter().map(|name| (*name).to_owned()).collect(),
        ..exited(1, &[line])
    };
    let lines = [
        "err: Error: connect ECONNREFUSED 127.0.0.1:10000",
        "err: HTTPConnectionPool(host='127.0.0.1', port=10002): [Errno 111] Connection refused",
        "err: nc: connect to 127.0.0.1 port 10001 (tcp) failed: Connection refused",
    ];
    for line in lines {
        check(storage(line, &["Storage"]), &["AW0204"]);
        check(storage(line, &[]), &["AW0304"]);
    }
    check(
        storage("err: connect ECONNREFUSED 127.0.0.1:5432", &["Storage"]),
        &["AW0304"],
    );
    check(
        exited(1, &["err: Error: Cannot find module 'azure'"]),
        &["AW0207"],
    );
    check(
        exited(1, &["err: ModuleNotFoundError: No module named 'azure'"]),
        &["AW0208"],
    );
    for line in ["err: std::bad_alloc", "err: MemoryError"] {
        check(exited(1, &[line]), &["AW0209"]);
    }
    check(
        death(
            End::Killed(6),
            &["err: memory allocation of 64 bytes failed"],
        ),
        &["AW0209"],
    );
}

#[test]
fn a_full_store_is_told_from_a_full_disk() {
    let line = "err: dd: error writing 'f': No space left on device";
    let store = |used_bytes, free_bytes| Death {
        stores: vec![Store {
            name: "Data".to_owned(),
            used_bytes,
            size_bytes: 1 << 20,
            free_bytes,
        }],
        ..exited(1, &[line])
    };
    check(store(2 << 20, None), &["AW0205"]);
    check(store(900 << 10, Some(4096)), &["AW0205"]);
    check(store(1100 << 10, Some(500 << 10)), &["AW0205"]);
    check(store(900 << 10, None), &["AW0206"]);
    check(store(2 << 20, Some(8 << 20)), &["AW0206"]);
    let preparing = Death {
        process: Process::Preparation,
        end: End::NotStarted {
            why: NotStarted::Refused { errno: None },
            reason: "cannot copy /package/a: No space left on device (os error 28)".to_owned(),
        },
        ..exited(0, &[])
    };
    check(preparing, &["AW0206"]);
}

#[test]
fn how_it_ended_where_nothing_says_why() {
    check(task(exited(3, &["err: no"]), true), &["AW0301"]);
    check(exited(0, &[]), &["AW0302"]);
    let in_start = Death {
        phase: Phase::Starting,
        ..exited(1, &[])
    };
    check(in_start, &["AW0303"]);
    check(exited(1, &[]), &["AW0304"]);
    for (signal, code) in [
        (11, "AW0305"),
        (7, "AW0305"),
        (6, "AW0306"),
        (4, "AW0307"),
        (9, "AW0310"),
        (15, "AW0311"),
    ] {
        check(killed(signal), &[code]);
    }
    let panic = [
        "err: thread 'main' panicked at src/main.rs:1:5:",
        "err: boom",
    ];
    check(exited(101, &panic), &["AW0308"]);
    check(death(End::Killed(6), &panic), &["AW0308"]);
    check(death(End::Killed(9), &panic), &["AW0310"]);
    let memory = |peak_bytes, oom_kills| Death {
        memory: Memory {
            peak_bytes: Some(peak_bytes),
            limit_bytes: Some(100 << 20),
            oom_kills,
        },
        ..killed(9)
    };
    check(memory(50 << 20, 1), &["AW0309"]);
    check(memory(99 << 20, 0), &["AW0309"]);
    check(memory(50 << 20, 0), &["AW0310"]);
    let limited = |limit, death| Death {
        limits: vec![limit],
        ..death
    };
    check(limited(Limit::Stop, killed(9)), &["AW0313"]);
    check(
        limited(Limit::Foreground, task(killed(9), false)),
        &["AW0314"],
    );
    check(limited(Limit::FileSize, killed(25)), &["AW0312"]);
    check(limited(Limit::Watchdog, killed(6)), &["AW0316"]);
    check(limited(Limit::Watchdog, killed(9)), &["AW0316"]);
    check(limited(Limit::Memory, memory(50 << 20, 1)), &["AW0309"]);
    // Nobody waits for such a task, and it held nothing back.
    let apart = task(memory(50 << 20, 1), false);
    check(limited(Limit::Memory, apart), &[]);
    let preparing = Death {
        process: Process::Preparation,
        ..refused(13)
    };
    check(preparing, &[]);
}

/// All the words that rules know, in the last lines of a program that did not fail by itself.
#[test]
fn words_alone_are_no_cause() {
    let words = [
        "err: EADDRINUSE Address already in use",
        "err: error while loading shared libraries: libq.so.6: cannot open",
        "err: Error: Cannot find module 'x'",
        "err: ModuleNotFoundError: No module named 'x'",
        "err: No space left on device",
        "err: /certificates/a: Permission denied",
        "err: connect ECONNREFUSED 127.0.0.1:10000",
        "err: thread 'main' panicked at",
        "err: role: 2: \r: not found",
        "err: std::bad_alloc",
    ];
    let with = |end| Death {
        development_storage: vec!["S".to_owned()],
        ..death(end, &words)
    };
    check(with(End::Killed(9)), &["AW0310"]);
    check(with(End::Killed(11)), &["AW0305"]);
    check(with(End::Exited(0)), &["AW0302"]);
    let healthy = Facts {
        lines: words.map(str::to_owned).to_vec(),
        ..living(Status::Ready, Phase::Running, 100)
    };
    assert!(explain(&healthy).is_healthy);
}

#[test]
fn what_a_living_instance_waits_for() {
    let check = |facts: &Facts, expected: &[&str]| assert_eq!(codes(facts), expected, "{facts:?}");
    check(&living(Status::Busy, Phase::Task(0), 4), &[]);
    check(&living(Status::Busy, Phase::Task(0), 5), &["AW0001"]);
    check(&living(Status::Busy, Phase::Starting, 4), &[]);
    check(&living(Status::Busy, Phase::Starting, 5), &["AW0002"]);
    check(&living(Status::Busy, Phase::Busy, 0), &["AW0003"]);
    check(&living(Status::Recycling, Phase::Stopping, 4), &[]);
    check(&living(Status::Recycling, Phase::Stopping, 5), &["AW0007"]);
    check(&living(Status::Recycling, Phase::Holding, 5), &[]);
    let mut holding = living(Status::Recycling, Phase::Holding, 0);
    holding.doing.as_mut().unwrap().tasks = vec!["hold".to_owned()];
    check(&holding, &["AW0006"]);
}

#[test]
fn where_a_living_instance_listens() {
    let listening = |seconds, listens: &[&str], at: Option<&str>| Facts {
        listens: listens.iter().map(|address| listener(address)).collect(),
        endpoints: vec![endpoint(at.map(listener))],
        ..living(Status::Ready, Phase::Running, seconds)
    };
    let check = |facts: &Facts, expected: &[&str]| assert_eq!(codes(facts), expected, "{facts:?}");
    check(&listening(0, &["127.0.0.1:1234"], None), &["AW0004"]);
    check(&listening(4, &["127.0.0.1:80"], None), &[]);
    check(&listening(5, &["127.0.0.1:80"], None), &["AW0005"]);
    check(
        &listening(5, &["127.17.0.1:1234"], Some("127.17.0.1:1234")),
        &[],
    );
    check(&listening(5, &["0.0.0.0:1234"], Some("0.0.0.0:1234")), &[]);
    // Before it is ready, that it has not said so is the nearer cause.
    let mut starting = listening(5, &[], None);
    starting.status = Status::Busy;
    starting.doing.as_mut().unwrap().phase = Phase::Starting;
    check(&starting, &["AW0002"]);
}

#[test]
fn an_old_death_explains_nothing() {
    let explained = |change: fn(&mut Facts)| -> Explanation {
        let mut facts = dead(exited(3, &[]));
        (facts.status, facts.attempt) = (Status::Ready, 3);
        facts.doing.as_mut().unwrap().phase = Phase::Running;
        change(&mut facts);
        explain(&facts)
    };
    assert_eq!(explained(|_| {}).causes.len(), 1);
    assert!(explained(|facts| facts.death_age = Duration::from_secs(60)).is_healthy);
    assert!(explained(|facts| facts.attempt = 4).is_healthy);
    let of_background = |facts: &mut Facts| facts.death = Some(task(exited(3, &[]), false));
    assert!(explained(of_background).is_healthy);
}

#[test]
fn documents_come_back_as_they_went() {
    let explanation = explain(&dead(of(exited(127, &["err: x"]), true, elf(true, true))));
    let text = serde_json::to_string(&explanation).unwrap();
    assert_eq!(
        serde_json::from_str::<Explanation>(&text).unwrap(),
        explanation
    );
}
