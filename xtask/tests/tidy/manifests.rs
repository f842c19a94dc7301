//! What each `Cargo.toml` takes from the root's, and why the root has it.

use crate::files::{File, files, none};

/// A line of a manifest, with the section in which it stands.
struct Line<'a> {
    section: &'a str,
    text: &'a str,
    /// Above it, with no blank line between, stands a comment.
    is_explained: bool,
}

fn lines(manifest: &File) -> Vec<Line<'_>> {
    let mut section = "";
    let mut is_explained = false;
    let mut lines = Vec::new();
    for text in manifest.text.lines() {
        match text.chars().next() {
            None => is_explained = false,
            Some('#') => is_explained = true,
            Some('[') => (section, is_explained) = (text, false),
            Some(_) => lines.push(Line {
                section,
                text,
                is_explained,
            }),
        }
    }
    lines
}

fn manifests() -> (File, Vec<File>) {
    let mut manifests = files(&["toml"]);
    manifests.retain(|file| file.has_name("Cargo.toml"));
    let root = manifests
        .iter()
        .position(|file| file.path.as_os_str() == "Cargo.toml");
    let root = manifests.remove(root.expect("the workspace has a root"));
    // Fuzz targets are workspaces of their own, as they are built with other flags.
    manifests.retain(|file| !file.text.lines().any(|line| line == "[workspace]"));
    (root, manifests)
}

#[test]
fn every_package_has_the_lints_of_the_workspace() {
    let (_, members) = manifests();
    let without = members.iter().filter(|member| {
        let mut lines = lines(member).into_iter();
        !lines.any(|line| line.section == "[lints]" && line.text == "workspace = true")
    });
    none(
        "a package says `[lints] workspace = true`",
        without
            .map(|member| member.path.display().to_string())
            .collect(),
    );
}

#[test]
fn every_version_stands_in_the_root() {
    let (_, members) = manifests();
    let mut faults = Vec::new();
    for member in &members {
        let dependencies = lines(member)
            .into_iter()
            .filter(|line| line.section.contains("dependencies"));
        let own = dependencies.filter(|line| {
            let line = line.text.replace(' ', "");
            !line.contains("workspace=true")
        });
        faults.extend(own.map(|line| format!("{}: {}", member.path.display(), line.text)));
    }
    none(
        "a dependency is `workspace = true`; its version stands in the root",
        faults,
    );
}

#[test]
fn every_dependency_has_a_reason() {
    let (root, _) = manifests();
    let dependencies = lines(&root)
        .into_iter()
        .filter(|line| line.section == "[workspace.dependencies]");
    let unexplained = dependencies.filter(|line| !line.is_explained);
    none(
        "a dependency stands below a comment that says what it, or its group, is for",
        unexplained.map(|line| line.text.to_owned()).collect(),
    );
}
