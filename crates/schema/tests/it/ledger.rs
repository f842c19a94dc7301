//! Files in, the ledger out; and what holds for any ledger.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use diagnostics::{FileId, Sources};
use expect_test::expect_file;
use schema::{LedgerInput, Verdict};

use crate::support::{configuration, configured, definition, role};

/// An entry as the tests look at it.
pub(crate) struct Entry {
    pub(crate) file: FileId,
    pub(crate) path: String,
    pub(crate) value: Option<String>,
    pub(crate) verdict: Verdict,
    pub(crate) how: String,
}

pub(crate) fn ledger(sources: &Sources, input: &LedgerInput<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let listed = schema::ledger(sources, input, &mut |entry| {
        let name = &sources.file(entry.file).text()[entry.span.start..entry.span.end];
        let local = name.rsplit_once(':').map_or(name, |(_, local)| local);
        assert!(entry.path.contains(local), "{} at `{name}`", entry.path);
        entries.push(Entry {
            file: entry.file,
            path: entry.path.to_owned(),
            value: entry.value.map(str::to_owned),
            verdict: entry.verdict,
            how: entry.how.into_owned(),
        });
    });
    assert_eq!(listed, Ok(()));
    entries
}

pub(crate) fn of(definition: Option<&str>, configurations: &[&str]) -> Vec<Entry> {
    let mut sources = Sources::new();
    let definition = definition.map(|text| sources.add("a.csdef", text));
    let configurations: Vec<_> = configurations
        .iter()
        .map(|text| sources.add("a.cscfg", *text))
        .collect();
    let input = LedgerInput {
        definition,
        configurations: &configurations,
        find_program: None,
    };
    ledger(&sources, &input)
}

/// The verdict and its reason of the one entry whose path ends so.
#[track_caller]
pub(crate) fn verdict<'e>(entries: &'e [Entry], path: &str) -> (Verdict, &'e str) {
    let mut found = entries.iter().filter(|entry| entry.path.ends_with(path));
    let entry = found.next().expect("there is an entry of this path");
    assert!(found.next().is_none(), "`{path}` is ambiguous");
    (entry.verdict, &entry.how)
}

fn text_of(name: &str) -> (PathBuf, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("test_data/ledger");
    let path = folder.join(name);
    let text = fs::read_to_string(&path).expect("the test data is there");
    (path, text)
}

#[test]
fn every_part_of_complete_files_has_its_verdict() {
    let (path, definition) = text_of("complete.csdef");
    let (_, configuration) = text_of("complete.cscfg");
    let mut shown = String::new();
    for entry in of(Some(&definition), &[&configuration]) {
        let value = entry
            .value
            .map_or_else(String::new, |value| format!("={value:?}"));
        let (verdict, how) = (entry.verdict.as_str(), entry.how);
        writeln!(shown, "{}{value}\n    {verdict}: {how}", entry.path).unwrap();
    }
    expect_file![path.with_extension("txt")].assert_eq(&shown);
}

#[test]
fn siblings_of_one_name_are_counted() {
    let entries = of(
        Some(&definition(
            "",
            &(role("A", "") + "<Other />" + &role("B", "")),
        )),
        &[],
    );
    let names: Vec<_> = entries
        .iter()
        .filter(|entry| entry.path.ends_with("/@name"))
        .map(|entry| (entry.path.as_str(), entry.value.as_deref().unwrap()))
        .collect();
    assert_eq!(
        names,
        [
            ("ServiceDefinition/@name", "S"),
            ("ServiceDefinition/WorkerRole[1]/@name", "A"),
            ("ServiceDefinition/WorkerRole[2]/@name", "B"),
        ]
    );
}

#[test]
fn namespace_declarations_are_no_attributes_and_prefixes_are_shown() {
    let text = "<d:ServiceDefinition xmlns:d=\"http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceDefinition\" \
                xmlns:o=\"urn:o\" name=\"S\" o:a=\"1\" xml:lang=\"en\"><o:Thing b=\"2\" /></d:ServiceDefinition>";
    let entries = of(Some(text), &[]);
    let paths: Vec<_> = entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "ServiceDefinition",
            "ServiceDefinition/@name",
            "ServiceDefinition/@o:a",
            "ServiceDefinition/@xml:lang",
            "ServiceDefinition/Thing[1]",
            "ServiceDefinition/Thing[1]/@b",
        ]
    );
    assert_eq!(verdict(&entries, "/@o:a").0, Verdict::Refused);
    assert_eq!(verdict(&entries, "/@b").0, Verdict::Refused);
}

#[test]
fn what_an_error_points_at_is_refused_for_it() {
    let entries = of(
        Some(&definition(
            "upgradeDomainCount=\"21\"",
            &role("W", "<LocalStorage name=\"A\" sizeInMB=\"x\" />"),
        )),
        &[],
    );
    let (count, why) = verdict(&entries, "/@upgradeDomainCount");
    assert_eq!(count, Verdict::Refused);
    assert!(why.contains("20"), "{why}");
    let (size, why) = verdict(&entries, "/@sizeInMB");
    assert_eq!(size, Verdict::Refused);
    assert!(why.contains("whole number"), "{why}");
    assert_eq!(verdict(&entries, "LocalStorage[1]").0, Verdict::Honoured);
}

#[test]
fn a_configured_role_that_is_not_run_is_refused_as_its_definition_is() {
    let definition = definition("", &(role("W", "") + "<WebRole name=\"X\" />"));
    let configuration = configuration(&(configured("W", "") + &configured("X", "")));
    let entries = of(Some(&definition), &[&configuration]);
    assert_eq!(verdict(&entries, "/Role[1]").0, Verdict::Honoured);
    assert_eq!(verdict(&entries, "/Role[2]").0, Verdict::Refused);
    assert_eq!(
        verdict(&entries, "/Role[2]/Instances[1]/@count").0,
        Verdict::Refused
    );
    let alone = of(None, &[&configuration]);
    assert_eq!(verdict(&alone, "/Role[2]").0, Verdict::Honoured);
}

#[test]
fn each_configuration_has_its_own_part() {
    let configuration = configuration(&configured("W", ""));
    let entries = of(
        Some(&definition("", &role("W", ""))),
        &[&configuration, &configuration],
    );
    let files: Vec<_> = entries
        .iter()
        .filter(|entry| !entry.path.contains('/'))
        .map(|entry| entry.file)
        .collect();
    assert_eq!(files.len(), 3);
    assert!(files.is_sorted());
}

#[test]
fn a_wrong_root_is_refused_with_all_inside() {
    let entries = of(Some("<Task commandLine=\"a\"><Environment /></Task>"), &[]);
    assert_eq!(entries.len(), 3);
    assert!(
        entries
            .iter()
            .all(|entry| entry.verdict == Verdict::Refused)
    );
}

#[test]
fn a_malformed_file_has_no_ledger() {
    let mut sources = Sources::new();
    let good = sources.add("a.csdef", definition("", &role("W", "")));
    let bad = sources.add("a.cscfg", "<a>");
    let input = LedgerInput {
        definition: Some(good),
        configurations: &[bad],
        find_program: None,
    };
    let mut n_entries = 0;
    let listed = schema::ledger(&sources, &input, &mut |_| n_entries += 1);
    let findings = listed.unwrap_err();
    assert!(findings.iter().all(|finding| finding.primary.file == bad));
    assert_eq!((findings.len(), n_entries), (1, 0));
}

#[test]
fn a_windows_script_runs_as_what_stands_beside_it_or_not_at_all() {
    let line = "/Task[1]/@commandLine";
    let task = "<Startup><Task commandLine=\"setup.cmd a\"><Environment /></Task></Startup>";
    let mut sources = Sources::new();
    let file = sources.add("a.csdef", definition("", &role("W", task)));
    let with = |find: &dyn Fn(&str, &str) -> Option<String>| {
        let input = LedgerInput {
            definition: Some(file),
            configurations: &[],
            find_program: Some(find),
        };
        ledger(&sources, &input)
    };
    let beside = with(&|role, word| {
        assert_eq!((role, word), ("W", "setup.cmd"));
        Some("setup.sh".to_owned())
    });
    assert_eq!(
        verdict(&beside, line),
        (Verdict::Translated, "into `setup.sh`, which runs instead")
    );
    assert_eq!(verdict(&beside, "/Task[1]").0, Verdict::Translated);
    assert_eq!(verdict(&beside, "/Environment[1]").0, Verdict::Honoured);
    for found in [None, Some("setup.cmd".to_owned())] {
        let alone = with(&move |_, _| found.clone());
        let (of_line, why) = verdict(&alone, line);
        assert_eq!(of_line, Verdict::Refused);
        assert!(
            why.contains("not yet") && why.contains("`setup.sh`"),
            "{why}"
        );
        assert_eq!(verdict(&alone, "/Task[1]").0, Verdict::Refused);
        assert_eq!(verdict(&alone, "/Environment[1]").0, Verdict::Refused);
    }
}

#[test]
fn an_executable_of_windows_runs_as_the_file_of_its_stem_where_it_is_not_there_itself() {
    let task = "<Startup><Task commandLine=\"tool.exe\" /></Startup>";
    let text = definition("", &role("W", task));
    let line = "/Task[1]/@commandLine";
    assert_eq!(
        verdict(&of(Some(&text), &[]), line),
        (
            Verdict::Translated,
            "into `tool`, unless there is a `tool.exe`"
        )
    );
    let mut sources = Sources::new();
    let file = sources.add("a.csdef", text);
    let with = |found: &'static str| {
        let input = LedgerInput {
            definition: Some(file),
            configurations: &[],
            find_program: Some(&move |_, _| Some(found.to_owned())),
        };
        ledger(&sources, &input)
    };
    assert_eq!(verdict(&with("tool"), line).0, Verdict::Translated);
    assert_eq!(verdict(&with("tool.exe"), line).0, Verdict::Honoured);
}
