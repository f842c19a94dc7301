//! What a role sees of its deployment: itself, its settings and stores, and its neighbours.
//!
//! This is also the document that a `RoleInstanceValue`'s XPath addresses, so its shape is fixed.
//! It holds values as they are; which instance may see which other is decided by whoever fills it.

use std::net::{IpAddr, SocketAddr};

use xml_tree::Element;

use crate::{
    document::{self, DocumentError, attribute, attribute_as},
    writer::Writer,
};

/// The role environment document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleEnvironment {
    /// The deployment's id, 32 hex digits.
    pub deployment_id: String,
    /// Whether the deployment runs on a developer's machine.
    pub emulated: bool,
    /// Whether changes of topology come to all instances at once (`topologyChangeDiscovery="Blast"`) and not
    /// domain by domain. An addition of approot's to the document: without it there is no attribute.
    pub blast: bool,
    /// The instance that reads the document.
    pub current: CurrentInstance,
    /// The roles whose internal endpoints this instance may reach. Its own instance may be absent
    /// from its own role; [`RoleEnvironment::all_roles`] puts it in.
    pub roles: Vec<Role>,
}

/// The reader's own instance, with what only it may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentInstance {
    /// Its role's name.
    pub role: String,
    /// What the others see of it too.
    pub instance: Instance,
    /// Its configuration settings.
    pub settings: Vec<Setting>,
    /// Its local stores.
    pub resources: Vec<LocalResource>,
}

/// A role with its instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The role's name.
    pub name: String,
    /// Its instances.
    pub instances: Vec<Instance>,
}

/// One instance of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id, such as `EchoWorker_IN_0`.
    pub id: String,
    /// Its fault domain, from 0.
    pub fault_domain: u32,
    /// Its update domain, from 0.
    pub update_domain: u32,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// A setting with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The setting's name.
    pub name: String,
    /// Its value, which may be empty.
    pub value: String,
}

/// A local store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalResource {
    /// The store's name.
    pub name: String,
    /// Its folder, with a separator at the end.
    pub path: String,
    /// Its size, in MB of 2^20 bytes.
    pub size_mb: u64,
}

/// An endpoint of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The endpoint's name.
    pub name: String,
    /// The instance's own address.
    pub address: IpAddr,
    /// The port at that address.
    pub port: u16,
    /// The port that clients of an input endpoint connect to.
    pub public_port: Option<u16>,
    /// The protocol in lower case, such as `tcp`.
    pub protocol: String,
}

impl Role {
    /// The instance of this id.
    pub fn instance(&self, id: &str) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.id == id)
    }
}

impl Instance {
    /// The endpoint of this name.
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        let mut endpoints = self.endpoints.iter();
        endpoints.find(|endpoint| endpoint.name == name)
    }
}

impl Endpoint {
    /// Where the instance listens.
    pub fn socket_address(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

impl RoleEnvironment {
    /// All roles, with the current instance in its own, as a role's program wants to see them.
    pub fn all_roles(&self) -> Vec<Role> {
        let mut roles = self.roles.clone();
        let current = &self.current;
        let own = roles
            .iter()
            .position(|role| role.name == current.role)
            .unwrap_or_else(|| {
                roles.push(Role {
                    name: current.role.clone(),
                    instances: Vec::new(),
                });
                roles.len() - 1
            });
        let instances = &mut roles[own].instances;
        match instances
            .iter_mut()
            .find(|instance| instance.id == current.instance.id)
        {
            Some(instance) => *instance = current.instance.clone(),
            None => instances.push(current.instance.clone()),
        }
        roles
    }

    /// Renders the document.
    pub fn render(&self) -> String {
        let mut writer = Writer::new();
        writer.open(ROOT, &[]);
        let emulated = if self.emulated { "true" } else { "false" };
        let mut deployment = vec![("id", &*self.deployment_id), ("emulated", emulated)];
        if self.blast {
            deployment.push(("topologyChangeDiscovery", BLAST));
        }
        writer.empty("Deployment", &deployment);
        render_current(&mut writer, &self.current);
        writer.open("Roles", &[]);
        for role in &self.roles {
            writer.open("Role", &[("name", &role.name)]);
            writer.open("Instances", &[]);
            for instance in &role.instances {
                render_instance(&mut writer, instance);
            }
            writer.close("Instances");
            writer.close("Role");
        }
        writer.close("Roles");
        writer.close(ROOT);
        writer.finish()
    }

    /// Reads the document.
    ///
    /// # Errors
    ///
    /// When it is larger than [`MAX_ENVIRONMENT_BYTES`], not well-formed or another document, or
    /// lacks a part, or has a value outside its type. `Roles` may be absent.
    pub fn parse(document: impl AsRef<[u8]>) -> Result<Self, DocumentError> {
        document::parse(document.as_ref(), MAX_ENVIRONMENT_BYTES, ROOT, |root| {
            let deployment = document::child(root, "Deployment")?;
            Ok(Self {
                deployment_id: attribute(deployment, "@id")?.to_owned(),
                emulated: attribute_as(deployment, "@emulated")?,
                blast: deployment
                    .attribute("topologyChangeDiscovery")
                    .is_some_and(|value| value == BLAST),
                current: parse_current(document::child(root, "CurrentInstance")?)?,
                roles: document::items(root, "Roles", "Role")
                    .map(parse_role)
                    .collect::<Result<_, _>>()?,
            })
        })
    }
}

fn render_current(writer: &mut Writer, current: &CurrentInstance) {
    let instance = &current.instance;
    writer.open(
        "CurrentInstance",
        &[
            ("id", &instance.id),
            ("roleName", &current.role),
            ("faultDomain", &instance.fault_domain.to_string()),
            ("updateDomain", &instance.update_domain.to_string()),
        ],
    );
    writer.open("ConfigurationSettings", &[]);
    for Setting { name, value } in &current.settings {
        writer.empty("ConfigurationSetting", &[("name", name), ("value", value)]);
    }
    writer.close("ConfigurationSettings");
    writer.open("LocalResources", &[]);
    for LocalResource {
        name,
        path,
        size_mb,
    } in &current.resources
    {
        let size_mb = size_mb.to_string();
        writer.empty(
            "LocalResource",
            &[("name", name), ("path", path), ("sizeInMB", &size_mb)],
        );
    }
    writer.close("LocalResources");
    render_endpoints(writer, &instance.endpoints);
    writer.close("CurrentInstance");
}

fn render_instance(writer: &mut Writer, instance: &Instance) {
    writer.open(
        "Instance",
        &[
            ("id", &instance.id),
            ("faultDomain", &instance.fault_domain.to_string()),
            ("updateDomain", &instance.update_domain.to_string()),
        ],
    );
    render_endpoints(writer, &instance.endpoints);
    writer.close("Instance");
}

/// Writes the `Endpoints` element also when it is empty: a published client reads it unconditionally.
fn render_endpoints(writer: &mut Writer, endpoints: &[Endpoint]) {
    writer.open("Endpoints", &[]);
    for endpoint in endpoints {
        let (address, port) = (endpoint.address.to_string(), endpoint.port.to_string());
        let public_port = endpoint.public_port.map(|port| port.to_string());
        let mut attributes = vec![
            ("name", &*endpoint.name),
            ("address", &*address),
            ("port", &*port),
        ];
        attributes.extend(public_port.as_deref().map(|port| ("publicPort", port)));
        attributes.push(("protocol", &endpoint.protocol));
        writer.empty("Endpoint", &attributes);
    }
    writer.close("Endpoints");
}

fn parse_current(element: Element<'_>) -> Result<CurrentInstance, DocumentError> {
    Ok(CurrentInstance {
        role: attribute(element, "@roleName")?.to_owned(),
        instance: parse_instance(element)?,
        settings: document::items(element, "ConfigurationSettings", "ConfigurationSetting")
            .map(parse_setting)
            .collect::<Result<_, _>>()?,
        resources: document::items(element, "LocalResources", "LocalResource")
            .map(parse_resource)
            .collect::<Result<_, _>>()?,
    })
}

fn parse_role(element: Element<'_>) -> Result<Role, DocumentError> {
    Ok(Role {
        name: attribute(element, "@name")?.to_owned(),
        instances: document::items(element, "Instances", "Instance")
            .map(parse_instance)
            .collect::<Result<_, _>>()?,
    })
}

fn parse_instance(element: Element<'_>) -> Result<Instance, DocumentError> {
    Ok(Instance {
        id: attribute(element, "@id")?.to_owned(),
        fault_domain: attribute_as(element, "@faultDomain")?,
        update_domain: attribute_as(element, "@updateDomain")?,
        endpoints: document::items(element, "Endpoints", "Endpoint")
            .map(parse_endpoint)
            .collect::<Result<_, _>>()?,
    })
}

fn parse_setting(element: Element<'_>) -> Result<Setting, DocumentError> {
    Ok(Setting {
        name: attribute(element, "@name")?.to_owned(),
        value: attribute(element, "@value")?.to_owned(),
    })
}

fn parse_resource(element: Element<'_>) -> Result<LocalResource, DocumentError> {
    Ok(LocalResource {
        name: attribute(element, "@name")?.to_owned(),
        path: attribute(element, "@path")?.to_owned(),
        size_mb: attribute_as(element, "@sizeInMB")?,
    })
}

fn parse_endpoint(element: Element<'_>) -> Result<Endpoint, DocumentError> {
    let public_port = element.attribute("publicPort");
    Ok(Endpoint {
        name: attribute(element, "@name")?.to_owned(),
        address: attribute_as(element, "@address")?,
        port: attribute_as(element, "@port")?,
        public_port: public_port
            .map(|_| attribute_as(element, "@publicPort"))
            .transpose()?,
        protocol: attribute(element, "@protocol")?.to_owned(),
    })
}

/// Some 30,000 instances with an endpoint each, which is where `xml_tree` stops too; far beyond one
/// machine.
pub const MAX_ENVIRONMENT_BYTES: usize = 16 * 1024 * 1024;

const ROOT: &str = "RoleEnvironment";

/// The value of `topologyChangeDiscovery` that is not the default.
const BLAST: &str = "Blast";

#[cfg(test)]
pub(crate) mod tests;
