//! Who gets connections, and who waits.

use balancer::Message;
use balancer_core::{Cause, PARKED_MAX, Rotation};
use tokio::io::AsyncWriteExt;

use crate::harness::{Balancer, Instance, connect, is_reset, line};

#[tokio::test]
async fn connections_spread_evenly_over_four_instances() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let mut instances = vec![];
    for i in 0..4 {
        instances.push(Instance::greeter(&format!("EchoWorker_IN_{i}")).await);
    }
    fabric
        .table(instances.iter().map(|i| i.row(Rotation::In)).collect())
        .await;
    let mut open = vec![];
    for _ in 0..40 {
        let mut client = connect(public).await;
        assert!(line(&mut client).await.starts_with("EchoWorker_IN_"));
        open.push(client);
    }
    assert_eq!(
        instances.iter().map(Instance::accepted).collect::<Vec<_>>(),
        [10; 4]
    );
    let counters = fabric.counters().await;
    assert_eq!(
        (counters.accepted, counters.open, counters.parked_total),
        (40, 40, 0)
    );
    assert!(
        counters
            .backends
            .values()
            .all(|b| (b.connections, b.open) == (10, 10))
    );
    drop(open);
    fabric
        .until("end of all", |counters| {
            counters.ended == 40 && counters.open == 0
        })
        .await;
}

#[tokio::test]
async fn only_instances_in_rotation_get_connections() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let (a, b) = (Instance::greeter("A").await, Instance::greeter("B").await);
    let (c, d) = (Instance::greeter("C").await, Instance::greeter("D").await);
    fabric
        .table(vec![
            a.row(Rotation::Draining),
            b.row(Rotation::Out),
            c.row(Rotation::Dead),
            d.row(Rotation::In),
        ])
        .await;
    for _ in 0..20 {
        assert_eq!(line(&mut connect(public).await).await, "D");
    }
    assert_eq!([&a, &b, &c, &d].map(Instance::accepted), [0, 0, 0, 20]);
}

#[tokio::test]
async fn an_endpoint_on_both_families_serves_an_instance_on_the_other() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let socket = std::net::TcpListener::bind("[::1]:0").unwrap();
    fabric.pass("public", &socket).await;
    let instance = Instance::start_at("[::1]:0", "six", |mut stream| async move {
        stream.write_all(b"six\n").await.unwrap();
    })
    .await;
    fabric.table(vec![instance.row(Rotation::In)]).await;
    let mut client = connect(socket.local_addr().unwrap()).await;
    assert_eq!(line(&mut client).await, "six");
    let four = Instance::greeter("four").await;
    fabric.table(vec![four.row(Rotation::In)]).await;
    let mut client = connect(socket.local_addr().unwrap()).await;
    assert_eq!(line(&mut client).await, "four");
}

#[tokio::test]
async fn a_client_waits_for_an_instance_even_after_its_half_close() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    fabric.table(vec![]).await;
    let mut first = connect(public).await;
    fabric
        .until("first in line", |counters| counters.parked == 1)
        .await;
    let mut second = connect(public).await;
    second.write_all(b"all I say\n").await.unwrap();
    second.shutdown().await.unwrap();
    fabric
        .until("line of two", |counters| counters.parked == 2)
        .await;

    let instance = Instance::greeter("A").await;
    fabric.table(vec![instance.row(Rotation::In)]).await;
    assert_eq!(line(&mut first).await, "A");
    assert_eq!(line(&mut second).await, "A");
    assert_eq!(line(&mut second).await, "all I say");
    let counters = fabric.counters().await;
    assert_eq!((counters.parked, counters.parked_total), (0, 2));
}

#[tokio::test]
async fn a_client_that_resets_while_it_waits_is_gone() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    fabric.table(vec![]).await;
    let client = connect(public).await;
    fabric
        .until("client in line", |counters| counters.parked == 1)
        .await;
    client.set_zero_linger().unwrap();
    drop(client);
    fabric
        .until("departure", |counters| {
            counters.cut.get(&Cause::ClientVanished) == Some(&1) && counters.parked == 0
        })
        .await;
}

#[tokio::test]
async fn a_suspect_comes_back_by_trials_while_clients_wait() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let dead = Instance::dead("A").await;
    fabric.table(vec![dead.row(Rotation::In)]).await;
    let mut client = connect(public).await;
    fabric
        .until("three trials", |counters| counters.retried >= 3)
        .await;
    assert!(fabric.counters().await.backends["A"].suspect);
    let at = dead.address.to_string();
    let _alive = Instance::start_at(&at, "A", |mut stream| async move {
        stream.write_all(b"at last\n").await.unwrap();
    })
    .await;
    assert_eq!(line(&mut client).await, "at last");
}

#[tokio::test]
async fn a_full_line_leaves_the_rest_to_the_kernel_and_refuses_nobody() {
    const BEYOND: usize = 8;
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    fabric.table(vec![]).await;
    fabric.until("raised limit", |_| true).await;
    let mut clients = vec![];
    for _ in 0..PARKED_MAX + BEYOND {
        clients.push(connect(public).await);
    }
    let full = PARKED_MAX as u64;
    fabric
        .until("full line", |counters| counters.parked == full)
        .await;
    assert_eq!(fabric.counters().await.accepted, full);

    let instance = Instance::greeter("A").await;
    fabric.table(vec![instance.row(Rotation::In)]).await;
    for client in &mut clients {
        assert_eq!(line(client).await, "A");
    }
    let counters = fabric.counters().await;
    assert_eq!((counters.parked, counters.cut.len()), (0, 0));
}

#[tokio::test]
async fn closing_a_listener_sends_those_away_who_wait_there_alone() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let instance = Instance::greeter("A").await;
    fabric.table(vec![instance.row(Rotation::In)]).await;
    let mut served = connect(public).await;
    assert_eq!(line(&mut served).await, "A");
    fabric.table(vec![instance.row(Rotation::Out)]).await;
    let mut waiting = connect(public).await;
    fabric
        .until("client in line", |counters| counters.parked == 1)
        .await;

    let names = vec!["public".into(), "unknown".into()];
    fabric.say(Message::Close { names }).await;
    assert!(is_reset(&mut waiting).await);
    served.write_all(b"still here\n").await.unwrap();
    assert_eq!(line(&mut served).await, "still here");
    let counters = fabric.counters().await;
    assert_eq!(counters.cut.get(&Cause::EndpointClosed), Some(&1));
    assert!(tokio::net::TcpStream::connect(public).await.is_err());
}

#[tokio::test]
async fn an_endpoint_that_leaves_the_table_sends_its_line_away() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    fabric.table(vec![]).await;
    let mut waiting = [connect(public).await, connect(public).await];
    fabric
        .until("line of two", |counters| counters.parked == 2)
        .await;
    fabric.endpoints(vec![]).await;
    for client in &mut waiting {
        assert!(is_reset(client).await);
    }
}
