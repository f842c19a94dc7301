//! `sbom.cdx.json`: the bill of materials, CycloneDX 1.5.
//!
//! It lists the service, every file with its digest, and what each role's program was built from.
//! The packager is handed finished programs and runs no cargo: the latter is what it is told
//! ([`Components`]), under names that begin with the role's, since one crate may be built in two
//! ways. Unless it is told of every role, it says that the service depends on more than is listed.
//!
//! ```text
//! service ─► roles/R/approot/program ─► R:pkg:cargo/program@1.0.0 ─► R:pkg:cargo/serde@1.0.229 …
//! ```
//!
//! No serial number and no time stamp, so equal packages have equal bills; links have no content and
//! are left out.
//!
//! Source: CycloneDX 1.5 JSON reference, <https://cyclonedx.org/docs/1.5/json/>.

mod components;

use std::io::{self, Write};

use serde::{Serialize, Serializer};

pub use self::components::{Components, ComponentsError};

use self::components::{Algorithm, Component, Dependency, Hash};
use crate::manifest::{Content, ManifestFile, approot_prefix};
use crate::{RoleSource, ServiceSource};

/// What the service itself is called in the bill; the other names contain `:` or `/`.
const SERVICE: &str = "service";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom<'a> {
    bom_format: &'static str,
    spec_version: &'static str,
    version: u32,
    metadata: Metadata<'a>,
    components: Entries<'a>,
    dependencies: Vec<Dependency>,
    compositions: Vec<Composition>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    tools: Tools<'a>,
    component: Own<'a>,
}

#[derive(Serialize)]
struct Tools<'a> {
    components: [Own<'a>; 1],
}

/// A list that is made while it is written: there may be 100,000 files.
struct Entries<'a> {
    files: &'a [ManifestFile],
    programs: &'a [Program<'a>],
    told: Vec<Component>,
}

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let files = self.files.iter();
        let files = files.filter_map(|file| file_entry(file, self.programs));
        serializer.collect_seq(
            files
                .map(Entry::File)
                .chain(self.told.iter().map(Entry::Told)),
        )
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    File(Own<'a>),
    Told(&'a Component),
}

/// What the packager knows by itself.
#[derive(Serialize)]
struct Own<'a> {
    r#type: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
}

/// How much of something the bill knows.
#[derive(Serialize)]
struct Composition {
    aggregate: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    assemblies: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<&'static str>,
}

/// The program of a role of which it is known what it was built from, as a file of the package.
struct Program<'a> {
    path: String,
    role: &'a str,
    components: &'a Components,
}

/// Writes the bill of a service whose package has `files`; the same bytes each time.
pub(crate) fn write(
    source: &ServiceSource,
    files: &[ManifestFile],
    output: &mut dyn Write,
) -> io::Result<()> {
    let programs = programs(source);
    let packager = Own {
        r#type: "application",
        reference: None,
        name: env!("CARGO_PKG_NAME"),
        version: Some(env!("CARGO_PKG_VERSION")),
        hashes: Vec::new(),
    };
    let service = Own {
        r#type: "application",
        reference: Some(SERVICE),
        name: &source.service,
        version: None,
        hashes: Vec::new(),
    };
    let mut all_told = Vec::new();
    let mut dependencies = vec![Dependency {
        reference: SERVICE.to_owned(),
        depends_on: programs.iter().map(|other| other.path.clone()).collect(),
    }];
    for program in &programs {
        let told = program.components.of_role(program.role);
        dependencies.push(Dependency {
            reference: program.path.clone(),
            depends_on: vec![told.program().to_owned()],
        });
        all_told.extend(told.components);
        dependencies.extend(told.dependencies);
    }
    let bom = Bom {
        bom_format: "CycloneDX",
        spec_version: "1.5",
        version: 1,
        metadata: Metadata {
            tools: Tools {
                components: [packager],
            },
            component: service,
        },
        components: Entries {
            files,
            programs: &programs,
            told: all_told,
        },
        dependencies,
        compositions: compositions(programs.len() == source.roles.len()),
    };
    serde_json::to_writer_pretty(&mut *output, &bom)?;
    output.write_all(b"\n")
}

fn program(role: &RoleSource) -> Option<Program<'_>> {
    let file = role.binary.as_deref()?.file_name()?.to_str()?;
    let path = format!("{}{file}", approot_prefix(&role.name));
    Some(Program {
        path,
        role: &role.name,
        components: role.components.as_ref()?,
    })
}

/// By the names of their roles, whatever order those are in.
fn programs(source: &ServiceSource) -> Vec<Program<'_>> {
    let mut programs: Vec<_> = source.roles.iter().filter_map(program).collect();
    programs.sort_by(|a, b| a.role.cmp(b.role));
    programs
}

/// All files are there; what they were built from may not be.
fn compositions(is_all_told: bool) -> Vec<Composition> {
    let mut compositions = vec![Composition {
        aggregate: "complete",
        assemblies: vec![SERVICE],
        dependencies: Vec::new(),
    }];
    if !is_all_told {
        compositions.push(Composition {
            aggregate: "incomplete",
            assemblies: Vec::new(),
            dependencies: vec![SERVICE],
        });
    }
    compositions
}

fn file_entry<'a>(file: &'a ManifestFile, programs: &[Program<'_>]) -> Option<Own<'a>> {
    let Content::File { sha256, .. } = &file.content else {
        return None;
    };
    let is_program = programs.iter().any(|program| program.path == file.path);
    Some(Own {
        r#type: "file",
        reference: is_program.then_some(file.path.as_str()),
        name: &file.path,
        version: None,
        hashes: vec![Hash {
            alg: Algorithm::Sha256,
            content: sha256.to_string(),
        }],
    })
}
