//! New configurations, and instances that are started anew.

use super::*;

/// A later plan of `n_instances` with another setting, whose instances alternate between two upgrade domains.
fn later(n_instances: u32, change: impl Fn(&mut InstancePlan)) -> Event {
    let mut plan = plan(n_instances);
    plan.incarnation = 2;
    for instance in &mut plan.roles[0].instances {
        change(instance);
    }
    Event::Configured(Box::new(plan))
}

fn told(instance: &mut InstancePlan) {
    instance.settings = vec![("S".into(), "2".into())];
}

fn recycled(instance: &mut InstancePlan) {
    instance.package_digest = "2".into();
}

fn pending(fixture: &Fixture) -> Vec<InstanceId> {
    fixture.controller.under_way(fixture.now)
}

#[test]
fn a_change_is_told_to_every_host_and_over_when_all_have_taken_it() {
    let mut fixture = Fixture::ready(2);
    let orders = fixture.step(later(2, told));
    assert_eq!(orders, ["Change A_IN_0", "Change A_IN_1"]);
    assert_eq!(pending(&fixture), [id(0), id(1)]);
    fixture.report(0, |report| report.changes = 1);
    assert_eq!(pending(&fixture), [id(1)]);
    fixture.report(1, |report| report.changes = 1);
    assert_eq!(pending(&fixture), []);
    assert_eq!(fixture.controller.plan().incarnation, 2);
}

#[test]
fn a_host_that_is_being_spawned_is_told_when_it_answers() {
    let mut fixture = Fixture::new(1);
    fixture.step(Event::Vacant(id(0)));
    assert_eq!(fixture.step(later(1, told)), [""; 0]);
    assert_eq!(fixture.step(Event::HostStarted(id(0))), ["Change A_IN_0"]);
}

#[test]
fn a_host_that_comes_later_knows_the_newest_plan() {
    let mut fixture = Fixture::ready(1);
    fixture.step(later(1, told));
    fixture.step(Event::HostEnded(id(0)));
    assert_eq!(fixture.step(Event::HostStarted(id(0))), [""; 0]);
    assert_eq!(pending(&fixture), []);
}

#[test]
fn more_instances_are_spawned_when_they_are_vacant() {
    let mut fixture = Fixture::ready(1);
    assert_eq!(fixture.step(later(2, |_| {})), ["Change A_IN_0"]);
    assert_eq!(fixture.step(Event::Vacant(id(1))), ["spawn A_IN_1"]);
    fixture.step(Event::HostStarted(id(1)));
    let ready = Event::Reported(id(1), report(Status::Ready, 1, Some(11)));
    assert_eq!(fixture.step(ready), ["route 3 [1:in 1:in]"]);
}

#[test]
fn an_instance_that_leaves_goes_by_the_stop_path_and_is_discarded() {
    let mut fixture = Fixture::ready(2);
    let orders = fixture.step(later(1, |_| {}));
    assert_eq!(orders, ["Stop A_IN_1", "Change A_IN_0"]);
    let drained = fixture.report(1, |report| {
        report.status = Status::Stopping;
        report.draining = true;
    });
    assert_eq!(drained, ["route 4 [1:in 1:draining]"]);
    let idle = Event::Idle {
        instance: id(1),
        incarnation: 1,
    };
    fixture.step(idle);
    assert_eq!(fixture.step(Event::Acknowledged(4)), ["Drained A_IN_1"]);
    let ended = fixture.step(Event::HostEnded(id(1)));
    assert_eq!(ended, ["discard A_IN_1", "route 5 [1:in]"]);
    assert_eq!(fixture.step(Event::Vacant(id(1))), [""; 0], "it is no more");
}

#[test]
fn an_instance_that_does_not_leave_is_killed_in_the_end() {
    let mut fixture = Fixture::ready(2);
    fixture.step(later(1, |_| {}));
    assert_eq!(fixture.pass(STOP_LIMIT), ["kill A_IN_1"]);
}

#[test]
fn an_instance_that_is_wanted_again_while_it_leaves_begins_anew() {
    let mut fixture = Fixture::ready(2);
    fixture.step(later(1, |_| {}));
    assert_eq!(fixture.step(later(2, |_| {})), ["Change A_IN_0"]);
    let ended = fixture.step(Event::HostEnded(id(1)));
    assert_eq!(ended, ["discard A_IN_1", "route 4 [1:in]"]);
    assert_eq!(fixture.step(Event::Vacant(id(1))), ["spawn A_IN_1"]);
}

#[test]
fn what_cannot_be_told_walks_one_upgrade_domain_at_a_time() {
    let mut fixture = Fixture::ready(3);
    let domains = |instance: &mut InstancePlan| {
        recycled(instance);
        instance.upgrade_domain = u32::from(instance.id == id(1));
    };
    let first = fixture.step(later(3, domains));
    assert_eq!(first, ["Replace A_IN_0", "Replace A_IN_2"]);
    let again = |report: &mut Report| {
        report.changes = 1;
        report.attempt = 2;
    };
    assert_eq!(fixture.report(0, again), ["route 5 [2:in 1:in 1:in]"]);
    let last = fixture.report(2, again);
    assert_eq!(last, ["Replace A_IN_1", "route 6 [2:in 1:in 2:in]"]);
    fixture.report(1, again);
    assert_eq!(pending(&fixture), []);
}

#[test]
fn a_configuration_under_which_an_instance_fails_may_be_replaced() {
    let mut fixture = Fixture::ready(1);
    fixture.step(later(1, recycled));
    assert_eq!(pending(&fixture), [id(0)]);
    fixture.report(0, |report| report.failed_starts = 1);
    assert_eq!(pending(&fixture), []);
    fixture.report(0, |report| report.failed_starts = 0);
    fixture.pass(CHANGE_LIMIT);
    assert_eq!(pending(&fixture), []);
}

#[test]
fn a_rebooted_instance_gets_another_host_at_once_every_time() {
    let mut fixture = Fixture::ready(1);
    for _ in 0..3 {
        assert_eq!(fixture.step(Event::Reboot(id(0))), ["Reboot A_IN_0"]);
        let ended = fixture.step(Event::HostEnded(id(0)));
        assert_eq!(ended[0], "spawn A_IN_0");
        // Ordered while it is being spawned: of the plan, but not of the order.
        assert_eq!(fixture.step(Event::Reboot(id(0))), [""; 0]);
        assert_eq!(fixture.step(Event::HostStarted(id(0))), ["Reboot A_IN_0"]);
        assert_eq!(fixture.step(Event::HostEnded(id(0))), ["spawn A_IN_0"]);
        fixture.step(Event::HostStarted(id(0)));
    }
}

#[test]
fn an_instance_whose_hosts_end_again_and_again_is_failed() {
    let mut fixture = Fixture::ready(1);
    let status = |fixture: &Fixture| {
        let member = fixture.controller.member(&id(0)).unwrap();
        member.report.unwrap().status
    };
    for _ in 0..HOST_FAILURES_MAX {
        fixture.step(Event::HostEnded(id(0)));
        assert_eq!(status(&fixture), Status::Recycling);
        fixture.pass(HOST_PACE_MAX);
    }
    fixture.step(Event::HostEnded(id(0)));
    assert_eq!(status(&fixture), Status::Failed);
}

#[test]
fn a_stop_reaches_those_who_leave_too() {
    let mut fixture = Fixture::ready(2);
    fixture.step(later(1, |_| {}));
    let orders = fixture.step(Event::Stop);
    assert_eq!(orders, ["close", "Stop A_IN_0", "Stop A_IN_1"]);
    fixture.step(Event::HostEnded(id(0)));
    let last = fixture.step(Event::HostEnded(id(1)));
    assert_eq!(last[0], "discard A_IN_1");
    assert_eq!(last.last().unwrap(), "stopped");
}
