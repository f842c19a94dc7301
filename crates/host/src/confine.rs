//! What keeps an instance's programs in their place: from what the plan says to what `sandbox` does.
//!
//! As root a limited program runs as the instance's own user, and sees the system, its approot, its stores and its
//! `temp`. Without root it reads and executes what its user does, and writes the same folders alone. An elevated
//! program is only counted and limited with the others of its instance.
//!
//! The group and the namespace live as long as the host; the ruleset is made for every attempt, because it names
//! folders that every attempt makes anew.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use causes::Memory;
use plan::InstancePlan;
use sandbox::{
    Cgroup, Confinement, Elsewhere, FileRules, Files, Hierarchies, Limits, View, ViewRules,
};

use crate::{interpreter, stores};

/// The bytes of a MiB.
const MIB: u64 = 1024 * 1024;

/// What an instance's programs are confined by.
#[derive(Debug, Default)]
pub(crate) struct Confiner {
    group: Option<Cgroup>,
    /// What the group limits the instance's memory to, in bytes.
    memory_limit: Option<u64>,
    /// What the group counted of kills for memory when the attempt began.
    earlier_oom_kills: u64,
    data_limit: Option<u64>,
    view: Option<View>,
    files: Option<Files>,
}

/// What is made for one program alone, where it may execute no other.
#[derive(Debug, Default)]
pub(crate) struct Alone {
    view: Option<View>,
    files: Option<Files>,
}

impl Confiner {
    /// Makes the instance's group. Where that fails each process is limited by itself, and the reason is returned.
    pub(crate) fn new(plan: &InstancePlan) -> (Confiner, Option<io::Error>) {
        let limits = Limits {
            memory: plan.sandbox.memory_mib.map(|mib| u64::from(mib) * MIB),
            cores: plan.sandbox.cores,
        };
        let limits = limits.on_this_machine();
        let made = match plan.sandbox.group.is_empty() {
            true => Ok(None),
            false => Cgroup::make(&Hierarchies::find(), &plan.sandbox.group, limits).map(Some),
        };
        let (group, error) = match made {
            Ok(group) => (group, None),
            Err(error) => (None, Some(error)),
        };
        let is_limited = group.as_ref().is_some_and(Cgroup::is_memory_limited);
        let confiner = Confiner {
            memory_limit: limits.memory.filter(|_| is_limited),
            data_limit: limits.memory.filter(|_| !is_limited),
            group,
            ..Confiner::default()
        };
        (confiner, error)
    }

    /// The instance's control group, where the machine has them.
    pub(crate) fn group(&self) -> Option<&Cgroup> {
        self.group.as_ref()
    }

    /// What the kernel knows of the instance's memory: its limit, and the kills for it in this attempt.
    pub(crate) fn memory(&self) -> Memory {
        Memory {
            peak_bytes: None,
            limit_bytes: self.memory_limit,
            oom_kills: self.oom_kills().saturating_sub(self.earlier_oom_kills),
        }
    }

    fn oom_kills(&self) -> u64 {
        let group = self.group.as_ref();
        group.and_then(Cgroup::oom_kills).unwrap_or(0)
    }

    /// Looks at the folders of an attempt, which have been made.
    pub(crate) fn begin_attempt(&mut self, plan: &InstancePlan) -> io::Result<()> {
        self.earlier_oom_kills = self.oom_kills();
        let mut tasks = plan.startup_tasks.iter();
        if plan.sandbox.is_elevated && tasks.all(|task| task.is_elevated) {
            return Ok(());
        }
        self.files = Files::build(&FileRules {
            elsewhere: elsewhere(plan),
            writable: own_folders(plan),
            shared: shared_folders(plan),
            executable: None,
        })?;
        if self.view.is_none()
            && let Some(identity) = plan.sandbox.identity
        {
            let rules = ViewRules {
                identity,
                shown: shown(plan),
                foreign: stores::of_others(&plan.paths.root),
                ..ViewRules::default()
            };
            if !rules.are_met_everywhere() {
                self.view = Some(View::build(rules)?);
            }
        }
        Ok(())
    }

    /// What keeps the role's program, which is `executable`, from executing another file and, as root, from mapping
    /// one of its own as code; `None` where it may do both.
    pub(crate) fn alone(
        &self,
        plan: &InstancePlan,
        executable: &Path,
    ) -> io::Result<Option<Alone>> {
        if plan.sandbox.native_code {
            return Ok(None);
        }
        let path = plan
            .entry_point
            .environment
            .iter()
            .rev()
            .find(|(name, _)| name == "PATH");
        let inherited = std::env::var("PATH").ok();
        let path = path
            .map(|(_, value)| value.as_str())
            .or(inherited.as_deref());
        let mut executables = interpreter::needed(executable, path);
        let elsewhere = match plan.sandbox.is_elevated {
            true => Elsewhere::Anything,
            false => elsewhere(plan),
        };
        let view = match plan.sandbox.identity {
            Some(identity) => {
                let without_code = own_folders(plan);
                let is_own = |path: &PathBuf| without_code.iter().any(|own| path.starts_with(own));
                let with_code = executables
                    .iter()
                    .filter(|path| is_own(path))
                    .cloned()
                    .collect();
                let shown = if plan.sandbox.is_elevated {
                    Vec::new()
                } else {
                    shown(plan)
                };
                Some(View::build(ViewRules {
                    identity,
                    shown,
                    without_code,
                    with_code,
                    foreign: stores::of_others(&plan.paths.root),
                })?)
            }
            None => None,
        };
        executables.push(executable.to_owned());
        let files = Files::build(&FileRules {
            elsewhere,
            writable: own_folders(plan),
            shared: shared_folders(plan),
            executable: Some(executables),
        })?;
        Ok(Some(Alone { view, files }))
    }

    /// How a program of the instance is confined.
    pub(crate) fn confinement<'a>(
        &'a self,
        plan: &InstancePlan,
        is_elevated: bool,
        alone: Option<&'a Alone>,
    ) -> Confinement<'a> {
        let elevated = Confinement {
            group: self.group.as_ref(),
            data_limit: self.data_limit,
            view: alone.and_then(|alone| alone.view.as_ref()),
            files: alone.and_then(|alone| alone.files.as_ref()),
            no_new_privileges: alone.is_some(),
            no_capabilities: false,
            identity: None,
        };
        if is_elevated {
            return elevated;
        }
        Confinement {
            view: elevated.view.or(self.view.as_ref()),
            files: elevated.files.or(self.files.as_ref()),
            no_new_privileges: true,
            no_capabilities: true,
            identity: plan.sandbox.identity,
            ..elevated
        }
    }
}

fn elsewhere(plan: &InstancePlan) -> Elsewhere {
    match plan.sandbox.identity {
        Some(_) => Elsewhere::System,
        None => Elsewhere::Reading,
    }
}

/// What a program may write.
fn own_folders(plan: &InstancePlan) -> Vec<PathBuf> {
    let stores = plan.local_resources.iter().map(|store| &store.path);
    [&plan.paths.approot, &plan.paths.temp]
        .into_iter()
        .chain(stores)
        .filter(|path| fs::exists(path).unwrap_or(false))
        .cloned()
        .collect()
}

/// What its host writes for a program: documents and sockets of the runtime protocol, and certificates.
fn shared_folders(plan: &InstancePlan) -> Vec<PathBuf> {
    vec![
        plan.paths.sockets.clone(),
        plan.paths.root.join("certificates"),
    ]
}

fn shown(plan: &InstancePlan) -> Vec<PathBuf> {
    vec![plan.paths.root.clone(), plan.paths.sockets.clone()]
}
