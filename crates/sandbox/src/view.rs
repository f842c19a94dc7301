//! A mount namespace in which a limited program reaches its own folders, wherever they lie.
//!
//! Below `/root`, or any other folder that lets no other user pass, an instance's own user would not reach its
//! approot. There the folder is covered by an empty one, in a namespace of the instance's own, in which nothing is but
//! the way to what it may see. Paths stay what they are. A namespace can also forbid to map files as code.
//!
//! It is built once, by a thread that enters it and ends; programs enter it by its descriptor. Mounts that the host
//! makes later below what is shown come along where the machine's mounts are shared.
//!
//! Source: mount_namespaces(7), mount(2).

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What a namespace shows and forbids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ViewRules {
    /// Who looks; folders that let this user and group pass need no cover.
    pub identity: u32,
    /// Folders that must be reached.
    pub shown: Vec<PathBuf>,
    /// Folders in which no file can be executed or mapped as code.
    pub without_code: Vec<PathBuf>,
    /// Files in those that can.
    pub with_code: Vec<PathBuf>,
    /// Mounts of others. A namespace has a copy of every mount, and a file system is in use for as long as any has it.
    pub foreign: Vec<PathBuf>,
}

impl ViewRules {
    /// Whether the machine's own namespace does as well.
    pub fn are_met_everywhere(&self) -> bool {
        self.without_code.is_empty()
            && self
                .shown
                .iter()
                .all(|path| first_closed(path, self.identity).is_none())
    }
}

/// The outermost folder on the way to `path` that does not let `identity` pass.
pub fn first_closed(path: &Path, identity: u32) -> Option<PathBuf> {
    let parents: Vec<&Path> = path.ancestors().skip(1).collect();
    let closed = parents
        .into_iter()
        .rev()
        .find(|parent| !lets_pass(parent, identity));
    closed.map(Path::to_owned)
}

/// Whether the folder may be searched by a user that is in no group but its own. Source: path_resolution(7).
pub(crate) fn lets_pass(folder: &Path, identity: u32) -> bool {
    folder.metadata().is_ok_and(|found| {
        let class = if found.uid() == identity {
            0o100
        } else if found.gid() == identity {
            0o010
        } else {
            0o001
        };
        found.mode() & class != 0
    })
}

/// A mount namespace.
#[derive(Debug)]
pub struct View(OwnedFd);

impl View {
    /// Builds it, as root.
    ///
    /// # Errors
    /// What the kernel said of the step that failed.
    pub fn build(rules: ViewRules) -> io::Result<View> {
        let thread = std::thread::Builder::new().name("view".to_owned());
        let built = thread.spawn(move || build(&rules))?;
        built
            .join()
            .map_err(|_| io::Error::other("the thread that builds the namespace panicked"))?
    }
}

impl AsFd for View {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn build(rules: &ViewRules) -> io::Result<View> {
    // SAFETY: the call takes no pointer. It changes this thread alone, which ends here.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return Err(io::Error::last_os_error());
    }
    mount(None, Path::new("/"), libc::MS_REC | libc::MS_SLAVE, None)?;
    for path in &rules.foreign {
        // Gone meanwhile, or below another that is: either way it is not held.
        let _ = unmount(path);
    }
    // Held from before anything is covered, and of this namespace: each is mounted again at its own path.
    let mut covered: BTreeMap<PathBuf, Vec<(&Path, File)>> = BTreeMap::new();
    for path in &rules.shown {
        if let Some(closed) = first_closed(path, rules.identity) {
            covered.entry(closed).or_default().push((path, hold(path)?));
        }
    }
    let with_code: Vec<(&Path, File)> = rules
        .with_code
        .iter()
        .map(|path| Ok((path.as_path(), hold(path)?)))
        .collect::<io::Result<_>>()?;
    for (closed, shown) in &covered {
        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        mount(None, closed, flags, Some((c"tmpfs", c"mode=0755,size=64k")))?;
        for (path, held) in shown {
            DirBuilder::new().recursive(true).mode(0o755).create(path)?;
            bind(held, path)?;
        }
    }
    for folder in &rules.without_code {
        let held = hold(folder)?;
        bind(&held, folder)?;
        let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_NOEXEC | libc::MS_NOSUID;
        mount(None, folder, flags, None)?;
    }
    for (path, held) in &with_code {
        bind(held, path)?;
    }
    let namespace = fs::File::open("/proc/thread-self/ns/mnt")?;
    Ok(View(namespace.into()))
}

fn hold(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(path)
}

fn bind(held: &File, to: &Path) -> io::Result<()> {
    let from = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
    mount(Some(&from), to, libc::MS_BIND | libc::MS_REC, None)
}

/// mount(2), with what is left out null.
fn mount(
    from: Option<&Path>,
    to: &Path,
    flags: libc::c_ulong,
    new: Option<(&CStr, &CStr)>,
) -> io::Result<()> {
    let (from, to) = (from.map(text).transpose()?, text(to)?);
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    let (kind, options) = (new.map(|(kind, _)| kind), new.map(|(_, options)| options));
    // SAFETY: each pointer is null or a string that ends with a zero and lives until the call is over.
    let done = unsafe {
        libc::mount(
            pointer(from.as_deref().or(kind)),
            to.as_ptr(),
            pointer(kind),
            flags,
            pointer(options).cast(),
        )
    };
    match done {
        0 => Ok(()),
        _ => {
            let error = io::Error::last_os_error();
            let path = to.to_string_lossy();
            Err(io::Error::new(
                error.kind(),
                format!("cannot mount at {path}: {error}"),
            ))
        }
    }
}

fn unmount(path: &Path) -> io::Result<()> {
    let path = text(path)?;
    // SAFETY: a string that ends with a zero and lives until the call is over.
    match unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn text(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}
