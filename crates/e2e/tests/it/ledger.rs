//! `approot ledger`: the list as its contract has it, from files, folders and packages.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use e2e::service::{binary, workspace, write, write_script};
use serde_json::Value;

fn ledger(arguments: &[&str]) -> Output {
    Command::new(binary("approot"))
        .arg("ledger")
        .args(arguments)
        .output()
        .unwrap()
}

/// The entries as programs get them, with nothing said beside them.
#[track_caller]
fn entries(arguments: &[&str]) -> Vec<Value> {
    let output = ledger(&[arguments, &["--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The entry whose path ends so.
#[track_caller]
fn entry<'e>(entries: &'e [Value], path: &str) -> &'e Value {
    let is_it = |entry: &&Value| entry["path"].as_str().unwrap().ends_with(path);
    entries.iter().find(is_it).expect("there is such an entry")
}

fn complete(extension: &str) -> PathBuf {
    workspace()
        .join("crates/schema/test_data/ledger")
        .join(format!("complete.{extension}"))
}

/// A service whose one startup task is a Windows script.
fn with_script(folder: &Path) {
    let parts = r#"<Startup><Task commandLine="setup.cmd" /></Startup>
<Runtime><EntryPoint><ProgramEntryPoint commandLine="run.sh" setReadyOnProcessStart="true" /></EntryPoint></Runtime>"#;
    write(folder, parts, 1, vec![]);
    write_script(folder, "run.sh", "exec sleep 60");
}

#[test]
fn every_element_and_attribute_has_an_entry() {
    if !test_support::has_program("xmllint") {
        return;
    }
    for extension in ["csdef", "cscfg"] {
        let file = complete(extension);
        let counted = Command::new("xmllint")
            .args(["--xpath", "count(//*) + count(//@*)"])
            .arg(&file)
            .output()
            .unwrap();
        let counted: usize = String::from_utf8(counted.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let entries = entries(&[file.to_str().unwrap()]);
        assert_eq!(entries.len(), counted);
    }
}

#[test]
fn an_entry_has_the_shape_of_its_contract() {
    let file = complete("csdef");
    let file = file.to_str().unwrap();
    let entries = entries(&[file]);
    let size = entry(&entries, "ServiceDefinition/WorkerRole[1]/@vmsize");
    let how = size["how"].as_str().unwrap();
    assert!(how.starts_with("by the host"), "{how}");
    let expected = serde_json::json!({
        "file": file, "line": 9, "column": 29,
        "path": "ServiceDefinition/WorkerRole[1]/@vmsize", "value": "Medium",
        "verdict": "honoured", "how": how,
    });
    assert_eq!(*size, expected);
    assert_eq!(entry(&entries, "WorkerRole[1]")["value"], Value::Null);
    let verdicts = entries
        .iter()
        .map(|entry| entry["verdict"].as_str().unwrap());
    for verdict in verdicts {
        assert!(
            ["honoured", "translated", "refused"].contains(&verdict),
            "{verdict}"
        );
    }
}

#[test]
fn people_get_a_line_an_entry() {
    let file = complete("cscfg");
    let output = ledger(&[file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    let line = format!(
        "{}:4:4: honoured: ServiceConfiguration/Role[1]: ",
        file.display()
    );
    assert!(text.lines().any(|found| found.starts_with(&line)), "{text}");
}

#[test]
fn a_file_named_alone_is_read_alone_and_a_folder_with_all_it_has() {
    let folder = tempfile::tempdir().unwrap();
    with_script(folder.path());
    let folder = folder.path().to_str().unwrap();
    let (definition, configuration) = (
        format!("{folder}/ServiceDefinition.csdef"),
        format!("{folder}/ServiceConfiguration.Local.cscfg"),
    );
    let alone = entries(&[&definition]);
    let named = entries(&[&definition, "--configuration", "Local"]);
    assert_eq!(named.len(), alone.len() + entries(&[&configuration]).len());
    assert_eq!(entries(&[folder]).len(), named.len());
}

#[test]
fn a_script_is_translated_where_one_for_this_system_stands_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    with_script(folder.path());
    let task = "Task[1]/@commandLine";
    let path = folder.path().to_str().unwrap();
    assert_eq!(entry(&entries(&[path]), task)["verdict"], "refused");
    write_script(folder.path(), "setup.sh", "true");
    let translated = entries(&[path]);
    assert_eq!(entry(&translated, task)["verdict"], "translated");
    let how = entry(&translated, task)["how"].as_str().unwrap();
    assert!(how.contains("setup.sh"), "{how}");
    // The package has the same files.
    let out = folder.path().join("out");
    let built = Command::new(binary("approot"))
        .args(["package", "build", path, "--out"])
        .arg(&out)
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    let package = out.join("FixtureCloud.cspkg.tar.gz");
    let packed = entries(&[package.to_str().unwrap()]);
    assert_eq!(entry(&packed, task)["verdict"], "translated");
}

#[test]
fn a_service_with_errors_has_its_list_and_a_malformed_file_has_none() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "<Startup><Task /></Startup>", 1, vec![]);
    let path = folder.path().to_str().unwrap();
    let entries = entries(&[path]);
    let task = entry(&entries, "Task[1]");
    assert_eq!(task["verdict"], "refused");
    assert_eq!(task["how"], "`Task` has no `commandLine`");

    for (text, said) in [
        (
            "<ServiceDefinition><WorkerRole></ServiceDefinition>",
            "WorkerRole",
        ),
        ("<x:ServiceDefinition />", "prefix"),
        ("<!DOCTYPE a><ServiceDefinition />", "DOCTYPE"),
    ] {
        let file = folder.path().join("ServiceDefinition.csdef");
        std::fs::write(&file, text).unwrap();
        let output = ledger(&[path, "--format", "json"]);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(words.contains(said), "{words}");
    }
    let missing = ledger(&[&format!("{path}/no.csdef")]);
    assert_eq!(missing.status.code(), Some(3), "{missing:?}");
}
