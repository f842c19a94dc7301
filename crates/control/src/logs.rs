//! The logs of several instances as one, in the order of time.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::channel::Sender;
use plan::InstanceId;
use tokio::time::sleep;

/// A chunk that is sent, in bytes. Between two of them the fabric's thread does its other work.
const CHUNK_BYTES: usize = 32 << 10;

/// How often a followed log is looked at.
const FOLLOW_PAUSE: Duration = Duration::from_millis(50);

/// Sends every line there is, each led by its instance, and with `follow` also those to come. Ends when the
/// client has gone, or at the end of what is kept.
pub(crate) async fn send(
    folders: Vec<(InstanceId, PathBuf)>,
    follow: bool,
    mut sender: Sender<Bytes, Infallible>,
) {
    let mut logs: Vec<InstanceLog> = folders
        .into_iter()
        .map(|(id, folder)| InstanceLog::new(id, folder))
        .collect();
    loop {
        let mut chunk = String::new();
        while chunk.len() < CHUNK_BYTES
            && let Some(log) = earliest(&mut logs)
        {
            log.take_line(&mut chunk);
        }
        if !chunk.is_empty() {
            if sender.send_data(Bytes::from(chunk)).await.is_err() {
                return;
            }
        } else if follow {
            sleep(FOLLOW_PAUSE).await;
        } else {
            return;
        }
    }
}

/// The log whose next line is the oldest. Lines begin with a time stamp of fixed width, so text sorts as time does.
fn earliest(logs: &mut [InstanceLog]) -> Option<&mut InstanceLog> {
    logs.iter_mut()
        .filter_map(|log| log.fill().then_some(log))
        .min_by(|a, b| a.line.cmp(&b.line))
}

/// The files of one instance, read as one.
struct InstanceLog {
    id: InstanceId,
    folder: PathBuf,
    /// Inodes of files that were begun: a file that takes turns changes its name, not its inode.
    begun: BTreeSet<u64>,
    reader: Option<BufReader<File>>,
    /// The next line, or the part of it that is written so far.
    line: String,
}

impl InstanceLog {
    fn new(id: InstanceId, folder: PathBuf) -> Self {
        InstanceLog {
            id,
            folder,
            begun: BTreeSet::new(),
            reader: None,
            line: String::new(),
        }
    }

    /// Makes the next line ready; returns whether there is a whole one.
    fn fill(&mut self) -> bool {
        while !self.line.ends_with('\n') {
            let read = match &mut self.reader {
                // Logs are written as UTF-8; a line that a crash has torn is skipped.
                Some(reader) => reader.read_line(&mut self.line).unwrap_or(0),
                None => 0,
            };
            if read == 0 && !self.open_next() {
                return false;
            }
        }
        true
    }

    fn take_line(&mut self, chunk: &mut String) {
        chunk.push_str(self.id.as_str());
        chunk.push(' ');
        chunk.push_str(&self.line);
        self.line.clear();
    }

    /// Goes on to the next file, if there is one that was not begun. What the last file holds of an unfinished line is lost.
    fn open_next(&mut self) -> bool {
        // A file that cannot be opened may have been forgotten in this moment; the next look tells.
        let Ok(Some((inode, file))) = self.next_file() else {
            return false;
        };
        self.line.clear();
        self.begun.insert(inode);
        self.reader = Some(BufReader::new(file));
        true
    }

    fn next_file(&self) -> io::Result<Option<(u64, File)>> {
        for path in host::logs::files(&self.folder)? {
            let file = File::open(path)?;
            let inode = file.metadata()?.ino();
            if !self.begun.contains(&inode) {
                return Ok(Some((inode, file)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use http_body_util::BodyExt;
    use http_body_util::channel::Channel;

    use super::*;

    async fn all(folders: Vec<(InstanceId, PathBuf)>) -> String {
        let (sender, body) = Channel::new(4);
        tokio::spawn(send(folders, false, sender));
        let bytes = body.collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
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
    async fn a_followed_log_goes_on_through_its_turns() {
        let folder = tempfile::tempdir().unwrap();
        let path = |part| folder.path().join(format!("attempt-000001.{part}.log"));
        fs::write(path(1), "2026-01-01T00:00:01.000Z out: one\n").unwrap();
        fs::write(path(3), "2026-01-01T00:00:02.000Z out: two\n").unwrap();
        let (sender, mut body) = Channel::new(4);
        tokio::spawn(send(
            vec![(InstanceId::from("A"), folder.path().to_owned())],
            true,
            sender,
        ));
        let mut next = async || {
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            String::from_utf8(frame.to_vec()).unwrap()
        };
        assert_eq!(next().await.lines().count(), 2);
        fs::rename(path(3), path(2)).unwrap();
        fs::write(path(3), "2026-01-01T00:00:03.000Z out: three\n").unwrap();
        assert_eq!(next().await, "A 2026-01-01T00:00:03.000Z out: three\n");
    }
}
