//! `approot check`: every finding about every path, whatever is wrong with one of them.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use diagnostics::{Finding, Sources, sort};

use crate::cli::{CheckArguments, Format};
use crate::exit::{self, Failure, Outcome};
use crate::service::{
    Location, configuration, files_in, folder_of, has_extension, read, read_definition,
};
use crate::show;

/// Prints the findings, then what could not be looked into at all.
pub(crate) fn check(arguments: &CheckArguments) -> Outcome {
    let here = [PathBuf::from(".")];
    let paths: &[PathBuf] = if arguments.paths.is_empty() {
        &here
    } else {
        &arguments.paths
    };
    refuse_two_configurations(paths, &arguments.configuration)?;
    let mut sources = Sources::new();
    let mut findings = Vec::new();
    let mut failures = Vec::new();
    for path in paths {
        let checked = check_path(path, &arguments.configuration, &mut sources, &mut findings);
        failures.extend(checked.err());
    }
    sort(&mut findings);
    // A definition that is checked with several configurations says its own part each time.
    findings.dedup();
    show::findings(&sources, &findings, arguments.format)?;
    // The last one is told, with its status, as any command's failure is.
    if let Some(last) = failures.pop() {
        for failure in &failures {
            show::error(&failure.error);
        }
        return Err(last);
    }
    if arguments.format == Format::Human && findings.is_empty() {
        show::line("no findings");
    }
    let is_invalid = findings.iter().any(Finding::is_error);
    Ok(if is_invalid {
        exit::INVALID
    } else {
        exit::DONE
    })
}

fn refuse_two_configurations(paths: &[PathBuf], configurations: &[String]) -> Result<(), Failure> {
    let named = paths.iter().find(|path| is_configuration(path));
    match named {
        Some(path) if !configurations.is_empty() => {
            let error = anyhow!(
                "`--configuration` goes with a definition, and this is a configuration itself: {}",
                path.display()
            );
            Err(exit::with(exit::USAGE, error))
        }
        _ => Ok(()),
    }
}

fn is_configuration(path: &Path) -> bool {
    has_extension(path, "cscfg") && !path.is_dir()
}

fn check_path(
    path: &Path,
    configurations: &[String],
    sources: &mut Sources,
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    if is_configuration(path) {
        if let Some(file) = read(sources, path, findings) {
            findings.extend(schema::check_configuration(sources, file));
        }
        return Ok(());
    }
    if !path.exists() {
        // Reading it makes the finding that says why not.
        read(sources, path, findings);
        return Ok(());
    }
    let location = Location::find(Some(path))?;
    let folder = folder_of(Some(path), &location);
    let configurations: Vec<PathBuf> = match (configurations, path.is_dir()) {
        ([], true) => files_in(&folder, "cscfg")?,
        // A file that is named alone is read alone.
        ([], false) => Vec::new(),
        (named, _) => named
            .iter()
            .map(|name| configuration(Some(name), &folder))
            .collect::<Result<_, _>>()?,
    };
    let Some(definition) = read_definition(sources, &location, findings) else {
        return Ok(());
    };
    if configurations.is_empty() {
        findings.extend(schema::check_definition(sources, definition).findings);
    }
    for configuration in configurations {
        if let Some(configured) = read(sources, &configuration, findings) {
            findings.extend(schema::check_findings(sources, definition, configured));
        }
    }
    Ok(())
}
