//! What the fabric and the balancer say to each other.
//!
//! Over an `ipc` link, after the greeting. Every message may be repeated. A fabric that connects anew
//! sends its listeners and its table again; the balancer serves on meanwhile.

use balancer_core::{Counters, Table};
use serde::{Deserialize, Serialize};

/// From the fabric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// A listening TCP socket travels with this message. Ignored if the name is held already.
    Listener {
        /// What tables call it.
        name: String,
    },
    /// The table from now on.
    Table(Table),
    /// Stop accepting at these sockets and drop them. Clients that wait for an instance there are
    /// reset; established connections go on. Unknown names are ignored.
    Close {
        /// The sockets' names.
        names: Vec<String>,
    },
    /// Asks for [`Event::Counters`].
    Counters {
        /// Comes back with the answer.
        request: u64,
    },
    /// The drain deadline of a program has passed: end its connections.
    CutDraining {
        /// The instance's id.
        backend: String,
        /// Which start of its program.
        incarnation: u64,
    },
    /// End at once, with every connection.
    Exit,
}

/// From the balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// This table holds, and no connect that it forbids is under way.
    Acknowledged {
        /// The table's number.
        number: u64,
    },
    /// A program that drains, or that the table dropped, has no connection any more.
    Idle {
        /// The instance's id.
        backend: String,
        /// Which start of its program.
        incarnation: u64,
    },
    /// The answer to [`Message::Counters`].
    Counters {
        /// The number given with the question.
        request: u64,
        /// Everything that is counted.
        counters: Counters,
    },
    /// A message was not acted upon.
    Refused {
        /// Why, for a person.
        reason: String,
    },
}
