//! From what an operator asked for to a committed plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use packager::{Digest, ServiceSource, Staged};
use plan::command_line::{Program, is_built_in};
use plan::{DeploymentPlan, InstancePlan, Options, Package, RoleOptions, Slot};
use rustix::process::geteuid;
use sandbox::identity;
use schema::Service;

use crate::addresses;
use crate::certificates::{CertificateSource, gather};
use crate::error::FabricError;
use crate::handle::ConfigureRequest;
use crate::keeper_link::Keeper;
use crate::notice::Notice;
use crate::store::Store;

/// The longest path of a Unix socket, in bytes, its final zero aside. Source: unix(7), `sun_path`.
const SOCKET_PATH_MAX: usize = 107;

/// The names inside a state directory and a runtime directory.
pub const LAYOUT: Layout = Layout {
    keeper_lock: "keeper.lock",
    fabric_lock: "fabric.lock",
    balancer_lock: "balancer.lock",
    database: "fabric.db",
    package: "package",
    certificates: "certificates",
    instances: "instances",
    control_socket: "control.sock",
    balancer_socket: "balancer.sock",
};

/// See [`LAYOUT`].
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// In the state directory: held by the keeper.
    pub keeper_lock: &'static str,
    /// In the state directory: held by the fabric.
    pub fabric_lock: &'static str,
    /// In the state directory: held by the balancer.
    pub balancer_lock: &'static str,
    /// In the state directory: what was asked for.
    pub database: &'static str,
    /// In the state directory: the staged package.
    pub package: &'static str,
    /// In the state directory: certificates with their keys, for the fabric's user alone.
    pub certificates: &'static str,
    /// In both: a folder for each instance.
    pub instances: &'static str,
    /// In the runtime directory: where operators connect.
    pub control_socket: &'static str,
    /// In the runtime directory: where the fabric reaches the balancer.
    pub balancer_socket: &'static str,
}

/// What was asked for.
#[derive(Debug)]
pub struct Settings {
    /// The state directory, absolute.
    pub state: PathBuf,
    /// The folder of sockets, absolute and short.
    pub runtime_directory: PathBuf,
    /// The checked service.
    pub service: Service,
    /// Where its files come from.
    pub source: Source,
    /// Instance counts that replace the configuration's.
    pub instances: BTreeMap<String, u32>,
    /// Addresses of this machine for the public ports.
    pub listen: Vec<IpAddr>,
    /// What the operator has said of roles, by name.
    pub roles: BTreeMap<String, RoleOptions>,
    /// `@emulated` of the role environment.
    pub emulated: bool,
    /// Where certificates come from.
    pub certificates: CertificateSource,
}

/// Where a service's files come from.
#[derive(Debug)]
pub enum Source {
    /// Folders and built binaries.
    Folder(ServiceSource),
    /// A package. By its path: an open file would not outlive the fork of this process.
    Package {
        /// The file.
        path: PathBuf,
        /// The digest that it had when it was accepted; another one is refused.
        sha256: Digest,
    },
}

/// Makes the plan that runs from now on, and commits it.
pub(crate) async fn start(
    settings: &Settings,
    store: &mut Store,
    keeper: &Keeper,
    tell: &dyn Fn(Notice),
) -> Result<DeploymentPlan, FabricError> {
    let staged = stage(settings)?;
    check_programs(&settings.service, &settings.roles, &staged)?;
    let certificates = settings.state.join(LAYOUT.certificates);
    let gathered = gather(&settings.service, &settings.certificates, &certificates)?;
    gathered.forget_others(&certificates)?;
    gathered.keep(&certificates)?;
    for note in gathered.notes {
        tell(Notice::Limitation(note));
    }
    let block = addresses::claim_block(keeper).await?;
    let options = Options {
        deployment_id: deployment_id()?,
        incarnation: store.incarnation()? + 1,
        taken: addresses::listened_on(block),
        package: Package {
            digest: staged.digest.to_string(),
            root: staged.root.clone(),
            takes_sockets: takes_sockets(settings, &staged),
        },
        ..standing_options(settings, block)
    };
    if options.has_identities {
        check_identities(block)?;
    }
    let plan =
        plan::plan(&settings.service, &options).map_err(|source| FabricError::Plan { source })?;
    for instance in plan.instances() {
        check_socket_paths(instance)?;
    }
    let request = ConfigureRequest {
        configuration: None,
        instances: settings.instances.clone(),
    };
    store.commit(&plan, &request)?;
    Ok(plan)
}

/// What every plan of this fabric has in common. The rest is the caller's: which deployment and which number of its
/// plans it is, the package, and what the addresses are.
pub(crate) fn standing_options(settings: &Settings, block: u8) -> Options {
    Options {
        deployment_id: String::new(),
        incarnation: 0,
        slot: Slot::Production,
        emulated: settings.emulated,
        instances: settings.instances.clone(),
        listen: settings.listen.clone(),
        block,
        taken: BTreeSet::new(),
        instances_directory: settings.state.join(LAYOUT.instances),
        sockets_directory: settings.runtime_directory.join(LAYOUT.instances),
        package: Package {
            digest: String::new(),
            root: settings.state.join(LAYOUT.package),
            takes_sockets: BTreeSet::new(),
        },
        has_identities: geteuid().is_root(),
        group: control_group(settings),
        roles: settings.roles.clone(),
        kept: BTreeMap::new(),
        certificates_directory: settings.state.join(LAYOUT.certificates),
    }
}

/// The control group of the deployment: named as the folder of its sockets, which is short and its own.
pub(crate) fn control_group(settings: &Settings) -> String {
    let name = settings.runtime_directory.file_name().unwrap_or_default();
    format!("approot-{}", name.to_string_lossy())
}

/// A user that somebody else has is not given to an instance.
fn check_identities(block: u8) -> Result<(), FabricError> {
    let range = plan::identities(block);
    match identity::holders(&range).into_iter().next() {
        Some(holder) => Err(FabricError::IdentityTaken { holder, range }),
        None => Ok(()),
    }
}

/// Makes the folders that everything else lies in. As root others pass those of the instances, each of which lets its
/// own user in alone; what lies beside them is root's.
pub(crate) fn make_folders(settings: &Settings) -> Result<(), FabricError> {
    let is_root = geteuid().is_root();
    let sockets = settings.runtime_directory.join(LAYOUT.instances);
    let passed = if is_root { 0o711 } else { 0o700 };
    for (folder, mode) in [
        (&settings.state, passed),
        (&settings.runtime_directory, passed),
        (&sockets, passed),
    ] {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(folder)
            .map_err(FabricError::file("make the folder", folder))?;
    }
    Ok(())
}

fn stage(settings: &Settings) -> Result<Staged, FabricError> {
    let destination = settings.state.join(LAYOUT.package);
    let staged = match &settings.source {
        Source::Folder(source) => {
            packager::stage(source, &destination).map_err(|source| FabricError::Stage { source })
        }
        Source::Package { path, sha256 } => packager::open(path)
            .and_then(|opened| {
                opened.expect_digest(*sha256)?;
                opened.unpack(&destination)
            })
            .map_err(|source| FabricError::Unpack { source }),
    }?;
    // Each instance has a copy of what is its role's.
    fs::set_permissions(&destination, fs::Permissions::from_mode(0o700))
        .map_err(FabricError::file("protect", &destination))?;
    Ok(staged)
}

/// Every program that a role names must be there before anything is started. One whose name holds a variable
/// is left to the host, which knows the value.
fn check_programs(
    service: &Service,
    options: &BTreeMap<String, RoleOptions>,
    staged: &Staged,
) -> Result<(), FabricError> {
    let default = RoleOptions::default();
    for role in &service.definition.roles {
        let options = options.get(&role.name).unwrap_or(&default);
        let approot = staged.approot(&role.name);
        let tasks = role
            .startup_tasks
            .iter()
            .map(|task| ("startup task", &task.command_line));
        for (what, command_line) in tasks.chain([("program", &role.entry_point.command_line)]) {
            let word = options.program(command_line.program());
            let is_of_shell = command_line.has_operators() && is_built_in(word);
            let is_known = !is_of_shell && !schema::names_a_variable(word);
            if is_known && find(word, &approot).is_none() {
                return Err(no_program(&role.name, what, command_line.as_str(), word));
            }
        }
    }
    Ok(())
}

/// The roles whose programs take passed sockets. One that cannot be looked at binds its own, or fails later and says why.
fn takes_sockets(settings: &Settings, staged: &Staged) -> BTreeSet<String> {
    let takes_sockets = |role: &&schema::RoleDefinition| {
        let line = &role.entry_point.command_line;
        // Sockets are for the process that is started, which is then a shell.
        if line.has_operators() {
            return false;
        }
        let options = settings.roles.get(&role.name);
        let word = options.map_or(line.program(), |options| options.program(line.program()));
        let approot = staged.approot(&role.name);
        match find(word, &approot) {
            Some(Program::InApproot(file)) => {
                host::takes_sockets(&approot.join(file)).unwrap_or(false)
            }
            // A program of the machine is not on the SDK, and may be large.
            _ => false,
        }
    };
    let roles = settings.service.definition.roles.iter();
    roles
        .filter(takes_sockets)
        .map(|role| role.name.clone())
        .collect()
}

fn no_program(role: &str, what: &'static str, command_line: &str, word: &str) -> FabricError {
    FabricError::NoProgram {
        role: role.to_owned(),
        what,
        command_line: command_line.to_owned(),
        word: word.to_owned(),
    }
}

fn find(word: &str, approot: &Path) -> Option<Program> {
    let path = std::env::var("PATH").ok();
    let in_approot = |relative: &str| approot.join(relative).is_file();
    host::resolve(word, in_approot, path.as_deref())
}

pub(crate) fn check_socket_paths(instance: &InstancePlan) -> Result<(), FabricError> {
    let path = instance.paths.sockets.join("current-state.sock");
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        return Err(FabricError::SocketPath { path });
    }
    Ok(())
}

/// 32 random hex digits, as the platform's deployment ids were.
fn deployment_id() -> Result<String, FabricError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| FabricError::System {
        doing: "get random bytes for the deployment's id",
        source: std::io::Error::other(error),
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
