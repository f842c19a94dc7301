//! A server's loop with a graceful end: [`serve`].

use std::{future::Future, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

/// After a connection that could not be accepted, most likely for want of descriptors: long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Of those that wait to be accepted when the stop comes: as many as a queue holds at most.
const LAST_ACCEPTED_MAX: usize = 4096;

/// Accepts connections and runs `handle` for each, until `stop` resolves; then takes those that wait already,
/// closes the listener, and lets all that are open end by themselves, for `limit` at most. Returns how many had to
/// be cut.
///
/// In a role `stop` is [`RoleEnvironment::stopping`](crate::RoleEnvironment::stopping): out of rotation by then, so
/// nothing new comes. The host kills the program when its stop limit has passed; `limit` is to be shorter.
///
/// Not cancel safe: dropping it cuts every connection.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use runtime::RoleEnvironment;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tokio::net::TcpStream;
///
/// let listener = RoleEnvironment::listen_at("127.0.0.1:0".parse()?)?;
/// let address = listener.local_addr()?;
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let greet = |mut stream: TcpStream, _| async move {
///     let _ = stream.write_all(b"hello").await;
/// };
/// let server = tokio::spawn(async move {
///     let stopped = async { drop(stopped.await) };
///     runtime::serve(listener, stopped, Duration::from_secs(5), greet).await
/// });
///
/// let mut answer = String::new();
/// TcpStream::connect(address).await?.read_to_string(&mut answer).await?;
/// assert_eq!(answer, "hello");
/// drop(stop);
/// assert_eq!(server.await?, 0);
/// # Ok(())
/// # }
/// ```
pub async fn serve<H, F>(
    listener: TcpListener,
    stop: impl Future<Output = ()>,
    limit: Duration,
    mut handle: H,
) -> usize
where
    H: FnMut(TcpStream, SocketAddr) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut open = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => drop(open.spawn(handle(stream, peer))),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = open.join_next() => {}
        }
    }
    // The kernel has answered these clients: closing the listener would reset them.
    for _ in 0..LAST_ACCEPTED_MAX {
        let waiting = tokio::select! {
            biased;
            accepted = listener.accept() => accepted.ok(),
            () = std::future::ready(()) => None,
        };
        let Some((stream, peer)) = waiting else { break };
        open.spawn(handle(stream, peer));
    }
    drop(listener);
    let _ = timeout(limit, async { while open.join_next().await.is_some() {} }).await;
    let cut = open.len();
    open.shutdown().await;
    cut
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    use super::*;
    use crate::RoleEnvironment;

    async fn echo_once(mut stream: TcpStream, _: SocketAddr) {
        let mut byte = [0];
        if stream.read_exact(&mut byte).await.is_ok() {
            let _ = stream.write_all(&byte).await;
        }
    }

    #[tokio::test]
    async fn who_is_connected_is_served_to_the_end_and_who_comes_later_is_not() {
        let listener = RoleEnvironment::listen_at("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut early = TcpStream::connect(address).await.unwrap();
        drop(stop);
        // Nobody has accepted it yet: the stop comes first.
        let limit = Duration::from_secs(20);
        let server = tokio::spawn(serve(
            listener,
            async { drop(stopped.await) },
            limit,
            echo_once,
        ));
        early.write_all(b"x").await.unwrap();
        let mut answer = Vec::new();
        early.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"x");
        assert_eq!(server.await.unwrap(), 0);
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn at_the_limit_the_rest_is_cut_and_counted() {
        let listener = RoleEnvironment::listen_at("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut silent = TcpStream::connect(address).await.unwrap();
        let stop = std::future::ready(());
        assert_eq!(serve(listener, stop, Duration::ZERO, echo_once).await, 1);
        assert!(!matches!(silent.read(&mut [0]).await, Ok(1..)));
    }
}
