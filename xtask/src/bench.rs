//! `cargo xtask bench`: the side-by-side benchmarks of the `e2e` crate.
//!
//! Knows no benchmark by name; builds the programs that they measure and has cargo run them.

use std::process::ExitCode;

use xshell::{Shell, cmd};

use crate::build::{Progress, build, reproducible};
use crate::refusal::Refusal;
use crate::workspace::Workspace;

/// The package whose `[[bench]]` targets these are.
const PACKAGE: &str = "e2e";

/// The service that they measure, below the workspace's root.
const SERVICE: &str = "services/echo-cloud";

/// Runs the side-by-side benchmarks, in release builds
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// One benchmark [default: all, one after the other]
    name: Option<String>,
}

pub(crate) fn run(sh: &Shell, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::read(sh)?;
    let benches = chosen(&workspace.benches_of(PACKAGE), arguments.name.as_deref())?;
    // With the flags of `package`: what is measured is what is shipped.
    build(
        sh,
        &workspace,
        &workspace.roles_of(&workspace.root.join(SERVICE))?,
        Progress::Shown,
    )?;
    let _dir = sh.push_dir(&workspace.root);
    for bench in &benches {
        let command = cmd!(
            sh,
            "cargo bench --locked --package {PACKAGE} --bench {bench}"
        );
        reproducible(command, sh, &workspace)?.run()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn chosen(all: &[&str], name: Option<&str>) -> Result<Vec<String>, Refusal> {
    let chosen = all
        .iter()
        .filter(|bench| name.is_none_or(|name| name == **bench));
    let chosen: Vec<String> = chosen.map(|&bench| bench.to_owned()).collect();
    match (name, &chosen[..]) {
        (Some(name), []) => Err(Refusal::usage(format!(
            "there is no benchmark `{name}`; there are: {}",
            all.join(", ")
        ))),
        (None, []) => Err(Refusal::usage(format!("`{PACKAGE}` has no benchmarks"))),
        _ => Ok(chosen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_the_one_that_was_named() {
        let all = ["dialogue", "bulk"];
        assert_eq!(chosen(&all, None).unwrap(), all);
        assert_eq!(chosen(&all, Some("bulk")).unwrap(), ["bulk"]);
    }

    #[test]
    fn none_is_refused() {
        let refused = |all: &[&str], name| chosen(all, name).unwrap_err().to_string();
        assert_eq!(
            refused(&["dialogue", "bulk"], Some("x")),
            "there is no benchmark `x`; there are: dialogue, bulk"
        );
        assert_eq!(refused(&[], None), "`e2e` has no benchmarks");
    }
}
