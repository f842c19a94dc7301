//! Dialogues over a pipe in memory, with time that passes at once.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{DuplexStream, duplex};

use super::*;

const IDLE_LIMIT: Duration = Duration::from_secs(60);

fn visit() -> Visit {
    Visit {
        greeting: "Welcome.".to_owned(),
        menu: "menu\r\n".to_owned(),
        role_id: "EchoWorker_IN_0".to_owned(),
        connection_id: "me".to_owned(),
        can_recycle: true,
    }
}

/// The visitor's end of a dialogue that runs on its own.
struct Visitor {
    stream: DuplexStream,
    closing: watch::Sender<bool>,
    dialogue: tokio::task::JoinHandle<(io::Result<()>, u32)>,
}

impl Visitor {
    async fn new() -> Self {
        let (stream, mut worker_end) = duplex(4096);
        let closing = watch::Sender::new(false);
        let receiver = closing.subscribe();
        let dialogue = tokio::spawn(async move {
            let recycles = AtomicU32::new(0);
            let recycle = || {
                recycles.fetch_add(1, Ordering::Relaxed);
            };
            let host = Host {
                idle_limit: IDLE_LIMIT,
                closing: receiver,
                recycle: &recycle,
            };
            let ended = converse(&mut worker_end, &visit(), host).await;
            (ended, recycles.into_inner())
        });
        let mut visitor = Self {
            stream,
            closing,
            dialogue,
        };
        assert_eq!(
            visitor.read().await,
            "Welcome.\r\n\r\nmenu\r\n\r\nYour choice: "
        );
        visitor
    }

    async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// One read: a reply must arrive whole.
    async fn read(&mut self) -> String {
        let mut bytes = [0; 4096];
        let read = self.stream.read(&mut bytes).await.unwrap();
        String::from_utf8(bytes[..read].to_vec()).unwrap()
    }

    /// The last words, then the end; and how many recycles were asked for.
    async fn leave(mut self) -> (String, u32) {
        let mut words = String::new();
        self.stream.read_to_string(&mut words).await.unwrap();
        drop(self.stream);
        let (ended, recycles) = self.dialogue.await.unwrap();
        ended.unwrap();
        (words, recycles)
    }
}

#[tokio::test(start_paused = true)]
async fn each_reply_is_one_write() {
    let mut visitor = Visitor::new().await;
    visitor.say("3\n").await;
    assert_eq!(
        visitor.read().await,
        "Role ID: EchoWorker_IN_0\r\n\r\nYour choice: "
    );
    visitor.say("\r\n").await;
    assert_eq!(visitor.read().await, "menu\r\n\r\nYour choice: ");
    visitor.say("9\r\n").await;
    assert_eq!(visitor.leave().await, ("Goodbye.\r\n".to_owned(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_recycle_is_asked_for_after_it_was_said() {
    let mut visitor = Visitor::new().await;
    visitor.say("8\n").await;
    assert!(
        visitor
            .read()
            .await
            .starts_with("A recycle of this role instance")
    );
    visitor.say("9\n").await;
    assert_eq!(visitor.leave().await, ("Goodbye.\r\n".to_owned(), 1));
}

#[tokio::test(start_paused = true)]
async fn a_line_of_more_than_a_kibibyte_ends_it() {
    let mut visitor = Visitor::new().await;
    visitor.say(vec![b'x'; MAX_LINE_BYTES]).await;
    visitor.say("\r\n").await;
    assert_eq!(visitor.read().await, "menu\r\n\r\nYour choice: ");
    visitor.say(vec![b'x'; MAX_LINE_BYTES + 1]).await;
    assert_eq!(
        visitor.leave().await.0,
        "That line is too long. Goodbye.\r\n"
    );
}

#[tokio::test(start_paused = true)]
async fn idle_visitors_are_shown_out_even_if_they_trickle() {
    let mut visitor = Visitor::new().await;
    let start = Instant::now();
    visitor.say("4\n").await;
    assert_eq!(
        visitor.read().await,
        "Connection ID: me\r\n\r\nYour choice: "
    );
    tokio::time::sleep(IDLE_LIMIT / 2).await;
    visitor.say("4").await;
    assert_eq!(
        visitor.leave().await.0,
        "You were idle for too long. Goodbye.\r\n"
    );
    assert_eq!(start.elapsed().as_secs(), IDLE_LIMIT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_closes_says_so() {
    let visitor = Visitor::new().await;
    visitor.closing.send_replace(true);
    assert_eq!(
        visitor.leave().await.0,
        "This role instance is stopping. Goodbye.\r\n"
    );
}

#[tokio::test(start_paused = true)]
async fn a_visitor_who_hangs_up_ends_it() {
    let mut visitor = Visitor::new().await;
    visitor.say("1").await;
    visitor.stream.shutdown().await.unwrap();
    assert_eq!(visitor.leave().await, (String::new(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_visitor_who_never_reads_is_given_up() {
    let mut visitor = Visitor::new().await;
    // The pipe holds 4 KiB each way, so that the replies to these fill the way back.
    visitor.say("3\n".repeat(1500)).await;
    let (ended, _) = visitor.dialogue.await.unwrap();
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_visitor_who_never_hangs_up_costs_a_second() {
    let mut visitor = Visitor::new().await;
    let start = Instant::now();
    visitor.say("9\n").await;
    assert_eq!(visitor.read().await, "Goodbye.\r\n");
    let (ended, _) = visitor.dialogue.await.unwrap();
    ended.unwrap();
    assert_eq!(start.elapsed().as_secs(), CLOSE_LIMIT.as_secs());
}
