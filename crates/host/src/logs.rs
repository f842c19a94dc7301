//! What an instance and its host printed, kept per attempt.
//!
//! A line is a time stamp (RFC 3339, UTC, milliseconds), its source, and the text:
//!
//! ```text
//! 2026-11-20T08:30:01.123Z host: the role's program was killed by signal 9 (SIGKILL)
//! 2026-11-20T08:30:01.140Z task startup/prepare.sh: prepared
//! 2026-11-20T08:30:01.152Z out: listening on 127.17.0.1:1234
//! ```
//!
//! Bounded: of a long attempt the beginning and the end are kept, of many attempts the first and the latest.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// One file of an attempt, in bytes. An attempt has at most three: its beginning and its last two.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// Attempts whose files are kept besides the first one.
pub const ATTEMPTS_KEPT: usize = 20;

/// A longer line is cut there, in bytes.
pub const LINE_BYTES_MAX: usize = 16 << 10;

/// The parts of an attempt's log in the order they were written.
const PARTS: [&str; 3] = ["1", "2", "3"];

/// The log of one attempt. Clones write to the same one.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    attempt: u64,
    file: File,
    bytes: u64,
    is_first: bool,
}

impl Log {
    /// Begins the log of `attempt` and forgets attempts that are over the limit.
    pub(crate) fn begin(folder: &Path, attempt: u64) -> io::Result<Log> {
        fs::create_dir_all(folder)?;
        let attempts = attempts(folder)?;
        let forgotten = attempts.len().saturating_sub(ATTEMPTS_KEPT);
        for old in attempts.iter().skip(1).take(forgotten) {
            for part in PARTS {
                let _ = fs::remove_file(path(folder, *old, part));
            }
        }
        let file = open(&path(folder, attempt, PARTS[0]))?;
        let inner = Inner {
            folder: folder.to_owned(),
            attempt,
            file,
            bytes: 0,
            is_first: true,
        };
        Ok(Log {
            inner: Arc::new(Mutex::new(inner)),
        })
    }

    /// Keeps one line. A disk that cannot take it loses it: the instance goes on all the same.
    pub(crate) fn line(&self, source: &str, text: &str) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = inner.line(source, text);
    }
}

impl Inner {
    fn line(&mut self, source: &str, text: &str) -> io::Result<()> {
        let mut end = text.len().min(LINE_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let cut = if end < text.len() { " […]" } else { "" };
        let now = humantime::format_rfc3339_millis(SystemTime::now());
        let line = format!("{now} {source}: {}{cut}\n", &text[..end]);
        if self.bytes + line.len() as u64 > FILE_BYTES_MAX {
            self.turn()?;
        }
        self.bytes += line.len() as u64;
        self.file.write_all(line.as_bytes())
    }

    /// The first file stays; the last two take turns.
    fn turn(&mut self) -> io::Result<()> {
        let [_, previous, latest] = PARTS.map(|part| path(&self.folder, self.attempt, part));
        if !self.is_first {
            fs::rename(&latest, &previous)?;
        }
        self.is_first = false;
        self.file = open(&latest)?;
        self.bytes = 0;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(path)
}

fn path(folder: &Path, attempt: u64, part: &str) -> PathBuf {
    folder.join(format!("attempt-{attempt:06}.{part}.log"))
}

/// The attempts that have a file in `folder`, in order; none when there is no such folder.
fn attempts(folder: &Path) -> io::Result<Vec<u64>> {
    let mut attempts = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(attempts),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        let number: Option<u64> = name.to_str().and_then(|name| {
            name.strip_prefix("attempt-")?
                .split('.')
                .next()?
                .parse()
                .ok()
        });
        attempts.extend(number);
    }
    attempts.sort_unstable();
    attempts.dedup();
    Ok(attempts)
}

/// The number of the latest attempt in `folder`, 0 when there was none.
pub(crate) fn latest_attempt(folder: &Path) -> io::Result<u64> {
    Ok(attempts(folder)?.last().copied().unwrap_or(0))
}

/// The files that `folder` holds, in the order their lines were written.
///
/// # Errors
/// The folder is there and cannot be read.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let all = attempts(folder)?
        .into_iter()
        .flat_map(|attempt| PARTS.map(|part| path(folder, attempt, part)));
    Ok(all.filter(|path| path.exists()).collect())
}

/// How much of a log is read for its last lines, in bytes.
const TAIL_BYTES: u64 = 64 << 10;

/// The last lines of the latest attempt's log, at most `n`, and of no more than its last 64 KiB.
///
/// # Errors
/// The folder or the file cannot be read.
pub fn last_lines(folder: &Path, n: usize) -> io::Result<Vec<String>> {
    let files = files(folder)?;
    let Some(latest) = files.last() else {
        return Ok(Vec::new());
    };
    let mut file = File::open(latest)?;
    let begin = file.metadata()?.len().saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // The first line may have lost its beginning.
    let lines: Vec<&str> = text.lines().skip(usize::from(begin > 0)).collect();
    let from = lines.len().saturating_sub(n);
    Ok(lines[from..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_carry_time_and_source() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::begin(folder.path(), 1).unwrap();
        log.line("out", "hello");
        log.line("host", &"ä".repeat(LINE_BYTES_MAX));
        let text = fs::read_to_string(&files(folder.path()).unwrap()[0]).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(&lines[0][23..], "Z out: hello");
        assert!(lines[1].ends_with(" […]") && lines[1].len() < LINE_BYTES_MAX + 64);
        assert_eq!(latest_attempt(folder.path()).unwrap(), 1);
    }

    #[test]
    fn a_long_attempt_keeps_its_beginning_and_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::begin(folder.path(), 7).unwrap();
        let filler = "x".repeat(LINE_BYTES_MAX);
        for n in 0..(FILE_BYTES_MAX as usize / LINE_BYTES_MAX) * 5 {
            log.line("out", &format!("{n} {filler}"));
        }
        log.line("out", "the end");
        let files = files(folder.path()).unwrap();
        assert_eq!(files.len(), 3);
        let total: u64 = files
            .iter()
            .map(|path| fs::metadata(path).unwrap().len())
            .sum();
        assert!(total <= 3 * FILE_BYTES_MAX);
        assert!(fs::read_to_string(&files[0]).unwrap().contains("out: 0 x"));
        assert!(
            fs::read_to_string(&files[2])
                .unwrap()
                .ends_with("out: the end\n")
        );
    }

    #[test]
    fn the_first_and_the_latest_attempts_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for attempt in 1..=ATTEMPTS_KEPT as u64 + 10 {
            Log::begin(folder.path(), attempt).unwrap().line("out", "x");
        }
        let kept = attempts(folder.path()).unwrap();
        assert_eq!((kept.len(), kept[0], kept[1]), (ATTEMPTS_KEPT + 1, 1, 11));
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_logs() {
        assert!(files(Path::new("/nowhere/logs")).unwrap().is_empty());
    }
}
