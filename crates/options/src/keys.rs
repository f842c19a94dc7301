//! Every key of the file.

use std::fmt;

/// The file's name, beside the definition or the package.
pub const FILE_NAME: &str = "approot.toml";

/// The longest time that a key takes, in seconds: a day. More is a slip of the hand.
const SECONDS_MAX: i64 = 86_400;

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// In which table it stands.
    pub scope: Scope,
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// The value that it has when it is not there, as TOML; empty where it has none.
    pub default: &'static str,
    /// Whether another value than the default has an effect. One that has none yet is refused.
    pub is_built: bool,
    /// What it does, for the page of options.
    pub meaning: &'static str,
}

/// A kind of table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `[role.NAME]`.
    Role,
    /// `[role.NAME.endpoint.NAME]`.
    Endpoint,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Scope::Role => "role",
            Scope::Endpoint => "endpoint",
        })
    }
}

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// Whole seconds, the least and the most.
    Seconds(i64, i64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A table of first words of command lines and the programs that run instead.
    Programs,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Switch => write!(f, "`true` or `false`"),
            Kind::Seconds(min, max) => write!(f, "whole seconds, {min} to {max}"),
            Kind::Word(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
                write!(f, "{}", words.join(" or "))
            }
            Kind::Programs => write!(f, "a table of programs, `{{ \"FROM\" = \"TO\" }}`"),
        }
    }
}

/// Every key there is, those of a role first.
pub const KEYS: &[Key] = &[
    Key {
        scope: Scope::Role,
        name: "stop_limit_s",
        kind: Kind::Seconds(1, SECONDS_MAX),
        default: "300",
        is_built: true,
        meaning: "how long the role may take to stop before it is killed",
    },
    Key {
        scope: Scope::Role,
        name: "watchdog_s",
        kind: Kind::Seconds(1, SECONDS_MAX),
        default: "",
        is_built: true,
        meaning: "the role's program says `WATCHDOG=1` on `NOTIFY_SOCKET` at least this often (it is told by `WATCHDOG_USEC`), \
            or is ended and started again",
    },
    Key {
        scope: Scope::Role,
        name: "fifo",
        kind: Kind::Switch,
        default: "false",
        is_built: true,
        meaning: "the runtime protocol is offered as files and FIFOs instead of sockets, for clients that open paths",
    },
    Key {
        scope: Scope::Role,
        name: "command",
        kind: Kind::Programs,
        default: "{}",
        is_built: true,
        meaning: "the first word of a `commandLine` of the role, and the program of the approot or of PATH that runs in its place",
    },
    Key {
        scope: Scope::Role,
        name: "isolation",
        kind: Kind::Word(&["none", "netns"]),
        default: "\"none\"",
        is_built: false,
        meaning: "whether each instance has a network of its own",
    },
    Key {
        scope: Scope::Endpoint,
        name: "tls",
        kind: Kind::Word(&["pass", "terminate"]),
        default: "\"pass\"",
        is_built: false,
        meaning: "whether the balancer passes TLS on or ends it",
    },
    Key {
        scope: Scope::Endpoint,
        name: "proxy_protocol",
        kind: Kind::Word(&["none", "v1", "v2"]),
        default: "\"none\"",
        is_built: false,
        meaning: "the header by which the balancer tells the role who its client is",
    },
    Key {
        scope: Scope::Endpoint,
        name: "replay_safe",
        kind: Kind::Switch,
        default: "false",
        is_built: false,
        meaning: "whether what a client has sent may be sent again to another instance",
    },
    Key {
        scope: Scope::Endpoint,
        name: "drain_s",
        kind: Kind::Seconds(0, SECONDS_MAX),
        default: "5",
        is_built: false,
        meaning: "how long standing connections may go on when an instance leaves the rotation",
    },
    Key {
        scope: Scope::Endpoint,
        name: "park_s",
        kind: Kind::Seconds(0, SECONDS_MAX),
        default: "60",
        is_built: false,
        meaning: "how long a client waits while no instance is in rotation",
    },
];
