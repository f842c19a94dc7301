//! `approot package diff`: what tells two packages apart.
//!
//! Both are checked as a whole first. Files are compared by the digests of their manifests, and
//! definitions by what they mean; a definition that is written otherwise and means the same shows
//! as a changed file alone. Signatures lie beside packages, and are shown apart. That there is a
//! difference is no failure.

use std::collections::BTreeMap;

use packager::{Content, Manifest, ManifestFile, Mode, Signing};
use schema::{Definition, InternalPorts, PortSpecifier, RoleDefinition};
use serde::Serialize;

use crate::cli::{DiffArguments, Format};
use crate::exit::{self, Outcome};
use crate::inspect::definition_of;
use crate::{show, signing};

/// What tells two packages apart, in the form for programs.
#[derive(Debug, Serialize)]
struct Difference {
    /// Whether the two are the same byte for byte.
    equal: bool,
    files: Vec<Change>,
    roles: Vec<Change>,
    endpoints: Vec<Change>,
    settings: Vec<Change>,
    signatures: Vec<Change>,
}

/// Something that stands in one of the two, or differs in both.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct Change {
    /// The path of a file, the name of a role, `Role/Name`, or `signature`.
    name: String,
    change: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Side>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Side>,
}

#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Added,
    Removed,
    Changed,
}

/// One of the two, as far as it is compared.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[serde(untagged)]
enum Side {
    File {
        bytes: u64,
        executable: bool,
        sha256: String,
    },
    Link {
        target: String,
    },
    /// An endpoint, a role or a signature in words.
    Text(String),
}

/// Compares two packages.
pub(crate) fn diff(arguments: &DiffArguments) -> Outcome {
    let (before, signing_before) = signing::open(&arguments.before, &arguments.trust)?;
    let (after, signing_after) = signing::open(&arguments.after, &arguments.trust)?;
    let definition_before = definition_of(&before, &arguments.before.display().to_string())?;
    let definition_after = definition_of(&after, &arguments.after.display().to_string())?;
    let difference = Difference {
        equal: before.report().sha256 == after.report().sha256,
        files: changes(&files(before.manifest()), &files(after.manifest())),
        roles: changes(&roles(&definition_before), &roles(&definition_after)),
        endpoints: changes(
            &endpoints(&definition_before),
            &endpoints(&definition_after),
        ),
        settings: changes(&settings(&definition_before), &settings(&definition_after)),
        signatures: changes(&signature(&signing_before), &signature(&signing_after)),
    };
    match arguments.format {
        Format::Human => show::words(&human(&difference)),
        Format::Json => show::json(&difference)?,
    }
    Ok(exit::DONE)
}

fn signature(signing: &Signing) -> BTreeMap<String, Side> {
    match signing {
        Signing::Unsigned => BTreeMap::new(),
        _ => {
            let words = Side::Text(signing::words(signing));
            BTreeMap::from([("signature".to_owned(), words)])
        }
    }
}

fn files(manifest: &Manifest) -> BTreeMap<String, Side> {
    let side = |file: &ManifestFile| match &file.content {
        Content::File {
            bytes,
            mode,
            sha256,
        } => Side::File {
            bytes: *bytes,
            executable: *mode == Mode::Executable,
            sha256: sha256.to_string(),
        },
        Content::Symlink { target } => Side::Link {
            target: target.clone(),
        },
    };
    let files = manifest.files.iter();
    files.map(|file| (file.path.clone(), side(file))).collect()
}

fn roles(definition: &Definition) -> BTreeMap<String, Side> {
    let side = |role: &RoleDefinition| Side::Text(format!("vmsize {}", role.vmsize));
    let roles = definition.roles.iter();
    roles.map(|role| (role.name.clone(), side(role))).collect()
}

fn settings(definition: &Definition) -> BTreeMap<String, Side> {
    let of_role = |role: &RoleDefinition| {
        let names = role.settings.iter();
        let names = names.map(|name| {
            (
                format!("{}/{name}", role.name),
                Side::Text("declared".to_owned()),
            )
        });
        names.collect::<Vec<_>>()
    };
    definition.roles.iter().flat_map(of_role).collect()
}

fn endpoints(definition: &Definition) -> BTreeMap<String, Side> {
    definition.roles.iter().flat_map(endpoints_of).collect()
}

fn endpoints_of(role: &RoleDefinition) -> Vec<(String, Side)> {
    let input = role.input_endpoints.iter().map(|endpoint| {
        let local = port(endpoint.local_port);
        let text = format!("input {} {} to {local}", endpoint.protocol, endpoint.port);
        (&endpoint.name, text)
    });
    let internal = role.internal_endpoints.iter().map(|endpoint| {
        let ports = match &endpoint.ports {
            InternalPorts::Any => "*".to_owned(),
            InternalPorts::OneOf(ranges) => {
                let ranges = ranges
                    .iter()
                    .map(|range| format!("{}-{}", range.start(), range.end()));
                ranges.collect::<Vec<_>>().join(",")
            }
        };
        (
            &endpoint.name,
            format!("internal {} {ports}", endpoint.protocol),
        )
    });
    let instance = role.instance_input_endpoints.iter().map(|endpoint| {
        let text = format!(
            "instance input {} to {}",
            endpoint.protocol, endpoint.local_port
        );
        (&endpoint.name, text)
    });
    let all = input.chain(internal).chain(instance);
    all.map(|(name, text)| (format!("{}/{name}", role.name), Side::Text(text)))
        .collect()
}

fn port(port: PortSpecifier) -> String {
    match port {
        PortSpecifier::Fixed(port) => port.to_string(),
        PortSpecifier::Any => "*".to_owned(),
    }
}

/// What differs, by name.
fn changes(before: &BTreeMap<String, Side>, after: &BTreeMap<String, Side>) -> Vec<Change> {
    let removed = before.keys().filter(|name| !after.contains_key(*name));
    let mut names: Vec<&String> = removed.chain(after.keys()).collect();
    names.sort();
    let changes = names.into_iter().filter_map(|name| {
        let (before, after) = (before.get(name).cloned(), after.get(name).cloned());
        let change = match (&before, &after) {
            (None, _) => Kind::Added,
            (_, None) => Kind::Removed,
            (Some(before), Some(after)) if before != after => Kind::Changed,
            _ => return None,
        };
        Some(Change {
            name: name.clone(),
            change,
            before,
            after,
        })
    });
    changes.collect()
}

fn human(difference: &Difference) -> String {
    let sections = [
        ("roles", &difference.roles),
        ("endpoints", &difference.endpoints),
        ("settings", &difference.settings),
        ("files", &difference.files),
    ];
    let sections = sections.map(|(title, changes)| section(title, changes));
    let mut text = sections.concat();
    if difference.equal {
        text += "the two packages are the same, byte for byte\n";
    } else if text.is_empty() {
        // Compressed otherwise, or written by another version.
        text += "the two packages hold the same, and differ in how they hold it\n";
    }
    text + &section("signatures", &difference.signatures)
}

/// Empty where nothing differs.
fn section(title: &str, changes: &[Change]) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let lines: String = changes.iter().map(line).collect();
    format!("{title}\n{lines}")
}

fn line(change: &Change) -> String {
    let name = change.name.escape_debug();
    match (change.change, &change.before, &change.after) {
        (Kind::Added, _, Some(after)) => format!("  + {name}{}\n", words(after)),
        (Kind::Removed, Some(before), _) => format!("  - {name}{}\n", words(before)),
        (_, Some(before), Some(after)) => {
            format!("  ~ {name}{} ->{}\n", words(before), words(after))
        }
        _ => format!("  ~ {name}\n"),
    }
}

fn words(side: &Side) -> String {
    match side {
        Side::File {
            bytes, executable, ..
        } => format!(
            " {bytes} bytes{}",
            if *executable { " executable" } else { "" }
        ),
        Side::Link { target } => format!(" link to {}", target.escape_debug()),
        Side::Text(text) => format!(" {}", text.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(bytes: u64) -> Side {
        Side::File {
            bytes,
            executable: false,
            sha256: bytes.to_string(),
        }
    }

    #[test]
    fn files_are_added_removed_changed_or_the_same() {
        let map = |files: &[(&str, u64)]| -> BTreeMap<String, Side> {
            let files = files.iter();
            files
                .map(|(name, bytes)| ((*name).to_owned(), side(*bytes)))
                .collect()
        };
        let before = map(&[("a", 1), ("b", 1), ("d", 1)]);
        let after = map(&[("b", 1), ("c", 1), ("d", 2)]);
        let difference = Difference {
            equal: false,
            files: changes(&before, &after),
            roles: Vec::new(),
            endpoints: Vec::new(),
            settings: Vec::new(),
            signatures: Vec::new(),
        };
        assert_eq!(
            human(&difference),
            "files\n  - a 1 bytes\n  + c 1 bytes\n  ~ d 1 bytes -> 2 bytes\n"
        );
        assert!(changes(&before, &before).is_empty());
        let json = serde_json::to_string(&difference.files[0]).unwrap();
        assert_eq!(
            json,
            r#"{"name":"a","change":"removed","before":{"bytes":1,"executable":false,"sha256":"1"}}"#
        );
    }
}
