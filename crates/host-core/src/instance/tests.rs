//! The happy path and each failure path, as transcripts.

use super::*;

mod orders;

struct Fixture {
    instance: Instance,
    now: Duration,
}

impl Fixture {
    fn new(tasks: &[(&str, TaskType)], ready_on_process_start: bool) -> Self {
        let tasks = tasks
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), *kind))
            .collect();
        let shape = Shape {
            tasks,
            ready_on_process_start,
        };
        Fixture {
            instance: Instance::new(shape, Limits::default(), 1),
            now: Duration::ZERO,
        }
    }

    /// An instance with no tasks whose program runs and is Ready.
    fn ready() -> Self {
        let mut fixture = Fixture::new(&[], true);
        fixture.step(Event::Order(Order::Start));
        fixture.step(Event::Prepared(Ok(())));
        fixture.step(Event::ProgramStarted { pid: 42 });
        fixture
    }

    fn step(&mut self, event: Event) -> Vec<String> {
        self.instance.handle_event(self.now, event);
        self.drain()
    }

    fn pass(&mut self, seconds: u64) -> Vec<String> {
        self.now += Duration::from_secs(seconds);
        self.instance.handle_timeout(self.now);
        self.drain()
    }

    fn drain(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.instance.poll_action())
            .filter_map(describe)
            .collect()
    }
}

fn describe(action: Action) -> Option<String> {
    Some(match action {
        Action::Prepare { attempt } => format!("prepare {attempt}"),
        Action::StartTask { index } => format!("task {index}"),
        Action::StartProgram => "program".to_owned(),
        Action::AskToStop { .. } => "ask".to_owned(),
        Action::Terminate => "SIGTERM".to_owned(),
        Action::Empty => "SIGKILL".to_owned(),
        Action::Publish => "publish".to_owned(),
        Action::Report(report) if report.draining => format!("{} draining", report.status),
        Action::Report(report) => report.status.to_string(),
        Action::Log(_) => return None,
        Action::Exit => "exit".to_owned(),
    })
}

fn leased(status: LeaseStatus) -> Event {
    Event::Leased {
        client: "a".into(),
        lease: Lease {
            status,
            incarnation: 1,
            expires_in: None,
            detail: None,
        },
    }
}

#[test]
fn tasks_run_in_order_and_simple_ones_are_waited_for() {
    use TaskType::{Background, Foreground, Simple};
    let mut it = Fixture::new(
        &[
            ("a", Background),
            ("b", Simple),
            ("c", Foreground),
            ("d", Simple),
        ],
        false,
    );
    assert_eq!(
        it.step(Event::Order(Order::Start)),
        ["prepare 1", "Starting"]
    );
    assert_eq!(
        it.step(Event::Prepared(Ok(()))),
        ["task 0", "task 1", "Busy"]
    );
    assert_eq!(
        it.step(Event::TaskEnded {
            index: 0,
            exit: Exit::Code(1)
        }),
        [""; 0],
        "background may fail"
    );
    assert_eq!(
        it.step(Event::TaskEnded {
            index: 1,
            exit: Exit::Code(0)
        }),
        ["task 2", "task 3"]
    );
    assert_eq!(
        it.step(Event::TaskEnded {
            index: 3,
            exit: Exit::Code(0)
        }),
        ["program"]
    );
    assert_eq!(
        it.step(Event::ProgramStarted { pid: 42 }),
        ["Busy"],
        "the pid is news"
    );
    assert_eq!(it.step(leased(LeaseStatus::Busy)), [""; 0]);
    assert_eq!(it.step(leased(LeaseStatus::Started)), ["Ready"]);
}

#[test]
fn a_failing_simple_task_blocks_and_is_tried_again_at_a_pace() {
    let mut it = Fixture::new(&[("setup", TaskType::Simple)], true);
    it.step(Event::Order(Order::Start));
    it.step(Event::Prepared(Ok(())));
    assert_eq!(
        it.step(Event::TaskEnded {
            index: 0,
            exit: Exit::Code(3)
        }),
        ["SIGKILL", "Recycling"]
    );
    assert_eq!(it.step(Event::Emptied), ["prepare 2", "Starting"]);
    it.step(Event::Prepared(Ok(())));
    let not_there = Event::TaskNotStarted {
        index: 0,
        reason: "no such file".into(),
    };
    assert_eq!(it.step(not_there), ["SIGKILL", "Recycling"]);
    let report = it.instance.reported.clone().unwrap();
    assert_eq!(
        report.detail.as_deref(),
        Some("startup task `setup` could not be started: no such file")
    );
    assert_eq!(report.failed_starts, 2);
    assert_eq!(it.step(Event::Emptied), [""; 0], "the second death waits");
    assert_eq!(it.pass(2), ["prepare 3", "Starting"]);
}

#[test]
fn a_killed_program_is_started_again_at_once() {
    let mut it = Fixture::ready();
    assert_eq!(
        it.step(Event::ProgramEnded(Exit::Signal(9))),
        ["SIGKILL", "Recycling"]
    );
    assert_eq!(it.step(Event::Emptied), ["prepare 2", "Starting"]);
    assert_eq!(it.step(Event::Prepared(Ok(()))), ["program", "Busy"]);
    assert_eq!(it.step(Event::ProgramStarted { pid: 43 }), ["Ready"]);
}

#[test]
fn a_program_that_ends_with_zero_is_recycled_too() {
    let mut it = Fixture::ready();
    assert_eq!(
        it.step(Event::ProgramEnded(Exit::Code(0))),
        ["SIGKILL", "Recycling"]
    );
}

#[test]
fn the_stop_path_drains_asks_terminates_and_ends() {
    let mut it = Fixture::ready();
    assert_eq!(it.step(Event::Order(Order::Stop)), ["Stopping draining"]);
    assert_eq!(
        it.step(Event::Order(Order::Stop)),
        [""; 0],
        "an order may be repeated"
    );
    assert_eq!(it.step(Event::Order(Order::Drained)), ["ask", "Stopping"]);
    assert_eq!(
        it.step(Event::ClientsStopped { answered: true }),
        ["SIGTERM"]
    );
    assert_eq!(
        it.step(Event::ProgramEnded(Exit::Code(0))),
        ["SIGKILL", "Stopping"]
    );
    assert_eq!(it.step(Event::Emptied), ["Stopped", "exit"]);
}

#[test]
fn a_program_that_answered_and_goes_on_is_killed_soon() {
    let mut it = Fixture::ready();
    it.step(Event::Order(Order::Recycle));
    it.step(Event::Order(Order::Drained));
    it.step(Event::ClientsStopped { answered: true });
    assert_eq!(it.pass(4), [""; 0]);
    assert_eq!(it.pass(1), ["SIGKILL"]);
}

#[test]
fn a_program_that_knows_nothing_has_the_whole_limit_after_sigterm() {
    let mut it = Fixture::ready();
    it.step(Event::Order(Order::Recycle));
    it.step(Event::Order(Order::Drained));
    assert_eq!(
        it.step(Event::ClientsStopped { answered: false }),
        ["SIGTERM"]
    );
    assert_eq!(it.pass(299), [""; 0]);
    assert_eq!(it.pass(1), ["SIGKILL"]);
    it.step(Event::ProgramEnded(Exit::Signal(9)));
    assert_eq!(
        it.step(Event::Emptied),
        ["prepare 2", "Starting"],
        "a deliberate recycle does not wait"
    );
}

#[test]
fn a_role_may_ask_for_its_recycle() {
    let mut it = Fixture::ready();
    assert_eq!(
        it.step(leased(LeaseStatus::Recycle)),
        ["Recycling draining"]
    );
    assert_eq!(
        it.pass(DRAIN_LIMIT.as_secs()),
        ["ask", "Recycling"],
        "a fabric that says nothing is not waited for"
    );
}

#[test]
fn busy_lasts_as_long_as_its_lease() {
    let mut it = Fixture::ready();
    let lease = Lease {
        status: LeaseStatus::Busy,
        incarnation: 1,
        expires_in: Some(Duration::from_secs(3)),
        detail: None,
    };
    assert_eq!(
        it.step(Event::Leased {
            client: "b".into(),
            lease
        }),
        ["Busy"]
    );
    assert_eq!(it.instance.poll_timeout(), Some(Duration::from_secs(3)));
    assert_eq!(it.pass(3), ["Ready"]);
}

#[test]
fn a_foreground_task_holds_the_instance_back() {
    let mut it = Fixture::new(&[("watch", TaskType::Foreground)], true);
    it.step(Event::Order(Order::Start));
    it.step(Event::Prepared(Ok(())));
    it.step(Event::ProgramStarted { pid: 42 });
    assert_eq!(
        it.step(Event::ProgramEnded(Exit::Code(0))),
        ["SIGTERM", "Recycling"]
    );
    assert_eq!(
        it.step(Event::TaskEnded {
            index: 0,
            exit: Exit::Signal(15)
        }),
        ["SIGKILL"]
    );
}

#[test]
fn a_stop_during_the_tasks_ends_them() {
    let mut it = Fixture::new(&[("setup", TaskType::Simple)], true);
    it.step(Event::Order(Order::Start));
    it.step(Event::Prepared(Ok(())));
    assert_eq!(it.step(Event::Order(Order::Stop)), ["SIGTERM", "Stopping"]);
    assert_eq!(
        it.step(Event::TaskEnded {
            index: 0,
            exit: Exit::Signal(15)
        }),
        ["SIGKILL"]
    );
    assert_eq!(it.step(Event::Emptied), ["Stopped", "exit"]);
}

#[test]
fn a_lost_fabric_stops_the_instance_without_a_drain() {
    let mut it = Fixture::ready();
    assert_eq!(it.step(Event::FabricGone), ["ask", "Stopping"]);
    let mut idle = Fixture::new(&[], true);
    assert_eq!(idle.step(Event::FabricGone), ["Stopped", "exit"]);
}

#[test]
fn a_stop_overrides_a_recycle_and_not_the_reverse() {
    let mut it = Fixture::ready();
    it.step(Event::Order(Order::Recycle));
    assert_eq!(it.step(Event::Order(Order::Stop)), ["Stopping draining"]);
    assert_eq!(it.step(Event::Order(Order::Recycle)), [""; 0]);
}

/// Found by simulation: `Notified` between the order to start the program and the news of its start.
#[test]
fn a_role_may_speak_before_the_news_that_its_program_runs() {
    let mut it = Fixture::new(&[], false);
    it.step(Event::Order(Order::Start));
    it.step(Event::Prepared(Ok(())));
    assert_eq!(it.step(Event::Notified), [""; 0], "nobody to be Ready yet");
    assert_eq!(it.step(Event::ProgramStarted { pid: 42 }), ["Ready"]);
}

#[test]
fn what_a_task_says_is_not_the_word_of_the_program() {
    let mut it = Fixture::new(&[("setup", TaskType::Simple)], false);
    it.step(Event::Order(Order::Start));
    it.step(Event::Prepared(Ok(())));
    it.step(leased(LeaseStatus::Started));
    let done = Event::TaskEnded {
        index: 0,
        exit: Exit::Code(0),
    };
    assert_eq!(it.step(done), ["program"]);
    assert_eq!(it.step(Event::ProgramStarted { pid: 42 }), ["Busy"]);
}

/// Found by simulation: a second attempt took the end of the first one's preparation for its own, and started its
/// tasks while its folders were being made.
#[test]
fn a_recycle_of_an_attempt_that_is_being_prepared_changes_nothing() {
    let mut it = Fixture::new(&[], true);
    it.step(Event::Order(Order::Start));
    assert_eq!(it.step(Event::Order(Order::Recycle)), [""; 0]);
    assert_eq!(it.step(Event::Prepared(Ok(()))), ["program", "Busy"]);
}

#[test]
fn a_recycle_ends_the_pause_before_the_next_attempt() {
    let mut it = Fixture::new(&[], true);
    it.step(Event::Order(Order::Start));
    for attempt in 2..=3 {
        it.step(Event::Prepared(Err("no room".into())));
        let pauses = it.step(Event::Emptied).is_empty();
        assert_eq!(pauses, attempt == 3);
    }
    assert_eq!(
        it.step(Event::Order(Order::Recycle)),
        ["prepare 3", "Starting"]
    );
}

/// Found by simulation: the minutes that a foreground task took to end made a crash loop look healthy.
#[test]
fn the_end_of_foreground_tasks_does_not_count_as_ready_time() {
    let mut it = Fixture::new(&[("watch", TaskType::Foreground)], true);
    it.step(Event::Order(Order::Start));
    for attempt in 1..=2 {
        it.step(Event::Prepared(Ok(())));
        it.step(Event::ProgramStarted { pid: 42 });
        it.step(Event::ProgramEnded(Exit::Code(1)));
        it.pass(200);
        it.step(Event::TaskEnded {
            index: 0,
            exit: Exit::Signal(15),
        });
        let pauses = it.step(Event::Emptied).is_empty();
        assert_eq!(pauses, attempt == 2);
    }
}

#[test]
fn a_lease_that_has_ended_is_gone_for_whatever_comes_next() {
    let mut it = Fixture::ready();
    let lease = |incarnation, seconds| Event::Leased {
        client: "b".into(),
        lease: Lease {
            status: LeaseStatus::Busy,
            incarnation,
            expires_in: Some(Duration::from_secs(seconds)),
            detail: None,
        },
    };
    assert_eq!(it.step(lease(2, 3)), ["Busy"]);
    it.now += Duration::from_secs(4);
    assert_eq!(
        it.step(lease(1, 9)),
        [""; 0],
        "the next one counts, so it is Busy still"
    );
    assert_eq!(it.instance.poll_timeout(), Some(Duration::from_secs(13)));
}

#[test]
fn nothing_follows_the_end() {
    let mut it = Fixture::new(&[], true);
    it.step(Event::Order(Order::Stop));
    for event in [
        Event::FabricGone,
        Event::Detail("late".into()),
        Event::Emptied,
    ] {
        assert_eq!(it.step(event), [""; 0]);
        assert_eq!(it.instance.poll_action(), None, "no line in the log either");
    }
}
