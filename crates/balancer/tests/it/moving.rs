//! A connection that goes on to another instance, and one that must not.

use std::net::SocketAddr;

use balancer_core::{Backend, Cause, Rotation};
use socket2::{Domain, Socket, Type};
use tokio::io::AsyncWriteExt;

use crate::harness::{Balancer, Instance, connect, is_reset, line, rest};

#[tokio::test]
async fn a_refused_connect_goes_on_to_the_next_instance() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let (dead, alive) = (Instance::dead("A").await, Instance::greeter("B").await);
    fabric
        .table(vec![dead.row(Rotation::In), alive.row(Rotation::In)])
        .await;
    for _ in 0..20 {
        assert_eq!(line(&mut connect(public).await).await, "B");
    }
    let counters = fabric.counters().await;
    assert!(
        counters.retried > 0 && counters.cut.is_empty(),
        "{counters:?}"
    );
    assert!(counters.backends["A"].suspect && !counters.backends["B"].suspect);
}

#[tokio::test]
async fn a_late_connect_goes_on_to_the_next_instance() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let (hanging, address) = full_queue();
    let alive = Instance::greeter("B").await;
    let late = Backend {
        address,
        ..Instance::dead("A").await.row(Rotation::In)
    };
    fabric.table(vec![late, alive.row(Rotation::In)]).await;
    assert_eq!(line(&mut connect(public).await).await, "B");
    let counters = fabric.counters().await;
    assert_eq!(
        (counters.retried, counters.backends["A"].suspect),
        (1, true)
    );
    drop(hanging);
}

/// A listening socket whose queue is full, so that the kernel drops what else comes.
fn full_queue() -> (Vec<Socket>, SocketAddr) {
    let listening = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    listening.bind(&any.into()).unwrap();
    listening.listen(0).unwrap();
    let address = listening.local_addr().unwrap().as_socket().unwrap();
    let mut held = vec![listening];
    for _ in 0..3 {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        let _ = client.connect(&address.into());
        held.push(client);
    }
    (held, address)
}

#[tokio::test]
async fn an_instance_killed_before_the_first_byte_is_not_noticed() {
    for harsh in [false, true] {
        let balancer = Balancer::start();
        let mut fabric = balancer.fabric().await;
        let public = fabric.listen("public").await;
        let mut doomed = match harsh {
            false => Instance::mute("A").await,
            true => Instance::mute_and_harsh("A").await,
        };
        fabric.table(vec![doomed.row(Rotation::In)]).await;
        let mut client = connect(public).await;
        doomed.has_accepted(1).await;
        let alive = Instance::greeter("B").await;
        fabric
            .table(vec![doomed.row(Rotation::In), alive.row(Rotation::In)])
            .await;
        doomed.kill().await;
        assert_eq!(line(&mut client).await, "B", "harsh: {harsh}");
        client.write_all(b"echo\n").await.unwrap();
        assert_eq!(line(&mut client).await, "echo");
        let counters = fabric.counters().await;
        assert!(
            counters.retried >= 1 && counters.cut.is_empty(),
            "{counters:?}"
        );
    }
}

#[tokio::test]
async fn no_dialogue_that_starts_after_two_of_four_were_killed_fails() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let mut instances = vec![];
    for i in 0..4 {
        instances.push(Instance::greeter(&format!("I{i}")).await);
    }
    // Nobody reports the deaths: the table goes on to say that all are in rotation.
    fabric
        .table(instances.iter().map(|i| i.row(Rotation::In)).collect())
        .await;
    let mut standing = vec![];
    for _ in 0..8 {
        let mut client = connect(public).await;
        line(&mut client).await;
        standing.push(client);
    }
    instances[1].kill().await;
    instances[3].kill().await;
    for _ in 0..300 {
        let mut client = connect(public).await;
        let name = line(&mut client).await;
        assert!(name == "I0" || name == "I2", "{name}");
        client.write_all(b"1\n").await.unwrap();
        assert_eq!(line(&mut client).await, "1");
    }
    let mut ended = 0;
    for client in &mut standing {
        client.write_all(b"still\n").await.unwrap();
        ended += usize::from(line(client).await != "still");
    }
    assert_eq!(
        ended, 4,
        "those that stood on the killed ones, and no other"
    );
}

#[tokio::test]
async fn an_only_instance_killed_before_the_first_byte_is_waited_for() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let mut doomed = Instance::mute_and_harsh("A").await;
    fabric.table(vec![doomed.row(Rotation::In)]).await;
    let mut client = connect(public).await;
    doomed.has_accepted(1).await;
    doomed.kill().await;
    fabric
        .until("client in line", |counters| counters.parked_total == 1)
        .await;
    let next = Instance::greeter("A").await;
    let row = Backend {
        incarnation: 2,
        ..next.row(Rotation::In)
    };
    fabric.table(vec![row]).await;
    assert_eq!(line(&mut client).await, "A");
}

/// An instance that closes each connection when the client's half-close arrives.
async fn closer(id: &str) -> Instance {
    Instance::start(id, |mut stream| async move {
        let _ = rest(&mut stream).await;
    })
    .await
}

#[tokio::test]
async fn an_end_of_stream_moves_the_client_only_if_its_instance_is_dead() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let instance = closer("A").await;
    let other = Instance::greeter("B").await;
    fabric.table(vec![instance.row(Rotation::In)]).await;

    let mut client = connect(public).await;
    instance.has_accepted(1).await;
    client.shutdown().await.unwrap();
    assert_eq!(
        rest(&mut client).await.unwrap(),
        b"",
        "a living instance's answer"
    );

    let mut client = connect(public).await;
    fabric
        .until("second seat", |counters| {
            counters.backends["A"].connections == 2
        })
        .await;
    fabric
        .table(vec![instance.row(Rotation::Dead), other.row(Rotation::In)])
        .await;
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await.unwrap(), b"B\n");
    fabric
        .until("two ends", |counters| {
            counters.ended == 2 && counters.retried == 1
        })
        .await;
}

#[tokio::test]
async fn a_reset_by_every_instance_reaches_the_client() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let harsh = |stream: tokio::net::TcpStream| async move {
        stream.set_zero_linger().unwrap();
    };
    let a = Instance::start("A", harsh).await;
    let b = Instance::start("B", harsh).await;
    fabric
        .table(vec![a.row(Rotation::In), b.row(Rotation::In)])
        .await;
    assert!(is_reset(&mut connect(public).await).await);
    assert!(a.accepted() >= 1 && b.accepted() >= 1);
    let counters = fabric.counters().await;
    assert_eq!(counters.cut.get(&Cause::InstanceReset), Some(&1));
}

#[tokio::test]
async fn after_the_first_byte_a_death_ends_the_connection_and_is_counted() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let mut doomed = Instance::greeter("A").await;
    let other = Instance::greeter("B").await;
    fabric
        .table(vec![doomed.row(Rotation::In), other.row(Rotation::Out)])
        .await;
    let mut client = connect(public).await;
    assert_eq!(line(&mut client).await, "A");
    fabric
        .table(vec![doomed.row(Rotation::Dead), other.row(Rotation::In)])
        .await;
    doomed.kill().await;
    assert_eq!(rest(&mut client).await.unwrap(), b"");
    fabric
        .until("counted death", |counters| {
            counters.cut.get(&Cause::InstanceDied) == Some(&1) && counters.open == 0
        })
        .await;
    assert_eq!(other.accepted(), 0);
}
