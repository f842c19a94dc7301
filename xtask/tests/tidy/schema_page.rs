//! `docs/schema-page.md` names tests that exist, for every part that the schema page of 2011 has.
//!
//! Whether a test shows what its row says is left to readers; `schema` compares the verdicts with its
//! ledger.

use std::path::Path;

use crate::files::{File, files, none};

/// The elements of the page with their attributes: those of its syntax, and the two that only its tables
/// have.
const PARTS: &[(&str, &[&str])] = &[
    ("ServiceDefinition", &["name", "upgradeDomainCount"]),
    (
        "WorkerRole",
        &["name", "vmsize", "enableNativeCodeExecution"],
    ),
    ("Certificates", &[]),
    (
        "Certificate",
        &["name", "storeLocation", "storeName", "permissionLevel"],
    ),
    ("ConfigurationSettings", &[]),
    ("Setting", &["name"]),
    ("Endpoints", &[]),
    (
        "InputEndpoint",
        &[
            "name",
            "protocol",
            "localPort",
            "port",
            "certificate",
            "ignoreRoleInstanceStatus",
        ],
    ),
    ("InternalEndpoint", &["name", "protocol", "port"]),
    ("FixedPort", &["port"]),
    ("FixedPortRange", &["min", "max"]),
    ("Imports", &[]),
    ("Import", &["moduleName"]),
    ("LocalResources", &[]),
    ("LocalStorage", &["name", "cleanOnRoleRecycle", "sizeInMB"]),
    ("Runtime", &["executionContext"]),
    ("Environment", &[]),
    ("Variable", &["name", "value"]),
    ("RoleInstanceValue", &["xpath"]),
    ("EntryPoint", &[]),
    (
        "NetFxEntryPoint",
        &["assemblyName", "targetFrameworkVersion"],
    ),
    (
        "ProgramEntryPoint",
        &["commandLine", "setReadyOnProcessStart"],
    ),
    ("Startup", &["priority"]),
    ("Task", &["commandLine", "executionContext", "taskType"]),
    ("Contents", &[]),
    ("Content", &["destination"]),
    ("SourceDirectory", &["path"]),
];

/// How many contradictions the second table resolves.
const RESOLUTIONS: usize = 22;

/// A row of one of the two tables.
struct Row {
    number: usize,
    /// The element or attribute; empty in the table of contradictions.
    part: String,
    tests: Vec<String>,
}

fn page() -> String {
    let mut pages = files(&["md"]).into_iter();
    let page = pages.find(|file| file.path == Path::new("docs/schema-page.md"));
    page.expect("the page is there").text
}

/// The rows of both tables; they differ in their number of cells.
fn tables(page: &str) -> [Vec<Row>; 2] {
    let mut tables = [Vec::new(), Vec::new()];
    for line in page.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let (table, number, part, tests) = match cells[..] {
            ["", number, part, _, _, tests, ""] => (0, number, part, tests),
            ["", number, _, _, tests, ""] => (1, number, "", tests),
            _ => continue,
        };
        // Heads and rules of tables have no number.
        let Ok(number) = number.parse() else { continue };
        let tests = tests
            .split(',')
            .map(|test| test.trim().trim_matches('`').to_owned());
        tables[table].push(Row {
            number,
            part: part.trim_matches('`').to_owned(),
            tests: tests.filter(|test| !test.is_empty()).collect(),
        });
    }
    tables
}

/// The modules from the crate down that a file holds: `schema::it::boundaries`.
fn module(file: &File) -> Option<String> {
    let path = file.path.with_extension("");
    let steps: Option<Vec<&str>> = path.iter().map(|step| step.to_str()).collect();
    let ["crates", name, "src" | "tests", modules @ ..] = &steps?[..] else {
        return None;
    };
    let mut modules = vec![&*name.replace('-', "_")]
        .into_iter()
        .chain(modules.iter().copied())
        .map(str::to_owned)
        .collect::<Vec<_>>();
    if modules
        .last()
        .is_some_and(|last| matches!(&**last, "lib" | "main" | "mod"))
    {
        modules.pop();
    }
    Some(modules.join("::"))
}

/// Whether a file has this function with the mark of a test.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<_> = text.lines().map(str::trim_start).collect();
    let (plain, of_runtime) = (format!("fn {name}("), format!("async fn {name}("));
    let is_it = |line: &&str| line.starts_with(&plain) || line.starts_with(&of_runtime);
    let Some(at) = lines.iter().position(is_it) else {
        return false;
    };
    let attributes = lines[..at]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("#["));
    attributes
        .into_iter()
        .any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
}

fn exists(sources: &[(String, File)], test: &str) -> bool {
    let Some((path, name)) = test.rsplit_once("::") else {
        return false;
    };
    // Unit tests may stand in a file of their own or in a module at the end of their source.
    let inline = path.strip_suffix("::tests");
    let mut files = sources
        .iter()
        .filter(|(module, _)| module == path || Some(&**module) == inline);
    files.any(|(_, file)| has_test(&file.text, name))
}

#[test]
fn every_row_names_tests_that_exist() {
    let sources = files(&["rs"]).into_iter();
    let sources: Vec<_> = sources
        .filter_map(|file| Some((module(&file)?, file)))
        .collect();
    let mut faults = Vec::new();
    for (table, rows) in (1..).zip(tables(&page())) {
        for Row { number, tests, .. } in rows {
            if tests.is_empty() {
                faults.push(format!("table {table}, row {number}: no test"));
            }
            let missing = tests.iter().filter(|test| !exists(&sources, test));
            faults.extend(missing.map(|test| format!("table {table}, row {number}: `{test}`")));
        }
    }
    none(
        "a row of docs/schema-page.md names tests, each of which is one",
        faults,
    );
}

#[test]
fn every_element_and_attribute_of_the_page_has_a_row() {
    let [statements, _] = tables(&page());
    let parts = PARTS.iter().flat_map(|(element, attributes)| {
        let attributes = attributes
            .iter()
            .map(move |attribute| format!("{element}/@{attribute}"));
        std::iter::once((*element).to_owned()).chain(attributes)
    });
    let known: Vec<_> = parts.collect();
    let has_row = |part: &String| statements.iter().any(|row| row.part == *part);
    none(
        "docs/schema-page.md has a row for it",
        known
            .iter()
            .filter(|part| !has_row(part))
            .cloned()
            .collect(),
    );
    let is_known = |row: &&Row| row.part == "file" || known.contains(&row.part);
    let others = statements.iter().filter(|row| !is_known(row));
    none(
        "a row of docs/schema-page.md is about a part of that page",
        others
            .map(|row| format!("row {}: `{}`", row.number, row.part))
            .collect(),
    );
}

#[test]
fn rows_are_numbered_and_every_contradiction_is_resolved() {
    let tables = tables(&page());
    for rows in &tables {
        let numbers = rows.iter().map(|row| row.number);
        assert!(numbers.eq(1..=rows.len()), "rows are numbered from 1");
    }
    assert_eq!(tables[1].len(), RESOLUTIONS);
}

#[test]
fn a_test_is_a_function_with_its_mark() {
    let text = "#[test]\nfn a() {}\n\nfn b() {}\n\n    #[tokio::test(flavor = \"x\")]\n    async fn c() {}\n";
    assert!(has_test(text, "a") && has_test(text, "c"));
    assert!(!has_test(text, "b") && !has_test(text, "d"));
}
