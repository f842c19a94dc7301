//! `cargo xtask fuzz`: the fuzz targets of whatever reads files from outside, each for some seconds.
//!
//! Knows no target by name, and has `cargo fuzz` do the work: its own copy, below the target
//! directory, so that nothing is installed on the machine. The stable toolchain builds the targets,
//! with `RUSTC_BOOTSTRAP` for this build alone, so that unstable flags may be used. They have a
//! target directory of their own, since build scripts that look at that variable would run again in
//! every other build.
//!
//! There is no address sanitizer, although it builds here too: it costs time, and it looks for
//! faults of `unsafe` code, which the crates under test forbid.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, anyhow};
use xshell::{Shell, cmd};

use crate::refusal::Refusal;
use crate::workspace::Workspace;

/// The version of `cargo fuzz` that is installed.
const CARGO_FUZZ: &str = "0.13.1";

/// The fuzz targets' own workspace, below the root.
const FOLDER: &str = "crates/fuzz";

/// How long a target runs unless told otherwise; in CI too.
const SECONDS: u32 = 30;

/// What the fuzzer itself is told.
const OPTIONS: &[&str] = &[
    // Bytes of an input: enough for every form, few enough for thousands of inputs a second.
    "-max_len=65536",
    // Seconds; an input that takes longer is a find. One of that length takes milliseconds.
    "-timeout=5",
    // A process that holds more MiB is a find. Most of it is the fuzzer's own.
    "-rss_limit_mb=512",
    // What was found and how many inputs were tried, not each that opened new ground.
    "-verbosity=0",
    "-print_final_stats=1",
];

/// Runs the fuzz targets; the first find ends it
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// One target [default: all, one after the other]
    target: Option<String>,
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = SECONDS,
          value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Runs the target on this file alone, as a find is looked into
    #[arg(
        long,
        value_name = "FILE",
        requires = "target",
        conflicts_with = "seconds"
    )]
    input: Option<PathBuf>,
}

pub(crate) fn run(sh: &Shell, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::read(sh)?;
    // The toolchain is the one that the workspace pins.
    let _dir = sh.push_dir(&workspace.root);
    let fuzzer = Fuzzer::install(sh, &workspace)?;
    let targets = chosen(&fuzzer.targets()?, arguments.target.as_deref())?;
    for target in &targets {
        match &arguments.input {
            Some(input) => fuzzer.repeat(target, &absolute(input)?)?,
            None => fuzzer.search(target, arguments.seconds)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Every target, for as long as one gets unless told otherwise.
pub(crate) fn all(sh: &Shell, workspace: &Workspace) -> anyhow::Result<()> {
    let fuzzer = Fuzzer::install(sh, workspace)?;
    for target in fuzzer.targets()? {
        fuzzer.search(&target, SECONDS)?;
    }
    Ok(())
}

/// The installed program and its folders.
struct Fuzzer<'a> {
    sh: &'a Shell,
    cargo_fuzz: PathBuf,
    root: PathBuf,
    target_dir: PathBuf,
}

impl<'a> Fuzzer<'a> {
    /// Installs `cargo fuzz` where this version of it is not there yet.
    fn install(sh: &'a Shell, workspace: &Workspace) -> anyhow::Result<Fuzzer<'a>> {
        let folder = workspace.target.join(format!("cargo-fuzz-{CARGO_FUZZ}"));
        let cargo_fuzz = folder.join("bin/cargo-fuzz");
        if !cargo_fuzz.is_file() {
            cmd!(
                sh,
                "cargo install --locked cargo-fuzz --version {CARGO_FUZZ} --root {folder}"
            )
            // So it builds in a temporary folder.
            .env_remove("CARGO_TARGET_DIR")
            .run()?;
        }
        Ok(Fuzzer {
            sh,
            cargo_fuzz,
            root: workspace.root.clone(),
            target_dir: workspace.target.join("fuzz"),
        })
    }

    fn targets(&self) -> anyhow::Result<Vec<String>> {
        let (cargo_fuzz, folder) = (&self.cargo_fuzz, self.root.join(FOLDER));
        let list = cmd!(self.sh, "{cargo_fuzz} list --fuzz-dir {folder}");
        Ok(list.quiet().read()?.lines().map(str::to_owned).collect())
    }

    /// Looks for finds: from the seeds, and from what earlier searches have kept in the corpus.
    fn search(&self, target: &str, seconds: u32) -> anyhow::Result<()> {
        let corpus = Path::new("corpus").join(target);
        let corpus = self.sh.create_dir(self.root.join(FOLDER).join(corpus))?;
        let inputs = [corpus, self.root.join(FOLDER).join("seeds").join(target)];
        let begin = SystemTime::now();
        let searched = self.start(target, &inputs, seconds);
        searched.map_err(|error| match self.found_since(target, begin) {
            Some(input) => found(target, &input),
            None => error,
        })
    }

    fn repeat(&self, target: &str, input: &Path) -> anyhow::Result<()> {
        self.start(target, &[input.to_owned()], SECONDS)
    }

    fn start(&self, target: &str, inputs: &[PathBuf], seconds: u32) -> anyhow::Result<()> {
        let (cargo_fuzz, target_dir) = (&self.cargo_fuzz, &self.target_dir);
        let seconds = seconds.to_string();
        let folder = self.root.join(FOLDER);
        let dictionary = folder.join("dictionary.txt");
        cmd!(
            self.sh,
            "{cargo_fuzz} run --fuzz-dir {folder} --target-dir {target_dir} --sanitizer none
                {target} {inputs...} -- -dict={dictionary} -max_total_time={seconds} {OPTIONS...}"
        )
        .env("RUSTC_BOOTSTRAP", "1")
        .run()
        .with_context(|| format!("fuzz target `{target}`"))
    }

    /// What the fuzzer kept of the last find, below the root.
    fn found_since(&self, target: &str, begin: SystemTime) -> Option<PathBuf> {
        let folder = Path::new(FOLDER).join("artifacts").join(target);
        let newest = newest(&self.root.join(&folder), begin)?;
        Some(folder.join(newest.file_name()?))
    }
}

fn found(target: &str, input: &Path) -> anyhow::Error {
    let input = input.display();
    anyhow!(
        "fuzz target `{target}` has a find, kept in {input}\n  \
         run it again with `cargo xtask fuzz {target} --input {input}`"
    )
}

/// The file that was written last, if since then.
fn newest(folder: &Path, begin: SystemTime) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.flatten();
    let written = files.filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file)));
    let newest = written.max_by_key(|(modified, _)| *modified);
    let (_, file) = newest.filter(|(modified, _)| *modified >= begin)?;
    Some(file.path())
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    let file = path.canonicalize();
    file.with_context(|| format!("find {}", path.display()))
}

fn chosen(all: &[String], name: Option<&str>) -> Result<Vec<String>, Refusal> {
    match name {
        None => Ok(all.to_vec()),
        Some(name) if all.iter().any(|target| target == name) => Ok(vec![name.to_owned()]),
        Some(name) => Err(Refusal::usage(format!(
            "there is no fuzz target `{name}`; there are: {}",
            all.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::{Args, FromArgMatches};

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        let command = Arguments::augment_args(clap::Command::new("fuzz").no_binary_name(true));
        Arguments::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    #[test]
    fn all_or_the_one_that_was_named() {
        let all = ["parse", "check"].map(str::to_owned);
        assert_eq!(chosen(&all, None).unwrap(), all);
        assert_eq!(chosen(&all, Some("check")).unwrap(), ["check"]);
        assert_eq!(
            chosen(&all, Some("x")).unwrap_err().to_string(),
            "there is no fuzz target `x`; there are: parse, check"
        );
    }

    #[test]
    fn a_find_is_run_again_for_one_target_and_without_a_time() {
        assert_eq!(parse(&[]).unwrap().seconds, SECONDS);
        assert_eq!(parse(&["check", "--seconds", "300"]).unwrap().seconds, 300);
        assert!(parse(&["check", "--input", "a"]).is_ok());
        assert!(parse(&["--input", "a"]).is_err());
        assert!(parse(&["check", "--input", "a", "--seconds", "3"]).is_err());
        // The fuzzer takes it for no limit.
        assert!(parse(&["--seconds", "0"]).is_err());
    }

    #[test]
    fn a_find_is_told_with_its_file_and_how_to_repeat_it() {
        assert_eq!(
            found("parse", Path::new("fuzz/artifacts/parse/crash-1")).to_string(),
            "fuzz target `parse` has a find, kept in fuzz/artifacts/parse/crash-1\n  \
             run it again with `cargo xtask fuzz parse --input fuzz/artifacts/parse/crash-1`"
        );
    }

    #[test]
    fn a_find_of_an_earlier_run_is_not_told_again() {
        let folder = Shell::new().unwrap().create_temp_dir().unwrap();
        let folder = folder.path();
        let begin = SystemTime::now();
        let write = |name: &str, modified| {
            let file = fs::File::create(folder.join(name)).unwrap();
            file.set_modified(modified).unwrap();
        };
        write("crash-1", begin - Duration::from_secs(1));
        assert_eq!(newest(folder, begin), None);
        write("crash-3", begin + Duration::from_secs(2));
        write("crash-2", begin + Duration::from_secs(1));
        assert_eq!(newest(folder, begin), Some(folder.join("crash-3")));
        assert_eq!(newest(&folder.join("nowhere"), begin), None);
    }
}
