//! Bytes, ends and resets on their way through.

use balancer_core::{Bytes, Cause, Rotation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Balancer, Instance, connect, is_reset, line, rest, soon};

#[tokio::test]
async fn a_half_close_by_the_client_leaves_the_answer_its_way() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let instance = Instance::start("A", |mut stream| async move {
        let said = rest(&mut stream).await.unwrap();
        let answer = format!("{} bytes", said.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    fabric.table(vec![instance.row(Rotation::In)]).await;
    let mut client = connect(public).await;
    client.write_all(&[7; 100_000]).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await.unwrap(), b"100000 bytes");
    let bytes = Bytes {
        up: 100_000,
        down: 12,
    };
    fabric
        .until("its count", |counters| {
            counters.ended == 1 && counters.bytes == bytes
        })
        .await;
}

#[tokio::test]
async fn a_half_close_by_the_instance_leaves_the_client_its_say() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let (heard, hearing) = std::sync::mpsc::channel();
    let instance = Instance::start("A", move |mut stream| {
        let heard = heard.clone();
        async move {
            stream.write_all(b"bye").await.unwrap();
            stream.shutdown().await.unwrap();
            heard.send(rest(&mut stream).await.unwrap()).unwrap();
        }
    })
    .await;
    fabric.table(vec![instance.row(Rotation::In)]).await;
    let mut client = connect(public).await;
    assert_eq!(rest(&mut client).await.unwrap(), b"bye");
    client.write_all(b"later").await.unwrap();
    drop(client);
    fabric.until("end", |counters| counters.ended == 1).await;
    let said = soon("what it heard", async {
        loop {
            match hearing.try_recv() {
                Ok(said) => break said,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    assert_eq!(said.await, b"later");
}

#[tokio::test]
async fn an_instances_reset_reaches_the_client_after_its_bytes() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let instance = Instance::start("A", |mut stream| async move {
        stream.write_all(b"so far\n").await.unwrap();
        let _ = stream.read_u8().await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    fabric.table(vec![instance.row(Rotation::In)]).await;
    let mut client = connect(public).await;
    assert_eq!(line(&mut client).await, "so far");
    client.write_all(b"x").await.unwrap();
    assert!(is_reset(&mut client).await);
    fabric
        .until("counted reset", |counters| {
            counters.cut.get(&Cause::InstanceReset) == Some(&1) && counters.settling == 0
        })
        .await;
}

#[tokio::test]
async fn a_clients_reset_reaches_the_instance() {
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let (seen, seeing) = std::sync::mpsc::channel();
    let instance = Instance::start("A", move |mut stream| {
        let seen = seen.clone();
        async move {
            stream.write_all(b"hello\n").await.unwrap();
            seen.send(is_reset(&mut stream).await).unwrap();
        }
    })
    .await;
    fabric.table(vec![instance.row(Rotation::In)]).await;
    let mut client = connect(public).await;
    assert_eq!(line(&mut client).await, "hello");
    client.set_zero_linger().unwrap();
    drop(client);
    fabric
        .until("counted reset", |counters| {
            counters.cut.get(&Cause::ClientReset) == Some(&1)
        })
        .await;
    let was_reset = soon("the instance's view", async {
        loop {
            match seeing.try_recv() {
                Ok(was_reset) => break was_reset,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    assert!(was_reset.await);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_its_instance_up_and_loses_nothing() {
    const BYTES: usize = 24 << 20;
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let instance = Instance::start("A", |mut stream| async move {
        let pattern: Vec<u8> = (0..=250).collect();
        let mut left = BYTES;
        while left > 0 {
            let n = left.min(pattern.len());
            stream.write_all(&pattern[..n]).await.unwrap();
            left -= n;
        }
    })
    .await;
    fabric.table(vec![instance.row(Rotation::In)]).await;
    let mut client = connect(public).await;
    // Nothing moves any more once every queue on the way is full.
    let mut last = u64::MAX;
    fabric
        .until("first bytes", |counters| counters.bytes.down > 0)
        .await;
    soon("back-pressure", async {
        loop {
            let down = fabric.counters().await.bytes.down;
            if std::mem::replace(&mut last, down) == down && down > 1 << 20 {
                break;
            }
        }
    })
    .await;
    let bytes = rest(&mut client).await.unwrap();
    assert_eq!(bytes.len(), BYTES);
    assert!(
        bytes
            .iter()
            .enumerate()
            .all(|(i, &byte)| i % 251 == usize::from(byte))
    );
}

/// The reverse direction of a busy upload must not starve: what `copy_bidirectional` gets wrong.
#[tokio::test]
async fn answers_come_through_while_eight_clients_upload() {
    const UPLOAD_MAX: usize = 96 << 20;
    const ANSWERS: usize = 20;
    let balancer = Balancer::start();
    let mut fabric = balancer.fabric().await;
    let public = fabric.listen("public").await;
    let instance = Instance::start("A", |mut stream| async move {
        let mut buffer = vec![0; 64 << 10];
        let mut read = 0;
        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
            let answers = (read + n) / (64 << 10) - read / (64 << 10);
            read += n;
            if stream.write_all(&vec![b'.'; answers]).await.is_err() {
                break;
            }
        }
    })
    .await;
    fabric.table(vec![instance.row(Rotation::In)]).await;
    let mut uploads = tokio::task::JoinSet::new();
    for _ in 0..8 {
        uploads.spawn(async move {
            let mut client = connect(public).await;
            let (mut reading, mut writing) = client.split();
            let upload = async {
                let block = vec![7; 64 << 10];
                for _ in 0..UPLOAD_MAX / block.len() {
                    writing.write_all(&block).await.unwrap();
                }
            };
            let mut answers = [0; ANSWERS];
            tokio::select! {
                biased;
                read = reading.read_exact(&mut answers) => read.is_ok(),
                () = upload => false,
            }
        });
    }
    while let Some(answered) = soon("an upload", uploads.join_next()).await {
        assert!(
            answered.unwrap(),
            "{UPLOAD_MAX} bytes went up before {ANSWERS} came down"
        );
    }
}
