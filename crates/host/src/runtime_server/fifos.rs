//! The runtime protocol for clients that open paths: files and FIFOs in place of sockets.
//!
//! `runtime.xml` is the discovery document, a plain file. Two readers of one FIFO would steal from each other, so
//! `goal-state.fifo` is a new one for each: a thread waits in open(2) for a reader, and as soon as there is one renames
//! the next FIFO over the path. The reader has a pipe of its own from then on, whose other end
//! the host holds for as long as the reader does: there is never an end of file, on which some clients spin.
//! (Two readers that open the path within the microseconds between would share a pipe.)
//! `current-state.fifo` is one FIFO for all writers, held open for reading and writing, so that no writer waits and
//! none of them ends it for the others. What the kernel does not say of a FIFO is who writes to it.
//!
//! Source: fifo(7), pipe(7) for writes of up to `PIPE_BUF` bytes, which do not mix.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::statuses::Writer;
use super::{
    ACCEPT_PAUSE, CURRENT_STATE_FIFO, DOCUMENT_LIMIT, GOAL_STATE_FIFO, News, Shared, give,
};
use crate::clients::Peer;
use crate::error::HostError;

/// The largest document of the FIFO, in bytes: larger writes may mix with those of others. `PIPE_BUF` of pipe(7).
const DOCUMENT_BYTES_MAX: usize = 4096;

/// Where a document ends.
const END: &[u8] = b"</CurrentState>";

/// Where one begins, at the latest: what stands before is white space, an XML declaration, or nobody's.
const BEGIN: &[u8] = b"<CurrentState";

/// Readers on their way from the thread that sees them.
const READERS: usize = 16;

/// Serves FIFOs until it is dropped.
pub(super) struct Fifos {
    goal_state: PathBuf,
    is_over: Arc<AtomicBool>,
}

impl Fifos {
    pub(super) fn open(shared: &Rc<Shared>, discovery: &str) -> Result<Fifos, HostError> {
        let file = shared.path("runtime.xml");
        fs::write(&file, discovery).map_err(HostError::file("write", &file))?;
        give(&file, shared.identity)?;
        let goal_state = shared.path(GOAL_STATE_FIFO);
        make(&goal_state, shared.identity)
            .map_err(HostError::file("make the FIFO", &goal_state))?;
        let current_state = shared.path(CURRENT_STATE_FIFO);
        let documents = make(&current_state, shared.identity).and_then(|()| {
            let mut options = pipe::OpenOptions::new();
            options.read_write(true).open_receiver(&current_state)
        });
        let documents = documents.map_err(HostError::file("open the FIFO", &current_state))?;
        tokio::task::spawn_local(take_documents(documents, shared.clone()));
        let is_over = Arc::new(AtomicBool::new(false));
        let (sender, readers) = mpsc::channel(READERS);
        let (path, over, identity) = (goal_state.clone(), is_over.clone(), shared.identity);
        thread::Builder::new()
            .name("fifo".to_owned())
            .spawn(move || await_readers(&path, identity, &over, &sender))
            .map_err(HostError::system("start the thread that waits for readers"))?;
        tokio::task::spawn_local(tell_readers(readers, shared.clone()));
        Ok(Fifos {
            goal_state,
            is_over,
        })
    }
}

impl Drop for Fifos {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Wakes the thread, as a reader does.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        drop(rustix::fs::open(&self.goal_state, flags, Mode::empty()));
    }
}

/// Makes a FIFO of the instance's user, in place of what is there.
fn make(path: &Path, identity: Option<u32>) -> io::Result<()> {
    // Of an earlier host, or of an earlier reader.
    let _ = fs::remove_file(path);
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    chown(path, identity, identity)
}

/// The thread: one open for each reader. Ends with the server, or when no FIFO can be made any more; that is then
/// seen by the end of `readers`.
fn await_readers(
    path: &Path,
    identity: Option<u32>,
    is_over: &AtomicBool,
    readers: &mpsc::Sender<OwnedFd>,
) {
    // Made in advance: whoever opens the path between a reader's coming and the renaming shares that reader's pipe.
    let next = path.with_extension("next");
    while make(&next, identity).is_ok() {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let writer = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(writer) => writer,
            Err(Errno::INTR) => continue,
            // Out of descriptors, most likely: wait for some to come free instead of spinning.
            Err(Errno::MFILE | Errno::NFILE) => {
                thread::sleep(ACCEPT_PAUSE);
                continue;
            }
            Err(_) => return,
        };
        if is_over.load(Ordering::Acquire) || fs::rename(&next, path).is_err() {
            return;
        }
        if readers.blocking_send(writer).is_err() {
            return;
        }
    }
}

async fn tell_readers(mut readers: mpsc::Receiver<OwnedFd>, shared: Rc<Shared>) {
    let mut number = 0;
    while let Some(writer) = readers.recv().await {
        number += 1;
        match pipe::Sender::from_owned_fd(writer) {
            Ok(sender) => drop(tokio::task::spawn_local(tell_reader(
                sender,
                Peer::Reader(number),
                shared.clone(),
            ))),
            Err(error) => {
                let line = format!("a reader of the goal state could not be served: {error}");
                shared.send(News::Warning(line)).await;
            }
        }
    }
    let line = "goal states are not offered any more: their FIFO cannot be made";
    shared.send(News::Warning(line.to_owned())).await;
}

async fn tell_reader(mut sender: pipe::Sender, reader: Peer, shared: Rc<Shared>) {
    shared.clients.borrow_mut().connected(reader);
    let mut chunks = shared.goal_states.subscribe();
    loop {
        let chunk = tokio::select! {
            chunk = chunks.next() => chunk,
            // An error is the only news that a pipe has for who writes: its reader has gone.
            _ = sender.ready(Interest::ERROR) => None,
        };
        let Some(chunk) = chunk else { break };
        if sender.write_all(&chunk).await.is_err() {
            break;
        }
    }
    let outcome = {
        let mut clients = shared.clients.borrow_mut();
        clients.disconnected(reader);
        clients.ended(reader)
    };
    shared.stopped(outcome).await;
}

async fn take_documents(mut receiver: pipe::Receiver, shared: Rc<Shared>) {
    let mut documents = Documents::default();
    let mut buffer = [0; DOCUMENT_BYTES_MAX];
    loop {
        let read = match documents.is_empty() {
            true => Ok(receiver.read(&mut buffer).await),
            false => timeout(DOCUMENT_LIMIT, receiver.read(&mut buffer)).await,
        };
        match read {
            Ok(Ok(n)) => documents.push(&buffer[..n]),
            Ok(Err(_)) => return,
            Err(_) => {
                documents.clear();
                let what = "a current state was not written in time";
                shared.refuse(&Writer::Fifo, what).await;
            }
        }
        while let Some(found) = documents.next() {
            match found {
                Ok(document) => shared.take_document(Writer::Fifo, &document).await,
                Err(what) => shared.refuse(&Writer::Fifo, what).await,
            }
        }
    }
}

/// Cuts what comes through the FIFO into documents.
#[derive(Default)]
struct Documents {
    bytes: Vec<u8>,
}

impl Documents {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn is_empty(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }

    fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The next document, or what is wrong with what came before it; `None` when there is no end of one.
    fn next(&mut self) -> Option<Result<Vec<u8>, &'static str>> {
        let Some(end) = find(&self.bytes, END) else {
            if self.bytes.len() <= DOCUMENT_BYTES_MAX {
                return None;
            }
            self.clear();
            return Some(Err("a current state was refused: it has no end"));
        };
        let begin = find(&self.bytes[..end], b"<").unwrap_or(0);
        // What somebody began and did not end is not the fault of who came after.
        let last = rfind(&self.bytes[..end], BEGIN).unwrap_or(begin);
        let is_mixed = find(&self.bytes[..last], BEGIN).is_some();
        let begin = if is_mixed { last } else { begin };
        let rest = self.bytes.split_off(end + END.len());
        let mut document = std::mem::replace(&mut self.bytes, rest);
        document.drain(..begin);
        if document.len() > DOCUMENT_BYTES_MAX {
            return Some(Err(
                "a current state was refused: it is too large for the FIFO",
            ));
        }
        Some(Ok(document))
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn rfind(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).rposition(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(parts: &[&str]) -> Vec<Result<String, &'static str>> {
        let mut documents = Documents::default();
        let mut all = Vec::new();
        for part in parts {
            documents.push(part.as_bytes());
            while let Some(found) = documents.next() {
                all.push(found.map(|document| String::from_utf8(document).unwrap()));
            }
        }
        all
    }

    #[test]
    fn documents_are_cut_at_their_ends() {
        let one = "<?xml version=\"1.0\"?>\n<CurrentState>1</CurrentState>";
        let two = "<CurrentState>2</CurrentState>";
        let both = [Ok(one.to_owned()), Ok(two.to_owned())];
        assert_eq!(cut(&[one, two]), both);
        assert_eq!(cut(&[&format!("{one}\r\n{two}\n")]), both);
        let (head, tail) = one.split_at(30);
        assert_eq!(cut(&[head, tail, two]), both);
        assert_eq!(cut(&["\n", head]), []);
    }

    #[test]
    fn what_is_not_ended_does_not_harm_what_follows() {
        let two = "<CurrentState>2</CurrentState>";
        let cut_short = "<CurrentState><StatusLease";
        assert_eq!(cut(&[cut_short, two]), [Ok(two.to_owned())]);
        let noise = "x".repeat(DOCUMENT_BYTES_MAX + 1);
        let no_end = Err("a current state was refused: it has no end");
        assert_eq!(cut(&[&noise, two]), [no_end, Ok(two.to_owned())]);
        let padding = "x".repeat(DOCUMENT_BYTES_MAX - 20);
        let large = format!("<CurrentState>{padding}</CurrentState>");
        let too_large = Err("a current state was refused: it is too large for the FIFO");
        assert_eq!(cut(&[&large[..4000], &large[4000..]]), [too_large]);
    }
}
