//! `approot package inspect` and `unpack`: what is in a package, or would be in one.
//!
//! A package is accepted by its signature, where somebody is to be trusted, and checked as a whole
//! before anything of it is shown or written. Names from it are printed so that no terminal acts
//! upon them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use diagnostics::Sources;
use packager::{Content, EntryKind, Mode, Opened, SbomSummary, Signing};
use serde::{Serialize, Serializer};

use crate::cli::{Format, InspectArguments, UnpackArguments};
use crate::exit::{self, Failure, Outcome};
use crate::service::{self, Location, Words};
use crate::{show, signing, staging};

/// What `inspect` tells, in the form for programs.
#[derive(Serialize)]
struct Inspected {
    service: String,
    roles: Vec<Role>,
    /// Absent where a folder was inspected.
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<Package>,
}

#[derive(Serialize)]
struct Role {
    name: String,
    files: usize,
    bytes: u64,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    path: String,
    #[serde(flatten)]
    content: EntryContent,
    /// Where it comes from, in a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<PathBuf>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum EntryContent {
    File {
        bytes: u64,
        executable: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
    Link {
        target: String,
    },
}

#[derive(Serialize)]
struct Package {
    path: PathBuf,
    bytes: u64,
    sha256: String,
    packager: String,
    /// What its signature says; null where there is none.
    #[serde(serialize_with = "for_programs")]
    signature: Signing,
    sbom: Sbom,
}

#[derive(Serialize)]
struct Sbom {
    files: usize,
    libraries: usize,
    others: usize,
}

/// Shows the tree of a package, or what would be in the one of a service folder.
pub(crate) fn inspect(arguments: &InspectArguments) -> Outcome {
    let path = arguments.path.as_deref();
    let inspected = match path.filter(|path| packager::is_package(path)) {
        Some(package) => {
            let (opened, signing) = signing::open(package, &arguments.trust)?;
            of_package(&opened, signing)?
        }
        None => of_folder(&definition(arguments)?, &arguments.binaries)?,
    };
    match arguments.format {
        Format::Human => show::words(&human(&inspected)),
        Format::Json => show::json(&inspected)?,
    }
    Ok(exit::DONE)
}

/// Finds the definition of what is no package.
fn definition(arguments: &InspectArguments) -> Result<PathBuf, Failure> {
    if !arguments.trust.trusted.is_empty() {
        return Err(signing::no_package());
    }
    match Location::find(arguments.path.as_deref())? {
        Location::Definition(path) => Ok(path),
        Location::Package(opened) => {
            let path = opened.report().path;
            let error = anyhow!("it became a package just now: {}", path.display());
            Err(exit::with(exit::FAILED, error))
        }
    }
}

/// Puts the tree of a package into a folder.
pub(crate) fn unpack(arguments: &UnpackArguments) -> Outcome {
    let (opened, signing) = signing::open(&arguments.package, &arguments.trust)?;
    let staged = opened.unpack(&arguments.out).map_err(|error| {
        let status = if error.is_invalid() {
            exit::INVALID
        } else {
            exit::FAILED
        };
        exit::with(status, error)
    })?;
    let n_files = staged.manifest.files.len();
    match arguments.format {
        Format::Human => show::line(&format!(
            "{}: the package of service {}, {n_files} files\n{}",
            staged.root.display(),
            staged.manifest.service,
            signing::words(&signing)
        )),
        Format::Json => show::json(&serde_json::json!({
            "folder": staged.root,
            "service": staged.manifest.service,
            "roles": staged.manifest.roles,
            "files": n_files,
            "signature": signing::json(&signing),
        }))?,
    }
    Ok(exit::DONE)
}

fn of_package(opened: &Opened, signature: Signing) -> Result<Inspected, Failure> {
    let manifest = opened.manifest();
    let roles = manifest.roles.iter().map(|role| {
        let entries = manifest.files_of(role).map(|(path, file)| Entry {
            path: path.to_owned(),
            content: match &file.content {
                Content::File {
                    bytes,
                    mode,
                    sha256,
                } => EntryContent::File {
                    bytes: *bytes,
                    executable: *mode == Mode::Executable,
                    sha256: Some(sha256.to_string()),
                },
                Content::Symlink { target } => EntryContent::Link {
                    target: target.clone(),
                },
            },
            source: None,
        });
        Role::new(role, entries.collect())
    });
    let report = opened.report();
    let sbom = opened.sbom_summary();
    let SbomSummary {
        files,
        libraries,
        others,
    } = sbom.map_err(|error| exit::with(exit::FAILED, error))?;
    Ok(Inspected {
        service: report.service,
        roles: roles.collect(),
        package: Some(Package {
            signature,
            path: report.path,
            bytes: report.bytes,
            sha256: report.sha256.to_string(),
            packager: report.packager_version,
            sbom: Sbom {
                files,
                libraries,
                others,
            },
        }),
    })
}

fn for_programs<S: Serializer>(signature: &Signing, serializer: S) -> Result<S::Ok, S::Error> {
    signing::json(signature).serialize(serializer)
}

fn of_folder(definition: &Path, binaries: &[(String, PathBuf)]) -> Result<Inspected, Failure> {
    let mut sources = Sources::new();
    let mut findings = Vec::new();
    let file = service::read(&mut sources, definition, &mut findings);
    let checked = file.map(|file| schema::check_definition(&sources, file));
    let checked = checked.and_then(|checked| {
        findings.extend(checked.findings);
        checked.definition
    });
    let checked = service::report(&sources, findings, Words::Warnings, checked)?;
    let source = service::source(&checked, definition, binaries)?;
    let listing = packager::list(&source).map_err(|error| staging::invalid(definition, error))?;
    let roles = listing.roles.iter().map(|role| {
        let entries = listing.entries_of(role).map(|(path, entry)| Entry {
            path: path.to_owned(),
            content: match &entry.kind {
                EntryKind::File { mode, bytes } => EntryContent::File {
                    bytes: *bytes,
                    executable: *mode == Mode::Executable,
                    sha256: None,
                },
                EntryKind::Symlink { target } => EntryContent::Link {
                    target: target.clone(),
                },
            },
            source: Some(entry.origin.clone()),
        });
        Role::new(role, entries.collect())
    });
    Ok(Inspected {
        roles: roles.collect(),
        service: listing.service,
        package: None,
    })
}

impl Role {
    fn new(name: &str, entries: Vec<Entry>) -> Role {
        let bytes = entries.iter().map(|entry| match entry.content {
            EntryContent::File { bytes, .. } => bytes,
            EntryContent::Link { .. } => 0,
        });
        Role {
            name: name.to_owned(),
            files: entries.len(),
            bytes: bytes.sum(),
            entries,
        }
    }
}

/// The tree with a size before each file, and what else there is to say above it.
fn human(inspected: &Inspected) -> String {
    let mut text = format!("service {}\n", inspected.service.escape_debug());
    if let Some(package) = &inspected.package {
        let Package {
            path,
            bytes,
            sha256,
            packager,
            signature,
            sbom,
        } = package;
        let signature = signing::words(signature);
        text += &format!(
            "package {}, {bytes} bytes, written by packager {packager}\nsha256 {sha256}\n{signature}\nbill of materials {} files, {} libraries, {} others\n",
            path.display(),
            sbom.files,
            sbom.libraries,
            sbom.others
        );
    }
    for role in &inspected.roles {
        let Role {
            name, files, bytes, ..
        } = role;
        text += &format!(
            "role {}: {files} files, {bytes} bytes\n",
            name.escape_debug()
        );
        text += &tree(&role.entries);
    }
    text
}

/// One line for each file and link, and for each folder before what lies in it.
fn tree(entries: &[Entry]) -> String {
    let mut text = String::new();
    let mut folders = BTreeSet::new();
    for entry in entries {
        for (end, _) in entry.path.match_indices('/') {
            if folders.insert(&entry.path[..end]) {
                text += &line("", &entry.path[..=end], "");
            }
        }
        text += &match &entry.content {
            EntryContent::File {
                bytes, executable, ..
            } => line(
                &bytes.to_string(),
                &entry.path,
                if *executable { "*" } else { "" },
            ),
            EntryContent::Link { target } => {
                line("", &entry.path, &format!(" -> {}", target.escape_debug()))
            }
        };
    }
    text
}

/// A path by its last step, indented by those above it.
fn line(size: &str, path: &str, after: &str) -> String {
    let steps = path.trim_end_matches('/');
    let depth = steps.matches('/').count();
    let at = steps.rfind('/').map_or(0, |slash| slash + 1);
    let name = path[at..].escape_debug();
    format!(
        "{size:>14}  {:indent$}{name}{after}\n",
        "",
        indent = 2 * depth
    )
}

/// The definition in a package, which was checked when the package was made.
///
/// # Errors
/// This version of approot does not take it; the findings are printed.
pub(crate) fn definition_of(opened: &Opened, name: &str) -> Result<schema::Definition, Failure> {
    let mut sources = Sources::new();
    let bytes = opened.definition().to_vec();
    let name = format!("ServiceDefinition.csdef (in {name})");
    let file = schema::load(&mut sources, &name, Ok(bytes)).map_err(|finding| {
        show::findings(&sources, &[*finding]);
        exit::with(
            exit::INVALID,
            anyhow!("the definition in the package cannot be read"),
        )
    })?;
    let checked = schema::check_definition(&sources, file);
    service::report(
        &sources,
        checked.findings,
        Words::Errors,
        checked.definition,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_indented_and_harmless() {
        let file = |path: &str, bytes| Entry {
            path: path.to_owned(),
            content: EntryContent::File {
                bytes,
                executable: bytes == 10,
                sha256: None,
            },
            source: None,
        };
        let link = Entry {
            path: "a/link".to_owned(),
            content: EntryContent::Link {
                target: "\u{1b}[2J".to_owned(),
            },
            source: None,
        };
        let entries = [
            file("a/b/c", 1),
            link,
            file("run", 10),
            file("\u{1b}[2J", 0),
        ];
        let expected = [
            "                a/",
            "                  b/",
            "             1      c",
            r"                  link -> \u{1b}[2J",
            "            10  run*",
            r"             0  \u{1b}[2J",
        ];
        assert_eq!(tree(&entries).lines().collect::<Vec<_>>(), expected);
    }
}
