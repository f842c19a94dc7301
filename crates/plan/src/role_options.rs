//! What the files of a service cannot say of a role and its operator can: the part of `approot.toml` that a plan carries.
//!
//! Reading that file is the `options` crate's; what a value that is not given means is said here.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a role may take to stop if nobody says otherwise. The platform gave five minutes.
pub const STOP_LIMIT: Duration = Duration::from_secs(300);

/// The options of one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleOptions {
    /// How long OnStop, or a program after SIGTERM, may take.
    pub stop_limit: Duration,
    /// The runtime protocol is offered as files and FIFOs, for clients that open paths, instead of sockets.
    pub fifo: bool,
    /// The program promises to be heard of (`WATCHDOG=1`) at least this often, or is ended.
    pub watchdog: Option<Duration>,
    /// Programs that run in place of those that command lines name.
    pub commands: BTreeMap<String, String>,
}

impl Default for RoleOptions {
    fn default() -> Self {
        RoleOptions {
            stop_limit: STOP_LIMIT,
            fifo: false,
            watchdog: None,
            commands: BTreeMap::new(),
        }
    }
}

impl RoleOptions {
    /// The program that runs for a command line whose first word is `word`.
    pub fn program<'a>(&'a self, word: &'a str) -> &'a str {
        let mut commands = self.commands.iter();
        let found = commands.find(|(declared, _)| is_same_program(declared, word));
        found.map_or(word, |(_, program)| program)
    }
}

/// Whether two first words of command lines name one program: on Windows neither case nor the kind of
/// separator told them apart.
pub fn is_same_program(one: &str, other: &str) -> bool {
    let plain = |word: &str| {
        let word = word.replace('\\', "/").to_ascii_lowercase();
        word.trim_start_matches("./").to_owned()
    };
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_replaced_however_it_is_spelt() {
        let commands = [(
            r"startup\setup.cmd".to_owned(),
            "startup/mine.sh".to_owned(),
        )];
        let options = RoleOptions {
            commands: commands.into(),
            ..RoleOptions::default()
        };
        for word in [
            r"startup\setup.cmd",
            "Startup/Setup.CMD",
            r".\startup\setup.cmd",
        ] {
            assert_eq!(options.program(word), "startup/mine.sh", "{word}");
        }
        assert_eq!(options.program("setup.cmd"), "setup.cmd");
    }
}
