//! From a new configuration to the plan that follows the one in force.
//!
//! The definition is that of the staged package, which both a package and a folder leave in the state directory, so
//! any fabric can plan again, also one that has taken a deployment over. What was asked for is in the database.

use std::fs;
use std::path::PathBuf;

use diagnostics::Sources;
use plan::{DeploymentPlan, InstancePlan, Options, Package};
use schema::Service;
use tokio::task::spawn_blocking;

use crate::addresses;
use crate::certificates::gather;
use crate::handle::{ConfigureRefused, ConfigureRequest};
use crate::start::{LAYOUT, Settings, standing_options};

/// The service definition that the deployment runs.
pub(crate) fn definition(settings: &Settings) -> PathBuf {
    settings
        .state
        .join(LAYOUT.package)
        .join("ServiceDefinition.csdef")
}

/// What is in force after `request` came on top of `before`.
pub(crate) fn merge(before: ConfigureRequest, request: ConfigureRequest) -> ConfigureRequest {
    if request.configuration.is_some() {
        return request;
    }
    let mut merged = before;
    merged.instances.extend(request.instances);
    merged
}

/// Plans what `request` asks for, and puts the certificates for it where hosts find them; returns what people should
/// know about those, too. They are read and decrypted on another thread. Instances that stay keep their addresses, and
/// nobody gets one that another still has, be it on its way out.
///
/// # Errors
/// [`ConfigureRefused`].
pub(crate) async fn plan_next<'a>(
    settings: &Settings,
    request: &ConfigureRequest,
    current: &DeploymentPlan,
    leaving: impl Iterator<Item = &'a InstancePlan>,
) -> Result<(DeploymentPlan, Vec<String>), ConfigureRefused> {
    let service = match &request.configuration {
        Some(text) => read(settings, text)?,
        None => settings.service.clone(),
    };
    let certificates = settings.state.join(LAYOUT.certificates);
    let (wanted, from, to) = (
        service.clone(),
        settings.certificates.clone(),
        certificates.clone(),
    );
    let gathered = spawn_blocking(move || gather(&wanted, &from, &to))
        .await
        .map_err(|error| ConfigureRefused::Conflict(error.to_string()))?
        .map_err(|error| ConfigureRefused::Invalid(error.to_string()))?;
    let mut taken = addresses::listened_on(current.block);
    taken.extend(leaving.map(|instance| instance.address.octets()[3]));
    let digest = current
        .instances()
        .next()
        .map(|instance| instance.package_digest.clone());
    let roles = current.roles.iter();
    let takes_sockets = roles.filter(|role| role.instances.iter().any(|one| one.pass_sockets));
    let options = Options {
        deployment_id: current.deployment_id.clone(),
        incarnation: current.incarnation + 1,
        slot: current.slot,
        emulated: current.emulated,
        instances: request.instances.clone(),
        taken,
        package: Package {
            digest: digest.unwrap_or_default(),
            root: settings.state.join(LAYOUT.package),
            takes_sockets: takes_sockets.map(|role| role.name.clone()).collect(),
        },
        kept: current
            .instances()
            .map(|instance| (instance.id.clone(), instance.address))
            .collect(),
        ..standing_options(settings, current.block)
    };
    let planned = plan::plan(&service, &options);
    let plan = planned.map_err(|error| ConfigureRefused::Invalid(error.to_string()))?;
    // Last: what is refused changes nothing of what runs.
    gathered
        .keep(&certificates)
        .map_err(|error| ConfigureRefused::Conflict(error.to_string()))?;
    Ok((plan, gathered.notes))
}

/// Checks the text with the definition in force. Whoever wants to see every finding with its place checks for
/// himself first; here the first error has to do.
fn read(settings: &Settings, text: &str) -> Result<Service, ConfigureRefused> {
    let path = definition(settings);
    let mut sources = Sources::new();
    let definition = schema::load(&mut sources, &path.display().to_string(), fs::read(&path))
        .map_err(|finding| ConfigureRefused::Invalid(finding.message.clone()))?;
    let configuration = sources.add("configuration", text);
    let checked = schema::check(&sources, definition, configuration);
    let error = checked.findings.iter().find(|finding| finding.is_error());
    let error = error.map(|finding| format!("{} ({})", finding.message, finding.code));
    let invalid = || ConfigureRefused::Invalid(error.unwrap_or_default());
    checked.service.ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_text_replaces_everything_and_a_count_only_itself() {
        let count = |role: &str, n| ConfigureRequest {
            configuration: None,
            instances: [(role.to_owned(), n)].into(),
        };
        let scaled = merge(merge(count("A", 2), count("B", 3)), count("A", 4));
        let expected = [("A".to_owned(), 4), ("B".to_owned(), 3)].into();
        assert_eq!(
            (scaled.configuration.as_deref(), &scaled.instances),
            (None, &expected)
        );
        let text = ConfigureRequest {
            configuration: Some("text".to_owned()),
            ..ConfigureRequest::default()
        };
        let replaced = merge(scaled, text.clone());
        assert_eq!(replaced, text);
        let scaled = merge(replaced, count("A", 1));
        assert_eq!(scaled.configuration, text.configuration);
        assert_eq!(scaled.instances["A"], 1);
    }
}
