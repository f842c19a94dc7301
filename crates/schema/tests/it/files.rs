//! Files in, findings or a service out: every `test_data/{ok,err}/*` beside what it must give.
//!
//! A `.csdef` with a `.cscfg` of the same name is checked together with it, any other file alone.
//! `UPDATE_EXPECT=1` rewrites the expected files; read their difference before committing it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use diagnostics::{Finding, Sources, Style, render_human};
use expect_test::expect_file;

struct Outcome {
    sources: Sources,
    findings: Vec<Finding>,
    /// What came out, as text; `None` when a finding is an error.
    value: Option<String>,
}

fn check(definition: Option<&Path>, configuration: Option<&Path>) -> Outcome {
    let mut sources = Sources::new();
    let mut load = |path: &Path| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a plain name");
        schema::load(&mut sources, name, fs::read(path)).expect("a fixture is text")
    };
    let (definition, configuration) = (definition.map(&mut load), configuration.map(load));
    let (findings, value) = match (definition, configuration) {
        (Some(definition), Some(configuration)) => {
            let checked = schema::check(&sources, definition, configuration);
            (
                checked.findings,
                checked.service.map(|service| format!("{service:#?}\n")),
            )
        }
        (Some(definition), None) => {
            let checked = schema::check_definition(&sources, definition);
            (
                checked.findings,
                checked
                    .definition
                    .map(|definition| format!("{definition:#?}\n")),
            )
        }
        (None, Some(configuration)) => {
            (schema::check_files(&sources, None, &[configuration]), None)
        }
        (None, None) => unreachable!("one of them is a fixture"),
    };
    Outcome {
        sources,
        findings,
        value,
    }
}

/// The outcome of every fixture of a folder, with its path without extension.
fn outcomes(folder: &str) -> Vec<(PathBuf, Outcome)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("test_data")
        .join(folder);
    let entries = fs::read_dir(&folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let is_input = |path: &PathBuf| {
        path.extension()
            .is_some_and(|e| e == "csdef" || e == "cscfg")
    };
    let stems: BTreeSet<_> = paths
        .filter(is_input)
        .map(|path| path.with_extension(""))
        .collect();
    assert!(!stems.is_empty());
    let outcome = |stem: PathBuf| {
        let [definition, configuration] = ["csdef", "cscfg"].map(|e| stem.with_extension(e));
        let existing = |path: PathBuf| path.exists().then_some(path);
        let outcome = check(
            existing(definition).as_deref(),
            existing(configuration).as_deref(),
        );
        (stem, outcome)
    };
    stems.into_iter().map(outcome).collect()
}

#[test]
fn good_files_give_their_service() {
    for (stem, outcome) in outcomes("ok") {
        let findings = render_human(&outcome.sources, &outcome.findings, Style::Plain);
        let value = outcome
            .value
            .unwrap_or_else(|| panic!("{}:\n{findings}", stem.display()));
        expect_file![stem.with_extension("txt")].assert_eq(&format!("{value}{findings}"));
    }
}

#[test]
fn bad_files_give_their_findings() {
    for (stem, outcome) in outcomes("err") {
        assert!(!outcome.findings.is_empty(), "{} passed", stem.display());
        let has_error = outcome.findings.iter().any(Finding::is_error);
        let is_lone_configuration = !stem.with_extension("csdef").exists();
        assert!(
            outcome.value.is_none() == has_error || is_lone_configuration,
            "{}",
            stem.display()
        );
        let findings = render_human(&outcome.sources, &outcome.findings, Style::Plain);
        expect_file![stem.with_extension("err")].assert_eq(&findings);
    }
}

#[test]
fn every_code_is_unique_and_has_a_file_that_shows_it() {
    let all: Vec<_> = schema::codes::all().map(|entry| entry.code).collect();
    let unique: BTreeSet<_> = all.iter().collect();
    assert_eq!(unique.len(), all.len(), "a code is given twice");
    // Files that are no text, and one with a thousand mistakes, are tested where they are made, and
    // so are findings about the files of roles and about options.
    let elsewhere = [
        schema::codes::UNREADABLE,
        schema::codes::NOT_TEXT,
        schema::codes::MORE_FINDINGS,
        schema::codes::SOURCE_MISSING,
        schema::codes::SOURCE_AMBIGUOUS,
        schema::codes::SOURCE_UNDEFINED,
        schema::codes::DESTINATION,
        schema::codes::SOURCE_CONFLICT,
        schema::codes::OPTIONS_SYNTAX,
        schema::codes::UNKNOWN_OPTION,
        schema::codes::OPTION_VALUE,
        schema::codes::OPTION_OF_NOTHING,
        schema::codes::OPTION_NOT_YET,
    ];
    let mut shown = BTreeSet::from(elsewhere);
    for (_, outcome) in outcomes("err") {
        shown.extend(outcome.findings.iter().map(|finding| finding.code));
    }
    for entry in schema::codes::ALL {
        assert!(shown.contains(&entry.code), "no file shows {}", entry.code);
    }
}

#[test]
fn findings_stay_inside_the_text_whatever_is_cut_off() {
    for (stem, _) in outcomes("ok") {
        let text = fs::read_to_string(stem.with_extension("csdef")).unwrap();
        for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
            let mut sources = Sources::new();
            let file = sources.add("cut", &text[..end]);
            let checked = schema::check_definition(&sources, file);
            assert!(
                checked
                    .findings
                    .iter()
                    .all(|finding| finding.primary.span.end <= end)
            );
        }
    }
}
