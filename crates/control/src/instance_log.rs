//! The log files of one instance, read as one.
//!
//! An instance's files have an order: attempts by number, and in each its beginning before its last two parts,
//! which take turns. The reader goes along it and holds the file that it reads open, so that the file's inode
//! number cannot be another's: where the file stands now says what comes next. Inode numbers of closed files
//! say nothing, as file systems give them again at once.
//!
//! Blocking, and bounded by the caller: [`InstanceLog::fill`] looks into the folder once, then answers that
//! the log is at its end until [`InstanceLog::look_again`].

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use plan::InstanceId;

/// The files of one instance.
pub(crate) struct InstanceLog {
    id: InstanceId,
    folder: PathBuf,
    current: Option<Current>,
    /// Found, and to be read once the current file has given its last.
    next: Option<Current>,
    is_at_end: bool,
    /// The next line, or the part of it that is written so far.
    line: Vec<u8>,
}

/// A file that is being read.
struct Current {
    attempt: u64,
    reader: BufReader<File>,
}

impl InstanceLog {
    pub(crate) fn new(id: InstanceId, folder: PathBuf) -> Self {
        InstanceLog {
            id,
            folder,
            current: None,
            next: None,
            is_at_end: false,
            line: Vec::new(),
        }
    }

    /// Makes the next line ready; returns whether there is a whole one.
    pub(crate) fn fill(&mut self) -> bool {
        while !self.line.ends_with(b"\n") && !self.is_at_end {
            if self.read() > 0 {
                continue;
            }
            if let Some(next) = self.next.take() {
                // An unfinished line that another file follows stays unfinished.
                self.line.clear();
                self.current = Some(next);
            } else {
                // The current file may have got its last lines since, so it is read once more before the next.
                self.next = self.find_next().ok().flatten();
                self.is_at_end = self.next.is_none();
            }
        }
        self.line.ends_with(b"\n")
    }

    /// The line that [`fill`](Self::fill) has made ready. Lines begin with a time stamp of fixed width, so they sort as time does.
    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Appends the line, led by its instance, and goes on to the next.
    pub(crate) fn take_line(&mut self, chunk: &mut Vec<u8>) {
        chunk.extend_from_slice(self.id.as_str().as_bytes());
        chunk.push(b' ');
        chunk.append(&mut self.line);
    }

    /// Has the next [`fill`](Self::fill) look for more.
    pub(crate) fn look_again(&mut self) {
        self.is_at_end = false;
    }

    /// What cannot be read is like nothing: a disk's failure ends a log, not the fabric.
    fn read(&mut self) -> usize {
        self.current.as_mut().map_or(0, |current| {
            let read = current.reader.read_until(b'\n', &mut self.line);
            read.unwrap_or(0)
        })
    }

    /// The file after the current one. One that is forgotten in this moment is an error; the next look tells.
    fn find_next(&self) -> io::Result<Option<Current>> {
        let files = host::logs::files(&self.folder)?;
        let next = match &self.current {
            None => files.first(),
            Some(current) => current.successor(&files)?,
        };
        next.map(|path| Current::open(path)).transpose()
    }
}

impl Current {
    fn open(path: &Path) -> io::Result<Current> {
        Ok(Current {
            attempt: attempt(path).unwrap_or(0),
            reader: BufReader::new(File::open(path)?),
        })
    }

    fn successor<'a>(&self, files: &'a [PathBuf]) -> io::Result<Option<&'a PathBuf>> {
        let own = self.reader.get_ref().metadata()?;
        let is_own = |path: &PathBuf| {
            fs::metadata(path)
                .is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino()))
        };
        // The latest file is the usual one.
        if let Some(place) = files.iter().rposition(is_own) {
            return Ok(files.get(place + 1));
        }
        // It is gone: its turn was over, and so is all before it, or its whole attempt was forgotten.
        let is_later = |path: &&PathBuf| match attempt(path) {
            Some(found) if found == self.attempt => !is_beginning(path),
            found => found > Some(self.attempt),
        };
        Ok(files.iter().find(is_later))
    }
}

/// The number in a name of `attempt-NNNNNN.PART.log`.
fn attempt(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_prefix("attempt-")?;
    name.split('.').next()?.parse().ok()
}

/// Whether the file is the first part of its attempt.
fn is_beginning(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".1.log")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        folder: tempfile::TempDir,
        log: InstanceLog,
    }

    impl Fixture {
        fn new() -> Fixture {
            let folder = tempfile::tempdir().unwrap();
            let log = InstanceLog::new(InstanceId::from("A"), folder.path().to_owned());
            Fixture { folder, log }
        }

        fn path(&self, attempt: u64, part: u64) -> PathBuf {
            self.folder
                .path()
                .join(format!("attempt-{attempt:06}.{part}.log"))
        }

        fn write(&self, attempt: u64, part: u64, text: &str) {
            fs::write(self.path(attempt, part), text).unwrap();
        }

        /// What one more look finds.
        fn read(&mut self) -> String {
            let mut chunk = Vec::new();
            self.log.look_again();
            while self.log.fill() {
                self.log.take_line(&mut chunk);
            }
            String::from_utf8(chunk).unwrap().replace("A ", "")
        }
    }

    #[test]
    fn files_are_read_once_and_in_their_order() {
        let mut fixture = Fixture::new();
        assert_eq!(fixture.read(), "");
        fixture.write(2, 1, "c\n");
        fixture.write(1, 3, "b\n");
        fixture.write(1, 1, "a\n");
        assert_eq!(fixture.read(), "a\nb\nc\n");
        assert_eq!(fixture.read(), "");
        fixture.write(3, 1, "d\ntorn");
        assert_eq!(fixture.read(), "d\n");
        fixture.write(4, 1, "e\n");
        assert_eq!(fixture.read(), "e\n");
    }

    #[test]
    fn many_attempts_are_followed_although_inode_numbers_come_back() {
        let mut fixture = Fixture::new();
        fixture.write(1, 1, "1\n");
        assert_eq!(fixture.read(), "1\n");
        let mut inodes = std::collections::BTreeSet::new();
        for attempt in 2..100 {
            // As the host does: the file of an old attempt goes just before that of the new one comes.
            if attempt > 3 {
                fs::remove_file(fixture.path(attempt - 2, 1)).unwrap();
            }
            fixture.write(attempt, 1, &format!("{attempt}\n"));
            inodes.insert(fs::metadata(fixture.path(attempt, 1)).unwrap().ino());
            assert_eq!(fixture.read(), format!("{attempt}\n"), "{inodes:?}");
        }
    }

    #[test]
    fn turns_are_followed_and_what_they_overtook_is_not_read_twice() {
        let mut fixture = Fixture::new();
        fixture.write(7, 1, "beginning\n");
        fixture.write(7, 3, "0\n");
        assert_eq!(fixture.read(), "beginning\n0\n");
        let turn = |fixture: &Fixture, text: &str| {
            fs::rename(fixture.path(7, 3), fixture.path(7, 2)).unwrap();
            fixture.write(7, 3, text);
        };
        for n in 1..50 {
            turn(&fixture, &format!("{n}\n"));
            assert_eq!(fixture.read(), format!("{n}\n"));
        }
        // Three turns between two looks: what is left of them is read.
        for text in ["x\n", "y\n", "z\n"] {
            turn(&fixture, text);
        }
        assert_eq!(fixture.read(), "y\nz\n");
    }

    #[test]
    fn after_a_forgotten_attempt_comes_the_next_one() {
        let mut fixture = Fixture::new();
        fixture.write(1, 1, "1\n");
        fixture.write(2, 1, "2\n");
        assert_eq!(fixture.read(), "1\n2\n");
        fs::remove_file(fixture.path(2, 1)).unwrap();
        assert_eq!(fixture.read(), "");
        fixture.write(5, 1, "5\n");
        fixture.write(6, 1, "6\n");
        assert_eq!(fixture.read(), "5\n6\n");
    }

    #[test]
    fn the_folder_is_not_looked_at_again_unasked() {
        let mut fixture = Fixture::new();
        fixture.write(1, 1, "1\n");
        assert_eq!(fixture.read(), "1\n");
        fixture.write(2, 1, "2\n");
        assert!(!fixture.log.fill());
        assert_eq!(fixture.read(), "2\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_passed_on() {
        let mut fixture = Fixture::new();
        fs::write(fixture.path(1, 1), b"\xff\nnext\n").unwrap();
        let mut chunk = Vec::new();
        while fixture.log.fill() {
            fixture.log.take_line(&mut chunk);
        }
        assert_eq!(chunk, b"A \xff\nA next\n");
    }
}
