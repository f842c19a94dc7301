//! New plans, and reboots.

use super::*;

fn order(fixture: &mut Fixture, order: Order) -> Vec<String> {
    fixture.step(Event::Order(order))
}

/// An instance whose program has died twice: it waits for its third attempt.
fn waiting() -> Fixture {
    let mut fixture = Fixture::ready();
    for pid in [43, 44] {
        fixture.step(Event::ProgramEnded(Exit::Code(1)));
        fixture.step(Event::Emptied);
        fixture.step(Event::Prepared(Ok(())));
        fixture.step(Event::ProgramStarted { pid });
    }
    fixture
}

#[test]
fn a_change_is_told_to_a_running_program() {
    let mut fixture = Fixture::ready();
    assert_eq!(order(&mut fixture, Order::Change), ["publish", "Ready"]);
    assert_eq!(fixture.instance.attempt, 1);
    assert_eq!(fixture.instance.reported.as_ref().unwrap().changes, 1);
}

#[test]
fn a_change_ends_the_pause_and_what_came_before_it() {
    let mut fixture = waiting();
    assert_eq!(
        order(&mut fixture, Order::Change),
        ["prepare 3", "Starting"]
    );
    fixture.step(Event::Prepared(Ok(())));
    fixture.step(Event::ProgramStarted { pid: 45 });
    fixture.step(Event::ProgramEnded(Exit::Code(1)));
    // The first death under the new configuration: at once.
    assert_eq!(fixture.step(Event::Emptied), ["prepare 4", "Starting"]);
}

#[test]
fn a_change_on_the_way_out_is_for_the_next_attempt() {
    let mut fixture = Fixture::ready();
    order(&mut fixture, Order::Recycle);
    assert_eq!(order(&mut fixture, Order::Change), ["Recycling draining"]);
    order(&mut fixture, Order::Drained);
    fixture.step(Event::ClientsStopped { answered: false });
    fixture.step(Event::ProgramEnded(Exit::Code(0)));
    assert_eq!(fixture.step(Event::Emptied), ["prepare 2", "Starting"]);
}

#[test]
fn a_replacement_recycles_by_the_one_stop_path() {
    let mut fixture = Fixture::ready();
    assert_eq!(order(&mut fixture, Order::Replace), ["Recycling draining"]);
    assert_eq!(order(&mut fixture, Order::Drained), ["ask", "Recycling"]);
    let mut fixture = waiting();
    assert_eq!(
        order(&mut fixture, Order::Replace),
        ["prepare 3", "Starting"]
    );
}

#[test]
fn an_attempt_that_is_being_prepared_is_prepared_again_for_a_replacement() {
    let mut fixture = Fixture::new(&[], true);
    order(&mut fixture, Order::Start);
    assert_eq!(order(&mut fixture, Order::Replace), ["Starting"]);
    // Whatever came of the first one.
    for (attempt, result) in [(2, Err("gone".to_owned())), (3, Ok(()))] {
        let begun = fixture.step(Event::Prepared(result));
        let expected = if attempt == 2 {
            vec!["prepare 2", "Starting"]
        } else {
            vec!["program", "Busy"]
        };
        assert_eq!(begun, expected);
    }
    assert_eq!(fixture.instance.failed_starts, 0);
}

#[test]
fn a_reboot_asks_no_client_and_ends_the_host() {
    let mut fixture = Fixture::ready();
    assert_eq!(order(&mut fixture, Order::Reboot), ["Recycling draining"]);
    assert_eq!(
        order(&mut fixture, Order::Drained),
        ["SIGTERM", "Recycling"]
    );
    assert_eq!(fixture.pass(REBOOT_LIMIT.as_secs() - 1), [""; 0]);
    assert_eq!(fixture.pass(1), ["SIGKILL"]);
    fixture.step(Event::ProgramEnded(Exit::Signal(9)));
    assert_eq!(fixture.step(Event::Emptied), ["exit"]);
}

#[test]
fn a_reboot_does_not_wait_for_foreground_tasks() {
    let mut fixture = Fixture::new(&[("f", TaskType::Foreground)], true);
    order(&mut fixture, Order::Start);
    fixture.step(Event::Prepared(Ok(())));
    fixture.step(Event::ProgramStarted { pid: 42 });
    order(&mut fixture, Order::Reboot);
    order(&mut fixture, Order::Drained);
    fixture.step(Event::ProgramEnded(Exit::Signal(15)));
    assert_eq!(fixture.pass(REBOOT_LIMIT.as_secs()), ["SIGKILL"]);
}

#[test]
fn a_reboot_ends_a_pause_and_a_stop_overrides_it() {
    assert_eq!(order(&mut waiting(), Order::Reboot), ["exit"]);
    let mut fixture = Fixture::ready();
    order(&mut fixture, Order::Reboot);
    order(&mut fixture, Order::Recycle);
    assert_eq!(order(&mut fixture, Order::Stop), ["Stopping draining"]);
    assert_eq!(order(&mut fixture, Order::Reboot), [""; 0]);
    assert_eq!(order(&mut fixture, Order::Drained), ["ask", "Stopping"]);
}
