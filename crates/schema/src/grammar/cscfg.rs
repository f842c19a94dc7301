//! The grammar of the service configuration.
//!
//! Source: `ServiceConfigurationSchema` of the Azure SDK 2.4.

use super::{ElementSpec, any_number, at_most_one, exactly_one, optional, required, with_default};
use crate::lexical::Lexical::{Int, Name, Text, VmName};

/// The namespace of every version of the schema.
pub(crate) const NAMESPACE: &str =
    "http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceConfiguration";

pub(crate) static SERVICE_CONFIGURATION: ElementSpec = ElementSpec {
    attributes: &[
        required("serviceName", Name),
        // The guest operating system; without meaning off the platform.
        optional("osFamily", Text),
        with_default("osVersion", Text, "*"),
        optional("schemaVersion", Text),
    ],
    children: &[any_number(&ROLE)],
    not_yet: &["NetworkConfiguration", "GuestAgentSettings"],
    ..ElementSpec::new("ServiceConfiguration")
};

static ROLE: ElementSpec = ElementSpec {
    attributes: &[required("name", Name), optional("vmName", VmName)],
    children: &[
        exactly_one(&INSTANCES),
        at_most_one(&CONFIGURATION_SETTINGS),
    ],
    not_yet: &["Certificates", "OsImage"],
    ..ElementSpec::new("Role")
};

static INSTANCES: ElementSpec = ElementSpec {
    attributes: &[required("count", Int)],
    ..ElementSpec::new("Instances")
};

static CONFIGURATION_SETTINGS: ElementSpec = ElementSpec {
    children: &[any_number(&SETTING)],
    ..ElementSpec::new("ConfigurationSettings")
};

static SETTING: ElementSpec = ElementSpec {
    attributes: &[required("name", Name), required("value", Text)],
    ..ElementSpec::new("Setting")
};
