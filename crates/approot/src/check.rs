//! `approot check`: every finding about every path, whatever is wrong with one of them.

use std::path::{Path, PathBuf};

use diagnostics::{FileId, Finding, Sources, render_github, render_json, render_sarif, sort};

use crate::cli::{CheckArguments, FindingsFormat};
use crate::exit::{self, Failure, Outcome};
use crate::files::{Files, refuse_two_configurations};
use crate::service::{folder_of, read, read_definition};
use crate::{options_file, print, show};

/// Prints the findings, then what could not be looked into at all.
pub(crate) fn check(arguments: &CheckArguments) -> Outcome {
    let here = [PathBuf::from(".")];
    let paths: &[PathBuf] = if arguments.paths.is_empty() {
        &here
    } else {
        &arguments.paths
    };
    let each = paths.iter().map(PathBuf::as_path);
    refuse_two_configurations(each, &arguments.configuration)?;
    let mut sources = Sources::new();
    let mut findings = Vec::new();
    let mut failures = Vec::new();
    for path in paths {
        let checked = check_path(path, &arguments.configuration, &mut sources, &mut findings);
        failures.extend(checked.err());
    }
    sort(&mut findings);
    print_findings(&sources, &findings, arguments.format)?;
    // The last one is told, with its status, as any command's failure is.
    if let Some(last) = failures.pop() {
        for failure in &failures {
            show::error(&failure.error);
        }
        return Err(last);
    }
    if arguments.format == FindingsFormat::Human && findings.is_empty() {
        show::line("no findings");
    }
    let is_invalid = findings.iter().any(Finding::is_error);
    Ok(if is_invalid {
        exit::INVALID
    } else {
        exit::DONE
    })
}

/// # Errors
/// What is not for people cannot be written.
fn print_findings(
    sources: &Sources,
    findings: &[Finding],
    format: FindingsFormat,
) -> anyhow::Result<()> {
    let text = match format {
        FindingsFormat::Human => {
            show::findings(sources, findings);
            return Ok(());
        }
        FindingsFormat::Json => render_json(sources, findings) + "\n",
        FindingsFormat::Sarif => render_sarif(sources, findings, schema::codes::all()) + "\n",
        FindingsFormat::Github => render_github(sources, findings),
    };
    print::result(text.as_bytes()).map(drop)
}

fn check_path(
    path: &Path,
    configurations: &[String],
    sources: &mut Sources,
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    let files = Files::find(path, configurations)?;
    let location = files.definition.as_ref();
    let definition = location.and_then(|location| read_definition(sources, location, findings));
    let configurations: Vec<FileId> = files
        .configurations
        .iter()
        .filter_map(|configuration| read(sources, configuration, findings))
        .collect();
    findings.extend(schema::check_files(sources, definition, &configurations));
    if path.is_dir()
        && let Some(location) = location
    {
        let file = options_file::find(None, &folder_of(Some(path), location));
        // Its findings stand with the definition's own already.
        let definition =
            definition.and_then(|file| schema::check_definition(sources, file).definition);
        options_file::load(sources, file, definition.as_ref(), findings);
    }
    Ok(())
}
