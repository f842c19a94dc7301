//! What this machine, and the rights that approot has on it, give to a sandbox.

use rustix::process::geteuid;

use crate::cgroup::Hierarchies;
use crate::files::landlock_version;

/// The first version of Landlock that keeps a file from being cut short that may not be written.
const TRUNCATE_VERSION: i32 = 3;

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Whether instances can have users of their own.
    pub is_root: bool,
    /// The version of Landlock, 0 for none.
    pub landlock: i32,
    /// Whether an instance's memory can be limited as a whole.
    pub limits_memory: bool,
    /// Whether processor time can be limited.
    pub limits_cores: bool,
}

impl Machine {
    /// Looks.
    pub fn look(hierarchies: &Hierarchies) -> Machine {
        Machine {
            is_root: geteuid().is_root(),
            landlock: landlock_version(),
            limits_memory: hierarchies.limit_memory(),
            limits_cores: hierarchies.limit_cores(),
        }
    }

    /// What cannot be had here, in one sentence; `None` where nothing is missing.
    pub fn limitation(&self) -> Option<String> {
        let mut missing = Vec::new();
        if !self.is_root {
            missing.push(
                "limited programs run as the user that started approot, read what that user reads, and may map as code \
                 what they may read (started as root, each instance has a user of its own)",
            );
        }
        match self.landlock {
            0 if self.is_root => missing.push(
                "the kernel has no Landlock, so only modes of files keep limited programs out",
            ),
            0 => missing.push(
                "the kernel has no Landlock, so limited programs write wherever that user may",
            ),
            1..TRUNCATE_VERSION => {
                missing.push("the kernel's Landlock does not keep files from being truncated")
            }
            _ => {}
        }
        if !self.limits_memory {
            missing.push("memory is limited for each process and not for an instance as a whole");
        }
        if !self.limits_cores {
            missing.push("processor time is not limited");
        }
        (!missing.is_empty()).then(|| format!("the sandbox is weaker here: {}", missing.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_one_sentence_and_nothing_is_none() {
        let whole = Machine {
            is_root: true,
            landlock: 7,
            limits_memory: true,
            limits_cores: true,
        };
        assert_eq!(whole.limitation(), None);
        let bare = Machine {
            is_root: false,
            landlock: 0,
            limits_memory: false,
            limits_cores: false,
        };
        let text = bare.limitation().unwrap();
        for part in ["as the user", "no Landlock", "memory", "processor time"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(text.lines().count(), 1);
        let old = Machine {
            landlock: 2,
            ..whole
        };
        assert!(old.limitation().unwrap().contains("truncated"));
    }
}
