//! The variables of an instance's programs.
//!
//! Windows does not tell the case of a name, and scripts and configurations use all: each variable is also set in
//! upper and in lower case, where no other has that name.
//!
//! Source: the platform's variables are those that a dump of a live instance showed; `docs/programs.md` says of
//! each what it is here, and of those that are not set why. What only the machine knows (`COMPUTERNAME`) is the
//! host's to set.

use std::collections::HashSet;
use std::path::Path;

use schema::{RoleDefinition, RoleInstanceValue, Variable, VariableValue, is_inherited};

use crate::deployment::InstancePlan;

/// The platform's variables, then the declared ones, so that a declared one wins.
pub(crate) fn environment(
    role: &RoleDefinition,
    instance: &InstancePlan,
    declared: &[Variable],
) -> Vec<(String, String)> {
    let mut environment = platform(instance);
    environment.extend(certificates(role, instance));
    environment.extend(declared.iter().map(|variable| {
        let value = match &variable.value {
            VariableValue::Literal(text) => text.clone(),
            VariableValue::RoleInstance(value) => evaluate(instance, value),
        };
        (variable.name.clone(), value)
    }));
    let forms = case_forms(&environment);
    environment.extend(forms);
    environment
}

/// Each variable by its name in upper and in lower case, where that is free: neither set, nor one that programs
/// take over from the machine. approot's own names have one form.
fn case_forms(environment: &[(String, String)]) -> Vec<(String, String)> {
    let taken: HashSet<&str> = environment.iter().map(|(name, _)| name.as_str()).collect();
    let is_free = |form: &str| !taken.contains(form) && !is_inherited(form);
    let all = environment
        .iter()
        .filter(|(name, _)| !name.starts_with("APPROOT_"));
    all.flat_map(|(name, value)| {
        [name.to_ascii_uppercase(), name.to_ascii_lowercase()].map(|form| (form, value.clone()))
    })
    .filter(|(form, _)| is_free(form))
    .collect()
}

fn platform(instance: &InstancePlan) -> Vec<(String, String)> {
    // `RoleRoot` has no separator at its end and `RdRoleRoot` has one, as on the platform.
    let root = text(&instance.paths.root);
    let temp = text(&instance.paths.temp);
    let discovery = instance.paths.discovery(&instance.options);
    let mut variables = vec![
        ("RoleRoot", root.clone()),
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
    ];
    // The platform gave every role a store of this name; here it is one that the definition declares.
    let stores = instance.local_resources.iter();
    let diagnostics = stores.filter(|store| store.name == "DiagnosticStore");
    variables
        .extend(diagnostics.map(|store| ("DiagnosticStore", format!("{}/", text(&store.path)))));
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    variables.into_iter().map(owned).collect()
}

/// Where certificates are, by their own names and by those of the endpoints that show them to clients; paths
/// without `.crt` and `.key`.
fn certificates(role: &RoleDefinition, instance: &InstancePlan) -> Vec<(String, String)> {
    let path_of = |name: &str| {
        let mut placed = instance.certificates.iter();
        placed
            .find(|placed| placed.name == name)
            .map(|placed| text(&placed.path))
    };
    let own = role.certificates.iter().filter_map(|declared| {
        let variable = format!("APPROOT_CERTIFICATE_{}", variable_name(&declared.name));
        Some((variable, path_of(&declared.name)?))
    });
    let of_endpoints = role.input_endpoints.iter().filter_map(|endpoint| {
        let name = variable_name(&endpoint.name);
        let path = path_of(endpoint.certificate.as_deref()?)?;
        Some((format!("APPROOT_ENDPOINT_{name}_CERTIFICATE"), path))
    });
    own.chain(of_endpoints).collect()
}

/// A name as part of a variable's that shells can refer to.
fn variable_name(name: &str) -> String {
    let letters = name.chars();
    letters
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_forms_in_upper_and_lower_case_where_they_are_free() {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let of = |variables: &[(&str, &str)]| -> Vec<String> {
            let variables: Vec<_> = variables.iter().map(own).collect();
            let mut forms: Vec<String> = case_forms(&variables)
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            forms.sort();
            forms
        };
        assert_eq!(of(&[("Mode", "1")]), ["MODE=1", "mode=1"]);
        assert_eq!(of(&[("Mode", "1"), ("MODE", "2")]), ["mode=1", "mode=2"]);
        assert_eq!(of(&[("Path", "x")]), ["path=x"]);
        assert!(
            of(&[
                ("APPROOT_CERTIFICATE_TLS", "x"),
                ("PATH", "y"),
                ("path", "z")
            ])
            .is_empty()
        );
    }
}
