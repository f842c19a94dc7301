//! What programs that know nothing of roles say of themselves: the datagrams of sd_notify(3).
//!
//! `READY=1` and `STATUS=…` mean here what they mean to systemd. A program that says `RELOADING=1` is Busy until it is
//! ready again, and one that says `STOPPING=1` to its end, as by a lease. `WATCHDOG=1` is a sign of life. All else that
//! the protocol has, such as `MAINPID`, and descriptors that come along, are let go of: the host knows its own children.

use std::rc::Rc;

use host_core::{Event, Lease, LeaseStatus};
use tokio::net::UnixDatagram;

use super::{News, Shared, bounded};

/// The largest notification, in bytes. systemd allows as much; ours are a line or two.
const NOTIFICATION_BYTES_MAX: usize = 4096;

/// In whose name the socket holds a lease. Clients of the protocol have UUIDs.
const CLIENT: &str = "NOTIFY_SOCKET";

pub(super) async fn take_notifications(socket: UnixDatagram, shared: Rc<Shared>) {
    let mut buffer = [0; NOTIFICATION_BYTES_MAX];
    loop {
        let Ok(n) = socket.recv(&mut buffer).await else {
            return;
        };
        let text = String::from_utf8_lossy(&buffer[..n]);
        for assignment in text.lines() {
            for event in shared.understand(assignment) {
                shared.send(News::Event(event)).await;
            }
        }
    }
}

impl Shared {
    fn understand(&self, assignment: &str) -> Vec<Event> {
        match assignment.split_once('=') {
            Some(("READY", "1")) => {
                self.heard();
                let client = CLIENT.to_owned();
                vec![Event::Released { client }, Event::Notified]
            }
            Some(("RELOADING", "1")) => vec![busy("reloading")],
            Some(("STOPPING", "1")) => vec![busy("stopping")],
            Some(("WATCHDOG", "1")) => {
                self.heard();
                Vec::new()
            }
            Some(("STATUS", status)) => vec![Event::Detail(bounded(status))],
            _ => Vec::new(),
        }
    }
}

fn busy(why: &str) -> Event {
    Event::Leased {
        client: CLIENT.to_owned(),
        lease: Lease {
            status: LeaseStatus::Busy,
            incarnation: 0,
            expires_in: None,
            detail: Some(why.to_owned()),
        },
    }
}
