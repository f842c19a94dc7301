//! The logs of several instances as one, in the order of time.
//!
//! Files are read on a blocking thread, a chunk at a time, so that the fabric's own thread does nothing but
//! pass chunks on. Between two chunks no thread is held, and the client's departure is noticed.

use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame};
use plan::InstanceId;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use crate::instance_log::InstanceLog;

/// A chunk that is sent, in bytes: large enough that handing it over costs little beside reading it.
const CHUNK_BYTES: usize = 32 << 10;

/// Chunks on their way to a client. Who reads slowly makes the reading of files wait, nothing else.
const CHUNKS: usize = 4;

/// The least time between two looks at a followed log. A look lists the folder of every instance: much
/// shorter, and following a large deployment keeps a processor busy; longer, and people notice.
const FOLLOW_PAUSE: Duration = Duration::from_millis(200);

/// The lines there are, each led by its instance, and with `follow` also those to come. `seat` is given back
/// when the client has gone or has got all.
pub(crate) fn body(
    folders: Vec<(InstanceId, PathBuf)>,
    follow: bool,
    seat: OwnedSemaphorePermit,
) -> LogBody {
    let (sender, chunks) = mpsc::channel(CHUNKS);
    tokio::spawn(async move {
        let _seat = seat;
        send(Merged::new(folders), follow, sender).await;
    });
    LogBody { chunks }
}

/// The body of a response, filled by a task that ends when this is dropped.
pub(crate) struct LogBody {
    chunks: mpsc::Receiver<Bytes>,
}

impl Body for LogBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.chunks.poll_recv(context);
        chunk.map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

async fn send(mut merged: Merged, follow: bool, sender: mpsc::Sender<Bytes>) {
    let mut looked = Instant::now();
    loop {
        // It fails only when the runtime ends.
        let Ok((read, chunk)) = spawn_blocking(move || merged.read_chunk()).await else {
            return;
        };
        merged = read;
        let is_at_end = chunk.is_empty();
        if !is_at_end && sender.send(Bytes::from(chunk)).await.is_err() {
            return;
        }
        if is_at_end {
            if !follow {
                return;
            }
            tokio::select! {
                () = sender.closed() => return,
                () = sleep_until(looked + FOLLOW_PAUSE) => {}
            }
        }
        // Also while some logs have more, so that a busy one does not hide the others.
        if follow && looked.elapsed() >= FOLLOW_PAUSE {
            looked = Instant::now();
            merged.look_again();
        }
    }
}

/// Logs that are read side by side.
struct Merged {
    logs: Vec<InstanceLog>,
}

impl Merged {
    fn new(folders: Vec<(InstanceId, PathBuf)>) -> Self {
        let logs = folders
            .into_iter()
            .map(|(id, folder)| InstanceLog::new(id, folder))
            .collect();
        Merged { logs }
    }

    /// The next lines, none when every log is at its end. Blocking.
    fn read_chunk(mut self) -> (Self, Vec<u8>) {
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK_BYTES {
            let logs = self.logs.iter_mut();
            let ready = logs.filter_map(|log| log.fill().then_some(log));
            let Some(earliest) = ready.min_by(|a, b| a.line().cmp(b.line())) else {
                break;
            };
            earliest.take_line(&mut chunk);
        }
        (self, chunk)
    }

    fn look_again(&mut self) {
        self.logs.iter_mut().for_each(InstanceLog::look_again);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use http_body_util::BodyExt;
    use tokio::sync::Semaphore;
    use tokio::time::timeout;

    use super::*;

    /// Far longer than anything here takes.
    const DEADLINE: Duration = Duration::from_secs(30);

    fn seats() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(1))
    }

    fn read(folders: Vec<(InstanceId, PathBuf)>, follow: bool, seats: &Arc<Semaphore>) -> LogBody {
        body(folders, follow, seats.clone().try_acquire_owned().unwrap())
    }

    async fn all(folders: Vec<(InstanceId, PathBuf)>) -> String {
        let bytes = read(folders, false, &seats())
            .collect()
            .await
            .unwrap()
            .to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    async fn next(body: &mut LogBody) -> String {
        let frame = timeout(DEADLINE, body.frame()).await.unwrap();
        let data = frame.unwrap().unwrap().into_data().unwrap();
        String::from_utf8(data.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn lines_of_instances_are_merged_by_time() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        for (path, text) in [
            (
                a.join("attempt-000001.1.log"),
                "2026-01-01T00:00:01.000Z out: a1\n2026-01-01T00:00:04.000Z out: a4\n",
            ),
            (
                a.join("attempt-000002.1.log"),
                "2026-01-01T00:00:05.000Z out: a5\n",
            ),
            (
                b.join("attempt-000001.1.log"),
                "2026-01-01T00:00:02.000Z out: b2\n2026-01-01T00:00:06.000Z out: torn",
            ),
        ] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let folders = vec![
            (InstanceId::from("A"), a),
            (InstanceId::from("B"), b),
            (InstanceId::from("C"), folder.path().join("c")),
        ];
        let text = all(folders).await;
        let lines: Vec<(&str, &str)> = text
            .lines()
            .map(|line| (&line[..1], &line[line.len() - 2..]))
            .collect();
        assert_eq!(lines, [("A", "a1"), ("B", "b2"), ("A", "a4"), ("A", "a5")]);
    }

    #[tokio::test]
    async fn many_lines_of_many_instances_are_all_there() {
        let folder = tempfile::tempdir().unwrap();
        let text: String = (0..2000)
            .map(|n| format!("2026-01-01T00:00:00.{n:06}Z out: x\n"))
            .collect();
        let folders: Vec<(InstanceId, PathBuf)> = (0..20)
            .map(|n| {
                let logs = folder.path().join(n.to_string());
                fs::create_dir(&logs).unwrap();
                fs::write(logs.join("attempt-000001.1.log"), &text).unwrap();
                (InstanceId::from(format!("A_IN_{n}").as_str()), logs)
            })
            .collect();
        assert_eq!(all(folders).await.lines().count(), 2000 * 20);
    }

    #[tokio::test]
    async fn a_followed_log_goes_on_through_its_turns() {
        let folder = tempfile::tempdir().unwrap();
        let path = |part| folder.path().join(format!("attempt-000001.{part}.log"));
        fs::write(path(1), "2026-01-01T00:00:01.000Z out: one\n").unwrap();
        fs::write(path(3), "2026-01-01T00:00:02.000Z out: two\n").unwrap();
        let folders = vec![(InstanceId::from("A"), folder.path().to_owned())];
        let mut body = read(folders, true, &seats());
        assert_eq!(next(&mut body).await.lines().count(), 2);
        fs::rename(path(3), path(2)).unwrap();
        fs::write(path(3), "2026-01-01T00:00:03.000Z out: three\n").unwrap();
        assert_eq!(
            next(&mut body).await,
            "A 2026-01-01T00:00:03.000Z out: three\n"
        );
    }

    #[tokio::test]
    async fn a_follower_that_leaves_while_nothing_is_written_gives_its_seat_back() {
        let folder = tempfile::tempdir().unwrap();
        let seats = seats();
        let folders = vec![(InstanceId::from("A"), folder.path().to_owned())];
        let body = read(folders, true, &seats);
        assert_eq!(seats.available_permits(), 0);
        drop(body);
        let seat = timeout(DEADLINE, seats.acquire()).await;
        assert!(seat.is_ok(), "the task goes on without a reader");
    }
}
