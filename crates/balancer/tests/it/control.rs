//! The fabric's side: draining, refusals, and fabrics that come and go.

use balancer::{Event, Message};
use balancer_core::{Cause, Endpoint, Rotation, Table};
use ipc::Hello;

use crate::harness::{Balancer, ENDPOINT, Instance, connect, is_reset, line, soon};

#[tokio::test]
async fn a_draining_instance_is_reported_when_its_last_connection_ends() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let (a, b) = (Instance::greeter("A").await, Instance::greeter("B").await);
    fabric.table(vec![a.row(Rotation::In)]).await;
    let mut client = connect(public).await;
    assert_eq!(line(&mut client).await, "A");
    fabric
        .table(vec![a.row(Rotation::Draining), b.row(Rotation::Draining)])
        .await;
    fabric.idle(&b).await;
    assert_eq!(fabric.counters().await.open, 1);
    assert!(!fabric.has_heard(|event| matches!(event, Event::Idle { .. })));
    drop(client);
    fabric.idle(&a).await;
}

#[tokio::test]
async fn a_passed_drain_deadline_cuts_what_is_left() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let (a, b) = (Instance::greeter("A").await, Instance::mute("B").await);
    fabric.table(vec![a.row(Rotation::In)]).await;
    let mut served = connect(public).await;
    assert_eq!(line(&mut served).await, "A");
    fabric
        .table(vec![a.row(Rotation::Draining), b.row(Rotation::In)])
        .await;
    let mut silent = connect(public).await;
    b.has_accepted(1).await;
    let c = Instance::greeter("C").await;
    fabric
        .table(vec![
            a.row(Rotation::Draining),
            b.row(Rotation::Draining),
            c.row(Rotation::In),
        ])
        .await;
    for instance in [&a, &b] {
        let cut = Message::CutDraining {
            backend: instance.id.clone(),
            incarnation: 1,
        };
        fabric.say(cut).await;
        fabric.idle(instance).await;
    }
    assert!(is_reset(&mut served).await);
    assert_eq!(line(&mut silent).await, "C", "no byte had passed");
    let counters = fabric.counters().await;
    assert_eq!(
        counters.cut.into_iter().collect::<Vec<_>>(),
        [(Cause::DrainDeadline, 1)]
    );
}

#[tokio::test]
async fn without_a_fabric_the_last_table_stays() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let instance = Instance::greeter("A").await;
    fabric.table(vec![instance.row(Rotation::In)]).await;
    drop(fabric);
    for _ in 0..5 {
        assert_eq!(line(&mut connect(public).await).await, "A");
    }
    let mut next = balancer.fabric().await;
    assert_eq!(next.counters().await.accepted, 5);
}

#[tokio::test]
async fn a_second_fabric_takes_over_and_hears_everything_anew() {
    let balancer = Balancer::start();
    let mut first = balancer.fabric().await;
    let public = first.listen("public").await;
    let instance = Instance::greeter("A").await;
    first.table(vec![instance.row(Rotation::In)]).await;
    first.table(vec![instance.row(Rotation::Draining)]).await;
    first.idle(&instance).await;

    let mut second = balancer.fabric().await;
    assert!(first.let_go().await);
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    second.pass("public", &other).await;
    second.table(vec![instance.row(Rotation::Draining)]).await;
    second.idle(&instance).await;
    second.table(vec![instance.row(Rotation::In)]).await;
    let mut client = connect(public).await;
    assert_eq!(
        line(&mut client).await,
        "A",
        "the socket held already stays"
    );
}

#[tokio::test]
async fn a_stranger_does_not_displace_the_fabric() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let (mut receiver, mut sender) = balancer.link().await;
    let hello = Hello {
        protocol: 99,
        ..Hello::new("fabric")
    };
    sender.send(&hello, &[]).await.unwrap();
    let _greeting = receiver.receive::<Hello>().await;
    assert!(matches!(
        soon("end", receiver.receive::<Event>()).await,
        Ok(None) | Err(_)
    ));
    fabric.table(vec![]).await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_reason() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let row = || Endpoint {
        name: ENDPOINT.into(),
        listeners: vec![],
        backends: vec![],
    };
    let table = Table {
        number: 1,
        endpoints: vec![row(), row()],
    };
    fabric.say(Message::Table(table)).await;
    let reason = |event: &Event| match event {
        Event::Refused { reason } => Some(reason.clone()),
        _ => None,
    };
    assert_eq!(
        fabric.hear("refusal", reason).await,
        "endpoint listed twice: `EchoWorker/EchoEndpoint`"
    );
    let name = "bare".to_owned();
    fabric.say(Message::Listener { name }).await;
    assert_eq!(
        fabric.hear("refusal", reason).await,
        "no descriptor came with `bare`"
    );
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    fabric.pass("udp", &datagrams).await;
    assert_eq!(
        fabric.hear("refusal", reason).await,
        "not a listening TCP socket: `udp`"
    );
    fabric.table(vec![]).await;
}

#[tokio::test]
async fn a_message_nobody_understands_ends_the_link_and_nothing_else() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let instance = Instance::greeter("A").await;
    fabric.table(vec![instance.row(Rotation::In)]).await;
    fabric.say_anything("what?").await;
    assert!(fabric.let_go().await);
    assert_eq!(line(&mut connect(public).await).await, "A");
}

#[tokio::test]
async fn exit_ends_the_process_with_its_connections() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let instance = Instance::greeter("A").await;
    fabric.table(vec![instance.row(Rotation::In)]).await;
    let mut client = connect(public).await;
    assert_eq!(line(&mut client).await, "A");
    fabric.say(Message::Exit).await;
    assert!(fabric.let_go().await);
    assert_eq!(line(&mut client).await, "");
    balancer.thread.join().unwrap().unwrap();
}
