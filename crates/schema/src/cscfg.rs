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
    /// `NetworkConfiguration`; the empty one where there is none.
    pub(crate) network: NetworkConfiguration<'t>,
}

/// `Role`.
#[derive(Debug)]
pub(crate) struct Role<'t> {
    pub(crate) span: Span,
    pub(crate) name: Option<Spanned<&'t str>>,
    pub(crate) instance_count: Option<Spanned<i32>>,
    pub(crate) settings: Vec<Setting<'t>>,
    pub(crate) certificates: Vec<Certificate<'t>>,
}

/// `Setting`.
#[derive(Debug)]
pub(crate) struct Setting<'t> {
    pub(crate) name: Option<Spanned<&'t str>>,
    pub(crate) value: Option<Spanned<&'t str>>,
}

/// `Certificate`.
#[derive(Debug)]
pub(crate) struct Certificate<'t> {
    pub(crate) name: Option<Spanned<&'t str>>,
    /// As written: with white space, in either case.
    pub(crate) thumbprint: Option<Spanned<&'t str>>,
}

/// `NetworkConfiguration`.
#[derive(Debug, Default)]
pub(crate) struct NetworkConfiguration<'t> {
    /// `VirtualNetworkSite/@name`.
    pub(crate) virtual_network_site: Option<Spanned<&'t str>>,
    /// `InstanceAddress/@roleName` and `NetworkSecurityGroupRef/@roleName`.
    pub(crate) roles: Vec<Spanned<&'t str>>,
    pub(crate) access_controls: Vec<AccessControl<'t>>,
    pub(crate) endpoint_acls: Vec<EndpointAcl<'t>>,
    /// `LoadBalancer/@name`.
    pub(crate) load_balancers: Vec<Spanned<&'t str>>,
}

/// `AccessControl`.
#[derive(Debug)]
pub(crate) struct AccessControl<'t> {
    pub(crate) name: Option<Spanned<&'t str>>,
    /// `Rule/@order`.
    pub(crate) orders: Vec<Spanned<u16>>,
}

/// `EndpointAcl`.
#[derive(Debug)]
pub(crate) struct EndpointAcl<'t> {
    pub(crate) span: Span,
    pub(crate) role: Option<Spanned<&'t str>>,
    /// In either of its spellings, `endPoint` before `endpoint`.
    pub(crate) endpoint: Option<Spanned<&'t str>>,
    /// `endpoint`, where `endPoint` stands beside it.
    pub(crate) second_endpoint: Option<Spanned<&'t str>>,
    /// Whether one of the two stands there, valid or not.
    pub(crate) has_endpoint: bool,
    pub(crate) access_control: Option<Spanned<&'t str>>,
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
        network: node
            .child("NetworkConfiguration")
            .map(network_configuration)
            .unwrap_or_default(),
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
        certificates: node
            .grouped("Certificates", "Certificate")
            .map(|certificate| Certificate {
                name: certificate.text("name"),
                thumbprint: certificate.text("thumbprint"),
            })
            .collect(),
    }
}

fn network_configuration(node: Node<'_>) -> NetworkConfiguration<'_> {
    let addresses = node.grouped("AddressAssignments", "InstanceAddress");
    let groups = node.grouped("NetworkSecurityGroupRefs", "NetworkSecurityGroupRef");
    NetworkConfiguration {
        virtual_network_site: node
            .child("VirtualNetworkSite")
            .and_then(|site| site.text("name")),
        roles: addresses
            .chain(groups)
            .filter_map(|of_role| of_role.text("roleName"))
            .collect(),
        access_controls: node
            .grouped("AccessControls", "AccessControl")
            .map(access_control)
            .collect(),
        endpoint_acls: node
            .grouped("EndpointAcls", "EndpointAcl")
            .map(endpoint_acl)
            .collect(),
        load_balancers: node
            .grouped("LoadBalancers", "LoadBalancer")
            .filter_map(|balancer| balancer.text("name"))
            .collect(),
    }
}

fn access_control(node: Node<'_>) -> AccessControl<'_> {
    AccessControl {
        name: node.text("name"),
        orders: node
            .children("Rule")
            .filter_map(|rule| rule.unsigned_short("order"))
            .collect(),
    }
}

fn endpoint_acl(node: Node<'_>) -> EndpointAcl<'_> {
    EndpointAcl {
        span: node.name_span(),
        role: node.text("role"),
        endpoint: node.text("endPoint").or_else(|| node.text("endpoint")),
        second_endpoint: node.text("endpoint").filter(|_| node.has("endPoint")),
        has_endpoint: node.has("endPoint") || node.has("endpoint"),
        access_control: node.text("accessControl"),
    }
}
