//! Ends of approot's own processes, orderly and not: nothing is ever left behind.

use std::process::Command;

use e2e::deployment::{Deployment, Place};
use e2e::load::{broken, run};
use e2e::processes::{children, is_running, kill, of_state, signal};
use e2e::service::{binary, echo_cloud};
use rustix::process::Signal;
use test_support::wait_until;

#[test]
fn an_interrupt_stops_everything_in_order() {
    let mut deployment = Deployment::start(&echo_cloud());
    let folder = deployment.runtime_directory().unwrap();
    deployment.signal(Signal::INT);
    assert_eq!(deployment.await_end().code(), Some(130));
    assert!(
        deployment
            .printed()
            .ends_with("stopping: signal 2\nstopped\n"),
        "{}",
        deployment.printed()
    );
    assert!(!folder.exists());
    deployment.assert_nothing_left(1234);
}

#[test]
fn sigterm_and_the_stop_command_end_with_zero() {
    let mut deployment = Deployment::start(&echo_cloud());
    deployment.signal(Signal::TERM);
    assert_eq!(deployment.await_end().code(), Some(0));

    let mut deployment = Deployment::start(&echo_cloud());
    assert!(deployment.approot(&["stop"]).status.success());
    assert_eq!(deployment.await_end().code(), Some(0));
    deployment.assert_nothing_left(1234);
    assert_eq!(
        deployment.approot(&["stop"]).status.code(),
        Some(4),
        "no fabric answers any more"
    );
}

#[test]
fn a_second_interrupt_kills_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // A role that never ends by itself would hold the first interrupt back for minutes.
    e2e::service::write_script(
        folder.path(),
        "stubborn.sh",
        "trap '' TERM\nwhile :; do sleep 1; done",
    );
    let parts = r#"<Runtime><EntryPoint><ProgramEntryPoint commandLine="stubborn.sh" setReadyOnProcessStart="true" /></EntryPoint></Runtime>"#;
    let mut deployment = Deployment::start(&e2e::service::write(folder.path(), parts, 1, vec![]));
    deployment.signal(Signal::INT);
    wait_until("the stop is under way", || {
        match deployment.instances()[0]["status"].as_str() {
            Some("Stopping") => Ok(()),
            other => Err(other.map(str::to_owned)),
        }
    });
    deployment.signal(Signal::INT);
    assert_eq!(deployment.await_end().code(), Some(130));
    deployment.assert_nothing_left(1234);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_fabric_is_replaced_and_the_deployment_comes_back() {
    let mut deployment = Deployment::start(&echo_cloud());
    let id = deployment.status().unwrap()["deployments"][0]["id"].clone();
    let (fabric, programs) = (
        deployment.holder("fabric.lock").unwrap(),
        deployment.programs(),
    );
    kill(fabric);
    wait_until("another fabric", || {
        match deployment.holder("fabric.lock") {
            Some(pid) if pid != fabric => Ok(()),
            other => Err(other),
        }
    });
    deployment.await_ready();
    assert!(
        programs.iter().all(|pid| !is_running(*pid)),
        "what it found was ended"
    );
    assert_eq!(
        deployment.status().unwrap()["deployments"][0]["id"],
        id,
        "the same deployment"
    );
    let held = run(deployment.public(1234), 20, 1).await;
    assert!(broken(&held).is_empty(), "{held:?}");
    let printed = deployment.printed();
    assert!(
        !printed.contains("is not free"),
        "one host at a time: {printed}"
    );
    deployment.signal(Signal::INT);
    assert_eq!(deployment.await_end().code(), Some(130));
    deployment.assert_nothing_left(1234);
}

#[test]
fn a_killed_host_takes_its_program_along_and_comes_back() {
    let mut deployment = Deployment::start(&echo_cloud());
    let program = deployment.programs()[0];
    let host = parent(program);
    kill(host);
    wait_until("its program has ended", || {
        if is_running(program) {
            Err(program)
        } else {
            Ok(())
        }
    });
    deployment.await_ready();
    assert_eq!(deployment.programs().len(), 4);
}

#[test]
fn after_every_process_was_killed_a_new_run_finds_the_place_free() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    let mut first = Deployment::spawn(&echo_cloud(), &place, &[]);
    first.await_ready();
    let mut own: Vec<i32> = vec![first.keeper()];
    own.extend(children(first.keeper()));
    let programs = first.programs();
    assert_eq!(own.len(), 7, "keeper, fabric, balancer and four hosts");
    // The keeper first, so that it starts nothing again.
    for pid in own {
        kill(pid);
    }
    first.await_end();
    wait_until(
        "the programs have ended with their hosts",
        || match programs.iter().filter(|pid| is_running(**pid)).count() {
            0 => Ok(()),
            left => Err(left),
        },
    );
    let orphans = of_state(&place.state);
    // Of two instances, so that the others have nobody to look after what they have left.
    let mut second = Deployment::spawn(&echo_cloud(), &place, &["--instances", "EchoWorker=2"]);
    second.await_ready();
    wait_until("the new run has ended what was left", || {
        match orphans.iter().filter(|pid| is_running(**pid)).count() {
            0 => Ok(()),
            left => Err(left),
        }
    });
    second.signal(Signal::TERM);
    assert_eq!(second.await_end().code(), Some(0));
    second.assert_nothing_left(1234);
}

#[test]
fn a_killed_keeper_stops_the_deployment() {
    let mut deployment = Deployment::start(&echo_cloud());
    kill(deployment.keeper());
    deployment.await_end();
    deployment.assert_nothing_left(1234);
}

#[test]
fn a_killed_keeper_and_fabric_leave_nothing_behind() {
    let mut deployment = Deployment::start(&echo_cloud());
    let fabric = deployment.holder("fabric.lock").unwrap();
    kill(deployment.keeper());
    kill(fabric);
    deployment.await_end();
    deployment.assert_nothing_left(1234);
}

#[test]
fn a_host_and_then_the_keeper_killed_stop_the_deployment() {
    let mut deployment = Deployment::start(&echo_cloud());
    // The keeper cannot tell of the host any more.
    signal(deployment.keeper(), Signal::STOP);
    let host = parent(deployment.programs()[0]);
    kill(host);
    wait_until("the host has ended", || {
        if is_running(host) { Err(host) } else { Ok(()) }
    });
    kill(deployment.keeper());
    deployment.await_end();
    deployment.assert_nothing_left(1234);
}

#[test]
fn a_stop_outlives_the_fabric_that_acknowledged_it() {
    let mut deployment = Deployment::start(&echo_cloud());
    // A standing connection holds the stop in its drain.
    let _standing = std::net::TcpStream::connect(deployment.public(1234)).unwrap();
    wait_until("the connection stands", || {
        let open = deployment.status().unwrap()["balancer"]["endpoints"]["EchoWorker/EchoEndpoint"]
            ["open"]
            .as_u64();
        if open == Some(1) { Ok(()) } else { Err(open) }
    });
    let fabric = deployment.holder("fabric.lock").unwrap();
    let mut stop = Command::new(binary("approot"))
        .arg("stop")
        .arg("--state")
        .arg(deployment.state())
        .spawn()
        .unwrap();
    wait_until("the stop is under way", || {
        let printed = deployment.printed();
        if printed.contains("stopping: ") {
            Ok(())
        } else {
            Err(printed)
        }
    });
    kill(fabric);
    assert!(stop.wait().unwrap().success());
    assert_eq!(deployment.await_end().code(), Some(0));
    deployment.assert_nothing_left(1234);
}

#[test]
fn a_fabric_killed_in_the_start_is_replaced_and_the_start_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    let mut deployment = Deployment::spawn(&echo_cloud(), &place, &["--detach"]);
    // Committed, and not yet started.
    let fabric = wait_until("the hosts are being forked", || {
        match (
            deployment.holder("fabric.lock"),
            place.state.join("instances").exists(),
        ) {
            (Some(fabric), true) => Ok(fabric),
            other => Err(other),
        }
    });
    kill(fabric);
    assert_eq!(
        deployment.await_end().code(),
        Some(0),
        "{}",
        deployment.printed()
    );
    assert_eq!(deployment.programs().len(), 4);
    assert!(deployment.approot(&["stop"]).status.success());
    deployment.assert_nothing_left(1234);
}

#[test]
fn a_state_directory_has_one_keeper() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    let mut first = Deployment::spawn(&echo_cloud(), &place, &[]);
    first.await_ready();
    let elsewhere = Place {
        address: Place::new(folder.path()).address,
        state: place.state.clone(),
    };
    let log = place.state.with_extension("log");
    std::fs::rename(&log, log.with_extension("first")).unwrap();
    let mut second = Deployment::spawn(&echo_cloud(), &elsewhere, &[]);
    assert_eq!(second.await_end().code(), Some(1));
    assert!(
        second
            .printed()
            .contains(&format!("pid {}", first.keeper())),
        "{}",
        second.printed()
    );
    assert_eq!(first.programs().len(), 4);
    // Its drop would end what it finds in the state directory, and that is the first one's.
    std::mem::forget(second);
}

#[test]
fn a_detached_run_returns_when_all_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    let mut deployment = Deployment::spawn(&echo_cloud(), &place, &["--detach"]);
    assert_eq!(
        deployment.await_end().code(),
        Some(0),
        "{}",
        deployment.printed()
    );
    assert!(
        deployment.printed().contains("4 Ready"),
        "{}",
        deployment.printed()
    );
    assert_eq!(deployment.programs().len(), 4);
    assert!(deployment.approot(&["stop"]).status.success());
    deployment.assert_nothing_left(1234);
}

fn parent(pid: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}
