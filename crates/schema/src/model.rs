//! The checked service: what the two files say once every rule has passed.
//!
//! Span-free and owned: nothing that uses these types knows that XML existed. They hold what the files
//! *ask for*; they decide nothing (no instance, address or path of the host appears here, `plan` adds
//! those) and offer no way to be changed back into text.
//!
//! [`Service`] is a [`Definition`] and one [`RoleConfiguration`] per role, in the definition's order.

use std::fmt;
use std::ops::RangeInclusive;

use crate::command_line::CommandLine;

/// A service definition together with one service configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The service definition.
    pub definition: Definition,
    /// What the configuration says of each role: exactly one per role, in the definition's order.
    pub roles: Vec<RoleConfiguration>,
}

/// A service definition: `<ServiceDefinition name="EchoCloud">`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// `ServiceDefinition/@name`, equal to the configuration's `serviceName`.
    pub name: String,
    /// `ServiceDefinition/@upgradeDomainCount`, 1 to 20; 5 when absent.
    pub upgrade_domain_count: u32,
    /// `WorkerRole`, in document order, 1 to 25; names differ without regard to case.
    pub roles: Vec<RoleDefinition>,
    /// `ServiceDefinition/@topologyChangeDiscovery` is `Blast`; `UpgradeDomainWalk` when absent.
    pub blast: bool,
}

/// A worker role: `<WorkerRole name="EchoWorker" vmsize="Small">`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleDefinition {
    /// `WorkerRole/@name`.
    pub name: String,
    /// `WorkerRole/@vmsize`, a word that [`VmSize`](crate::VmSize) may know; `Small` when absent.
    pub vmsize: String,
    /// Names of `ConfigurationSettings/Setting`, in document order, without duplicates.
    pub settings: Vec<String>,
    /// `LocalResources/LocalStorage`, then the old direct `LocalStorage` if there is one.
    pub local_resources: Vec<LocalResource>,
    /// `Endpoints/InputEndpoint`, in document order.
    pub input_endpoints: Vec<InputEndpoint>,
    /// `Endpoints/InternalEndpoint`, in document order.
    pub internal_endpoints: Vec<InternalEndpoint>,
    /// `Endpoints/InstanceInputEndpoint`, in document order.
    pub instance_input_endpoints: Vec<InstanceInputEndpoint>,
    /// `Runtime/@executionContext`; limited when absent.
    pub execution_context: ExecutionContext,
    /// `Runtime/Environment/Variable`, in document order.
    pub environment: Vec<Variable>,
    /// `Runtime/EntryPoint/ProgramEntryPoint`.
    pub entry_point: ProgramEntryPoint,
    /// `Startup/Task`, in document order, which is the order they start in.
    pub startup_tasks: Vec<StartupTask>,
    /// `Contents/Content`, in document order.
    pub contents: Vec<Content>,
    /// `WorkerRole/@enableNativeCodeExecution`; true when absent.
    pub native_code_execution: bool,
    /// `Certificates/Certificate`, in document order; one name may stand for several stores.
    pub certificates: Vec<Certificate>,
}

/// A certificate of a role:
/// `<Certificate name="Tls" storeLocation="LocalMachine" storeName="My" permissionLevel="elevated" />`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// `Certificate/@name`, by which the configuration gives it a thumbprint.
    pub name: String,
    /// `Certificate/@storeLocation`: `LocalMachine` or `CurrentUser`.
    pub store_location: String,
    /// `Certificate/@storeName`, any text.
    pub store_name: String,
    /// `Certificate/@permissionLevel` is `elevated`: limited programs may not read the private key.
    pub is_elevated: bool,
}

/// A local store: `<LocalStorage name="Cache" sizeInMB="100" cleanOnRoleRecycle="false" />`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalResource {
    /// `LocalStorage/@name`, also the name of its folder.
    pub name: String,
    /// `LocalStorage/@cleanOnRoleRecycle`; true when absent: emptied at every restart of the role.
    pub clean_on_role_recycle: bool,
    /// `LocalStorage/@sizeInMB` in MiB, at least 1; 1000 when absent.
    pub size_mb: u32,
}

/// A public, load-balanced endpoint: `<InputEndpoint name="Echo" protocol="tcp" port="1234" />`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputEndpoint {
    /// `InputEndpoint/@name`, unique among all endpoints of the role.
    pub name: String,
    /// `InputEndpoint/@protocol`; `udp` does not pass the checks of this version. The balancer passes on
    /// connections of every other as they are.
    pub protocol: Protocol,
    /// `InputEndpoint/@port`, the public port, 1 to 65535, unique in the service.
    pub port: u16,
    /// `InputEndpoint/@localPort`, the port inside the instance; the public port when absent.
    pub local_port: PortSpecifier,
    /// `InputEndpoint/@ignoreRoleInstanceStatus`; false when absent. True: a Busy instance keeps
    /// receiving connections.
    pub ignore_role_instance_status: bool,
    /// `InputEndpoint/@certificate`, a certificate of the role.
    pub certificate: Option<String>,
}

/// An endpoint inside the deployment, never load balanced:
/// `<InternalEndpoint name="Peers" protocol="tcp" port="*" />`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalEndpoint {
    /// `InternalEndpoint/@name`, unique among all endpoints of the role.
    pub name: String,
    /// `InternalEndpoint/@protocol`; `http`, `tcp` and `udp` pass the checks of this version.
    pub protocol: Protocol,
    /// `InternalEndpoint/@port`, the ports of `FixedPort` and `FixedPortRange`, or any port.
    pub ports: InternalPorts,
}

/// The ports of an [`InternalEndpoint`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InternalPorts {
    /// Any free port.
    Any,
    /// One of these, all of which the instance may listen on: `FixedPort` and `FixedPortRange`, in document
    /// order, never empty; a `port` is a range of one.
    OneOf(Vec<RangeInclusive<u16>>),
}

/// An endpoint of which each instance has a public port of its own:
/// `<InstanceInputEndpoint name="Debug" protocol="tcp" localPort="9000">`.
///
/// This version opens no such public port, and so does not keep where they would come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceInputEndpoint {
    /// `InstanceInputEndpoint/@name`, unique among all endpoints of the role.
    pub name: String,
    /// `InstanceInputEndpoint/@protocol`: `tcp` or `udp`.
    pub protocol: Protocol,
    /// `InstanceInputEndpoint/@localPort`, 1 to 65535, the same on every instance.
    pub local_port: u16,
}

/// A port that the file fixes, or one that the platform is to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortSpecifier {
    /// This port, 1 to 65535.
    Fixed(u16),
    /// `*`: any free port.
    Any,
}

/// The protocol of an endpoint, as the schema spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `http`, carried as TCP; the balancer does not look into it.
    Http,
    /// `https`, with a certificate of the role; it is for the program to end it.
    Https,
    /// `tcp`.
    Tcp,
    /// `udp`, a port space of its own.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Http => "http",
            Protocol::Https => "https",
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

/// The privileges of a program: `executionContext="limited"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExecutionContext {
    /// `limited`, the default: an unprivileged identity.
    #[default]
    Limited,
    /// `elevated`: the identity of the fabric itself.
    Elevated,
}

impl fmt::Display for ExecutionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExecutionContext::Limited => "limited",
            ExecutionContext::Elevated => "elevated",
        })
    }
}

/// How the role start treats a startup task: `taskType="simple"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskType {
    /// `simple`, the default: runs to its end before the next; a non-zero exit fails the start.
    #[default]
    Simple,
    /// `foreground`: runs beside the role, which does not stop before it has ended.
    Foreground,
    /// `background`: runs beside the role and nothing waits for it.
    Background,
}

impl fmt::Display for TaskType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TaskType::Simple => "simple",
            TaskType::Foreground => "foreground",
            TaskType::Background => "background",
        })
    }
}

/// An environment variable: `<Variable name="MODE" value="fast" />`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// `Variable/@name`, 1 to 256 characters.
    pub name: String,
    /// Its value, or where the value comes from.
    pub value: VariableValue,
}

/// The value of a [`Variable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VariableValue {
    /// `Variable/@value`; an empty text sets the variable to the empty text.
    Literal(String),
    /// `Variable/RoleInstanceValue`, filled in when the program starts.
    RoleInstance(RoleInstanceValue),
}

/// A value of the running instance: one of the twelve documented `RoleInstanceValue/@xpath` forms.
///
/// Names are those of the same role and were checked to be declared.
/// Source: "Expose role configuration as an environment variable with XPath" (Azure documentation).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleInstanceValue {
    /// `/RoleEnvironment/Deployment/@emulated`: `true` or `false`.
    Emulated,
    /// `/RoleEnvironment/Deployment/@id`.
    DeploymentId,
    /// `/RoleEnvironment/CurrentInstance/@id`.
    InstanceId,
    /// `/RoleEnvironment/CurrentInstance/@updateDomain`, a number from 0.
    UpdateDomain,
    /// `/RoleEnvironment/CurrentInstance/@faultDomain`, a number from 0.
    FaultDomain,
    /// `/RoleEnvironment/CurrentInstance/@roleName`.
    RoleName,
    /// `…/ConfigurationSettings/ConfigurationSetting[@name='S']/@value`.
    Setting(String),
    /// `…/LocalResources/LocalResource[@name='L']/@path`, ending with a separator.
    LocalResourcePath(String),
    /// `…/LocalResources/LocalResource[@name='L']/@sizeInMB`.
    LocalResourceSize(String),
    /// `…/Endpoints/Endpoint[@name='E']/@protocol`, lower case.
    EndpointProtocol(String),
    /// `…/Endpoints/Endpoint[@name='E']/@address`, the instance's own address.
    EndpointAddress(String),
    /// `…/Endpoints/Endpoint[@name='E']/@port`, the local port.
    EndpointPort(String),
}

/// The program of a role:
/// `<ProgramEntryPoint commandLine="echo-worker" setReadyOnProcessStart="true" />`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramEntryPoint {
    /// `ProgramEntryPoint/@commandLine`: program and arguments, relative to the approot.
    pub command_line: CommandLine,
    /// `ProgramEntryPoint/@setReadyOnProcessStart`. True: Ready as soon as the process runs; false:
    /// when the program says so.
    pub set_ready_on_process_start: bool,
}

/// A command that runs before the role: `<Task commandLine="setup.sh" taskType="simple" />`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartupTask {
    /// `Task/@commandLine`: program and arguments, relative to the approot.
    pub command_line: CommandLine,
    /// `Task/@executionContext`; limited when absent.
    pub execution_context: ExecutionContext,
    /// `Task/@taskType`; simple when absent.
    pub task_type: TaskType,
    /// `Task/Environment/Variable`, visible to this task only.
    pub environment: Vec<Variable>,
}

/// A folder that goes into the approot:
/// `<Content destination="content"><SourceDirectory path="content" /></Content>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// `Content/@destination`, relative to the approot, as written.
    pub destination: String,
    /// `SourceDirectory/@path`, relative to the definition, as written.
    pub source_directory: String,
}

/// What a configuration says of one role: `<Role name="EchoWorker">`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleConfiguration {
    /// `Role/@name`, spelled as in the definition.
    pub name: String,
    /// `Instances/@count`, at least 1.
    pub instance_count: u32,
    /// `ConfigurationSettings/Setting` as name and value: declared ones in the definition's order, then those of
    /// imports in the configuration's.
    pub settings: Vec<(String, String)>,
    /// `Certificates/Certificate` as name and thumbprint, in upper case without fillers. Those of imports too,
    /// which the role does not declare.
    pub certificates: Vec<(String, String)>,
}
