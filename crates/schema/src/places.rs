//! Where the parts of a definition stand, for findings that others make.
//!
//! The model has no spans, as nothing after this crate needs to know of XML. What lies on disk is
//! not read here, so whoever finds a role's sources missing asks for the places to point at.

use diagnostics::{FileId, Sources, Span};

use crate::check::{parse, read_definition};
use crate::findings::Findings;

/// Where a worker role and its contents stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolePlaces {
    /// `WorkerRole/@name`.
    pub name: String,
    /// Where that stands.
    pub span: Span,
    /// `Contents/Content`, in the order of [`RoleDefinition::contents`](crate::RoleDefinition::contents).
    pub contents: Vec<ContentPlaces>,
}

/// Where a `Content` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentPlaces {
    /// Its `destination`.
    pub destination: Span,
    /// The `path` of its `SourceDirectory`.
    pub source_directory: Span,
}

/// The places of the worker roles of a valid definition, in document order; of another, those it has.
pub fn role_places(sources: &Sources, definition: FileId) -> Vec<RolePlaces> {
    let mut findings = Findings::default();
    let tree = parse(sources, definition, &mut findings);
    let Some(definition) = read_definition(&tree, definition, &mut findings) else {
        return Vec::new();
    };
    let places = definition.worker_roles().filter_map(|role| {
        let name = role.name?;
        let contents = role.contents.iter().map(|content| {
            let destination = content.destination.map_or(name.span, |value| value.span);
            let source_directory = content
                .source_directory
                .map_or(name.span, |value| value.span);
            ContentPlaces {
                destination,
                source_directory,
            }
        });
        Some(RolePlaces {
            name: name.value.to_owned(),
            span: name.span,
            contents: contents.collect(),
        })
    });
    places.collect()
}
