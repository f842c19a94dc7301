//! Tests whose outside program or privilege is missing: named and counted, never silently passed.
//!
//! A test asks, and returns where the answer is no; the question has left a line in the file that
//! `APPROOT_NOT_RUN` names, which `cargo xtask test` reads, or else on standard error. Where `CI`
//! is set, to anything but nothing, a missing requirement is a failure: CI installs what it needs.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether a program can be found on `PATH`; where not, the calling test must return.
///
/// # Panics
///
/// The program is missing and `CI` is set.
#[must_use]
pub fn has_program(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let is_there = env::split_paths(&path).any(|folder| is_executable(&folder.join(program)));
    if !is_there {
        not_run(&format!("`{program}` is not installed"));
    }
    is_there
}

/// Whether `python3` can import a module; where not, the calling test must return.
///
/// # Panics
///
/// The module is missing and `CI` is set.
#[must_use]
pub fn has_python_module(module: &str) -> bool {
    let script = format!("import {module}");
    let import = Command::new("python3").args(["-c", &script]).output();
    let is_there = import.is_ok_and(|output| output.status.success());
    if !is_there {
        not_run(&format!("python3 has no module `{module}`"));
    }
    is_there
}

/// Whether the test runs as root; where not, the calling test must return.
///
/// # Panics
///
/// The test does not run as root and `CI` is set.
#[must_use]
pub fn is_root() -> bool {
    // The owner of a process's folder in `/proc` is its effective user. Source: proc(5).
    let is_root = Path::new("/proc/self")
        .metadata()
        .is_ok_and(|metadata| metadata.uid() == 0);
    if !is_root {
        not_run("needs root");
    }
    is_root
}

/// Says that the calling test is not run, and what it misses, such as `needs a network namespace`.
///
/// # Panics
///
/// `CI` is set, or the file of `APPROOT_NOT_RUN` cannot be written.
pub fn not_run(missing: &str) {
    let surroundings = Surroundings {
        is_ci: env::var_os("CI").is_some_and(|value| !value.is_empty()),
        file: env::var_os("APPROOT_NOT_RUN").map(PathBuf::from),
    };
    surroundings.report(&test_name(), missing);
}

/// Who asks, and how it is told.
struct Surroundings {
    is_ci: bool,
    file: Option<PathBuf>,
}

impl Surroundings {
    fn report(&self, test: &str, missing: &str) {
        assert!(!self.is_ci, "CI must run every test, but {missing}");
        let line = format!("{test}: {missing}\n");
        let written = match &self.file {
            Some(file) => append(file, &line),
            // Not with a macro: the harness would hide it.
            None => io::stderr().write_all(format!("not run: {line}").as_bytes()),
        };
        written.expect("what is not run can be told");
    }
}

/// In one call: other tests, in this process and in others, write to the same file.
fn append(file: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(file)?;
    file.write_all(line.as_bytes())
}

/// Cargo says the package, the harness names each test's thread after the test.
fn test_name() -> String {
    let package = env::var("CARGO_PKG_NAME").unwrap_or("unknown package".to_owned());
    let thread = std::thread::current();
    format!("{package}::{}", thread.name().unwrap_or("unknown test"))
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::panic::catch_unwind;

    use super::*;

    /// Cargo gives unit tests no folder of their own.
    fn file(name: &str) -> PathBuf {
        env::temp_dir().join(format!("test-support-{}-{name}", std::process::id()))
    }

    #[test]
    fn each_report_is_a_line() {
        let file = file("lines");
        let surroundings = Surroundings {
            is_ci: false,
            file: Some(file.clone()),
        };
        surroundings.report("plan::a", "`nc` is not installed");
        surroundings.report("plan::b", "needs root");
        let text = fs::read_to_string(&file).unwrap();
        fs::remove_file(file).unwrap();
        assert_eq!(
            text,
            "plan::a: `nc` is not installed\nplan::b: needs root\n"
        );
    }

    #[test]
    fn ci_fails_instead_and_writes_nothing() {
        let file = file("ci");
        let surroundings = Surroundings {
            is_ci: true,
            file: Some(file.clone()),
        };
        let panic = catch_unwind(|| surroundings.report("plan::a", "needs root")).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert_eq!(message, "CI must run every test, but needs root");
        assert!(!file.exists());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_no_silence() {
        let surroundings = Surroundings {
            is_ci: false,
            file: Some("/nowhere/not-run.txt".into()),
        };
        assert!(catch_unwind(|| surroundings.report("plan::a", "needs root")).is_err());
    }

    #[test]
    fn the_test_is_known_by_name() {
        let handle = std::thread::Builder::new().name("peers::tar".to_owned());
        let name = handle.spawn(test_name).unwrap().join().unwrap();
        assert!(name.ends_with("::peers::tar"), "{name}");
    }

    #[test]
    fn a_program_is_a_file_that_may_be_executed() {
        assert!(has_program("sh"));
        assert!(is_executable(Path::new("/bin/sh")));
        assert!(!is_executable(Path::new("/bin")));
        assert!(!is_executable(Path::new("/etc/passwd")));
        assert!(!is_executable(Path::new("/nowhere/sh")));
    }
}
