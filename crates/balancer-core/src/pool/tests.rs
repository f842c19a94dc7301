//! The contract of [`Pool`], one clause a test.

use super::*;
use crate::table::{Backend, Endpoint, Rotation};

const MS: Duration = Duration::from_millis(1);

/// A table from lines such as `A: X/1 in, Y/1 draining`; the first word names the endpoint.
fn table(number: u64, text: &str) -> Table {
    let endpoints = text.lines().map(|line| {
        let (name, backends) = line.split_once(':').unwrap();
        Endpoint {
            name: name.trim().into(),
            listeners: vec![],
            backends: backends
                .split(',')
                .filter(|b| !b.trim().is_empty())
                .map(|b| backend(b.trim()))
                .collect(),
        }
    });
    Table {
        number,
        endpoints: endpoints.collect(),
    }
}

fn backend(text: &str) -> Backend {
    let (program, rotation) = text.split_once(' ').unwrap();
    let (id, incarnation) = program.split_once('/').unwrap();
    Backend {
        id: id.into(),
        address: ([127, 17, 0, 1], 1234).into(),
        incarnation: incarnation.parse().unwrap(),
        rotation: match rotation {
            "in" => Rotation::In,
            "out" => Rotation::Out,
            "draining" => Rotation::Draining,
            "dead" => Rotation::Dead,
            other => panic!("{other}"),
        },
    }
}

fn pool(text: &str) -> Pool {
    let mut pool = Pool::new();
    pool.replace(&table(1, text), Duration::ZERO).unwrap();
    assert_eq!(events(&mut pool)[0], "acknowledged 1");
    pool
}

fn events(pool: &mut Pool) -> Vec<String> {
    std::iter::from_fn(|| pool.poll_event())
        .map(|event| match event {
            PoolEvent::Acknowledged { number } => format!("acknowledged {number}"),
            PoolEvent::Idle(p) => format!("idle {}/{}", p.backend, p.incarnation),
        })
        .collect()
}

fn to(pick: Pick) -> Ticket {
    match pick {
        Pick::To(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

/// A client with its connection to a backend.
fn serve(pool: &mut Pool, now: Duration) -> (Client, Ticket) {
    let mut client = pool.accept("A");
    let ticket = to(pool.pick(&mut client, &[], now));
    pool.connected(&ticket);
    (client, ticket)
}

fn row(pool: &mut Pool, now: Duration) -> crate::EndpointCounters {
    pool.counters(now).endpoints.remove("A").unwrap()
}

#[test]
fn idle_backends_take_turns_and_the_least_loaded_comes_first() {
    let mut pool = pool("A: W/1 in, X/1 in, Y/1 out, Z/1 in");
    let mut order = String::new();
    for _ in 0..6 {
        let (client, ticket) = serve(&mut pool, MS);
        order += &ticket.program().backend;
        pool.closed(client, ticket, End::Ordinary, MS);
    }
    assert_eq!(order, "WXZWXZ");
    let kept: Vec<_> = (0..3).map(|_| serve(&mut pool, MS)).collect();
    let (client, ticket) = kept.into_iter().nth(1).unwrap();
    pool.closed(client, ticket, End::Ordinary, MS);
    assert_eq!(&*serve(&mut pool, MS).1.program().backend, "X");
}

#[test]
fn a_refused_backend_gets_one_trial_each_ten_milliseconds() {
    let mut pool = pool("A: X/1 in");
    let (mut a, mut b) = (pool.accept("A"), pool.accept("A"));
    let first = to(pool.pick(&mut a, &[], MS));
    pool.refused(first, MS);
    assert!(matches!(pool.pick(&mut a, &[], MS), Pick::Park(Some(at)) if at == MS * 11));
    assert!(matches!(
        pool.pick(&mut a, &[], MS * 10),
        Pick::Park(Some(_))
    ));
    let trial = to(pool.pick(&mut a, &[], MS * 11));
    assert!(
        matches!(pool.pick(&mut b, &[], MS * 50), Pick::Park(None)),
        "one trial at a time"
    );
    pool.connected(&trial);
    assert_eq!(pool.next_parked("A"), Some(b.number()));
    let _ = to(pool.pick(&mut b, &[], MS * 50));
}

#[test]
fn a_late_connect_waits_a_second_and_a_new_incarnation_does_not() {
    let mut pool = pool("A: X/1 in");
    let mut client = pool.accept("A");
    let ticket = to(pool.pick(&mut client, &[], MS));
    pool.late(ticket, MS);
    assert!(matches!(pool.pick(&mut client, &[], MS * 2), Pick::Park(Some(at)) if at == MS * 1001));
    pool.replace(&table(2, "A: X/2 in"), MS * 3).unwrap();
    assert_eq!(
        to(pool.pick(&mut client, &[], MS * 3))
            .program()
            .incarnation,
        2
    );
}

#[test]
fn a_due_trial_comes_before_sound_backends() {
    let mut pool = pool("A: X/1 in, Y/1 in");
    let mut client = pool.accept("A");
    let ticket = to(pool.pick(&mut client, &[], MS));
    assert_eq!(&*ticket.program().backend, "X");
    pool.refused(ticket, MS);
    for _ in 0..3 {
        assert_eq!(&*serve(&mut pool, MS * 2).1.program().backend, "Y");
    }
    assert_eq!(&*serve(&mut pool, MS * 11).1.program().backend, "X");
}

#[test]
fn an_abandoned_connect_leaves_no_suspicion_and_no_trial_behind() {
    let mut pool = pool("A: X/1 in");
    let mut client = pool.accept("A");
    let ticket = to(pool.pick(&mut client, &[], MS));
    pool.abandoned(ticket);
    let ticket = to(pool.pick(&mut client, &[], MS));
    pool.refused(ticket, MS);
    let trial = to(pool.pick(&mut client, &[], MS * 11));
    pool.abandoned(trial);
    let _ = to(pool.pick(&mut client, &[], MS * 11));
}

#[test]
fn a_connected_backend_that_is_found_refusing_is_tried_before_it_gets_more() {
    let mut pool = pool("A: X/1 in");
    let (mut client, ticket) = serve(&mut pool, MS);
    assert!(pool.is_in_rotation("A", ticket.program()));
    pool.suspect("A", ticket.program(), MS);
    pool.suspect("B", ticket.program(), MS);
    pool.moved(ticket);
    assert!(matches!(pool.pick(&mut client, &[], MS), Pick::Park(Some(at)) if at == MS * 11));
}

#[test]
fn what_was_tried_is_left_out_until_nothing_else_is_left() {
    let mut pool = pool("A: X/1 in, Y/1 in");
    let (mut client, ticket) = serve(&mut pool, MS);
    let mut tried = vec![ticket.program().clone()];
    pool.moved(ticket);
    let next = to(pool.pick(&mut client, &tried, MS));
    assert_ne!(next.program(), &tried[0]);
    pool.connected(&next);
    tried.push(next.program().clone());
    pool.moved(next);
    assert!(matches!(
        pool.pick(&mut client, &tried, MS),
        Pick::Exhausted
    ));
    assert_eq!(row(&mut pool, MS).retried, 2);
    pool.left(client, Cause::InstanceReset);
}

#[test]
fn those_who_wait_are_served_in_order_and_nobody_overtakes() {
    let mut pool = pool("A:");
    let mut clients: Vec<_> = (0..3).map(|_| pool.accept("A")).collect();
    for client in &mut clients {
        assert!(matches!(pool.pick(client, &[], MS), Pick::Park(None)));
    }
    pool.replace(&table(2, "A: X/1 in"), MS).unwrap();
    let mut late = pool.accept("A");
    assert!(matches!(pool.pick(&mut late, &[], MS), Pick::Park(None)));
    assert!(matches!(
        pool.pick(&mut clients[1], &[], MS),
        Pick::Park(None)
    ));
    for client in clients.iter_mut().chain([&mut late]) {
        assert_eq!(pool.next_parked("A"), Some(client.number()));
        let _ = to(pool.pick(client, &[], MS));
    }
    assert_eq!(row(&mut pool, MS).parked_total, 4);
}

#[test]
fn the_line_has_an_end() {
    let mut pool = pool("A:");
    let mut clients: Vec<_> = (0..PARKED_MAX).map(|_| pool.accept("A")).collect();
    for client in &mut clients {
        assert!(pool.is_accepting("A"));
        assert!(matches!(pool.pick(client, &[], MS), Pick::Park(None)));
    }
    assert!(!pool.is_accepting("A"));
    pool.left(clients.pop().unwrap(), Cause::ParkTimeout);
    assert!(pool.is_accepting("A"));
    assert!(!pool.is_accepting("B"));
}

#[test]
fn a_table_is_acknowledged_when_the_last_older_connect_has_ended() {
    let mut pool = pool("A: X/1 in, Y/1 in");
    let (mut a, mut b) = (pool.accept("A"), pool.accept("A"));
    let x = to(pool.pick(&mut a, &[], MS));
    let y = to(pool.pick(&mut b, &[], MS));
    pool.replace(&table(2, "A: X/1 draining, Y/1 in"), MS)
        .unwrap();
    assert_eq!((pool.acknowledged(), events(&mut pool)), (None, vec![]));
    pool.connected(&y);
    assert_eq!(pool.acknowledged(), None, "Y is not what it waits for");
    pool.connected(&x);
    assert_eq!(events(&mut pool), ["acknowledged 2"]);
    pool.closed(a, x, End::Ordinary, MS);
    assert_eq!(events(&mut pool), ["idle X/1"]);
    pool.closed(b, y, End::Ordinary, MS);
    assert_eq!(events(&mut pool), [""; 0]);
}

#[test]
fn draining_is_reported_once_over_all_endpoints_and_at_once_when_idle() {
    let mut pool = pool("A: X/1 in\nB: X/1 in");
    let (client, ticket) = serve(&mut pool, MS);
    pool.replace(&table(2, "A: X/1 in\nB: X/1 draining"), MS)
        .unwrap();
    pool.replace(&table(3, "A: X/1 draining\nB: X/1 draining"), MS)
        .unwrap();
    assert_eq!(events(&mut pool), ["acknowledged 2", "acknowledged 3"]);
    pool.closed(client, ticket, End::Ordinary, MS);
    assert_eq!(events(&mut pool), ["idle X/1"]);
    pool.replace(&table(4, "A: X/1 draining\nB:"), MS).unwrap();
    pool.replace(&table(5, "A:\nB:"), MS).unwrap();
    assert_eq!(events(&mut pool), ["acknowledged 4", "acknowledged 5"]);
    pool.replace(&table(6, "A: Y/1 draining"), MS).unwrap();
    assert_eq!(events(&mut pool), ["acknowledged 6", "idle Y/1"]);
}

#[test]
fn a_removed_or_followed_backend_is_reported_and_one_back_in_rotation_is_not() {
    let mut pool = pool("A: X/1 in");
    let (client, ticket) = serve(&mut pool, MS);
    pool.replace(&table(2, "A: X/2 in"), MS).unwrap();
    pool.closed(client, ticket, End::Ordinary, MS);
    assert_eq!(events(&mut pool), ["acknowledged 2", "idle X/1"]);

    let (client, ticket) = serve(&mut pool, MS);
    pool.replace(&table(3, "A: X/2 draining"), MS).unwrap();
    pool.replace(&table(4, "A: X/2 in"), MS).unwrap();
    pool.closed(client, ticket, End::Ordinary, MS);
    assert_eq!(events(&mut pool), ["acknowledged 3", "acknowledged 4"]);
}

#[test]
fn another_fabric_hears_everything_again_and_may_count_from_one() {
    let mut pool = pool("A: X/1 draining");
    let older = table(0, "A: X/1 draining");
    let refused = pool.replace(&older, MS).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "table 0 is older than the one in use: 1"
    );
    pool.begin_anew();
    pool.replace(&older, MS).unwrap();
    assert_eq!(events(&mut pool), ["acknowledged 0", "idle X/1"]);
}

#[test]
fn the_table_of_an_earlier_fabric_is_not_acknowledged_to_the_next() {
    let mut pool = pool("A: X/1 in");
    let mut client = pool.accept("A");
    let ticket = to(pool.pick(&mut client, &[], MS));
    pool.replace(&table(2, "A: X/1 out"), MS).unwrap();
    assert_eq!(
        pool.acknowledged(),
        None,
        "a forbidden connect is under way"
    );
    pool.begin_anew();
    pool.abandoned(ticket);
    pool.left(client, Cause::ClientVanished);
    assert_eq!(events(&mut pool), [""; 0]);
    pool.replace(&table(1, "A: X/1 out"), MS).unwrap();
    assert_eq!(pool.acknowledged(), Some(1));
}

#[test]
fn an_ending_is_the_instances_death_if_that_is_reported_in_time() {
    let outcome = |reset, reported: Duration, closed: Duration| {
        let mut pool = pool("A: X/1 in");
        let (client, ticket) = serve(&mut pool, Duration::ZERO);
        let end = End::Instance {
            at: MS * 100,
            reset,
        };
        if reported <= closed {
            pool.replace(&table(2, "A: X/2 in"), reported).unwrap();
            pool.closed(client, ticket, end, closed);
        } else {
            pool.closed(client, ticket, end, closed);
            assert_eq!(row(&mut pool, closed).settling, 1);
            pool.replace(&table(2, "A: X/1 dead"), reported).unwrap();
        }
        let row = row(&mut pool, MS * 500);
        (row.ended, row.settling, row.cut.into_iter().next())
    };
    let died = (0, 0, Some((Cause::InstanceDied, 1)));
    assert_eq!(outcome(false, MS * 120, MS * 101), died);
    assert_eq!(outcome(false, MS * 121, MS * 101), (1, 0, None));
    assert_eq!(outcome(true, MS * 120, MS * 101), died);
    assert_eq!(
        outcome(true, MS * 121, MS * 101),
        (0, 0, Some((Cause::InstanceReset, 1)))
    );
    assert_eq!(
        outcome(false, MS * 99, MS * 400),
        died,
        "known before, closed much later"
    );
    assert_eq!(outcome(false, MS * 300, MS * 400), (1, 0, None));
}

#[test]
fn an_endpoint_that_left_the_table_lets_its_clients_go_and_is_forgotten() {
    let mut pool = pool("A:\nB: X/1 in");
    let mut client = pool.accept("A");
    assert!(matches!(pool.pick(&mut client, &[], MS), Pick::Park(None)));
    pool.replace(&table(2, "B: X/1 in"), MS).unwrap();
    assert!(!pool.is_accepting("A"));
    assert!(matches!(pool.pick(&mut client, &[], MS), Pick::Closed));
    assert_eq!(row(&mut pool, MS).open, 1);
    pool.left(client, Cause::EndpointClosed);
    assert!(!pool.counters(MS).endpoints.contains_key("A"));
}

#[test]
fn a_table_that_contradicts_itself_changes_nothing() {
    let mut pool = pool("A: X/1 in");
    let twice = table(2, "A: X/1 out\nA: X/1 out");
    assert!(pool.replace(&twice, MS).is_err());
    assert_eq!(pool.acknowledged(), Some(1));
    let mut client = pool.accept("A");
    let _ = to(pool.pick(&mut client, &[], MS));
}
