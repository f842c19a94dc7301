//! The variables of an instance's programs.
//!
//! Source: the platform's variables are those that a dump of a live instance showed; names that mean nothing
//! off Windows (`WA_CONTAINER_SID`, `RdRoleConfigRootPath`) are not set.

use std::path::Path;

use schema::{RoleInstanceValue, Variable, VariableValue};

use crate::deployment::InstancePlan;

/// The platform's variables, then the declared ones, so that a declared one wins.
pub(crate) fn environment(instance: &InstancePlan, declared: &[Variable]) -> Vec<(String, String)> {
    let mut environment = platform(instance);
    environment.extend(declared.iter().map(|variable| {
        let value = match &variable.value {
            VariableValue::Literal(text) => text.clone(),
            VariableValue::RoleInstance(value) => evaluate(instance, value),
        };
        (variable.name.clone(), value)
    }));
    environment
}

fn platform(instance: &InstancePlan) -> Vec<(String, String)> {
    // `RoleRoot` has no separator at its end and `RdRoleRoot` has one, as on the platform.
    let root = text(&instance.paths.root);
    let temp = text(&instance.paths.temp);
    let discovery = instance.paths.discovery(&instance.options);
    [
        ("RoleRoot", root.clone()),
        // Windows does not tell the two apart, and scripts use both.
        ("ROLEROOT", root.clone()),
        ("RdRoleRoot", format!("{root}/")),
        ("RoleName", instance.role.clone()),
        ("RoleInstanceID", instance.id.to_string()),
        ("RoleDeploymentID", instance.deployment_id.clone()),
        (
            "RdRoleId",
            format!("{}.{}", instance.deployment_id, instance.id),
        ),
        ("WaRoleType", "WorkerRole".to_owned()),
        ("WaRuntimeEndpoint", text(&discovery)),
        ("TEMP", temp.clone()),
        ("TMP", temp.clone()),
        ("TMPDIR", temp),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// The value that an XPath of `RoleInstanceValue` selects. What it names is declared: `schema` has checked that.
fn evaluate(instance: &InstancePlan, value: &RoleInstanceValue) -> String {
    let endpoint = |name: &str| {
        instance
            .endpoints
            .iter()
            .find(|endpoint| endpoint.name == name)
    };
    let store = |name: &str| {
        instance
            .local_resources
            .iter()
            .find(|store| store.name == name)
    };
    let selected = match value {
        RoleInstanceValue::Emulated => Some(instance.emulated.to_string()),
        RoleInstanceValue::DeploymentId => Some(instance.deployment_id.clone()),
        RoleInstanceValue::InstanceId => Some(instance.id.to_string()),
        RoleInstanceValue::UpdateDomain => Some(instance.upgrade_domain.to_string()),
        RoleInstanceValue::FaultDomain => Some(instance.fault_domain.to_string()),
        RoleInstanceValue::RoleName => Some(instance.role.clone()),
        RoleInstanceValue::Setting(name) => instance
            .settings
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone()),
        RoleInstanceValue::LocalResourcePath(name) => {
            store(name).map(|store| format!("{}/", text(&store.path)))
        }
        RoleInstanceValue::LocalResourceSize(name) => {
            store(name).map(|store| store.size_mb.to_string())
        }
        RoleInstanceValue::EndpointProtocol(name) => {
            endpoint(name).map(|endpoint| endpoint.protocol.clone())
        }
        RoleInstanceValue::EndpointAddress(name) => {
            endpoint(name).map(|endpoint| endpoint.ip().to_string())
        }
        RoleInstanceValue::EndpointPort(name) => {
            endpoint(name).map(|endpoint| endpoint.address.port().to_string())
        }
    };
    // The platform's documents are silent on a path that selects nothing; an empty value is what XPath's string() gives.
    selected.unwrap_or_default()
}

/// A path as a variable's value. The planner's folders are UTF-8: they are made of names and a checked root.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
