//! The grammar of the service configuration.
//!
//! Source: `ServiceConfigurationSchema` of the Azure SDK 2.4, and the documentation of the service
//! configuration up to 2015-04.2.6.

use super::csdef::SCHEMA_VERSION;
use super::fate::{Fate, GROUP, WITH_ELEMENT, never, not_yet};
use super::{
    ChildSpec, ElementSpec, any_number, at_least_one, at_most_one, exactly_one, optional, required,
    with_default,
};
use crate::lexical::Lexical::{
    AtLeast, Boolean, BoundedText, Int, Ipv4, Name, OneOf, Subnet, Text, Thumbprint, UnsignedShort,
    VmName,
};

/// The namespace of every version of the schema.
pub(crate) const NAMESPACE: &str =
    "http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceConfiguration";

/// The most rules of one `AccessControl`.
const MAX_RULES: usize = 50;

const JOINED: Fate = Fate::Honoured("as the name that joins it with the definition");

const NO_GUEST: Fate = never(
    "instances are processes of this machine, not guests with a system of their own",
    "choose the system of the machine",
)
.fate();

pub(crate) static SERVICE_CONFIGURATION: ElementSpec = ElementSpec {
    attributes: &[
        required("serviceName", Text, JOINED),
        optional("osFamily", Text, NO_GUEST),
        with_default("osVersion", Text, "*", NO_GUEST),
        optional("schemaVersion", Text, SCHEMA_VERSION),
    ],
    children: &[
        any_number(&ROLE),
        at_most_one(&NETWORK_CONFIGURATION),
        at_most_one(&GUEST_AGENT_SETTINGS),
    ],
    ..ElementSpec::new("ServiceConfiguration", GROUP)
};

static ROLE: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Text, JOINED),
        optional(
            "vmName",
            VmName,
            never(
                "instances have no host names of their own",
                "tell them apart by their instance ids",
            )
            .fate(),
        ),
    ],
    children: &[
        exactly_one(&INSTANCES),
        at_most_one(&CONFIGURATION_SETTINGS),
        at_most_one(&CERTIFICATES),
        at_most_one(&OS_IMAGE),
    ],
    ..ElementSpec::new("Role", GROUP)
};

static INSTANCES: ElementSpec = ElementSpec {
    attributes: &[required(
        "count",
        Int,
        Fate::Honoured("by the plan, which makes so many instances"),
    )],
    ..ElementSpec::new(
        "Instances",
        Fate::Honoured("by the plan, which makes the instances"),
    )
};

static CONFIGURATION_SETTINGS: ElementSpec = ElementSpec {
    children: &[any_number(&SETTING)],
    ..ElementSpec::new("ConfigurationSettings", GROUP)
};

const READABLE: Fate = Fate::Honoured("by the role environment, where the role reads it");

static SETTING: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Text, JOINED),
        required("value", Text, READABLE),
    ],
    ..ElementSpec::new("Setting", READABLE)
};

static CERTIFICATES: ElementSpec = ElementSpec {
    children: &[any_number(&CERTIFICATE)],
    ..ElementSpec::new("Certificates", GROUP)
};

static CERTIFICATE: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Text, JOINED),
        required("thumbprint", Thumbprint, WITH_ELEMENT),
        required("thumbprintAlgorithm", OneOf(&["sha1"]), WITH_ELEMENT),
    ],
    ..ElementSpec::new(
        "Certificate",
        Fate::Honoured(
            "by the fabric, which finds the file of that thumbprint in `--certificates`",
        ),
    )
};

static OS_IMAGE: ElementSpec = ElementSpec {
    attributes: &[required("href", Text, WITH_ELEMENT)],
    ..ElementSpec::new(
        "OsImage",
        never(
            "virtual machine roles were withdrawn; no platform runs one",
            "take the role out of the service",
        )
        .reports()
        .fate(),
    )
};

static NETWORK_CONFIGURATION: ElementSpec = ElementSpec {
    children: &[
        at_most_one(&DNS),
        at_most_one(&VIRTUAL_NETWORK_SITE),
        at_most_one(&ADDRESS_ASSIGNMENTS),
        at_most_one(&ACCESS_CONTROLS),
        at_most_one(&ENDPOINT_ACLS),
        at_most_one(&LOAD_BALANCERS),
        at_most_one(&NETWORK_SECURITY_GROUP_REFS),
    ],
    ..ElementSpec::new("NetworkConfiguration", GROUP)
};

static DNS: ElementSpec = ElementSpec {
    children: &[at_most_one(&DNS_SERVERS)],
    ..ElementSpec::new("Dns", GROUP)
};

static DNS_SERVERS: ElementSpec = ElementSpec {
    children: &[at_least_one(&DNS_SERVER)],
    ..ElementSpec::new("DnsServers", GROUP)
};

static DNS_SERVER: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Text, WITH_ELEMENT),
        required("IPAddress", Ipv4, WITH_ELEMENT),
    ],
    ..ElementSpec::new(
        "DnsServer",
        never(
            "programs ask the name servers of this machine",
            "set them up on the machine",
        )
        .reports()
        .fate(),
    )
};

static VIRTUAL_NETWORK_SITE: ElementSpec = ElementSpec {
    attributes: &[required("name", Text, WITH_ELEMENT)],
    ..ElementSpec::new("VirtualNetworkSite", NO_NETWORK)
};

const NO_NETWORK: Fate = never(
    "there is no virtual network: instances use the network of this machine",
    "choose addresses to listen on with `--listen`",
)
.reports()
.fate();

static ADDRESS_ASSIGNMENTS: ElementSpec = ElementSpec {
    children: &[any_number(&INSTANCE_ADDRESS), at_most_one(&RESERVED_IPS)],
    ..ElementSpec::new("AddressAssignments", GROUP)
};

static INSTANCE_ADDRESS: ElementSpec = ElementSpec {
    attributes: &[required("roleName", Text, WITH_ELEMENT)],
    children: &[at_most_one(&SUBNETS), at_most_one(&PUBLIC_IPS)],
    ..ElementSpec::new("InstanceAddress", NO_NETWORK)
};

static SUBNETS: ElementSpec = ElementSpec {
    children: &[any_number(&SUBNET)],
    ..ElementSpec::new("Subnets", GROUP)
};

static SUBNET: ElementSpec = ElementSpec {
    attributes: &[required("name", Text, WITH_ELEMENT)],
    ..ElementSpec::new("Subnet", GROUP)
};

static PUBLIC_IPS: ElementSpec = ElementSpec {
    children: &[at_most_one(&PUBLIC_IP)],
    ..ElementSpec::new("PublicIPs", GROUP)
};

static PUBLIC_IP: ElementSpec = ElementSpec {
    attributes: &[
        required("name", Text, WITH_ELEMENT),
        optional("idleTimeoutInMinutes", AtLeast(1), WITH_ELEMENT),
        // Not in the 2.4 schema; real files of 2015-04.2.6 have it.
        optional("domainNameLabel", Text, WITH_ELEMENT),
    ],
    ..ElementSpec::new("PublicIP", GROUP)
};

static RESERVED_IPS: ElementSpec = ElementSpec {
    children: &[exactly_one(&RESERVED_IP)],
    ..ElementSpec::new("ReservedIPs", GROUP)
};

static RESERVED_IP: ElementSpec = ElementSpec {
    attributes: &[required("name", Name, WITH_ELEMENT)],
    ..ElementSpec::new(
        "ReservedIP",
        never(
            "no address is reserved: the service has those of this machine",
            "choose addresses to listen on with `--listen`",
        )
        .reports()
        .fate(),
    )
};

static ACCESS_CONTROLS: ElementSpec = ElementSpec {
    children: &[any_number(&ACCESS_CONTROL)],
    ..ElementSpec::new("AccessControls", GROUP)
};

static ACCESS_CONTROL: ElementSpec = ElementSpec {
    attributes: &[required("name", Name, WITH_ELEMENT)],
    children: &[ChildSpec {
        element: &RULE,
        min: 1,
        max: Some(MAX_RULES),
    }],
    // What joins it with an endpoint stops the service.
    ..ElementSpec::new(
        "AccessControl",
        not_yet(
            "no connection is refused by its address",
            "filter in front of approot",
        )
        .fate(),
    )
};

static RULE: ElementSpec = ElementSpec {
    attributes: &[
        required("order", UnsignedShort, WITH_ELEMENT),
        required("action", OneOf(&["permit", "deny"]), WITH_ELEMENT),
        required("remoteSubnet", Subnet, WITH_ELEMENT),
        optional("description", BoundedText, WITH_ELEMENT),
    ],
    ..ElementSpec::new("Rule", GROUP)
};

static ENDPOINT_ACLS: ElementSpec = ElementSpec {
    children: &[any_number(&ENDPOINT_ACL)],
    ..ElementSpec::new("EndpointAcls", GROUP)
};

static ENDPOINT_ACL: ElementSpec = ElementSpec {
    attributes: &[
        required("role", Name, WITH_ELEMENT),
        // The schema and real files spell it so, the documentation prints `endpoint`; a rule wants one.
        optional("endPoint", Name, WITH_ELEMENT),
        optional("endpoint", Name, WITH_ELEMENT),
        required("accessControl", Name, WITH_ELEMENT),
    ],
    ..ElementSpec::new(
        "EndpointAcl",
        not_yet(
            "no connection is refused by its address, and an open endpoint is not what the file asks for",
            "delete it where something in front of approot filters",
        )
        .stops()
        .fate(),
    )
};

static LOAD_BALANCERS: ElementSpec = ElementSpec {
    children: &[at_least_one(&LOAD_BALANCER)],
    ..ElementSpec::new("LoadBalancers", GROUP)
};

static LOAD_BALANCER: ElementSpec = ElementSpec {
    attributes: &[required("name", Name, WITH_ELEMENT)],
    children: &[exactly_one(&FRONTEND_IP_CONFIGURATION)],
    ..ElementSpec::new(
        "LoadBalancer",
        never(
            "there is no internal load balancer",
            "choose the address to open an endpoint on with `--listen`",
        )
        .reports()
        .fate(),
    )
};

static FRONTEND_IP_CONFIGURATION: ElementSpec = ElementSpec {
    attributes: &[
        required("type", OneOf(&["private"]), WITH_ELEMENT),
        optional("subnet", Name, WITH_ELEMENT),
        optional("staticVirtualNetworkIPAddress", Ipv4, WITH_ELEMENT),
    ],
    ..ElementSpec::new("FrontendIPConfiguration", GROUP)
};

static NETWORK_SECURITY_GROUP_REFS: ElementSpec = ElementSpec {
    children: &[any_number(&NETWORK_SECURITY_GROUP_REF)],
    ..ElementSpec::new("NetworkSecurityGroupRefs", GROUP)
};

static NETWORK_SECURITY_GROUP_REF: ElementSpec = ElementSpec {
    attributes: &[required("roleName", Text, WITH_ELEMENT)],
    children: &[exactly_one(&NETWORK_SECURITY_GROUP)],
    ..ElementSpec::new(
        "NetworkSecurityGroupRef",
        never(
            "network security groups are objects of the platform",
            "filter with the machine's own firewall",
        )
        .reports()
        .fate(),
    )
};

static NETWORK_SECURITY_GROUP: ElementSpec = ElementSpec {
    attributes: &[required("name", Text, WITH_ELEMENT)],
    ..ElementSpec::new("NetworkSecurityGroup", GROUP)
};

static GUEST_AGENT_SETTINGS: ElementSpec = ElementSpec {
    attributes: &[
        with_default(
            "cleanupFirewallOnRoleRestart",
            Boolean,
            "true",
            WITH_ELEMENT,
        ),
        with_default("allowRoleProcessLocalDumps", Boolean, "false", WITH_ELEMENT),
    ],
    ..ElementSpec::new(
        "GuestAgentSettings",
        never(
            "the guest agent is a program of the platform",
            "delete it: approot changes no firewall, and keeps what each end left behind",
        )
        .reports()
        .fate(),
    )
};
