//! The folders of an attempt.
//!
//! - `approot` is the instance's own copy of the package's, made when the instance is created and when the
//!   package is another one, and kept across recycles: what a program wrote there is still there.
//! - Local stores are made once; those with `cleanOnRoleRecycle` are emptied at every attempt. Their sizes are
//!   [`stores`]' business.
//! - `temp` is emptied at every attempt, and certificates are placed anew.
//!
//! Source: "What survives", in the platform's description of its disks.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use plan::InstancePlan;

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
    prepare_approot(plan)?;
    empty(&plan.paths.temp)?;
    let remarks = stores::enforce(plan);
    for store in &plan.local_resources {
        make(&store.path, 0o755)?;
        if store.clean_on_role_recycle {
            clean(&store.path)?;
        }
    }
    certificates::place(plan)?;
    Ok(remarks)
}

fn prepare_approot(plan: &InstancePlan) -> Result<(), PrepareError> {
    let marker = plan.paths.root.join("approot.digest");
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
            certificates: vec![],
        }
    }

    #[test]
    fn what_survives_a_recycle() {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = plan(folder.path());
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
    }

    #[test]
    fn certificates_are_placed_with_their_keys_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = plan(folder.path());
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
    fn a_missing_package_names_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let error = prepare(&plan(folder.path())).unwrap_err();
        assert!(error.to_string().ends_with("/package"), "{error}");
    }
}
