//! Visitors over real TCP connections, outside any fabric.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
};

use super::*;

const WELCOME: &str = "Hi.\r\n\r\nmenu\r\n\r\nYour choice: ";

/// An open lobby, and where it is.
fn open(connection_limit: u32) -> (Arc<Lobby>, SocketAddr, JoinHandle<()>) {
    let idle_limit = Duration::from_secs(60);
    let settings = Settings {
        greeting: "Hi.".to_owned(),
        idle_limit,
        connection_limit,
    };
    let sign = Sign {
        menu: "menu\r\n".to_owned(),
        role_id: "none".to_owned(),
        trace: false,
    };
    let lobby = Lobby::new(settings, sign, RoleEnvironment::unavailable());
    let listener = RoleEnvironment::listen_at("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let opened = Arc::clone(&lobby);
    (
        lobby,
        address,
        tokio::spawn(async move { opened.open(listener).await }),
    )
}

/// Lets nobody in any more, as the end of `Lobby::open` does, and so gives back the place that was
/// kept for the next visitor.
async fn shut(open: JoinHandle<()>) {
    open.abort();
    let _ = open.await;
}

/// Reads exactly `expected`.
async fn expect(stream: &mut TcpStream, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    let read = timeout(Duration::from_secs(20), stream.read_exact(&mut bytes)).await;
    read.expect("the worker answers")
        .expect("the connection holds");
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
}

async fn expect_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
    read.expect("the worker hangs up").expect("without a reset");
    assert_eq!(String::from_utf8_lossy(&rest), "");
}

#[tokio::test]
async fn plain_and_telnet_clients_are_answered_alike() {
    let (lobby, address, open) = open(10);
    let telnet = b"\xff\xfd\x03\xff\xfb\x183\xff\xf1\r\n\xff\xfd\x069\r\0";
    for input in [&b"3\n9\n"[..], b"3\r\n9\r\n", telnet] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(input).await.unwrap();
        expect(&mut stream, WELCOME).await;
        expect(
            &mut stream,
            "Role ID: none\r\n\r\nYour choice: Goodbye.\r\n",
        )
        .await;
        expect_end(&mut stream).await;
    }
    shut(open).await;
    timeout(Duration::from_secs(20), lobby.empty())
        .await
        .expect("all have left");
    assert_eq!(lobby.served(), 3);
}

#[tokio::test]
async fn last_words_are_not_lost_to_a_reset() {
    let (_lobby, address, _open) = open(10);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[b'x'; 100_000]).await.unwrap();
    expect(&mut stream, WELCOME).await;
    expect(&mut stream, "That line is too long. Goodbye.\r\n").await;
    expect_end(&mut stream).await;
}

#[tokio::test]
async fn who_finds_no_place_waits_and_is_not_refused() {
    let (_lobby, address, _open) = open(1);
    let mut first = TcpStream::connect(address).await.unwrap();
    expect(&mut first, WELCOME).await;
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(b"9\n").await.unwrap();
    let answered = second.readable();
    assert!(
        timeout(Duration::from_millis(50), answered).await.is_err(),
        "there is no place"
    );
    first.write_all(b"9\n").await.unwrap();
    expect(&mut first, "Goodbye.\r\n").await;
    drop(first);
    expect(&mut second, WELCOME).await;
    expect(&mut second, "Goodbye.\r\n").await;
    expect_end(&mut second).await;
}

#[tokio::test]
async fn a_new_greeting_is_for_later_visitors() {
    let (lobby, address, _open) = open(10);
    let mut early = TcpStream::connect(address).await.unwrap();
    expect(&mut early, WELCOME).await;
    lobby.greet_with("Good day.".to_owned());
    let mut late = TcpStream::connect(address).await.unwrap();
    expect(&mut late, "Good day.\r\n\r\nmenu\r\n\r\nYour choice: ").await;
}

#[tokio::test]
async fn a_closing_lobby_waits_and_then_asks_everyone_out() {
    let (lobby, address, open) = open(2);
    let mut stays = TcpStream::connect(address).await.unwrap();
    expect(&mut stays, WELCOME).await;
    shut(open).await;
    let closing = tokio::spawn({
        let lobby = Arc::clone(&lobby);
        async move { lobby.close(Duration::from_millis(50)).await }
    });
    stays.write_all(b"3\n").await.unwrap();
    expect(&mut stays, "Role ID: none\r\n\r\nYour choice: ").await;
    expect(&mut stays, "This role instance is stopping. Goodbye.\r\n").await;
    expect_end(&mut stays).await;
    drop(stays);
    closing.await.unwrap();
    assert_eq!((lobby.served(), lobby.places.available_permits()), (1, 2));
}
