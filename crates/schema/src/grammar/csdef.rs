//! The grammar of the service definition.
//!
//! Source: `ServiceDefinitionSchema` of the Azure SDK 2.4, and the WorkerRole schema page of 10 November
//! 2011 where the schema is silent. Later attributes are those of the documentation up to 2015-04.2.6.

pub(crate) mod imports;
mod traffic_rules;

use diagnostics::Severity;

use super::fate::{Fate, GROUP, WITH_ELEMENT, never, not_yet};
use super::{
    AttributeSpec, ElementSpec, any_number, at_least_one, at_most_one, exactly_one, optional,
    required, with_default,
};
use crate::codes;
use crate::lexical::Lexical::{
    AtLeast, Boolean, Int, Name, NonEmpty, OneOf, Port, PortSpecifier, Text, VariableName,
};

/// The namespace of every version of the schema.
pub(crate) const NAMESPACE: &str =
    "http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceDefinition";

const NAMED: Fate = Fate::Honoured("as the name that everything else refers to it by");

const PRIVILEGES: Fate = Fate::Honoured(
    "by the host, which confines what is limited and leaves what is elevated the fabric's rights",
);

pub(crate) static SERVICE_DEFINITION: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Name, NAMED),
        with_default(
            "upgradeDomainCount",
            AtLeast(1),
            "5",
            Fate::Honoured("by the plan, which spreads a role's instances over so many domains"),
        ),
        optional("schemaVersion", Text, SCHEMA_VERSION),
        with_default(
            "topologyChangeDiscovery",
            OneOf(&["UpgradeDomainWalk", "Blast"]),
            "UpgradeDomainWalk",
            Fate::Honoured(
                "by the role environment: with `Blast` the SDK tells of topology by its simultaneous events",
            ),
        ),
    ],
    children: &[
        at_most_one(&LOAD_BALANCER_PROBES),
        any_number(&WORKER_ROLE),
        any_number(&WEB_ROLE),
        any_number(&VM_ROLE),
        // The schema has one; samples of the documentation repeat it.
        any_number(&traffic_rules::NETWORK_TRAFFIC_RULES),
    ],
    ..ElementSpec::new("ServiceDefinition", GROUP)
};

/// Each SDK accepts its own version only; to us it is an opaque word.
pub(super) const SCHEMA_VERSION: Fate =
    Fate::Honoured("by comparing the two files; it selects nothing, all versions are read alike");

static LOAD_BALANCER_PROBES: ElementSpec = ElementSpec {
    children: &[any_number(&LOAD_BALANCER_PROBE)],
    ..ElementSpec::new("LoadBalancerProbes", GROUP)
};

static LOAD_BALANCER_PROBE: ElementSpec = ElementSpec {
    attributes: &[
        required("name", NonEmpty, NAMED),
        required("protocol", OneOf(&["http", "tcp"]), PROBE),
        optional("path", Text, PROBE),
        // When absent it is the endpoint's port.
        optional("port", Port, PROBE),
        with_default("intervalInSeconds", AtLeast(5), "15", PROBE),
        with_default("timeoutInSeconds", AtLeast(11), "31", PROBE),
    ],
    ..ElementSpec::new("LoadBalancerProbe", PROBE)
};

const PROBE: Fate = not_yet(
    "no endpoint is probed",
    "let the program say Ready and Busy: that decides whether its instance gets connections",
)
.fate();

/// What web and worker roles have alike.
const ROLE_ATTRIBUTES: &[AttributeSpec] = &[
    required("name", Name, NAMED),
    with_default(
        "vmsize",
        Text,
        "Small",
        Fate::Honoured("by the host, which limits the instance's memory and processor time"),
    ),
    with_default(
        "enableNativeCodeExecution",
        Boolean,
        "true",
        Fate::Honoured(
            "by the host, which lets the role's program execute no other file where it is false",
        ),
    ),
];

static WORKER_ROLE: ElementSpec = ElementSpec {
    attributes: ROLE_ATTRIBUTES,
    children: &[
        at_most_one(&CERTIFICATES),
        at_most_one(&CONFIGURATION_SETTINGS),
        at_most_one(&ENDPOINTS),
        at_most_one(&imports::IMPORTS),
        at_most_one(&LOCAL_RESOURCES),
        at_most_one(&LOCAL_STORAGE),
        at_most_one(&RUNTIME),
        at_most_one(&STARTUP),
        at_most_one(&CONTENTS),
    ],
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
    ..ElementSpec::new(
        "WorkerRole",
        Fate::Honoured("by the fabric, which runs its instances"),
    )
};

/// Read in full, so that a file with one is understood, and not run.
static WEB_ROLE: ElementSpec = ElementSpec {
    attributes: ROLE_ATTRIBUTES,
    children: &[
        at_most_one(&CERTIFICATES),
        at_most_one(&CONFIGURATION_SETTINGS),
        at_most_one(&ENDPOINTS),
        at_most_one(&imports::IMPORTS),
        at_most_one(&LOCAL_RESOURCES),
        at_most_one(&LOCAL_STORAGE),
        at_most_one(&RUNTIME),
        at_most_one(&STARTUP),
        at_most_one(&CONTENTS),
        at_most_one(&SITES),
        // The form before sites: one site, whose endpoints stand here.
        at_most_one(&INPUT_ENDPOINTS),
        at_most_one(&INTERNAL_ENDPOINT),
    ],
    ..ElementSpec::new(
        "WebRole",
        never(
            "a web role needs IIS, which approot does not run",
            "make it a `WorkerRole` whose program serves HTTP itself, or host the site elsewhere",
        )
        .fate(),
    )
};

/// Withdrawn before the 2.4 schema, which does not have it: nothing in it but its name is looked at.
static VM_ROLE: ElementSpec = ElementSpec {
    attributes: &[required("name", Name, NAMED)],
    is_opaque: true,
    ..ElementSpec::new(
        "VirtualMachineRole",
        never(
            "virtual machine roles were withdrawn; no platform runs one",
            "take it out of the service",
        )
        .fate(),
    )
};

static INPUT_ENDPOINTS: ElementSpec = ElementSpec {
    children: &[super::ChildSpec {
        element: &INPUT_ENDPOINT,
        min: 1,
        max: Some(2),
    }],
    ..ElementSpec::new("InputEndpoints", GROUP)
};

static SITES: ElementSpec = ElementSpec {
    children: &[at_least_one(&SITE)],
    ..ElementSpec::new("Sites", GROUP)
};

static SITE: ElementSpec = ElementSpec {
    attributes: VIRTUAL_DIRECTORY_ATTRIBUTES,
    children: &[
        any_number(&VIRTUAL_DIRECTORY),
        any_number(&VIRTUAL_APPLICATION),
        exactly_one(&BINDINGS),
    ],
    ..ElementSpec::new("Site", GROUP)
};

const VIRTUAL_DIRECTORY_ATTRIBUTES: &[AttributeSpec] = &[
    required("name", NonEmpty, NAMED),
    optional("physicalDirectory", Text, WITH_ELEMENT),
];

static VIRTUAL_DIRECTORY: ElementSpec = ElementSpec {
    attributes: VIRTUAL_DIRECTORY_ATTRIBUTES,
    children: &[
        any_number(&VIRTUAL_DIRECTORY),
        any_number(&VIRTUAL_APPLICATION),
    ],
    ..ElementSpec::new("VirtualDirectory", GROUP)
};

static VIRTUAL_APPLICATION: ElementSpec = ElementSpec {
    attributes: VIRTUAL_DIRECTORY_ATTRIBUTES,
    children: &[
        any_number(&VIRTUAL_DIRECTORY),
        any_number(&VIRTUAL_APPLICATION),
    ],
    ..ElementSpec::new("VirtualApplication", GROUP)
};

static BINDINGS: ElementSpec = ElementSpec {
    children: &[at_least_one(&BINDING)],
    ..ElementSpec::new("Bindings", GROUP)
};

static BINDING: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Name, NAMED),
        required("endpointName", Name, WITH_ELEMENT),
        optional("hostHeader", Text, WITH_ELEMENT),
    ],
    ..ElementSpec::new("Binding", GROUP)
};

static CERTIFICATES: ElementSpec = ElementSpec {
    children: &[any_number(&CERTIFICATE)],
    ..ElementSpec::new("Certificates", GROUP)
};

static CERTIFICATE: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Name, NAMED),
        required(
            "storeLocation",
            OneOf(&["CurrentUser", "LocalMachine"]),
            WITH_ELEMENT,
        ),
        // A built-in store or any other name, which makes a store of that name.
        required("storeName", NonEmpty, WITH_ELEMENT),
        with_default(
            "permissionLevel",
            OneOf(&["limitedOrElevated", "elevated"]),
            "limitedOrElevated",
            WITH_ELEMENT,
        ),
    ],
    ..ElementSpec::new(
        "Certificate",
        Fate::Translated(
            "into files below the role's root, `certificates/<location>/<store>/<name>.crt` and `.key`; who may read \
             the key is as declared",
        ),
    )
};

static CONFIGURATION_SETTINGS: ElementSpec = ElementSpec {
    children: &[any_number(&SETTING)],
    ..ElementSpec::new("ConfigurationSettings", GROUP)
};

static SETTING: ElementSpec = ElementSpec {
    attributes: &[required("name", Name, NAMED)],
    known_mistakes: &[(
        "value",
        "values stand in the service configuration; there are no defaults",
    )],
    ..ElementSpec::new(
        "Setting",
        Fate::Honoured("by the role environment, which holds its value"),
    )
};

static ENDPOINTS: ElementSpec = ElementSpec {
    children: &[
        any_number(&INPUT_ENDPOINT),
        any_number(&INTERNAL_ENDPOINT),
        any_number(&INSTANCE_INPUT_ENDPOINT),
    ],
    ..ElementSpec::new("Endpoints", GROUP)
};

const BALANCED: Fate =
    Fate::Honoured("by the balancer, which spreads its connections over the Ready instances");

static INPUT_ENDPOINT: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Name, NAMED),
        required(
            "protocol",
            OneOf(&["http", "https", "tcp", "udp"]),
            Fate::ByValue("protocol", INPUT_PROTOCOLS, &BALANCED),
        ),
        required(
            "port",
            Port,
            Fate::Honoured("by the balancer, which listens on it"),
        ),
        optional(
            "certificate",
            Name,
            Fate::Translated(
                "into `APPROOT_ENDPOINT_<NAME>_CERTIFICATE`, where the program that ends TLS finds it: connections \
                 are passed on as they are",
            ),
        ),
        // When absent it is the public port, which no constant can say.
        optional("localPort", PortSpecifier, INSTANCE_PORT),
        with_default(
            "ignoreRoleInstanceStatus",
            Boolean,
            "false",
            Fate::Honoured("by the balancer's rotation"),
        ),
        optional(
            "loadBalancerProbe",
            Name,
            not_yet(
                "no endpoint is probed",
                "let the program say Ready and Busy: that decides whether its instance gets connections",
            )
            .warns()
            .fate(),
        ),
        optional("idleTimeoutInMinutes", AtLeast(1), IDLE_TIMEOUT),
        with_default(
            "loadBalancerDistribution",
            OneOf(&["sourceIP", "sourceIPProtocol", "none"]),
            "none",
            Fate::ByValue(
                "loadBalancerDistribution",
                &[("sourceIP", AFFINITY), ("sourceIPProtocol", AFFINITY)],
                &Fate::Translated("into a pick of the instance with the fewest connections"),
            ),
        ),
        optional(
            "loadBalancer",
            Name,
            never(
                "there is no internal load balancer; the endpoint is opened like any other",
                "choose the address to open it on with `--listen`",
            )
            .says(Severity::Warning, codes::NO_MEANING)
            .fate(),
        ),
    ],
    ..ElementSpec::new(
        "InputEndpoint",
        Fate::ByValue("protocol", INPUT_PROTOCOLS, &BALANCED),
    )
};

const INPUT_PROTOCOLS: &[(&str, Fate)] = &[(
    "udp",
    not_yet(
        "datagrams to an input endpoint are not carried",
        "use `tcp` or `http`",
    )
    .says(Severity::Error, codes::PROTOCOL)
    .fate(),
)];

const INSTANCE_PORT: Fate =
    Fate::Honoured("by the plan, which gives it to the endpoint of each instance");

const IDLE_TIMEOUT: Fate = not_yet(
    "a connection may be idle for ever",
    "let the program close what is idle",
)
.fate();

const AFFINITY: Fate = not_yet(
    "connections go to the instance with the fewest, wherever they come from",
    "keep what belongs to a client where every instance finds it",
)
.warns()
.fate();

const LISTED: Fate =
    Fate::Honoured("by the role environment, which lists it with each instance's own address");

static INTERNAL_ENDPOINT: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Name, NAMED),
        required(
            "protocol",
            OneOf(&["http", "tcp", "udp", "any"]),
            Fate::ByValue("protocol", INTERNAL_PROTOCOLS, &LISTED),
        ),
        optional("port", PortSpecifier, INSTANCE_PORT),
    ],
    children: &[any_number(&FIXED_PORT), any_number(&FIXED_PORT_RANGE)],
    ..ElementSpec::new(
        "InternalEndpoint",
        Fate::ByValue("protocol", INTERNAL_PROTOCOLS, &LISTED),
    )
};

const INTERNAL_PROTOCOLS: &[(&str, Fate)] = &[(
    "any",
    not_yet(
        "an endpoint of every protocol and port is not understood",
        "declare one endpoint for each port, with `tcp` or `udp`",
    )
    .says(Severity::Error, codes::PROTOCOL)
    .fate(),
)];

static FIXED_PORT: ElementSpec = ElementSpec {
    attributes: &[required("port", Port, INSTANCE_PORT)],
    ..ElementSpec::new("FixedPort", INSTANCE_PORT)
};

const RANGE: Fate = Fate::Honoured(
    "by the plan: one port of it is the endpoint's, the rest of the instance's address is its own",
);

static FIXED_PORT_RANGE: ElementSpec = ElementSpec {
    attributes: &[required("min", Port, RANGE), required("max", Port, RANGE)],
    ..ElementSpec::new("FixedPortRange", RANGE)
};

static INSTANCE_INPUT_ENDPOINT: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Name, NAMED),
        required("protocol", OneOf(&["tcp", "udp"]), LISTED),
        required("localPort", Port, INSTANCE_PORT),
        optional("idleTimeoutInMinutes", AtLeast(1), IDLE_TIMEOUT),
    ],
    children: &[exactly_one(&ALLOCATE_PUBLIC_PORT_FROM)],
    ..ElementSpec::new("InstanceInputEndpoint", LISTED)
};

static ALLOCATE_PUBLIC_PORT_FROM: ElementSpec = ElementSpec {
    children: &[exactly_one(&FIXED_PORT_RANGE)],
    ..ElementSpec::new(
        "AllocatePublicPortFrom",
        not_yet(
            "instances listen on the local port, and no public port leads there",
            "use an `InputEndpoint`, or one role an instance",
        )
        .warns()
        .fate(),
    )
};

static LOCAL_RESOURCES: ElementSpec = ElementSpec {
    children: &[any_number(&LOCAL_STORAGE)],
    ..ElementSpec::new("LocalResources", GROUP)
};

static LOCAL_STORAGE: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Name, NAMED),
        with_default(
            "cleanOnRoleRecycle",
            Boolean,
            "true",
            Fate::Honoured("by the host, which empties or keeps the folder when the role recycles"),
        ),
        with_default(
            "sizeInMB",
            AtLeast(1),
            "1000",
            Fate::Honoured(
                "by the host, which makes a file system of that size where the machine allows it, and else watches \
                 and warns; `approot status` says which",
            ),
        ),
    ],
    known_mistakes: &[(
        "sizeInMb",
        "it is spelt `sizeInMB`, with a capital B; the schema page of 2011 has it both ways",
    )],
    ..ElementSpec::new(
        "LocalStorage",
        Fate::Honoured("by the host, which makes a folder of each instance"),
    )
};

static RUNTIME: ElementSpec = ElementSpec {
    attributes: &[with_default(
        "executionContext",
        OneOf(&["limited", "elevated"]),
        "limited",
        PRIVILEGES,
    )],
    children: &[at_most_one(&ENVIRONMENT), at_most_one(&ENTRY_POINT)],
    ..ElementSpec::new("Runtime", GROUP)
};

static ENVIRONMENT: ElementSpec = ElementSpec {
    children: &[any_number(&VARIABLE)],
    ..ElementSpec::new("Environment", GROUP)
};

const IN_ENVIRONMENT: Fate = Fate::Honoured("by the environment of the program or task");

static VARIABLE: ElementSpec = ElementSpec {
    attributes: &[
        required("name", VariableName, IN_ENVIRONMENT),
        optional("value", Text, IN_ENVIRONMENT),
    ],
    children: &[at_most_one(&ROLE_INSTANCE_VALUE)],
    ..ElementSpec::new("Variable", IN_ENVIRONMENT)
};

const FROM_INSTANCE: Fate =
    Fate::Honoured("by the plan, which puts the instance's value into the variable");

static ROLE_INSTANCE_VALUE: ElementSpec = ElementSpec {
    attributes: &[required("xpath", Text, FROM_INSTANCE)],
    ..ElementSpec::new("RoleInstanceValue", FROM_INSTANCE)
};

static ENTRY_POINT: ElementSpec = ElementSpec {
    children: &[
        any_number(&PROGRAM_ENTRY_POINT),
        any_number(&NET_ENTRY_POINT),
    ],
    ..ElementSpec::new("EntryPoint", GROUP)
};

static PROGRAM_ENTRY_POINT: ElementSpec = ElementSpec {
    attributes: &[
        required(
            "commandLine",
            NonEmpty,
            Fate::Honoured("by the host, which runs it and recycles the role when it ends"),
        ),
        required(
            "setReadyOnProcessStart",
            Boolean,
            Fate::Honoured("by the host: Ready when the process runs, or when the program says so"),
        ),
    ],
    ..ElementSpec::new(
        "ProgramEntryPoint",
        Fate::Honoured("by the host, which runs it as the role"),
    )
};

static NET_ENTRY_POINT: ElementSpec = ElementSpec {
    attributes: &[
        required("assemblyName", NonEmpty, WITH_ELEMENT),
        optional("targetFrameworkVersion", NonEmpty, WITH_ELEMENT),
    ],
    ..ElementSpec::new(
        "NetFxEntryPoint",
        never(
            "approot loads no .NET assembly",
            "give the role a `ProgramEntryPoint`",
        )
        .fate(),
    )
};

static STARTUP: ElementSpec = ElementSpec {
    attributes: &[with_default(
        "priority",
        Int,
        "0",
        never(
            "it is for internal use of the platform",
            "delete it: no order depended on it",
        )
        .fate(),
    )],
    children: &[any_number(&TASK)],
    ..ElementSpec::new("Startup", GROUP)
};

static TASK: ElementSpec = ElementSpec {
    attributes: &[
        required(
            "commandLine",
            NonEmpty,
            Fate::Honoured("by the host, which runs it before the role's program"),
        ),
        with_default(
            "executionContext",
            OneOf(&["limited", "elevated"]),
            "limited",
            PRIVILEGES,
        ),
        with_default(
            "taskType",
            OneOf(&["simple", "foreground", "background"]),
            "simple",
            Fate::Honoured("by the host, which waits for it or not"),
        ),
    ],
    children: &[at_most_one(&ENVIRONMENT)],
    ..ElementSpec::new(
        "Task",
        Fate::Honoured("by the host, which runs the tasks in the order of the file"),
    )
};

static CONTENTS: ElementSpec = ElementSpec {
    children: &[any_number(&CONTENT)],
    ..ElementSpec::new("Contents", GROUP)
};

const PACKED: Fate = Fate::Honoured("by the packager, which copies the folder into the approot");

static CONTENT: ElementSpec = ElementSpec {
    attributes: &[required("destination", NonEmpty, PACKED)],
    children: &[exactly_one(&SOURCE_DIRECTORY)],
    ..ElementSpec::new("Content", PACKED)
};

static SOURCE_DIRECTORY: ElementSpec = ElementSpec {
    attributes: &[required("path", NonEmpty, PACKED)],
    ..ElementSpec::new("SourceDirectory", PACKED)
};
