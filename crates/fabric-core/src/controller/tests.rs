//! The happy path and each failure path, as transcripts.

use std::net::SocketAddr;

use plan::{
    Command, EndpointKind, EndpointPlan, InstancePlan, Paths, PublicEndpoint, RolePlan, Slot,
};

use super::*;
use crate::routing::Rotation;

mod changes;

fn plan(n_instances: u32) -> DeploymentPlan {
    let instance = |index: u32| {
        let address = std::net::Ipv4Addr::new(127, 17, 0, index as u8 + 1);
        InstancePlan {
            id: InstanceId::new("A", index),
            role: "A".into(),
            deployment_id: "d".into(),
            emulated: false,
            upgrade_domain: 0,
            fault_domain: 0,
            address,
            endpoints: vec![EndpointPlan {
                name: "E".into(),
                kind: EndpointKind::Input,
                protocol: "tcp".into(),
                address: SocketAddr::new(address.into(), 80),
                public: None,
            }],
            settings: vec![],
            local_resources: vec![],
            paths: Paths {
                root: "/r".into(),
                approot: "/r/a".into(),
                temp: "/r/t".into(),
                logs: "/r/l".into(),
                sockets: "/r/s".into(),
                approot_source: "/p".into(),
            },
            package_digest: String::new(),
            startup_tasks: vec![],
            entry_point: Command {
                command_line: "a".into(),
                words: vec!["a".into()],
                environment: vec![],
                script: vec![],
            },
            ready_on_process_start: true,
            topology: vec![],
            sandbox: plan::SandboxPlan::default(),
            blast: false,
            pass_sockets: false,
            options: Default::default(),
            certificates: vec![],
        }
    };
    DeploymentPlan {
        service: "S".into(),
        deployment_id: "d".into(),
        slot: Slot::Production,
        incarnation: 1,
        emulated: false,
        block: 0,
        roles: vec![RolePlan {
            name: "A".into(),
            instances: (0..n_instances).map(instance).collect(),
        }],
        public: vec![PublicEndpoint {
            role: "A".into(),
            name: "E".into(),
            listen: vec![],
            ignore_role_instance_status: false,
        }],
    }
}

struct Fixture {
    controller: Controller,
    now: Duration,
}

fn id(index: u32) -> InstanceId {
    InstanceId::new("A", index)
}

fn report(status: Status, attempt: u64, pid: Option<i32>) -> Report {
    Report {
        status,
        detail: None,
        pid,
        attempt,
        draining: false,
        failed_starts: 0,
        ends: 0,
        last_end: None,
        changes: 0,
    }
}

impl Fixture {
    fn new(n_instances: u32) -> Self {
        Fixture {
            controller: Controller::new(plan(n_instances)),
            now: Duration::ZERO,
        }
    }

    /// All instances Ready behind a balancer that has acknowledged that.
    fn ready(n_instances: u32) -> Self {
        let mut fixture = Fixture::new(n_instances);
        fixture.step(Event::BalancerConnected);
        for index in 0..n_instances {
            fixture.step(Event::Vacant(id(index)));
            fixture.step(Event::HostStarted(id(index)));
            fixture.step(Event::Reported(
                id(index),
                report(Status::Ready, 1, Some(10)),
            ));
        }
        let number = fixture.controller.number;
        fixture.step(Event::Acknowledged(number));
        fixture
    }

    fn step(&mut self, event: Event) -> Vec<String> {
        self.controller.handle_event(self.now, event);
        std::iter::from_fn(|| self.controller.poll_action())
            .map(describe)
            .collect()
    }

    fn report(&mut self, index: u32, change: impl FnOnce(&mut Report)) -> Vec<String> {
        let mut report = self.controller.members[&id(index)].report.clone().unwrap();
        change(&mut report);
        self.step(Event::Reported(id(index), report))
    }

    fn pass(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.controller.handle_timeout(self.now);
        std::iter::from_fn(|| self.controller.poll_action())
            .map(describe)
            .collect()
    }
}

fn describe(action: Action) -> String {
    match action {
        Action::SpawnHost(id) => format!("spawn {id}"),
        Action::KillHost(id) => format!("kill {id}"),
        Action::Order(id, order) => format!("{order:?} {id}"),
        Action::Route(routing) => {
            let routes = routing
                .endpoints
                .iter()
                .flat_map(|endpoint| &endpoint.routes);
            let routes: Vec<String> = routes
                .map(|route| {
                    let rotation = match route.rotation {
                        Rotation::In => "in",
                        Rotation::Draining => "draining",
                        Rotation::Out => "out",
                        Rotation::Dead => "dead",
                    };
                    format!("{}:{rotation}", route.incarnation)
                })
                .collect();
            format!("route {} [{}]", routing.number, routes.join(" "))
        }
        Action::Change(id, order) => format!("{order:?} {id}"),
        Action::Discard(id) => format!("discard {id}"),
        Action::Cut {
            instance,
            incarnation,
        } => format!("cut {instance} {incarnation}"),
        Action::CloseListeners => "close".to_owned(),
        Action::Started(Outcome::AllReady) => "started".to_owned(),
        Action::Started(Outcome::Failed { instance, cause }) => {
            format!("failed {instance}: {cause}")
        }
        Action::AttemptEnded { instance, cause } => format!("{instance} {cause}"),
        Action::Stopped => "stopped".to_owned(),
    }
}

#[test]
fn a_start_ends_when_every_instance_was_ready() {
    let mut it = Fixture::new(2);
    assert_eq!(it.step(Event::BalancerConnected), ["route 1 []"]);
    assert_eq!(it.step(Event::Vacant(id(0))), ["spawn A_IN_0"]);
    assert_eq!(it.step(Event::Vacant(id(0))), [""; 0], "once");
    it.step(Event::Vacant(id(1)));
    it.step(Event::HostStarted(id(0)));
    it.step(Event::HostStarted(id(1)));
    assert_eq!(
        it.step(Event::Reported(id(0), report(Status::Starting, 1, None))),
        ["route 2 [1:out]"]
    );
    assert_eq!(
        it.step(Event::Reported(id(0), report(Status::Ready, 1, Some(7)))),
        ["route 3 [1:in]"]
    );
    assert_eq!(
        it.step(Event::Reported(id(1), report(Status::Ready, 1, Some(8)))),
        ["route 4 [1:in 1:in]", "started"]
    );
    assert_eq!(
        it.report(0, |report| report.status = Status::Busy),
        ["route 5 [1:out 1:in]"]
    );
}

#[test]
fn a_busy_instance_stays_in_rotation_where_its_status_is_ignored() {
    let mut plan = plan(1);
    plan.public[0].ignore_role_instance_status = true;
    let mut it = Fixture {
        controller: Controller::new(plan),
        now: Duration::ZERO,
    };
    it.step(Event::BalancerConnected);
    it.step(Event::Vacant(id(0)));
    it.step(Event::HostStarted(id(0)));
    let ready = it.step(Event::Reported(id(0), report(Status::Ready, 1, Some(7))));
    assert!(ready.contains(&"route 2 [1:in]".to_owned()), "{ready:?}");
    let busy = it.report(0, |report| report.status = Status::Busy);
    assert_eq!(busy, [""; 0], "nothing changes for the balancer");
}

#[test]
fn a_start_fails_after_three_attempts() {
    let mut it = Fixture::new(1);
    it.step(Event::Vacant(id(0)));
    it.step(Event::HostStarted(id(0)));
    for attempt in 1..=3 {
        let failed = Report {
            failed_starts: attempt,
            ends: u64::from(attempt),
            last_end: Some("task exited".into()),
            ..report(Status::Recycling, u64::from(attempt), None)
        };
        let mut expected = vec!["A_IN_0 task exited"];
        expected.extend((attempt == 3).then_some("failed A_IN_0: task exited"));
        assert_eq!(it.step(Event::Reported(id(0), failed)), expected);
    }
}

#[test]
fn a_killed_program_leaves_rotation_and_comes_back_as_another() {
    let mut it = Fixture::ready(2);
    let killed = |report: &mut Report| {
        *report = Report {
            ends: 1,
            last_end: Some("killed".into()),
            ..super::tests::report(Status::Recycling, 1, None)
        };
    };
    assert_eq!(
        it.report(0, killed),
        ["A_IN_0 killed", "route 4 [1:dead 1:in]"]
    );
    let again = |report: &mut Report| {
        *report = Report {
            attempt: 2,
            pid: Some(11),
            status: Status::Ready,
            ..report.clone()
        }
    };
    assert_eq!(it.report(0, again), ["route 5 [2:in 1:in]"]);
    assert_eq!(it.controller.member(&id(0)).unwrap().recycles, 1);
}

#[test]
fn a_recycle_waits_for_the_barrier_and_the_last_connection() {
    let mut it = Fixture::ready(1);
    assert_eq!(it.step(Event::Recycle(id(0))), ["Recycle A_IN_0"]);
    let draining = |report: &mut Report| {
        report.status = Status::Recycling;
        report.draining = true;
    };
    assert_eq!(it.report(0, draining), ["route 3 [1:draining]"]);
    assert_eq!(
        it.step(Event::Idle {
            instance: id(0),
            incarnation: 9
        }),
        [""; 0],
        "of another program"
    );
    assert_eq!(
        it.step(Event::Idle {
            instance: id(0),
            incarnation: 1
        }),
        [""; 0],
        "an older pick may still be under way"
    );
    assert_eq!(it.step(Event::Acknowledged(3)), ["Drained A_IN_0"]);
}

#[test]
fn connections_that_do_not_end_are_cut_at_the_limit() {
    let mut it = Fixture::ready(1);
    it.report(0, |report| {
        report.status = Status::Recycling;
        report.draining = true;
    });
    it.step(Event::Acknowledged(3));
    assert_eq!(it.controller.poll_timeout(), Some(DRAIN_LIMIT));
    assert_eq!(it.pass(DRAIN_LIMIT), ["cut A_IN_0 1", "Drained A_IN_0"]);
}

#[test]
fn a_lost_balancer_holds_no_drain_back() {
    let mut it = Fixture::ready(1);
    it.report(0, |report| {
        report.status = Status::Recycling;
        report.draining = true;
    });
    assert_eq!(it.step(Event::BalancerGone), ["Drained A_IN_0"]);
    assert_eq!(it.step(Event::BalancerConnected), ["route 4 [1:draining]"]);
}

#[test]
fn a_stop_closes_the_ports_and_ends_when_the_last_host_has() {
    let mut it = Fixture::ready(2);
    assert_eq!(
        it.step(Event::Stop),
        ["close", "Stop A_IN_0", "Stop A_IN_1"]
    );
    assert_eq!(it.step(Event::Stop), [""; 0]);
    it.step(Event::HostEnded(id(0)));
    assert_eq!(it.step(Event::HostEnded(id(1))).last().unwrap(), "stopped");
    assert_eq!(
        it.controller.poll_timeout(),
        None,
        "nothing is spawned again"
    );
}

#[test]
fn a_stop_reaches_a_host_that_was_still_being_spawned() {
    let mut it = Fixture::new(1);
    it.step(Event::Vacant(id(0)));
    assert_eq!(it.step(Event::Stop), ["close"]);
    assert_eq!(it.step(Event::HostStarted(id(0))), ["Stop A_IN_0"]);
    assert_eq!(it.step(Event::HostEnded(id(0))), ["stopped"]);
}

#[test]
fn a_host_that_keeps_dying_is_spawned_at_a_pace() {
    let mut it = Fixture::new(1);
    assert_eq!(it.step(Event::Vacant(id(0))), ["spawn A_IN_0"]);
    assert_eq!(
        it.step(Event::HostEnded(id(0))),
        ["spawn A_IN_0"],
        "at once"
    );
    assert_eq!(it.step(Event::HostEnded(id(0))), [""; 0]);
    assert_eq!(it.pass(Duration::from_secs(1)), ["spawn A_IN_0"]);
}

/// Found by simulation: what a balancer had to say to the fabric before this one broke an assertion of ours.
#[test]
fn a_routing_that_was_never_made_is_not_acknowledged() {
    let mut it = Fixture::ready(1);
    assert_eq!(it.step(Event::Acknowledged(57)), [""; 0]);
    it.report(0, |report| {
        report.status = Status::Recycling;
        report.draining = true;
    });
    it.step(Event::Idle {
        instance: id(0),
        incarnation: 1,
    });
    assert!(it.controller.members[&id(0)].drain.is_some(), "it waits");
}

/// Found by simulation: the keeper tells of a host's end sooner than its link does, and the last report put a dead
/// program back.
#[test]
fn the_last_words_of_a_host_come_too_late() {
    let mut it = Fixture::ready(2);
    assert_eq!(
        it.step(Event::HostEnded(id(0))),
        ["spawn A_IN_0", "route 4 [1:dead 1:in]"]
    );
    let last = Report {
        ends: 1,
        last_end: Some("killed".into()),
        ..report(Status::Ready, 1, Some(10))
    };
    assert_eq!(it.step(Event::Reported(id(0), last)), [""; 0]);
    it.step(Event::HostStarted(id(0)));
    assert_eq!(
        it.step(Event::Reported(id(0), report(Status::Ready, 2, Some(11)))),
        ["route 5 [2:in 1:in]"]
    );
}

/// Found by simulation: a host that died as it answered was taken for a living one, and never replaced.
#[test]
fn a_start_that_crosses_the_end_is_none() {
    let mut it = Fixture::new(1);
    it.step(Event::Vacant(id(0)));
    it.step(Event::HostEnded(id(0)));
    it.step(Event::HostEnded(id(0)));
    assert_eq!(it.step(Event::HostStarted(id(0))), [""; 0]);
    assert_ne!(it.controller.members[&id(0)].host, Host::Present);
    assert_eq!(it.pass(Duration::from_secs(1)), ["spawn A_IN_0"]);
}

/// Found by simulation: hosts that cannot live, with nobody to say so, kept the start going for ever.
#[test]
fn a_start_fails_when_no_host_stays() {
    let mut it = Fixture::new(1);
    it.step(Event::Vacant(id(0)));
    it.step(Event::HostEnded(id(0)));
    it.step(Event::HostEnded(id(0)));
    it.pass(Duration::from_secs(1));
    assert_eq!(
        it.step(Event::HostEnded(id(0))),
        ["failed A_IN_0: its host has ended 3 times"]
    );
}

#[test]
fn a_drain_belongs_to_one_attempt() {
    let mut it = Fixture::ready(1);
    it.report(0, |report| report.draining = true);
    it.now += Duration::from_secs(60);
    let next = |report: &mut Report| report.attempt = 2;
    assert_eq!(
        it.report(0, next),
        ["route 3 [2:in]"],
        "neither cut nor drained by the time of the first"
    );
}

#[test]
fn a_host_that_outlasts_a_stop_is_killed() {
    let mut it = Fixture::ready(2);
    it.step(Event::Stop);
    it.step(Event::HostEnded(id(0)));
    assert_eq!(it.controller.poll_timeout(), Some(STOP_LIMIT));
    assert_eq!(it.pass(STOP_LIMIT), ["kill A_IN_1"]);
    assert_eq!(it.pass(STOP_LIMIT), [""; 0], "once");
    assert_eq!(it.step(Event::HostEnded(id(1))).last().unwrap(), "stopped");
}

#[test]
fn a_stop_waits_for_the_hosts_of_an_earlier_fabric() {
    let mut it = Fixture {
        controller: Controller::resume(plan(1), true),
        now: Duration::ZERO,
    };
    assert_eq!(it.step(Event::Stop), ["close"]);
    assert_eq!(it.step(Event::Vacant(id(0))), ["stopped"]);
}

#[test]
fn a_start_that_an_earlier_fabric_began_is_still_on_trial() {
    let mut it = Fixture {
        controller: Controller::resume(plan(1), false),
        now: Duration::ZERO,
    };
    it.step(Event::Vacant(id(0)));
    it.step(Event::HostStarted(id(0)));
    assert_eq!(
        it.step(Event::Reported(id(0), report(Status::Ready, 1, Some(7)))),
        ["started"]
    );
}
