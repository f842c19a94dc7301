//! What is called, what the host is told, and how it ends.

use std::{path::PathBuf, time::Duration};

use runtime::Response::{self, Accept, Cancel};
use runtime_protocol::ExpectedState::{Started, Stopped};

use crate::{
    host::Host,
    role::{Order, Running, Start},
};

/// A role below a host, brought as far as `run`.
async fn running(response: Response) -> (Host, Running) {
    let mut host = Host::new(Started);
    let mut role = Running::new(Some(host.version_endpoint()), Start::True, response);
    assert_eq!(host.state().await, "1 Busy");
    assert_eq!(role.call().await, "on_start in Worker_IN_0");
    assert_eq!(host.state().await, "1 Started");
    assert_eq!(role.call().await, "run");
    (host, role)
}

#[tokio::test]
async fn a_stop_is_heard_answered_and_ends_well() {
    let (mut host, mut role) = running(Accept).await;
    host.publish_goal(1, Stopped);
    assert_eq!(role.call().await, "on_stop");
    assert_eq!(host.state().await, "1 Stopped");
    assert_eq!(role.call().await, "run is gone");
    assert_eq!(role.end().await, "Stopped");
}

#[tokio::test]
async fn a_run_that_returns_stops_in_order_and_leaves_rotation_first() {
    let (mut host, mut role) = running(Accept).await;
    role.order(Order::Return);
    assert_eq!(role.call().await, "run is gone");
    assert_eq!(host.state().await, "1 Busy");
    assert_eq!(role.call().await, "on_stop");
    assert_eq!(role.end().await, "RunReturned");
}

#[tokio::test]
async fn a_run_that_fails_ends_without_on_stop() {
    let (_host, mut role) = running(Accept).await;
    role.order(Order::Fail);
    assert_eq!(role.call().await, "run is gone");
    assert_eq!(role.call().await, "no call any more");
    assert_eq!(role.end().await, "`run` failed: out of ideas");
}

#[tokio::test]
async fn a_run_that_panics_ends_without_on_stop() {
    let (_host, mut role) = running(Accept).await;
    role.order(Order::Panic);
    assert_eq!(role.call().await, "run is gone");
    assert_eq!(role.call().await, "no call any more");
    assert_eq!(role.end().await, "`run` panicked");
}

#[tokio::test]
async fn an_on_start_that_refuses_or_fails_is_never_ready() {
    for (start, expected) in [
        (Start::False, "`on_start` returned false"),
        (Start::Fail, "`on_start` failed: the database is away"),
    ] {
        let mut host = Host::new(Started);
        let mut role = Running::new(Some(host.version_endpoint()), start, Accept);
        assert_eq!(host.state().await, "1 Busy");
        assert_eq!(role.call().await, "on_start in Worker_IN_0");
        assert_eq!(role.call().await, "no call any more");
        assert_eq!(role.end().await, expected);
    }
}

#[tokio::test]
async fn a_stop_during_on_start_calls_nothing_more() {
    let mut host = Host::new(Started);
    let mut role = Running::new(Some(host.version_endpoint()), Start::Never, Accept);
    assert_eq!(host.state().await, "1 Busy");
    assert_eq!(role.call().await, "on_start in Worker_IN_0");
    host.publish_goal(1, Stopped);
    assert_eq!(host.state().await, "1 Stopped");
    assert_eq!(role.call().await, "no call any more");
    assert_eq!(role.end().await, "Stopped");
}

#[tokio::test]
async fn a_stop_before_the_start_calls_nothing() {
    let mut host = Host::new(Stopped);
    let mut role = Running::new(Some(host.version_endpoint()), Start::True, Accept);
    assert_eq!(host.state().await, "1 Stopped");
    assert_eq!(role.call().await, "no call any more");
    assert_eq!(role.end().await, "Stopped");
}

#[tokio::test]
async fn an_accepted_change_is_taken_while_running() {
    let (mut host, mut role) = running(Accept).await;
    host.publish(2, "good day");
    assert_eq!(role.call().await, "changing Greeting from hello");
    assert_eq!(host.state().await, "2 Started");
    assert_eq!(role.call().await, "changed Greeting to good day");
    host.publish_goal(2, Stopped);
    assert_eq!(host.state().await, "2 Stopped");
    assert_eq!(role.call().await, "on_stop");
}

#[tokio::test]
async fn a_cancelled_change_recycles_with_the_old_values() {
    let (mut host, mut role) = running(Cancel).await;
    host.publish(2, "good day");
    assert_eq!(role.call().await, "changing Greeting from hello");
    assert_eq!(host.state().await, "2 Recycle");
    host.publish_goal(2, Stopped);
    assert_eq!(role.call().await, "on_stop");
    assert_eq!(host.state().await, "2 Stopped");
    assert_eq!(role.end().await, "Stopped");
}

#[tokio::test]
async fn an_incarnation_that_changes_nothing_is_answered_unasked() {
    let (mut host, mut role) = running(Cancel).await;
    host.publish(2, "hello");
    assert_eq!(host.state().await, "2 Started");
    // Neither an older incarnation nor one whose file is missing is answered.
    host.publish(1, "stale");
    host.publish_goal(3, Started);
    host.publish(4, "good day");
    assert_eq!(role.call().await, "changing Greeting from hello");
    assert_eq!(host.state().await, "4 Recycle");
}

#[tokio::test]
async fn a_lost_goal_state_connection_means_nothing() {
    let (mut host, mut role) = running(Accept).await;
    host.hang_up();
    host.publish(2, "good day");
    assert_eq!(role.call().await, "changing Greeting from hello");
    assert_eq!(host.state().await, "2 Started");
    assert_eq!(role.call().await, "changed Greeting to good day");
}

#[tokio::test]
async fn busy_is_a_lease_that_is_given_back_or_lapses() {
    let (mut host, role) = running(Accept).await;
    role.order(Order::Busy(Duration::from_secs(3600)));
    assert_eq!(host.state().await, "1 Busy for a time");
    role.order(Order::Clear);
    assert_eq!(host.state().await, "1 Started");
    role.order(Order::Busy(Duration::from_millis(50)));
    assert_eq!(host.state().await, "1 Busy for a time");
    assert_eq!(host.state().await, "1 Started", "it comes back by itself");
}

#[tokio::test]
async fn a_recycle_is_asked_for_once_and_then_stopped_for() {
    let (mut host, mut role) = running(Accept).await;
    role.order(Order::Recycle);
    role.order(Order::Recycle);
    role.order(Order::Clear);
    assert_eq!(host.state().await, "1 Recycle");
    host.publish_goal(1, Stopped);
    assert_eq!(role.call().await, "on_stop");
    assert_eq!(host.state().await, "1 Stopped");
}

#[tokio::test]
async fn outside_any_fabric_the_role_runs_all_the_same() {
    let mut role = Running::new(None, Start::True, Accept);
    assert_eq!(role.call().await, "on_start in no fabric");
    assert_eq!(role.call().await, "run");
    role.order(Order::Return);
    assert_eq!(role.call().await, "run is gone");
    assert_eq!(role.call().await, "on_stop");
    assert_eq!(role.end().await, "RunReturned");
}

#[tokio::test]
async fn a_host_that_is_not_there_is_named() {
    let path = PathBuf::from("/nowhere/version.sock");
    let role = Running::new(Some(path), Start::True, Accept);
    let end = role.end().await;
    let expected =
        "cannot start without the host: cannot connect to the host: /nowhere/version.sock: ";
    assert!(end.starts_with(expected), "{end}");
}
