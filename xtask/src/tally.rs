//! Counts tests from what `cargo test` prints.
//!
//! Pure: lines in, numbers out. Test programs with Rust's own harness end in a `test result:` line.
//! A program with a `main` of its own prints none and counts as one test: it failed when cargo
//! says so before it starts the next program, and passed otherwise. So the lines must come in the
//! order in which they were printed, cargo's among those of the programs.

use std::collections::BTreeMap;
use std::fmt;

/// How many tests did what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

/// The line that ends every run of the tests.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// What has been seen so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    summary: Summary,
    program: Program,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Program {
    /// No program runs whose result is open.
    #[default]
    None,
    /// Started; neither result nor failure was seen.
    Running,
}

impl Tally {
    /// Takes the next line, without its end.
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.result(result);
        } else if is_start(line) {
            self.end_program();
            self.program = Program::Running;
        } else if line.starts_with("error: test failed")
            || line.starts_with("error: doctest failed")
        {
            self.fail_program();
        }
    }

    /// All programs have ended, and cargo with them, successfully or not.
    pub(crate) fn finish(mut self, is_success: bool) -> Summary {
        if !is_success && self.summary.failed == 0 {
            // Cargo was killed, or gave up in a way not known here: whatever it is, it is no pass.
            self.summary.failed = 1;
            self.program = Program::None;
        }
        self.end_program();
        self.summary
    }

    fn result(&mut self, result: &str) {
        let counts = counts(result);
        let count = |name: &str| counts.get(name).copied().unwrap_or(0);
        self.summary.passed += count("passed") + count("measured");
        self.summary.failed += count("failed");
        self.summary.skipped += count("ignored");
        self.program = Program::None;
    }

    fn end_program(&mut self) {
        if self.program == Program::Running {
            self.summary.passed += 1;
        }
        self.program = Program::None;
    }

    fn fail_program(&mut self) {
        if self.program == Program::Running {
            self.summary.failed += 1;
        }
        self.program = Program::None;
    }
}

/// Cargo's `     Running unittests src/lib.rs (target/…)` and `   Doc-tests plan`.
fn is_start(line: &str) -> bool {
    ["     Running ", "   Doc-tests "]
        .iter()
        .any(|start| line.starts_with(start))
}

/// `ok. 12 passed; 0 failed; …; finished in 0.1s` as numbers by name.
fn counts(result: &str) -> BTreeMap<&str, usize> {
    let after_verdict = result.split_once(". ").map_or("", |(_, counts)| counts);
    let counts = after_verdict.split("; ").filter_map(|part| {
        let (count, name) = part.split_once(' ')?;
        Some((name, count.parse().ok()?))
    });
    counts.collect()
}

/// Tests that returned early for want of something, with what they wanted, by name.
///
/// `text` has a line `<test>: <what is missing>` for each want. One test may want several things.
pub(crate) fn not_run(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut tests: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (test, missing) in text.lines().filter_map(|line| line.split_once(": ")) {
        let all_missing = tests.entry(test).or_default();
        if !all_missing.contains(&missing) {
            all_missing.push(missing);
        }
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: &str = "     Running tests/keeper.rs (target/debug/deps/keeper-1)";
    const OK: &str = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
    const FAILED: &str = "test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
    const ERROR: &str = "error: test failed, to rerun pass `-p keeper --test keeper`";

    fn check(lines: &[&str], is_success: bool, expected: &str) {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.line(line));
        assert_eq!(tally.finish(is_success).to_string(), expected);
    }

    #[test]
    fn results_add_up() {
        let lines = [RUNNING, "test a ... ok", OK, "   Doc-tests plan", OK];
        check(&lines, true, "6 passed, 0 failed, 2 skipped");
        check(
            &[RUNNING, FAILED, ERROR, RUNNING, OK],
            false,
            "5 passed, 4 failed, 1 skipped",
        );
        check(&[], true, "0 passed, 0 failed, 0 skipped");
    }

    #[test]
    fn a_program_without_a_result_counts_by_its_exit() {
        check(&[RUNNING, "hello"], true, "1 passed, 0 failed, 0 skipped");
        check(
            &[RUNNING, RUNNING, OK],
            true,
            "4 passed, 0 failed, 1 skipped",
        );
        check(
            &[RUNNING, ERROR, RUNNING, OK],
            false,
            "3 passed, 1 failed, 1 skipped",
        );
        check(
            &[RUNNING, OK, RUNNING, ERROR],
            false,
            "3 passed, 1 failed, 1 skipped",
        );
    }

    #[test]
    fn a_crash_before_the_result_is_a_failure() {
        check(
            &[RUNNING, "test a ... ok", ERROR],
            false,
            "0 passed, 1 failed, 0 skipped",
        );
    }

    #[test]
    fn cargo_that_fails_never_ends_without_a_failure() {
        check(
            &[RUNNING, OK, RUNNING],
            false,
            "3 passed, 1 failed, 1 skipped",
        );
        check(&[], false, "0 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn only_whole_lines_count() {
        let quoted = format!("thread 'a' said: {OK}");
        check(
            &[&quoted, "Running late", "test result: "],
            true,
            "0 passed, 0 failed, 0 skipped",
        );
    }

    #[test]
    fn a_test_that_wants_two_things_was_not_run_once() {
        let text = "p::tar: `tar` is not installed\np::tar: `gzip` is not installed\n\
            p::tar: `tar` is not installed\nq::a: not root\nnoise\n";
        let tests = not_run(text);
        assert_eq!(
            tests["p::tar"],
            ["`tar` is not installed", "`gzip` is not installed"]
        );
        assert_eq!(tests["q::a"], ["not root"]);
        assert_eq!(tests.len(), 2);
    }
}
