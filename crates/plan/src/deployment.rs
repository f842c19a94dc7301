//! What a plan says.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::role_options::RoleOptions;

/// The id of a role instance, for example `EchoWorker_IN_0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(String);

impl InstanceId {
    /// The id of the `index`-th instance of `role`, counted from 0.
    pub fn new(role: &str, index: u32) -> Self {
        InstanceId(format!("{role}_IN_{index}"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for InstanceId {
    fn from(text: &str) -> Self {
        InstanceId(text.to_owned())
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Which of a service's two slots a deployment runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// The one that clients reach.
    Production,
    /// The one beside it, to try a deployment before a swap.
    Staging,
}

/// A deployment, wholly decided. Immutable; a change is a new plan with the next incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentPlan {
    /// The service's name.
    pub service: String,
    /// 32 hex digits.
    pub deployment_id: String,
    /// Where it runs.
    pub slot: Slot,
    /// Counts the plans of a state directory, from 1.
    pub incarnation: u64,
    /// Whether the roles are told that they run in an emulator.
    pub emulated: bool,
    /// The block of loopback addresses, `n` of 127.17.n.0/24.
    pub block: u8,
    /// In the definition's order.
    pub roles: Vec<RolePlan>,
    /// The ports that clients connect to, in the definition's order.
    pub public: Vec<PublicEndpoint>,
}

impl DeploymentPlan {
    /// All instances, role by role.
    pub fn instances(&self) -> impl Iterator<Item = &InstancePlan> {
        self.roles.iter().flat_map(|role| &role.instances)
    }
}

/// One role of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolePlan {
    /// The role's name.
    pub name: String,
    /// In the order of their indices.
    pub instances: Vec<InstancePlan>,
}

/// An input endpoint as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicEndpoint {
    /// The role behind it.
    pub role: String,
    /// The endpoint's name, unique in the role.
    pub name: String,
    /// Where it listens; the first is the one that people are shown.
    pub listen: Vec<SocketAddr>,
    /// `ignoreRoleInstanceStatus`: Busy instances stay in rotation.
    pub ignore_role_instance_status: bool,
}

impl PublicEndpoint {
    /// `Role/Endpoint`, unique in the deployment.
    pub fn key(&self) -> String {
        format!("{}/{}", self.role, self.name)
    }
}

/// One instance: all that its host needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstancePlan {
    /// The instance's id.
    pub id: InstanceId,
    /// Its role's name.
    pub role: String,
    /// The deployment it is part of.
    pub deployment_id: String,
    /// `@emulated` of the role environment.
    pub emulated: bool,
    /// `index` modulo `upgradeDomainCount`. The SDK calls it the update domain.
    pub upgrade_domain: u32,
    /// `index` modulo 2, as the platform always had two.
    pub fault_domain: u32,
    /// The instance's own loopback address.
    pub address: Ipv4Addr,
    /// In the definition's order, input endpoints first.
    pub endpoints: Vec<EndpointPlan>,
    /// Settings with their values, in the definition's order.
    pub settings: Vec<(String, String)>,
    /// Local stores.
    pub local_resources: Vec<LocalResourcePlan>,
    /// Folders and sockets.
    pub paths: Paths,
    /// The digest of the package that the approot is made from.
    pub package_digest: String,
    /// Startup tasks in document order.
    pub startup_tasks: Vec<TaskPlan>,
    /// The role's program.
    pub entry_point: Command,
    /// Ready as soon as the program runs, instead of when it says so.
    pub ready_on_process_start: bool,
    /// The other instances that this one can discover.
    pub topology: Vec<RoleView>,
    /// What the instance's programs may do and use.
    pub sandbox: SandboxPlan,
    /// Changes of topology are told to all instances at once and not domain by domain.
    #[serde(default)]
    pub blast: bool,
    /// The host opens the endpoints' sockets itself, keeps them for as long as it lives and passes them to each
    /// program that it starts (`LISTEN_FDS`). Only for programs that take them: another could not bind its own.
    #[serde(default)]
    pub pass_sockets: bool,
    /// What the operator has said of the role.
    pub options: RoleOptions,
    /// Certificates to place, in the definition's order. Never a key: that lies in a file.
    pub certificates: Vec<CertificatePlan>,
}

/// What the programs of one instance may do and use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxPlan {
    /// The user and group that limited programs run as, the instance's own; none where the fabric is not root
    /// and has no identity to give but its own.
    pub identity: Option<u32>,
    /// Whether the role's program runs with the fabric's rights: `executionContext="elevated"`.
    pub is_elevated: bool,
    /// Whether the role's program may execute other files.
    pub native_code: bool,
    /// The control group of the instance, one of the deployment's: `approot-<8 hex>/<instance>`.
    pub group: String,
    /// How many processors it may use, all where the size is not known.
    pub cores: Option<u32>,
    /// How much memory it may use, in MiB, any where the size is not known.
    pub memory_mib: Option<u32>,
}

impl Default for SandboxPlan {
    /// Limited, with nothing that a machine would have to give.
    fn default() -> Self {
        SandboxPlan {
            identity: None,
            is_elevated: false,
            native_code: true,
            group: String::new(),
            cores: None,
            memory_mib: None,
        }
    }
}

/// A certificate of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificatePlan {
    /// The certificate's name.
    pub name: String,
    /// The SHA-1 digest that the configuration asks for, 40 hex digits in upper case.
    pub thumbprint: String,
    /// The files to copy, without their extensions `.crt` and `.key`.
    pub source: PathBuf,
    /// Where they are placed, without their extensions.
    pub path: PathBuf,
    /// Whether limited programs may not read the key.
    pub is_elevated: bool,
}

/// An endpoint of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointPlan {
    /// The endpoint's name.
    pub name: String,
    /// Which kind of endpoint.
    pub kind: EndpointKind,
    /// As the definition says, in lower case.
    pub protocol: String,
    /// Where the program has to listen.
    pub address: SocketAddr,
    /// Where clients connect, for an input endpoint; the first listen address.
    pub public: Option<SocketAddr>,
}

/// The kinds of endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointKind {
    /// Public and load-balanced.
    Input,
    /// Reached by the deployment's own instances, directly.
    Internal,
    /// Public, a port an instance.
    InstanceInput,
}

/// A local store of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalResourcePlan {
    /// The store's name.
    pub name: String,
    /// Its folder. Roles see it with a `/` at the end.
    pub path: PathBuf,
    /// The declared size, in MB.
    pub size_mb: u32,
    /// Whether every recycle empties it.
    pub clean_on_role_recycle: bool,
}

/// Where an instance's things are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paths {
    /// `RoleRoot`.
    pub root: PathBuf,
    /// The working directory of the role, below the root.
    pub approot: PathBuf,
    /// `TEMP`, emptied at every recycle.
    pub temp: PathBuf,
    /// What the instance printed, one file an attempt.
    pub logs: PathBuf,
    /// The folder of the instance's sockets; short, because a socket's path ends at 107 bytes.
    pub sockets: PathBuf,
    /// The approot that the instance's own is copied from.
    pub approot_source: PathBuf,
}

impl Paths {
    /// Where a role's programs begin to speak with their host (`WaRuntimeEndpoint`): a socket, or a plain file for
    /// those that open paths.
    pub fn discovery(&self, options: &RoleOptions) -> PathBuf {
        self.sockets.join(if options.fifo {
            "runtime.xml"
        } else {
            "runtime.sock"
        })
    }
}

/// Something to execute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The `commandLine` as it was declared, for people.
    pub command_line: String,
    /// Its words; `%NAME%` and `${NAME}` are not expanded yet.
    pub words: Vec<String>,
    /// The environment, platform variables first; a later entry of a name wins.
    pub environment: Vec<(String, String)>,
    /// The whole line where it takes a shell to run it, and `words` are its first command's; else empty.
    pub script: Vec<ScriptPart>,
}

/// A part of a line for `/bin/sh`; variables are not expanded yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScriptPart {
    /// The first word of a command.
    Program(String),
    /// A later word.
    Argument(String),
    /// The file of a redirection.
    File(String),
    /// An operator of the shell, which is not quoted.
    Operator(String),
}

/// A startup task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPlan {
    /// Waited for or not.
    pub task_type: TaskType,
    /// What to execute.
    pub command: Command,
    /// Whether it runs with the fabric's rights: `executionContext="elevated"`.
    pub is_elevated: bool,
}

/// `taskType` of a startup task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskType {
    /// Waited for; a non-zero exit status blocks the instance.
    Simple,
    /// Not waited for at start; a recycle or stop waits until it ends.
    Foreground,
    /// Not waited for.
    Background,
}

/// A role as other instances see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleView {
    /// The role's name.
    pub name: String,
    /// Its instances.
    pub instances: Vec<InstanceView>,
}

/// An instance as others see it: its internal endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceView {
    /// The instance's id.
    pub id: InstanceId,
    /// Its upgrade domain.
    pub upgrade_domain: u32,
    /// Its fault domain.
    pub fault_domain: u32,
    /// Name, protocol and address of each internal endpoint.
    pub endpoints: Vec<(String, String, SocketAddr)>,
}

impl EndpointPlan {
    /// The IP address alone.
    pub fn ip(&self) -> IpAddr {
        self.address.ip()
    }
}
