//! The codes of this crate's findings, each with cause and cure.
//!
//! `AR00xx` are files and XML (most of them come from `xml-tree`), `AR01xx` grammar and cross-file rules,
//! `AR02xx` the files of a role, which this crate does not look at: whoever stages them makes those findings;
//! `AR03xx` the options file, which `options` reads.
//! A code keeps its meaning for ever; `docs/findings.md` is generated from these tables.

use diagnostics::CodeEntry;

diagnostics::codes! {
    UNREADABLE = "AR0001": "the file cannot be read"; "check its name and who may read it".
    NOT_TEXT = "AR0002": "the file is neither UTF-8 nor UTF-16"; "save it as UTF-8".
    UNKNOWN_ELEMENT = "AR0101": "an element is unknown where it stands";
        "correct its spelling or its place, or delete it".
    UNKNOWN_ATTRIBUTE = "AR0102": "an attribute is unknown where it stands";
        "correct its spelling, or delete it".
    NAMESPACE = "AR0103": "an element is not in the namespace of its kind of file";
        "give the root the `xmlns` of the schema, and no other element one of its own".
    ROOT = "AR0104": "the root element is not the one of this kind of file";
        "check that definition and configuration are not exchanged".
    TOO_MANY = "AR0105": "an element stands more often than the schema allows"; "merge or delete the extra ones".
    MISSING_ELEMENT = "AR0106": "an element that the schema requires is missing"; "add it".
    PORT_TWICE = "AR0107": "two endpoints of the service use one public port"; "give each a port of its own".
    MISSING_ATTRIBUTE = "AR0108": "an attribute that the schema requires is missing"; "add it".
    VALUE = "AR0109": "an attribute value is outside its type or range"; "write a value that the message names".
    SERVICE_NAME = "AR0110": "the configuration's `serviceName` is not the definition's `name`";
        "make the two equal".
    ROLE_NOT_CONFIGURED = "AR0111": "a role of the definition has no `Role` in the configuration";
        "add `<Role name=\"…\"><Instances count=\"1\" /></Role>`".
    ROLE_NOT_DEFINED = "AR0112": "the configuration speaks of a role that the definition has not";
        "correct its name or delete it".
    ROLE_TWICE = "AR0113": "two roles of one file have the same name, without regard to case"; "rename or delete one".
    SETTING_WITHOUT_VALUE = "AR0114": "a setting that the definition declares has no value in the configuration";
        "add `<Setting name=\"…\" value=\"…\" />` to the role's settings".
    SETTING_NOT_DECLARED = "AR0115": "the configuration gives a value to a setting that is not declared";
        "declare it in the role's `ConfigurationSettings` of the definition, or delete it".
    SETTING_TWICE = "AR0116": "a role has one setting twice in one file"; "delete one of them".
    INSTANCE_COUNT = "AR0117": "a role has fewer than one instance"; "write a `count` of at least 1".
    ENDPOINT_TWICE = "AR0118": "two endpoints of one role have the same name"; "rename one of them".
    LIMIT = "AR0119": "the service has more or fewer roles, endpoints or certificates than the platform takes";
        "split the service".
    MANY_INTERNAL_ENDPOINTS = "AR0120": "a role has more than five internal endpoints";
        "old tools of the platform refuse it; approot does not".
    UPGRADE_DOMAIN_COUNT = "AR0121": "`upgradeDomainCount` is above 20"; "write 1 to 20".
    VARIABLE_VALUE = "AR0122": "a variable has both or neither of `value` and `RoleInstanceValue`";
        "give it exactly one of the two".
    XPATH = "AR0123": "an `xpath` is none of the twelve documented forms"; "write one of the forms; the message has the steps that may stand where it points".
    XPATH_NAME = "AR0124": "an `xpath` names a setting, store or endpoint that the role has not";
        "declare it or correct the name".
    ENTRY_POINT = "AR0125": "an `EntryPoint` does not hold exactly one entry point"; "keep one".
    READY_BY_PROGRAM = "AR0126": "`setReadyOnProcessStart` is `false`, which the platform refused";
        "none needed: the instance is Ready when the program says so".
    NO_ENTRY_POINT = "AR0127": "a role names no program";
        "add `<Runtime><EntryPoint><ProgramEntryPoint commandLine=\"…\" setReadyOnProcessStart=\"true\" /></EntryPoint></Runtime>`".
    NET_ENTRY_POINT = "AR0128": "a role's entry point is a .NET assembly, which approot does not load";
        "give the role a `ProgramEntryPoint`".
    SCHEMA_VERSION = "AR0129": "definition and configuration name different schema versions";
        "make them equal, or drop both".
    UNSUPPORTED_ROLE = "AR0130": "the role is a web role or a virtual machine role"; "run it elsewhere, or make it a worker role".
    PROTOCOL = "AR0131": "an endpoint has a protocol that approot does not carry yet"; "use the protocol that the message advises".
    FIXED_PORTS = "AR0133": "an internal endpoint says its ports both in `port` and in elements"; "keep one of the two".
    STORE_TWICE = "AR0134": "two local stores of one role have the same name"; "rename one of them".
    STRAY_TEXT = "AR0136": "text stands in an element that takes none"; "delete it".
    MORE_FINDINGS = "AR0137": "there are more findings than are listed"; "mend the listed ones and check again".
    NOT_YET = "AR0138": "the file asks for something that approot does not do yet"; "do what the message advises until it does".
    NO_MEANING = "AR0139": "the file asks for something that exists on the platform only"; "do what the message advises instead".
    COMMAND_LINE = "AR0140": "a command line cannot be cut into words, or an operator in it has nothing to work on"; "close its quotes, or complete it".
    CERTIFICATE_WITHOUT_THUMBPRINT = "AR0141": "a certificate that a role declares is not in the configuration";
        "add `<Certificate name=\"…\" thumbprint=\"…\" thumbprintAlgorithm=\"sha1\" />` to the role's certificates".
    CERTIFICATE_TWICE = "AR0142": "a role has one certificate twice in one file, in the definition in one store"; "rename or delete one of them".
    HTTPS_CERTIFICATE = "AR0143": "an `https` endpoint names no certificate, or an endpoint names one that its role has not";
        "declare the certificate in the role's `Certificates` and name it in `certificate`".
    CERTIFICATE_NOT_DECLARED = "AR0144": "the configuration has a certificate that its role does not declare";
        "declare it in the role's `Certificates` of the definition, or delete it".
    PORT_RANGE = "AR0145": "a range of ports ends before it begins"; "exchange `min` and `max`".
    RANGE_TOO_SMALL = "AR0146": "a role has more instances than its instance input endpoint has public ports";
        "widen the range, or lower the `count`".
    PROBE = "AR0147": "a probe of `http` has no `path`, or one of `tcp` has one"; "add or delete the `path`".
    UNKNOWN_PROBE = "AR0148": "an endpoint names a probe that the service has not";
        "define it in `LoadBalancerProbes` or correct the name".
    PROBE_TIMES = "AR0149": "a probe times out before it is sent again"; "write a timeout of about two intervals".
    PROBE_TWICE = "AR0150": "two probes have the same name"; "rename or delete one of them".
    TRAFFIC_RULE = "AR0151": "a network traffic rule names a role that the service has not, or what is no internal endpoint of it";
        "correct the name".
    ENDPOINT_ACL = "AR0152": "an `EndpointAcl` does not join an input endpoint with an access control";
        "name an input endpoint of the role and an `AccessControl` of the file".
    ACL_RULE = "AR0153": "two rules of one access control have the same `order`"; "give each an `order` of its own".
    ACCESS_CONTROL_TWICE = "AR0154": "two access controls have the same name"; "rename or delete one".
    STORE_SIZE = "AR0155": "the local stores of a role are larger together than the disk of its `vmsize`";
        "make them smaller, or make sure that the machine has so much".
    VMSIZE = "AR0156": "a `vmsize` is none that the platform had"; "check its spelling; approot limits no instance by a size that it does not know".
    INSTANCE_ADDRESS = "AR0157": "the network configuration speaks of a role that the definition has not";
        "correct its name or delete it".
    EXTENDED_SUPPORT = "AR0158": "Cloud Services (extended support) would refuse the service, which seems to be meant for it";
        "none needed here; do what the message advises before deploying there".
    UNKNOWN_IMPORT = "AR0159": "an import names no known module"; "check its spelling, or put what it added into the role itself".
    THUMBPRINT = "AR0160": "a thumbprint has not the 40 digits of SHA-1"; "copy it from the certificate".
    UNKNOWN_LOAD_BALANCER = "AR0161": "an input endpoint names a load balancer that the configuration has not";
        "add a `LoadBalancer` of that name to the configuration, or delete the attribute".
    STORE_NAME = "AR0162": "a certificate's store has nearly the name of a built-in one"; "write the built-in name".
    IDLE_TIMEOUT = "AR0163": "an idle timeout is outside 4 to 30 minutes, or stands on an endpoint of `udp`";
        "write 4 to 30, on `tcp` only".
    WINDOWS_PROGRAM = "AR0164": "a command line names a script or a program of Windows";
        "put a file of the same stem with `.sh`, or without extension, beside it: that runs instead".
    IMPORTED_SETTING = "AR0165": "the configuration has a setting that no version of its module is known to declare";
        "check its spelling, or delete it".
    TRAFFIC_RULE_FORM = "AR0166": "network traffic rules are not written as the schema has it";
        "write one `NetworkTrafficRules`, and in each rule either `AllowAllTraffic` or `WhenSource`".
    WEB_ROLE = "AR0167": "a web role has no endpoint for HTTP, or a site is bound to an endpoint that it has not";
        "add the endpoint or correct the name".
    APPROOT_PREFIX = "AR0168": "a program's path begins with `%RoleRoot%\\approot`"; "delete that; paths are relative to the approot".
    TOO_MANY_INSTANCES = "AR0169": "the roles have more instances together than approot runs on one machine";
        "write smaller counts, or run fewer with `--instances`".
    ENDPOINT_ACL_TWICE = "AR0170": "one endpoint has two `EndpointAcl`"; "put the rules of both into one access control".
    VARIABLE_TWICE = "AR0171": "a program or task has one variable twice, without regard to case"; "keep one of them".
    INSTANCE_PORT_TWICE = "AR0172": "two endpoints of a role are on the same port of its instances"; "give each a port of its own".
    UNDEFINED_VARIABLE = "AR0180": "a command line refers to a variable that its program has not";
        "declare it in the `Environment` of the program or task, or take it out".
    SOURCE_MISSING = "AR0201": "a folder or program that goes into a role's approot is not there, or is of another kind";
        "correct the path, which is relative to the definition, or make what it names".
    SOURCE_AMBIGUOUS = "AR0202": "a source directory is not there as it is written, and several differ from it only in case";
        "write it as the one that is meant".
    SOURCE_UNDEFINED = "AR0203": "a source directory names an environment variable that is not set";
        "set it where approot runs, or write the path without it".
    DESTINATION = "AR0204": "the destination of a content leads out of the approot"; "write a relative path without `..` at its start".
    SOURCE_CONFLICT = "AR0205": "two sources put a file at one path of an approot, or at paths that only case tells apart";
        "leave one of the two out: delete it, or name it in an `.approotignore`".
    OPTIONS_SYNTAX = "AR0301": "the options file is not TOML"; "correct it at the place that is shown".
    UNKNOWN_OPTION = "AR0302": "the options file has a key or table that there is not"; "correct its spelling, or delete it".
    OPTION_VALUE = "AR0303": "an option has a value of another type, or outside its range"; "write a value that the message names".
    OPTION_OF_NOTHING = "AR0304": "the options file names a role, an endpoint or a program that the definition has not";
        "correct the name or delete it".
    OPTION_NOT_YET = "AR0305": "an option asks for something that approot does not do yet"; "delete it, or write its default".
}

/// Every code that a service file can lead to: those of XML, then those of this crate.
pub fn all() -> impl Iterator<Item = &'static CodeEntry> {
    xml_tree::codes::ALL.iter().chain(ALL)
}
