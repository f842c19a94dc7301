//! The grammar of the service definition.
//!
//! Source: `ServiceDefinitionSchema` of the Azure SDK 2.4, and the WorkerRole schema page of 10 November
//! 2011 where the schema is silent.

use super::{ElementSpec, any_number, at_most_one, exactly_one, optional, required, with_default};
use crate::lexical::Lexical::{
    Boolean, Int, Name, NonEmpty, OneOf, Port, PortSpecifier, PositiveInt, Text, VariableName,
};

/// The namespace of every version of the schema.
pub(crate) const NAMESPACE: &str =
    "http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceDefinition";

pub(crate) static SERVICE_DEFINITION: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Name),
        with_default("upgradeDomainCount", PositiveInt, "5"),
        // Each SDK accepts its own version only; to us it is an opaque word.
        optional("schemaVersion", Text),
        with_default(
            "topologyChangeDiscovery",
            OneOf(&["UpgradeDomainWalk", "Blast"]),
            "UpgradeDomainWalk",
        ),
    ],
    children: &[
        any_number(&WORKER_ROLE),
        any_number(&WEB_ROLE),
        any_number(&VM_ROLE),
    ],
    not_yet: &["LoadBalancerProbes", "NetworkTrafficRules"],
    ..ElementSpec::new("ServiceDefinition")
};

pub(crate) static WEB_ROLE: ElementSpec = ElementSpec {
    is_opaque: true,
    ..ElementSpec::new("WebRole")
};

pub(crate) static VM_ROLE: ElementSpec = ElementSpec {
    is_opaque: true,
    ..ElementSpec::new("VirtualMachineRole")
};

static WORKER_ROLE: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Name),
        with_default("vmsize", Text, "Small"),
        with_default("enableNativeCodeExecution", Boolean, "true"),
    ],
    children: &[
        at_most_one(&CONFIGURATION_SETTINGS),
        at_most_one(&LOCAL_RESOURCES),
        at_most_one(&LOCAL_STORAGE),
        at_most_one(&ENDPOINTS),
        at_most_one(&RUNTIME),
        at_most_one(&STARTUP),
        at_most_one(&CONTENTS),
    ],
    not_yet: &["Certificates", "Imports"],
    known_mistakes: &[
        (
            "InputEndpoints",
            "it is for web roles; a worker role has `Endpoints` with `InputEndpoint`",
        ),
        (
            "Sites",
            "sites are for web roles, which approot does not run",
        ),
    ],
    ..ElementSpec::new("WorkerRole")
};

static CONFIGURATION_SETTINGS: ElementSpec = ElementSpec {
    children: &[any_number(&SETTING)],
    ..ElementSpec::new("ConfigurationSettings")
};

static SETTING: ElementSpec = ElementSpec {
    attributes: &[required("name", Name)],
    known_mistakes: &[(
        "value",
        "values stand in the service configuration; there are no defaults",
    )],
    ..ElementSpec::new("Setting")
};

static LOCAL_RESOURCES: ElementSpec = ElementSpec {
    children: &[any_number(&LOCAL_STORAGE)],
    ..ElementSpec::new("LocalResources")
};

static LOCAL_STORAGE: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Name),
        with_default("cleanOnRoleRecycle", Boolean, "true"),
        with_default("sizeInMB", PositiveInt, "1000"),
    ],
    known_mistakes: &[(
        "sizeInMb",
        "it is spelt `sizeInMB`, with a capital B; the schema page of 2011 has it both ways",
    )],
    ..ElementSpec::new("LocalStorage")
};

static ENDPOINTS: ElementSpec = ElementSpec {
    children: &[any_number(&INPUT_ENDPOINT), any_number(&INTERNAL_ENDPOINT)],
    not_yet: &["InstanceInputEndpoint"],
    ..ElementSpec::new("Endpoints")
};

static INPUT_ENDPOINT: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Name),
        required("protocol", OneOf(&["http", "https", "tcp", "udp"])),
        required("port", Port),
        // When absent it is the public port, which no constant can say.
        optional("localPort", PortSpecifier),
        optional("certificate", Name),
        with_default("ignoreRoleInstanceStatus", Boolean, "false"),
    ],
    not_yet: &[
        "loadBalancerProbe",
        "idleTimeoutInMinutes",
        "loadBalancerDistribution",
        "loadBalancer",
    ],
    ..ElementSpec::new("InputEndpoint")
};

static INTERNAL_ENDPOINT: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Name),
        required("protocol", OneOf(&["http", "tcp", "udp", "any"])),
        optional("port", PortSpecifier),
    ],
    children: &[any_number(&FIXED_PORT)],
    not_yet: &["FixedPortRange"],
    ..ElementSpec::new("InternalEndpoint")
};

static FIXED_PORT: ElementSpec = ElementSpec {
    attributes: &[required("port", Port)],
    ..ElementSpec::new("FixedPort")
};

static RUNTIME: ElementSpec = ElementSpec {
    attributes: &[with_default(
        "executionContext",
        OneOf(&["limited", "elevated"]),
        "limited",
    )],
    children: &[at_most_one(&ENVIRONMENT), at_most_one(&ENTRY_POINT)],
    ..ElementSpec::new("Runtime")
};

static ENVIRONMENT: ElementSpec = ElementSpec {
    children: &[any_number(&VARIABLE)],
    ..ElementSpec::new("Environment")
};

static VARIABLE: ElementSpec = ElementSpec {
    attributes: &[required("name", VariableName), optional("value", Text)],
    children: &[at_most_one(&ROLE_INSTANCE_VALUE)],
    ..ElementSpec::new("Variable")
};

static ROLE_INSTANCE_VALUE: ElementSpec = ElementSpec {
    attributes: &[required("xpath", Text)],
    ..ElementSpec::new("RoleInstanceValue")
};

static ENTRY_POINT: ElementSpec = ElementSpec {
    children: &[
        any_number(&PROGRAM_ENTRY_POINT),
        any_number(&NET_ENTRY_POINT),
    ],
    ..ElementSpec::new("EntryPoint")
};

static PROGRAM_ENTRY_POINT: ElementSpec = ElementSpec {
    attributes: &[
        required("commandLine", NonEmpty),
        required("setReadyOnProcessStart", Boolean),
    ],
    ..ElementSpec::new("ProgramEntryPoint")
};

static NET_ENTRY_POINT: ElementSpec = ElementSpec {
    is_opaque: true,
    ..ElementSpec::new("NetFxEntryPoint")
};

static STARTUP: ElementSpec = ElementSpec {
    // For internal use of the platform; nothing ever depended on it.
    attributes: &[with_default("priority", Int, "0")],
    children: &[any_number(&TASK)],
    ..ElementSpec::new("Startup")
};

static TASK: ElementSpec = ElementSpec {
    attributes: &[
        required("commandLine", NonEmpty),
        with_default(
            "executionContext",
            OneOf(&["limited", "elevated"]),
            "limited",
        ),
        with_default(
            "taskType",
            OneOf(&["simple", "foreground", "background"]),
            "simple",
        ),
    ],
    children: &[at_most_one(&ENVIRONMENT)],
    ..ElementSpec::new("Task")
};

static CONTENTS: ElementSpec = ElementSpec {
    children: &[any_number(&CONTENT)],
    ..ElementSpec::new("Contents")
};

static CONTENT: ElementSpec = ElementSpec {
    attributes: &[required("destination", NonEmpty)],
    children: &[exactly_one(&SOURCE_DIRECTORY)],
    ..ElementSpec::new("Content")
};

static SOURCE_DIRECTORY: ElementSpec = ElementSpec {
    attributes: &[required("path", NonEmpty)],
    ..ElementSpec::new("SourceDirectory")
};
