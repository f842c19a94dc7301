//! Files and FIFOs, opened as paths.

use std::fs::OpenOptions;
use std::io::Write;

use tokio::net::unix::pipe;

use super::*;

impl Fixture {
    /// Opens the goal states as a client does: it waits for whoever writes.
    async fn read_goal_states(&self) -> pipe::Receiver {
        let path = self.folder.path().join("sockets/goal-state.fifo");
        let opened = tokio::task::spawn_blocking(move || fs::File::open(path));
        pipe::Receiver::from_file(opened.await.unwrap().unwrap()).unwrap()
    }

    fn write_to_fifo(&self, document: &str) {
        let path = self.folder.path().join("sockets/current-state.fifo");
        let mut fifo = OpenOptions::new().write(true).open(path).unwrap();
        fifo.write_all(document.as_bytes()).unwrap();
    }
}

async fn next_chunk(reader: &mut pipe::Receiver) -> GoalState {
    let mut buffer = [0; 4096];
    let n = reader.read(&mut buffer).await.unwrap();
    let mut decoder = FrameDecoder::default();
    decoder.push(&buffer[..n]);
    GoalState::parse(decoder.poll_document().unwrap().unwrap()).unwrap()
}

#[tokio::test]
async fn a_client_finds_its_way_by_paths_alone() {
    with(Offer::Fifos, async |mut it| {
        let sockets = it.folder.path().join("sockets");
        let discovery = fs::read_to_string(sockets.join("runtime.xml")).unwrap();
        let path = Discovery::parse(discovery).unwrap().goal_state_path;
        assert_eq!(Path::new(&path), sockets.join("goal-state.fifo"));
        let mut readers = Vec::new();
        for _ in 0..2 {
            let mut reader = it.read_goal_states().await;
            let goal = next_chunk(&mut reader).await;
            readers.push(reader);
            assert_eq!(goal.incarnation, 1);
            let current_state = sockets.join("current-state.fifo");
            assert_eq!(Path::new(&goal.current_state_endpoint), current_state);
            RoleEnvironment::parse(fs::read(goal.role_environment_path).unwrap()).unwrap();
        }
        it.server.publish(&plan(it.folder.path())).unwrap();
        for reader in &mut readers {
            assert_eq!(next_chunk(reader).await.incarnation, 2);
            let more = timeout(Duration::from_millis(5), reader.read(&mut [0; 16])).await;
            assert!(more.is_err(), "neither more nor an end: {more:?}");
        }
        assert!(!sockets.join("goal-state.sock").exists());
    })
    .await;
}

#[tokio::test]
async fn documents_come_through_one_fifo() {
    with(Offer::Fifos, async |mut it| {
        it.write_to_fifo(&acquire("a", 1, "Busy", NEVER));
        it.write_to_fifo("<CurrentState><StatusLease></CurrentState>");
        it.write_to_fifo(&acquire("b", 1, "Started", NEVER));
        let mut heard = Vec::new();
        for _ in 0..3 {
            heard.push(match it.hear().await {
                News::Event(Event::Leased { client, .. }) => client,
                News::Warning(line) => line,
                other => panic!("{other:?}"),
            });
        }
        assert_eq!((heard[0].as_str(), heard[2].as_str()), ("a", "b"));
        assert!(
            heard[1].ends_with("(from a writer of the FIFO)"),
            "{heard:?}"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn half_a_document_is_dropped_in_time() {
    with(Offer::Fifos, async |mut it| {
        it.write_to_fifo("<CurrentState>");
        let warning = Fixture::warning(it.hear().await);
        assert!(warning.contains("not written in time"), "{warning}");
    })
    .await;
}

#[tokio::test]
async fn a_stop_waits_for_readers_to_answer_or_to_go() {
    with(Offer::Fifos, async |mut it| {
        for answers in [true, false] {
            it.server.publish(&plan(it.folder.path())).unwrap();
            let mut reader = it.read_goal_states().await;
            assert_eq!(
                next_chunk(&mut reader).await.expected_state,
                ExpectedState::Started
            );
            it.server.ask_to_stop(DEADLINE);
            assert_eq!(
                next_chunk(&mut reader).await.expected_state,
                ExpectedState::Stopped
            );
            if answers {
                it.write_to_fifo(&acquire("a", 2, "Stopped", NEVER));
            } else {
                drop(reader);
            }
            let answered = loop {
                if let News::Event(Event::ClientsStopped { answered }) = it.hear().await {
                    break answered;
                }
            };
            assert_eq!(answered, answers);
        }
    })
    .await;
}
