//! What becomes of leases besides what their words say.

use std::process::{Child, Command, Stdio};

use super::*;

/// Writes each of its arguments over a connection of its own, and ends when its input does.
const WRITER: &str = "
import socket, sys
for document in sys.argv[2:]:
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(document.encode())
    s.close()
sys.stdin.read()
";

impl Fixture {
    /// A process that writes the documents and waits to be let go.
    fn writer(&self, documents: &[&str]) -> Child {
        let mut command = Command::new("python3");
        command.args(["-c", WRITER]);
        command.arg(self.folder.path().join("sockets/current-state.sock"));
        command.args(documents).stdin(Stdio::piped());
        command.spawn().unwrap()
    }

    async fn hear_lease(&mut self) -> (String, host_core::Lease) {
        match self.hear().await {
            News::Event(Event::Leased { client, lease }) => (client, lease),
            other => panic!("{other:?}"),
        }
    }
}

const LATER: &str = "2999-01-01T00:00:00Z";

#[tokio::test]
async fn only_a_lease_without_an_end_ends_with_its_writer() {
    if !test_support::has_program("python3") {
        return;
    }
    with_server(async |mut it| {
        let first = acquire("replaced", 1, "Busy", NEVER);
        let then = acquire("replaced", 1, "Busy", LATER);
        let never = acquire("never", 1, "Busy", NEVER);
        let mut writer = it.writer(&[&first, &then, &never]);
        for expected in ["replaced", "replaced", "never"] {
            assert_eq!(it.hear_lease().await.0, expected);
        }
        drop(writer.stdin.take());
        let News::Event(released) = it.hear().await else {
            panic!("no event")
        };
        let client = "never".to_owned();
        assert_eq!(released, Event::Released { client });
        writer.wait().unwrap();
        it.acquire("last", "Started", NEVER).await;
        assert_eq!(it.hear_lease().await.0, "last", "and nothing before it");
    })
    .await;
}

#[tokio::test]
async fn an_older_document_is_ignored_unless_it_asks_for_a_recycle() {
    with_server(async |mut it| {
        it.say(&acquire("a", 5, "Busy", NEVER)).await;
        assert_eq!(it.hear_lease().await.1.incarnation, 5);
        it.say(&acquire("a", 4, "Started", NEVER)).await;
        it.say(&acquire("b", 4, "Started", NEVER)).await;
        assert_eq!(
            it.hear_lease().await.0,
            "b",
            "another client may lag behind"
        );
        it.say(&acquire("a", 4, "Recycle", NEVER)).await;
        assert_eq!(it.hear_lease().await.1.status, LeaseStatus::Recycle);
    })
    .await;
}

#[tokio::test]
async fn a_detail_belongs_to_its_lease() {
    with_server(async |mut it| {
        let document = acquire("a", 1, "Busy", NEVER);
        let with_words = document.replace("Detail>Busy", "Detail>warming up");
        it.say(&with_words).await;
        let detail = it.hear_lease().await.1.detail;
        assert_eq!(detail.as_deref(), Some("warming up"));
        it.say(&document).await;
        assert_eq!(it.hear_lease().await.1.detail, None, "the status again");
    })
    .await;
}
