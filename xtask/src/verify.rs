//! `cargo xtask package --verify`: the same package once more, made where everything else differs.
//!
//! What git knows of the workspace is copied into another folder, as a checkout under another file
//! mode mask would have it, and built from nothing: another target directory, another home with
//! dependencies unpacked anew, another time zone and locale. Then both packages are compared byte
//! by byte. What git ignores is not copied, so a package that needs it differs, and is told.
//!
//! The second build asks no network: the first one has downloaded everything. It does not change
//! the toolchain, the C compiler or the user.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use xshell::{Shell, cmd};

use crate::handover::without_cargo;
use crate::service::Service;
use crate::workspace::Workspace;

/// The end of a package's file name.
const PACKAGE_SUFFIX: &str = ".cspkg.tar.gz";

/// What the second build has and the first, in all likelihood, has not.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("CARGO_NET_OFFLINE", "true"),
    // Text sorts, and its case changes, otherwise than usual.
    ("LC_ALL", "tr_TR.UTF-8"),
    ("LOGNAME", "somebody"),
    // Three quarters of an hour from any usual zone.
    ("TZ", "Pacific/Chatham"),
    ("USER", "somebody"),
];

/// Makes the package of `service` again, elsewhere, and compares it with the one in `out`.
///
/// # Errors
///
/// They differ, and the first entry that does is named; or the second could not be made.
pub(crate) fn verify(
    sh: &Shell,
    workspace: &Workspace,
    service: &Service,
    out: &Path,
) -> anyhow::Result<()> {
    let elsewhere = sh.create_temp_dir()?;
    let second = build_again(sh, workspace, service, elsewhere.path())
        .context("make the package a second time")?;
    let name = package_in(out)?;
    let again = package_in(&second)?;
    ensure!(
        name == again,
        "the second package has another name: {name} and {again}"
    );
    compare(sh, &out.join(&name), &second.join(&again))
}

/// Returns the folder of the second package.
fn build_again(
    sh: &Shell,
    workspace: &Workspace,
    service: &Service,
    elsewhere: &Path,
) -> anyhow::Result<PathBuf> {
    let root = workspace.root.canonicalize()?;
    let copy = elsewhere.join("another workspace");
    copy_known(sh, &root, &copy).context("copy the workspace")?;
    let home = elsewhere.join("home");
    let cargo_home = home.join(".cargo");
    make_cargo_home(&cargo_home).context("make a second home for cargo")?;
    let in_copy = |path: &Path| -> anyhow::Result<PathBuf> {
        let path = path.canonicalize()?;
        Ok(match path.strip_prefix(&root) {
            Ok(below) => copy.join(below),
            Err(_) => path,
        })
    };
    let out = elsewhere.join("package");
    let mut command = Command::new("/bin/sh");
    without_cargo(&mut command, &workspace.target);
    command
        .args(["-c", r#"umask 077; exec "$@""#, "sh"])
        .args(["cargo", "run", "--quiet", "--locked"])
        .args(["--package", "xtask", "--", "package"])
        .arg(in_copy(&service.dir)?)
        .arg("--configuration")
        .arg(in_copy(&service.configuration)?)
        .arg("--out")
        .arg(&out)
        .arg("--quiet")
        .current_dir(&copy)
        .envs(ENVIRONMENT.iter().copied())
        .env("CARGO_HOME", cargo_home)
        .env("CARGO_TARGET_DIR", elsewhere.join("target"))
        .env("HOME", home);
    if let Some(rustup_home) = rustup_home() {
        command.env("RUSTUP_HOME", rustup_home);
    }
    let status = command.status().context("start a shell")?;
    ensure!(status.success(), "`cargo xtask package`: {status}");
    Ok(out)
}

/// Copies what git tracks, and what it would track, with its content as it is now.
fn copy_known(sh: &Shell, root: &Path, copy: &Path) -> anyhow::Result<()> {
    let known = cmd!(
        sh,
        "git -C {root} ls-files -z --cached --others --exclude-standard"
    );
    let known = known.quiet().read().context("ask git what there is")?;
    for name in known.split_terminator('\0') {
        let (from, to) = (root.join(name), copy.join(name));
        // Tracked, and removed by hand.
        if from.symlink_metadata().is_err() {
            continue;
        }
        copy_file(&from, &to).with_context(|| format!("copy {}", from.display()))?;
    }
    Ok(())
}

/// Copies a file or link, as the user's alone.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to.parent().expect("it is in a folder"))?;
    if from.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    fs::copy(from, to)?;
    let mode = from.metadata()?.permissions().mode() & 0o700;
    fs::set_permissions(to, Permissions::from_mode(mode))
}

/// Makes a home that has what the first one downloaded, and nothing that it unpacked or built.
fn make_cargo_home(home: &Path) -> anyhow::Result<()> {
    let first = cargo_home().context("neither CARGO_HOME nor HOME is set")?;
    for name in ["registry/index", "registry/cache", "git/db"] {
        let (from, to) = (first.join(name), home.join(name));
        if from.is_dir() {
            fs::create_dir_all(to.parent().expect("it is in a folder"))?;
            symlink(from, to)?;
        }
    }
    fs::create_dir_all(home)?;
    for name in ["config.toml", "config"] {
        let from = first.join(name);
        if from.is_file() {
            fs::copy(from, home.join(name))?;
        }
    }
    Ok(())
}

fn cargo_home() -> Option<PathBuf> {
    folder_of("CARGO_HOME", ".cargo")
}

/// Where toolchains are; to be said, since the second build has another home.
fn rustup_home() -> Option<PathBuf> {
    folder_of("RUSTUP_HOME", ".rustup")
}

/// The folder that a variable names, or else the one of the user's home.
fn folder_of(variable: &str, name: &str) -> Option<PathBuf> {
    match std::env::var_os(variable) {
        Some(folder) => std::path::absolute(folder).ok(),
        None => Some(std::env::home_dir()?.join(name)),
    }
}

/// The name of the package that a folder's digests list.
fn package_in(folder: &Path) -> anyhow::Result<String> {
    let sums = folder.join("SHA256SUMS");
    let list = fs::read_to_string(&sums).with_context(|| format!("read {}", sums.display()))?;
    let names = list.lines().filter_map(|line| line.split_once("  "));
    let mut packages = names.filter(|(_, name)| name.ends_with(PACKAGE_SUFFIX));
    let (_, name) = packages
        .next()
        .with_context(|| format!("{} lists no package", sums.display()))?;
    Ok(name.to_owned())
}

/// # Errors
///
/// The two packages are not the same bytes.
fn compare(sh: &Shell, first: &Path, second: &Path) -> anyhow::Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("read {}", path.display()));
    if read(first)? == read(second)? {
        return Ok(());
    }
    let difference = first_difference(&manifest(sh, first)?, &manifest(sh, second)?)?;
    match difference {
        Some(entry) => bail!("not reproducible: a second build makes another {entry}"),
        None => bail!("not reproducible: a second build packs equal files into other bytes"),
    }
}

fn manifest(sh: &Shell, package: &Path) -> anyhow::Result<Value> {
    let text = cmd!(sh, "tar -xzOf {package} manifest.json")
        .quiet()
        .read()?;
    serde_json::from_str(&text).with_context(|| format!("the manifest of {}", package.display()))
}

/// The first path, in the order of its bytes, whose entries differ between two manifests.
fn first_difference(first: &Value, second: &Value) -> anyhow::Result<Option<String>> {
    let (first, second) = (entries(first)?, entries(second)?);
    let paths = first.keys().chain(second.keys());
    let differing = paths.filter(|path| first.get(*path) != second.get(*path));
    Ok(differing.min().map(|path| (*path).to_owned()))
}

fn entries(manifest: &Value) -> anyhow::Result<BTreeMap<&str, &Value>> {
    fn path(file: &Value) -> anyhow::Result<&str> {
        file["path"].as_str().context("a file without `path`")
    }
    let files = manifest["files"].as_array().context("no `files`")?;
    files.iter().map(|file| Ok((path(file)?, file))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest_of(files: &[(&str, &str)]) -> Value {
        let file = |(path, sha256): &(&str, &str)| json!({"path": path, "sha256": sha256});
        json!({"files": files.iter().map(file).collect::<Vec<_>>()})
    }

    fn difference(first: &[(&str, &str)], second: &[(&str, &str)]) -> Option<String> {
        first_difference(&manifest_of(first), &manifest_of(second)).unwrap()
    }

    #[test]
    fn the_first_entry_that_differs_is_named() {
        let both = [("a", "1"), ("b", "2"), ("c", "3")];
        assert_eq!(difference(&both, &both), None);
        assert_eq!(
            difference(&both, &[("a", "1"), ("b", "x"), ("c", "x")]).unwrap(),
            "b"
        );
        assert_eq!(difference(&both, &both[..2]).unwrap(), "c");
        assert_eq!(difference(&both[1..], &both).unwrap(), "a");
        assert!(first_difference(&json!({}), &json!({})).is_err());
    }

    #[test]
    fn packages_of_other_bytes_are_told_apart() {
        let sh = Shell::new().unwrap();
        let folder = sh.create_temp_dir().unwrap();
        let package = |name: &str, sha256: &str, level: &str| {
            let text = manifest_of(&[("roles/R/approot/r", sha256)]).to_string();
            sh.write_file(folder.path().join("manifest.json"), text)
                .unwrap();
            let _dir = sh.push_dir(folder.path());
            cmd!(sh, "tar --mtime=@0 -cf {name} manifest.json")
                .quiet()
                .run()
                .unwrap();
            cmd!(sh, "gzip -n {level} {name}").quiet().run().unwrap();
            folder.path().join(format!("{name}.gz"))
        };
        let first = package("first", "1", "-9");
        let same = package("same", "1", "-9");
        let other = package("other", "2", "-9");
        compare(&sh, &first, &same).unwrap();
        assert_eq!(
            compare(&sh, &first, &other).unwrap_err().to_string(),
            "not reproducible: a second build makes another roles/R/approot/r"
        );
        let packed = package("packed", "1", "-1");
        assert_eq!(
            compare(&sh, &first, &packed).unwrap_err().to_string(),
            "not reproducible: a second build packs equal files into other bytes"
        );
    }

    #[test]
    fn a_package_is_found_by_its_digest() {
        let sh = Shell::new().unwrap();
        let folder = sh.create_temp_dir().unwrap();
        let sums = folder.path().join("SHA256SUMS");
        fs::write(&sums, "00  S.Cloud.cscfg\n11  S.cspkg.tar.gz\n").unwrap();
        assert_eq!(package_in(folder.path()).unwrap(), "S.cspkg.tar.gz");
        fs::write(&sums, "00  S.Cloud.cscfg\n").unwrap();
        assert!(package_in(folder.path()).is_err());
    }

    #[test]
    fn a_copy_has_what_git_knows_as_it_is_now() {
        let sh = Shell::new().unwrap();
        let folder = sh.create_temp_dir().unwrap();
        let root = folder.path().join("root");
        let write = |name: &str| sh.write_file(root.join(name), name).unwrap();
        for name in ["tracked", "gone", "new/file", "ignored"] {
            write(name);
        }
        sh.write_file(root.join(".gitignore"), "ignored\n").unwrap();
        symlink("tracked", root.join("link")).unwrap();
        cmd!(sh, "git -C {root} init --quiet")
            .quiet()
            .run()
            .unwrap();
        cmd!(sh, "git -C {root} add tracked gone")
            .quiet()
            .run()
            .unwrap();
        fs::remove_file(root.join("gone")).unwrap();
        let copy = folder.path().join("copy");
        copy_known(&sh, &root, &copy).unwrap();
        assert!(copy.join("new/file").is_file() && copy.join("link").is_symlink());
        let mode = copy.join("tracked").metadata().unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        assert!(!copy.join("gone").exists() && !copy.join("ignored").exists());
    }
}
