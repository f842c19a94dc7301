//! Which files a confined program may read, execute and write: a Landlock ruleset.
//!
//! The ruleset is built by the host, before the fork; the child only applies its descriptor. What a ruleset names is
//! the file or folder that has the name now, and all below it.
//!
//! Not confined by it: what a program learns of a file's name, size and mode, connecting to Unix sockets by path, and
//! mapping a file that may be read as code.
//!
//! Source: landlock(7).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr,
};

/// The newest rights that this crate was tested with; an older kernel is asked for fewer.
const TESTED: ABI = ABI::V5;

/// What every program of the machine may read and execute: the system, and nothing of any user.
const SYSTEM: &[&str] = &[
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix",
    "/proc", "/sys",
];

/// Devices that every program may read and write, and that lead nowhere.
const DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
];

/// What may be done besides what [`FileRules`] lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere {
    /// Nothing but reading and executing the system.
    System,
    /// Reading and executing, as the user has it.
    Reading,
    /// Anything.
    Anything,
}

/// What a program may do with files.
#[derive(Debug, Clone)]
pub struct FileRules {
    /// Besides the listed ones.
    pub elsewhere: Elsewhere,
    /// Folders in which it may do anything. Those that are not there are left out, here and below.
    pub writable: Vec<PathBuf>,
    /// Folders whose files it may read and write, as their modes say, and neither make nor execute.
    pub shared: Vec<PathBuf>,
    /// The only files that it may execute; none says that whatever it may read it may execute.
    pub executable: Option<Vec<PathBuf>>,
}

/// A ruleset, ready to be applied.
#[derive(Debug)]
pub struct Files(OwnedFd);

impl Files {
    /// Builds the ruleset; `None` where the kernel has no Landlock.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn build(rules: &FileRules) -> io::Result<Option<Files>> {
        let all = AccessFs::from_all(TESTED);
        let execute = match rules.executable {
            Some(_) => BitFlags::from(AccessFs::Execute),
            None => BitFlags::EMPTY,
        };
        let handled = match rules.elsewhere {
            Elsewhere::System => all,
            Elsewhere::Reading => AccessFs::from_write(TESTED) | execute,
            Elsewhere::Anything => execute,
        };
        if handled.is_empty() {
            return Ok(None);
        }
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(handled)
            .map_err(io::Error::other)?
            .create()
            .map_err(io::Error::other)?;
        let may_execute = match rules.executable {
            Some(_) => BitFlags::EMPTY,
            None => BitFlags::from(AccessFs::Execute),
        };
        let reading = AccessFs::ReadFile | AccessFs::ReadDir | may_execute;
        if rules.elsewhere == Elsewhere::System {
            let name_service = Path::new("/etc/resolv.conf").canonicalize().ok();
            let system = SYSTEM.iter().map(Path::new).chain(name_service.as_deref());
            for path in system {
                allow(&mut ruleset, path, reading & handled)?;
            }
        }
        if rules.elsewhere != Elsewhere::Anything {
            let devices = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
            for path in DEVICES {
                allow(&mut ruleset, Path::new(path), devices & handled)?;
            }
        }
        let anything = (all & !BitFlags::from(AccessFs::Execute)) | may_execute;
        for path in &rules.writable {
            allow(&mut ruleset, path, anything & handled)?;
        }
        let shared = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::WriteFile;
        for path in &rules.shared {
            allow(&mut ruleset, path, shared & handled)?;
        }
        for path in rules.executable.iter().flatten() {
            let read = AccessFs::Execute | AccessFs::ReadFile;
            allow(&mut ruleset, path, read & handled)?;
        }
        Ok(Option::<OwnedFd>::from(ruleset).map(Files))
    }
}

/// Allows what a rule may say of a file or of a folder.
fn allow(ruleset: &mut RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> io::Result<()> {
    let Ok(found) = path.metadata() else {
        return Ok(());
    };
    let access = match found.is_dir() {
        true => access,
        false => access & AccessFs::from_file(TESTED),
    };
    // It may have gone in this moment, and then nothing is to be allowed.
    let Ok(file) = PathFd::new(path) else {
        return Ok(());
    };
    if access.is_empty() {
        return Ok(());
    }
    let rule = PathBeneath::new(file, access);
    ruleset.add_rule(rule).map_err(io::Error::other)?;
    Ok(())
}

impl AsFd for Files {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether a program that sees nothing but the system may read `path`.
pub fn is_of_the_system(path: &Path) -> bool {
    SYSTEM.iter().any(|root| path.starts_with(root))
}

/// The version of Landlock that the kernel has, 0 where it has none.
pub(crate) fn landlock_version() -> i32 {
    // SAFETY: with no attributes and this flag the call reads nothing of ours and only returns a number.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            1_u32,
        )
    };
    i32::try_from(version).unwrap_or(0).max(0)
}
