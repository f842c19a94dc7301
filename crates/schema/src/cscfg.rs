//! The typed service configuration: what the tree says, with a place for every value.
//!
//! As in the definition, `None` is a finding of the grammar's walk already, and the rules look at the
//! result.

use diagnostics::{FileId, Span};
use xml_tree::Element;

use crate::grammar::{Node, cscfg};
use crate::spanned::Spanned;

/// `ServiceConfiguration`.
#[derive(Debug)]
pub(crate) struct ServiceConfiguration<'t> {
    pub(crate) file: FileId,
    /// The element's own name, for findings about the whole.
    pub(crate) span: Span,
    pub(crate) service_name: Option<Spanned<&'t str>>,
    pub(crate) schema_version: Option<Spanned<&'t str>>,
    pub(crate) roles: Vec<Role<'t>>,
}

/// `Role`.
#[derive(Debug)]
pub(crate) struct Role<'t> {
    pub(crate) span: Span,
    pub(crate) name: Option<Spanned<&'t str>>,
    pub(crate) instance_count: Option<Spanned<i32>>,
    pub(crate) settings: Vec<Setting<'t>>,
}

/// `Setting`.
#[derive(Debug)]
pub(crate) struct Setting<'t> {
    pub(crate) name: Option<Spanned<&'t str>>,
    pub(crate) value: Option<Spanned<&'t str>>,
}

/// Lowers the root element of a service configuration.
pub(crate) fn lower<'t>(file: FileId, root: Element<'t>) -> ServiceConfiguration<'t> {
    let node = Node::new(root, &cscfg::SERVICE_CONFIGURATION);
    ServiceConfiguration {
        file,
        span: node.name_span(),
        service_name: node.text("serviceName"),
        schema_version: node.text("schemaVersion"),
        roles: node.children("Role").map(role).collect(),
    }
}

fn role(node: Node<'_>) -> Role<'_> {
    let settings = node.grouped("ConfigurationSettings", "Setting");
    Role {
        span: node.name_span(),
        name: node.text("name"),
        instance_count: node
            .child("Instances")
            .and_then(|instances| instances.int("count")),
        settings: settings
            .map(|setting| Setting {
                name: setting.text("name"),
                value: setting.text("value"),
            })
            .collect(),
    }
}
