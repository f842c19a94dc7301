//! One whole dialogue with the echo worker, as a client that knows its prompt.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// What the worker writes when it waits for a choice.
const PROMPT: &str = "Your choice: ";

/// A dialogue that takes longer is lost.
pub const DIALOGUE_LIMIT: Duration = Duration::from_secs(20);

/// How a dialogue went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// The connection was refused.
    Refused,
    /// It ended or failed before the dialogue was over.
    Cut(String),
    /// It took longer than [`DIALOGUE_LIMIT`].
    Late,
}

/// Connects, reads the menu, asks `3` and `1`, leaves with `9`, and reads to the end. Returns the id of the role
/// instance that answered.
///
/// # Errors
/// See [`Broken`].
pub async fn hold(address: SocketAddr) -> Result<String, Broken> {
    match timeout(DIALOGUE_LIMIT, talk(address)).await {
        Ok(result) => result,
        Err(_) => Err(Broken::Late),
    }
}

async fn talk(address: SocketAddr) -> Result<String, Broken> {
    let mut stream = connect(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Broken::Refused,
        _ => Broken::Cut(format!("connect: {error}")),
    })?;
    read_to(&mut stream, PROMPT).await?;
    let answer = ask(&mut stream, "3").await?;
    let id = answer
        .lines()
        .find_map(|line| line.strip_prefix("Role ID: "));
    let id = id
        .ok_or_else(|| Broken::Cut(format!("no role id in {answer:?}")))?
        .trim()
        .to_owned();
    let answer = ask(&mut stream, "1").await?;
    if !answer.contains("Current date: ") {
        return Err(Broken::Cut(format!("no date in {answer:?}")));
    }
    stream.write_all(b"9\r\n").await.map_err(cut)?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.map_err(cut)?;
    Ok(id)
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    TcpSocket::new_v4()?.connect(address).await
}

async fn ask(stream: &mut TcpStream, choice: &str) -> Result<String, Broken> {
    stream
        .write_all(format!("{choice}\r\n").as_bytes())
        .await
        .map_err(cut)?;
    read_to(stream, PROMPT).await
}

async fn read_to(stream: &mut TcpStream, end: &str) -> Result<String, Broken> {
    let mut text = String::new();
    let mut buffer = [0; 1024];
    while !text.ends_with(end) {
        match stream.read(&mut buffer).await.map_err(cut)? {
            0 => return Err(Broken::Cut(format!("ended after {text:?}"))),
            n => text.push_str(&String::from_utf8_lossy(&buffer[..n])),
        }
    }
    Ok(text)
}

fn cut(error: io::Error) -> Broken {
    Broken::Cut(error.to_string())
}
