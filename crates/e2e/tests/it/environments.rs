//! One tree, packaged in 50 environments that agree in nothing but the content: one digest.

use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use e2e::service::{binary, write};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde_json::Value;

const N_ENVIRONMENTS: u64 = 50;

/// A user and group that nothing else runs as; root takes it with `setpriv`.
const OTHER_USER: u32 = 54_321;

const FOLDERS: &[&str] = &[
    "a",
    "with space",
    "größe",
    "-x",
    "it's",
    "deep/er/still",
    "%TEMP%",
];
const ZONES: &[&str] = &[
    "UTC",
    "Asia/Tokyo",
    "Pacific/Chatham",
    "America/St_Johns",
    "",
];
const LOCALES: &[&str] = &[
    "C",
    "C.UTF-8",
    "tr_TR.UTF-8",
    "de_DE.ISO-8859-1",
    "ja_JP.eucJP",
];
const THREADS: &[&str] = &["1", "2", "3", "4"];
/// The folder for the package is fresh, so a cache is written and there is none to read.
const CACHES: &[&[&str]] = &[&[], &["--no-cache"]];
const UMASKS: &[u32] = &[0o000, 0o002, 0o022, 0o027, 0o077];

/// What one packager sees, all of it from one seed.
struct Environment(Pcg64Mcg);

impl Environment {
    fn of(seed: u64) -> Environment {
        Environment(Pcg64Mcg::seed_from_u64(seed))
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn shuffled(&mut self, entries: &[Entry]) -> Vec<Entry> {
        let mut shuffled = entries.to_vec();
        for i in (1..shuffled.len()).rev() {
            let j = self.below(i + 1);
            shuffled.swap(i, j);
        }
        shuffled
    }

    fn time(&mut self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.0.next_u64() >> 2)
    }
}

/// A file or link of the tree.
#[derive(Clone)]
struct Entry {
    path: String,
    content: Content,
}

#[derive(Clone)]
enum Content {
    Text(String),
    Program(String),
    Link(&'static str),
}

/// The built tree: a role's folder, and the program that the compiler would have made.
fn tree() -> Vec<Entry> {
    let entry = |path: &str, content| Entry {
        path: path.to_owned(),
        content,
    };
    let mut entries = vec![
        entry(
            "built/fixture",
            Content::Program("#!/bin/sh\n".repeat(9_000)),
        ),
        entry("service/FixtureContent/latest", Content::Link("data/7.txt")),
        entry("service/FixtureContent/data/up", Content::Link("../latest")),
        entry(
            "service/FixtureContent/größe/ß.txt",
            Content::Text(String::new()),
        ),
        entry(
            "service/FixtureContent/startup/go.sh",
            Content::Program("#!/bin/sh\n".to_owned()),
        ),
        entry(
            "service/FixtureContent/data.txt",
            Content::Text("beside data/".to_owned()),
        ),
    ];
    for i in 0..40 {
        let path = format!("service/FixtureContent/data/{i}.txt");
        entries.push(entry(&path, Content::Text(format!("{i}\n").repeat(i * 50))));
    }
    entries
}

/// Makes the tree in the environment's order, with its modes and times.
fn make(entries: &[Entry], root: &Path, umask: u32, environment: &mut Environment) {
    for Entry { path, content } in environment.shuffled(entries) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let (text, mode) = match content {
            Content::Text(text) => (text, 0o666),
            Content::Program(text) => (text, 0o777),
            Content::Link(target) => {
                symlink(target, path).unwrap();
                continue;
            }
        };
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode & !umask)).unwrap();
    }
    fs::create_dir_all(root.join("out")).unwrap();
    write(
        &root.join("service"),
        r#"<Runtime><EntryPoint><ProgramEntryPoint commandLine="fixture" setReadyOnProcessStart="true" /></EntryPoint></Runtime>"#,
        1,
        vec![],
    );
}

/// Gives all below `root` to `user`, and a time of its own.
fn settle(root: &Path, user: Option<u32>, environment: &mut Environment) {
    if root.is_symlink() {
        return;
    }
    if root.is_dir() {
        for entry in fs::read_dir(root).unwrap() {
            settle(&entry.unwrap().path(), user, environment);
        }
    }
    let time = environment.time();
    let times = FileTimes::new().set_modified(time).set_accessed(time);
    File::open(root).unwrap().set_times(times).unwrap();
    chown(root, user, user).unwrap();
}

/// Packages the tree in the environment of `seed` and returns the digest.
fn digest_in(seed: u64, approot: &Path, entries: &[Entry], folder: &Path, is_root: bool) -> String {
    let mut environment = Environment::of(seed);
    let umask = environment.one_of(UMASKS);
    let user = (is_root && environment.below(2) == 1).then_some(OTHER_USER);
    let root = folder
        .join(seed.to_string())
        .join(environment.one_of(FOLDERS));
    make(entries, &root, umask, &mut environment);
    settle(&root, user, &mut environment);
    let mut command = match user {
        None => Command::new("/bin/sh"),
        Some(user) => {
            let mut command = Command::new("setpriv");
            let (reuid, regid) = (format!("--reuid={user}"), format!("--regid={user}"));
            command.args([&reuid, &regid, "--clear-groups", "/bin/sh"]);
            command
        }
    };
    let script = format!(r#"umask {umask:o}; cd "$1"; shift; exec "$@""#);
    command
        .args(["-c", &script, "sh"])
        .arg(&root)
        .arg(approot)
        .args(["package", "build", "service", "--out", "out"])
        .args(["--binary", "Fixture=built/fixture"])
        .args(["--format", "json", "--quiet"])
        .args(["--threads", environment.one_of(THREADS)])
        .args(environment.one_of(CACHES))
        .env("TZ", environment.one_of(ZONES))
        .env("LC_ALL", environment.one_of(LOCALES));
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "seed {seed}: {words}");
    assert_eq!(words, "", "seed {seed}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    summary["sha256"].as_str().unwrap().to_owned()
}

/// A copy of the program that any user may execute: the original lies below the user's own folders.
fn for_all(folder: &Path) -> PathBuf {
    let approot = folder.join("approot");
    fs::copy(binary("approot"), &approot).unwrap();
    for path in [folder, &approot] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    approot
}

#[test]
fn fifty_environments_make_one_digest() {
    let is_root = test_support::is_root();
    let folder = tempfile::tempdir().unwrap();
    let approot = for_all(folder.path());
    let entries = tree();
    let digests: BTreeSet<String> = (0..N_ENVIRONMENTS)
        .map(|seed| digest_in(seed, &approot, &entries, folder.path(), is_root))
        .collect();
    assert_eq!(digests.len(), 1, "{digests:?}");
}
