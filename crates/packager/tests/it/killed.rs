//! A packager that is killed, at any moment, leaves what was there or what it was to make. So does
//! its cache, of which the next one believes nothing that is wrong.
//!
//! The one that is killed is this test program, started again with a piece of work in its
//! environment. The moments are spread over the time that the work takes, and a little more.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use packager::{BuildOptions, Digest, Package, ServiceSource, Staged, build, build_with};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use crate::support::Fixture;

/// How often each kind of work is killed.
const N_KILLS: usize = 200;

/// The work of a child: its kind, and which of the two services.
const WORK: &str = "PACKAGER_TEST_WORK";
/// The folder in which it works.
const FOLDER: &str = "PACKAGER_TEST_FOLDER";

/// Small and large files, and some that do not compress, so that every part of the work takes its
/// share of the time. The two services share names but not contents.
fn services(fixture: &Fixture) {
    for which in ["a", "b"] {
        let mut random = Pcg64Mcg::seed_from_u64(u64::from(which.as_bytes()[0]));
        fixture.program(&format!("{which}/target/echo-worker"), which);
        for i in 0..30 {
            fixture.write(&format!("{which}/EchoWorkerContent/small/{i}"), which);
        }
        for i in 0..3 {
            let text: String = (0..2_000)
                .map(|_| format!("{:x}", random.next_u64()))
                .collect();
            fixture.write(&format!("{which}/EchoWorkerContent/large/{i}"), &text);
        }
    }
}

fn source(folder: &Path, which: &str) -> ServiceSource {
    let at = folder.join(which);
    let role = packager::RoleSource {
        name: "EchoWorker".to_owned(),
        binary: Some(at.join("target/echo-worker")),
        components: None,
        content_directory: Some(at.join("EchoWorkerContent")),
        contents: Vec::new(),
    };
    ServiceSource {
        service: "EchoCloud".to_owned(),
        definition: Vec::new(),
        roles: vec![role],
    }
}

fn build_cached(folder: &Path, which: &str) -> Package {
    let options = BuildOptions {
        cache: true,
        ..BuildOptions::default()
    };
    build_with(&source(folder, which), &folder.join("out/package"), options).unwrap()
}

/// What a child does, and nothing where no parent asks for it.
#[test]
fn child() {
    let (Ok(work), Some(folder)) = (env::var(WORK), env::var_os(FOLDER)) else {
        return;
    };
    let folder = Path::new(&folder);
    match work.split_once(' ').unwrap() {
        ("build", which) => drop(build_cached(folder, which)),
        ("unpack", which) => {
            let opened = packager::open(&folder.join(format!("{which}.package"))).unwrap();
            opened.unpack(&folder.join("out/tree")).unwrap();
        }
        other => panic!("{other:?}"),
    }
}

fn start(work: &str, which: &str, folder: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "killed::child", "--quiet"])
        .env(WORK, format!("{work} {which}"))
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until the child has ended, or until the moment, in which it is killed. To the microsecond,
/// so without sleep.
fn end_at(mut child: Child, moment: Duration) -> ExitStatus {
    let begin = Instant::now();
    while begin.elapsed() < moment {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap()
}

/// Kills `work` often. `look` says what stands in the place of the result: of which service.
fn kill_often(work: &str, fixture: &Fixture, look: impl Fn() -> Option<&'static str>) {
    let folder = fixture.path("");
    let begin = Instant::now();
    assert!(start(work, "a", &folder).wait().unwrap().success());
    // The shortest time seen: it takes longer while the machine does something else.
    let mut whole = begin.elapsed();
    assert_eq!(look(), Some("a"));
    let mut random = Pcg64Mcg::seed_from_u64(6);
    let mut stands = "a";
    let (mut n_killed, mut n_torn) = (0, 0);
    for i in 0..N_KILLS {
        let which = ["b", "a"][i % 2];
        let moment = whole.mul_f64((random.next_u64() % 1_100) as f64 / 1_000.0);
        let begin = Instant::now();
        let status = end_at(start(work, which, &folder), moment);
        let found = look().expect("there is always one");
        let is_right = match status.code() {
            Some(0) => found == which,
            Some(code) => panic!("kill {i}: the one after a killed one ends with {code}"),
            None => found == which || found == stands,
        };
        assert!(is_right, "kill {i} at {moment:?}: {found} after {stands}");
        if status.success() && found != stands {
            whole = whole.min(begin.elapsed());
        }
        stands = found;
        n_killed += usize::from(status.code().is_none());
        let n_left = left_overs(&folder);
        assert!(n_left <= 1, "kill {i}: {n_left} left-overs");
        n_torn += n_left;
    }
    // Else the moments miss the work.
    assert!(
        n_killed > N_KILLS / 2 && n_torn > N_KILLS / 20,
        "{n_killed} were killed, {n_torn} in the middle"
    );
    assert!(start(work, "a", &folder).wait().unwrap().success());
    assert_eq!((look(), left_overs(&folder)), (Some("a"), 0));
}

/// How much lies beside the result.
fn left_overs(folder: &Path) -> usize {
    let entries = folder.join("out").read_dir().unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name != "package" && name != ".package.cache" && name != "tree")
        .count()
}

#[test]
fn packaging_leaves_the_old_package_or_the_new_one() {
    let fixture = Fixture::empty();
    services(&fixture);
    fs::create_dir(fixture.path("out")).unwrap();
    let digest = |which: &str| {
        let out = fixture.path(&format!("{which}.package"));
        build(&source(&fixture.path(""), which), &out)
            .unwrap()
            .sha256
    };
    let (a, b) = (digest("a"), digest("b"));
    kill_often("build", &fixture, || {
        match Digest::of(&fs::read(fixture.path("out/package")).unwrap()) {
            found if found == a => Some("a"),
            found if found == b => Some("b"),
            _ => None,
        }
    });
    // What the last one knew is known, and right.
    let package = build_cached(&fixture.path(""), "a");
    assert!(package.is_reused && package.sha256 == a);
}

#[test]
fn unpacking_leaves_the_old_tree_or_the_new_one() {
    let fixture = Fixture::empty();
    services(&fixture);
    let [a, b] = ["a", "b"].map(|which| {
        let out = fixture.path(&format!("{which}.package"));
        build(&source(&fixture.path(""), which), &out)
            .unwrap()
            .manifest
    });
    kill_often("unpack", &fixture, || {
        let staged = Staged::open(&fixture.path("out/tree")).unwrap();
        match staged.manifest {
            found if found == a => Some("a"),
            found if found == b => Some("b"),
            _ => None,
        }
    });
}
