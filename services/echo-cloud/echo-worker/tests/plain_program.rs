//! The worker as a plain program, outside any fabric: a real process, a real socket, real signals.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStderr, Command, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// A running worker, killed with the test.
struct Worker {
    child: Child,
    address: String,
    _stderr: BufReader<ChildStderr>,
}

impl Worker {
    fn start() -> Self {
        let mut child = command()
            .env("ECHO_LISTEN", "127.0.0.1:0")
            .spawn()
            .expect("it runs");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("echo-worker: listening on ");
        let address = address
            .unwrap_or_else(|| panic!("it listens: {line}"))
            .to_owned();
        Self {
            child,
            address,
            _stderr: stderr,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a socket takes a limit");
        stream
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it lives");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-worker"));
    command
        .env_remove("WaRuntimeEndpoint")
        .env_remove("ECHO_SCRATCH")
        .env("ECHO_INSTANCE", "me");
    command
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .stdin(Stdio::null());
    command
}

/// Reads until `end` has come.
fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with(end) {
        stream
            .read_exact(&mut byte)
            .unwrap_or_else(|error| panic!("{error} after {text:?}"));
        text.push(char::from(byte[0]));
    }
    text
}

#[test]
fn it_holds_a_dialogue_and_stops_on_sigterm() {
    let mut worker = Worker::start();
    let mut stream = worker.connect();
    stream.write_all(b"1\r\n2\n3\n8\n9\n").unwrap();
    let welcome = read_until(&mut stream, "Your choice: ");
    assert!(
        welcome.contains("  1  Show the current date\r\n"),
        "{welcome}"
    );
    let date = read_until(&mut stream, "\r\n");
    let parts = date
        .trim_end()
        .strip_prefix("Current date: ")
        .map(|date| date.split('/').count());
    assert_eq!(parts, Some(3), "{date}");
    read_until(&mut stream, "Your choice: ");
    let time = read_until(&mut stream, "\r\n");
    assert!(
        time.starts_with("Current time: ") && time.ends_with("M\r\n"),
        "{time}"
    );
    read_until(&mut stream, "Role ID: me\r\n");
    read_until(
        &mut stream,
        "No fabric runs this worker, so nothing can recycle it.\r\n",
    );
    read_until(&mut stream, "Goodbye.\r\n");
    worker.signal(Signal::TERM);
    assert_eq!(worker.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_visitor_who_stays_is_told_when_it_stops() {
    let mut worker = Worker::start();
    let mut stream = worker.connect();
    read_until(&mut stream, "Your choice: ");
    worker.signal(Signal::INT);
    stream.write_all(b"3\n").unwrap();
    read_until(&mut stream, "Role ID: me\r\n");
    read_until(&mut stream, "This role instance is stopping. Goodbye.\r\n");
    assert_eq!(worker.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut worker = Worker::start();
    let mut stream = worker.connect();
    read_until(&mut stream, "Your choice: ");
    worker.signal(Signal::TERM);
    // The listener is closed once the first one has been heard.
    while TcpStream::connect(&worker.address).is_ok() {
        std::thread::yield_now();
    }
    worker.signal(Signal::INT);
    assert_eq!(worker.child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_restarted_worker_can_listen_at_once() {
    let worker = Worker::start();
    let address = worker.address.clone();
    let mut stream = worker.connect();
    read_until(&mut stream, "Your choice: ");
    drop(worker);
    let mut again = command().env("ECHO_LISTEN", &address).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(again.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    again.kill().unwrap();
    again.wait().unwrap();
    assert_eq!(line, format!("echo-worker: listening on {address}\n"));
}

fn refused(name: &str, value: &str) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command().env(name, value).output().expect("it runs");
    (status.code(), String::from_utf8(stderr).expect("UTF-8"))
}

#[test]
fn what_keeps_it_from_starting_is_said() {
    let (code, said) = refused("ECHO_LISTEN", "here");
    let expected = "runtime: `on_start` failed: `ECHO_LISTEN` is no address with a port: `here`: ";
    assert!(
        code == Some(1) && said.starts_with(expected),
        "{code:?} {said}"
    );

    let taken = Worker::start();
    let (code, said) = refused("ECHO_LISTEN", &taken.address);
    let expected = format!(
        "runtime: `on_start` failed: cannot listen: {}: ",
        taken.address
    );
    assert!(
        code == Some(1) && said.starts_with(&expected),
        "{code:?} {said}"
    );

    let (code, said) = refused("WaRuntimeEndpoint", "/nowhere/version.sock");
    let expected = "runtime: cannot start without the host: \
                    cannot connect to the host: /nowhere/version.sock: ";
    assert!(
        code == Some(1) && said.starts_with(expected),
        "{code:?} {said}"
    );
}
