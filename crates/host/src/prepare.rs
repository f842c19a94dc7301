//! The folders of an attempt.
//!
//! - `approot` is the instance's own copy of the package's, made when the instance is created and when the
//!   package is another one, and kept across recycles: what a program wrote there is still there.
//! - Local stores are made once; those with `cleanOnRoleRecycle` are emptied at every attempt. Their sizes are
//!   [`stores`]' business.
//! - `temp` is emptied at every attempt, and certificates are placed anew.
//! - A reboot and a reimage make the approot anew; stores and logs stay.
//!
//! Where the instance has a user of its own, all of these are that user's, and nobody else but root passes the
//! instance's folder.
//!
//! Source: "What survives", in the platform's description of its disks.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use plan::InstancePlan;

use crate::error::HostError;
use crate::protocol::Renewal;

use crate::{certificates, stores};

/// A folder could not be made, emptied or copied.
#[derive(Debug)]
pub(crate) struct PrepareError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for PrepareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}", self.doing, self.path.display())
    }
}

impl std::error::Error for PrepareError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PrepareError {
    let path = path.to_owned();
    move |source| PrepareError {
        doing,
        path,
        source,
    }
}

/// Makes everything that an attempt finds on disk; returns what the instance's log should say of it. May be repeated
/// at any point of an earlier call.
pub(crate) fn prepare(plan: &InstancePlan) -> Result<Vec<String>, PrepareError> {
    make(&plan.paths.root, 0o755)?;
    if let Some(identity) = plan.sandbox.identity {
        let root = &plan.paths.root;
        close(root, identity).map_err(failed("close to others", root))?;
    }
    prepare_approot(plan)?;
    empty(&plan.paths.temp)?;
    let remarks = stores::enforce(plan)?;
    for store in &plan.local_resources {
        make(&store.path, 0o755)?;
        if store.clean_on_role_recycle {
            clean(&store.path)?;
        }
    }
    if let Some(identity) = plan.sandbox.identity {
        let stores = plan.local_resources.iter().map(|store| &store.path);
        for folder in stores.chain([&plan.paths.approot, &plan.paths.temp]) {
            give(folder, identity)?;
        }
    }
    certificates::place(plan)?;
    Ok(remarks)
}

/// Lets the instance's user, whose group has the same number, pass the folder, and nobody else.
pub(crate) fn close(folder: &Path, identity: u32) -> io::Result<()> {
    chown(folder, None, Some(identity))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o750))
}

/// Gives the folder and all below it to the instance's user. Where the folder is that user's already, so is the rest:
/// it comes last. Links are not followed, and a file stays whose it is when one of its names is elsewhere.
fn give(folder: &Path, identity: u32) -> Result<(), PrepareError> {
    let found = fs::symlink_metadata(folder).map_err(failed("look at", folder))?;
    if is_of(&found, identity) {
        return Ok(());
    }
    let mut several = HashMap::new();
    if found.is_dir() {
        give_below(folder, identity, &mut several)?;
    }
    for Named { left, path } in several.into_values() {
        if left == 0 {
            hand_over(&path, identity)?;
        }
    }
    hand_over(folder, identity)
}

/// A file of several names: one of them, and how many have not been met.
struct Named {
    left: u64,
    path: PathBuf,
}

/// `several` takes the files of several names, by device and number.
fn give_below(
    folder: &Path,
    identity: u32,
    several: &mut HashMap<(u64, u64), Named>,
) -> Result<(), PrepareError> {
    for entry in fs::read_dir(folder).map_err(failed("read the folder", folder))? {
        let entry = entry.map_err(failed("read the folder", folder))?;
        let path = entry.path();
        let found = entry.metadata().map_err(failed("look at", &path))?;
        if found.is_dir() {
            give_below(&path, identity, several)?;
        } else if found.nlink() > 1 {
            let left = found.nlink();
            let key = (found.dev(), found.ino());
            let named = several.entry(key).or_insert(Named { left, path });
            named.left = named.left.saturating_sub(1);
            continue;
        }
        if !is_of(&found, identity) {
            hand_over(&path, identity)?;
        }
    }
    Ok(())
}

fn is_of(found: &fs::Metadata, identity: u32) -> bool {
    found.uid() == identity && found.gid() == identity
}

fn hand_over(path: &Path, identity: u32) -> Result<(), PrepareError> {
    lchown(path, Some(identity), Some(identity))
        .map_err(failed("give to the instance's user", path))
}

/// Removes what does not survive a renewal; the next attempt makes it anew. May be repeated.
pub(crate) fn renew(plan: &InstancePlan, renewal: Renewal) -> Result<(), HostError> {
    let approot = [marker(plan), plan.paths.approot.clone()];
    let all = [plan.paths.temp.clone()];
    let more: &[PathBuf] = match renewal {
        Renewal::Reboot => &[],
        Renewal::Reimage => &all,
    };
    for path in approot.iter().chain(more) {
        remove(path).map_err(|error| HostError::File {
            doing: "remove",
            path: error.path,
            source: error.source,
        })?;
    }
    Ok(())
}

/// Says of which package the approot is a whole copy.
fn marker(plan: &InstancePlan) -> PathBuf {
    plan.paths.root.join("approot.digest")
}

fn prepare_approot(plan: &InstancePlan) -> Result<(), PrepareError> {
    let marker = marker(plan);
    let is_current = fs::read_to_string(&marker).is_ok_and(|digest| digest == plan.package_digest);
    if is_current && plan.paths.approot.is_dir() {
        return Ok(());
    }
    // The marker goes first and comes back last, so that a copy cut short is never taken for a whole one.
    remove(&marker)?;
    remove(&plan.paths.approot)?;
    copy_folder(&plan.paths.approot_source, &plan.paths.approot)?;
    fs::write(&marker, &plan.package_digest).map_err(failed("write", &marker))
}

pub(crate) fn make(path: &Path, mode: u32) -> Result<(), PrepareError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(failed("make the folder", path))
}

fn empty(path: &Path) -> Result<(), PrepareError> {
    // To remove and make a folder waits for the file system's journal, and most are empty.
    let is_folder = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    if is_folder && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()) {
        return Ok(());
    }
    remove(path)?;
    make(path, 0o755)
}

/// Removes what a folder holds, and not the folder: it may be where something is mounted.
fn clean(path: &Path) -> Result<(), PrepareError> {
    for entry in fs::read_dir(path).map_err(failed("read the folder", path))? {
        let entry = entry.map_err(failed("read the folder", path))?;
        remove(&entry.path())?;
    }
    Ok(())
}

pub(crate) fn remove(path: &Path) -> Result<(), PrepareError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Copies a staged approot, which holds folders, files and links inside it. Where the file system can, the
/// kernel shares the blocks.
fn copy_folder(from: &Path, to: &Path) -> Result<(), PrepareError> {
    make(to, 0o755)?;
    for entry in fs::read_dir(from).map_err(failed("read the folder", from))? {
        let entry = entry.map_err(failed("read the folder", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(failed("look at", &source))?;
        if kind.is_dir() {
            copy_folder(&source, &target)?;
        } else if kind.is_symlink() {
            let link = fs::read_link(&source).map_err(failed("read the link", &source))?;
            symlink(link, &target).map_err(failed("make the link", &target))?;
        } else {
            fs::copy(&source, &target).map_err(failed("copy", &source))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use plan::{CertificatePlan, Command, InstanceId, LocalResourcePlan, Paths};

    use super::*;

    fn plan(folder: &Path) -> InstancePlan {
        let root = folder.join("instances/A_IN_0");
        let store = |name: &str, clean_on_role_recycle| LocalResourcePlan {
            name: name.into(),
            path: root.join("directory").join(name),
            size_mb: 1,
            clean_on_role_recycle,
        };
        let paths = Paths {
            approot: root.join("approot"),
            temp: root.join("temp"),
            logs: root.join("logs"),
            sockets: folder.join("sockets"),
            approot_source: folder.join("package"),
            root: root.clone(),
        };
        InstancePlan {
            id: InstanceId::new("A", 0),
            role: "A".into(),
            deployment_id: "d".into(),
            emulated: true,
            upgrade_domain: 0,
            fault_domain: 0,
            address: "127.17.0.1".parse().unwrap(),
            endpoints: vec![],
            settings: vec![],
            local_resources: vec![store("kept", false), store("cleaned", true)],
            paths,
            package_digest: "one".into(),
            startup_tasks: vec![],
            entry_point: Command {
                command_line: "a".into(),
                words: vec!["a".into()],
                environment: vec![],
                script: vec![],
            },
            ready_on_process_start: true,
            topology: vec![],
            sandbox: plan::SandboxPlan::default(),
            blast: false,
            pass_sockets: false,
            options: Default::default(),
            certificates: vec![],
        }
    }

    /// As root stores are mounted, which the end of a host would undo.
    struct Mounted(PathBuf);

    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = stores::release(&self.0);
        }
    }

    #[test]
    fn what_survives_a_recycle() {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = plan(folder.path());
        let _mounted = Mounted(plan.paths.root.clone());
        let package = &plan.paths.approot_source;
        fs::create_dir_all(package.join("bin")).unwrap();
        fs::write(package.join("bin/a"), "program").unwrap();
        fs::set_permissions(package.join("bin/a"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("bin/a", package.join("link")).unwrap();
        prepare(&plan).unwrap();

        let approot = plan.paths.approot.clone();
        assert_eq!(fs::read_to_string(approot.join("link")).unwrap(), "program");
        assert_eq!(
            fs::metadata(approot.join("bin/a"))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o755
        );
        let written = [
            approot.join("note"),
            plan.local_resources[0].path.join("note"),
            plan.local_resources[1].path.join("note"),
            plan.paths.temp.join("note"),
        ];
        for path in &written {
            fs::write(path, "").unwrap();
        }
        prepare(&plan).unwrap();
        let kept: Vec<bool> = written.iter().map(|path| path.exists()).collect();
        assert_eq!(kept, [true, true, false, false]);

        plan.package_digest = "two".into();
        prepare(&plan).unwrap();
        let kept: Vec<bool> = written.iter().map(|path| path.exists()).collect();
        assert_eq!(
            kept,
            [false, true, false, false],
            "another package is a new approot"
        );

        for renewal in [Renewal::Reboot, Renewal::Reimage] {
            for path in &written {
                fs::write(path, "").unwrap();
            }
            // A second time finds nothing to do.
            renew(&plan, renewal).unwrap();
            renew(&plan, renewal).unwrap();
            prepare(&plan).unwrap();
            let kept: Vec<bool> = written.iter().map(|path| path.exists()).collect();
            assert_eq!(kept, [false, true, false, false], "{renewal:?}");
        }
    }

    #[test]
    fn certificates_are_placed_with_their_keys_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = plan(folder.path());
        let _mounted = Mounted(plan.paths.root.clone());
        fs::create_dir_all(&plan.paths.approot_source).unwrap();
        let store = plan.paths.root.join("certificates/LocalMachine/My");
        let certificate = |name: &str, is_elevated| CertificatePlan {
            name: name.into(),
            thumbprint: "AB".into(),
            source: folder.path().join("AB"),
            path: store.join(name),
            is_elevated,
        };
        plan.certificates = vec![certificate("Tls.Front", false), certificate("Other", true)];
        fs::write(folder.path().join("AB.crt"), "certificate").unwrap();
        fs::write(folder.path().join("AB.key"), "key").unwrap();
        let there = || {
            let files = fs::read_dir(&store).unwrap();
            let of = |entry: fs::DirEntry| {
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                format!("{} {mode:o}", entry.file_name().to_str().unwrap())
            };
            let mut files: Vec<String> = files.map(|entry| of(entry.unwrap())).collect();
            files.sort();
            files
        };
        let expected = [
            "Other.crt 644",
            "Other.key 400",
            "Tls.Front.crt 644",
            "Tls.Front.key 600",
        ];
        prepare(&plan).unwrap();
        assert_eq!(there(), expected);
        assert_eq!(fs::read_to_string(store.join("Other.key")).unwrap(), "key");
        fs::write(store.join("Mine.crt"), "").unwrap();
        prepare(&plan).unwrap();
        assert_eq!(there(), expected);
        fs::remove_file(folder.path().join("AB.key")).unwrap();
        prepare(&plan).unwrap();
        assert_eq!(there(), ["Other.crt 644", "Tls.Front.crt 644"]);
        fs::remove_file(folder.path().join("AB.crt")).unwrap();
        let error = prepare(&plan).unwrap_err().to_string();
        assert!(error.starts_with("cannot place the certificate"), "{error}");
    }

    #[test]
    fn a_file_is_given_when_all_of_its_names_are_in_the_folder() {
        if !test_support::is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        fs::create_dir_all(store.join("a/b")).unwrap();
        fs::write(store.join("inside"), "").unwrap();
        fs::hard_link(store.join("inside"), store.join("a/b/same")).unwrap();
        fs::write(folder.path().join("outside"), "").unwrap();
        fs::hard_link(folder.path().join("outside"), store.join("a/link")).unwrap();
        symlink(folder.path().join("outside"), store.join("a/symbolic")).unwrap();
        for identity in [4_000_001, 4_000_002] {
            give(&store, identity).unwrap();
            for path in ["", "a", "a/b", "inside", "a/symbolic"] {
                let found = fs::symlink_metadata(store.join(path)).unwrap();
                assert!(is_of(&found, identity), "{path}");
            }
            let outside = fs::metadata(store.join("a/link")).unwrap();
            assert_eq!(outside.uid(), 0);
        }
    }

    #[test]
    fn a_missing_package_names_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let error = prepare(&plan(folder.path())).unwrap_err();
        assert!(error.to_string().ends_with("/package"), "{error}");
    }
}
