//! Clients that we did not write: telnet and nc.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use e2e::deployment::Deployment;
use e2e::service::echo_cloud;
use test_support::{has_program, wait_until};

/// A client at work: what it has printed so far, and where to type.
struct Session {
    child: Child,
    printed: Arc<Mutex<String>>,
}

impl Session {
    fn start(command: &mut Command) -> Session {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let printed: Arc<Mutex<String>> = Arc::default();
        let (mut stdout, copy) = (child.stdout.take().unwrap(), printed.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(n @ 1..) = stdout.read(&mut buffer) {
                copy.lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&buffer[..n]));
            }
        });
        Session { child, printed }
    }

    fn see(&self, text: &str) {
        wait_until(text, || {
            let printed = self.printed.lock().unwrap().clone();
            if printed.contains(text) {
                Ok(())
            } else {
                Err(printed)
            }
        });
    }

    fn type_line(&mut self, text: &str) {
        self.child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(format!("{text}\n").as_bytes())
            .unwrap();
    }
}

fn hold_dialogue(program: &str) {
    let deployment = Deployment::start(&echo_cloud());
    let address = deployment.public(1234);
    let mut session = Session::start(
        Command::new(program)
            .arg(address.ip().to_string())
            .arg(address.port().to_string()),
    );
    session.see("Show the current date");
    session.type_line("1");
    session.see("Current date: ");
    session.type_line("2");
    session.see("Current time: ");
    session.type_line("9");
    session.see("Goodbye.");
    // OpenBSD's nc goes on until its own input ends, whatever the other side does.
    drop(session.child.stdin.take());
    wait_until("the client has ended", || {
        session
            .child
            .try_wait()
            .unwrap()
            .ok_or(session.printed.lock().unwrap().clone())
    });
}

#[test]
fn telnet_holds_a_dialogue() {
    if has_program("telnet") {
        hold_dialogue("telnet");
    }
}

#[test]
fn nc_holds_a_dialogue() {
    if has_program("nc") {
        hold_dialogue("nc");
    }
}
