//! The difference of two plans of one deployment: what a new configuration asks of its instances.
//!
//! Pure. It tells what a running program can be told from what only a recycle brings about. Settings and topology can
//! be told: the program reads them from the role environment. Variables that hold a setting are captured when a
//! process starts, as on the platform, so they alone are no reason to end one. Everything else is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::deployment::{DeploymentPlan, InstanceId, InstancePlan};

/// What has to happen so that one plan follows another. Instances that are named nowhere stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Instances that only the new plan has.
    pub added: Vec<InstanceId>,
    /// Instances that only the old plan has.
    pub removed: Vec<InstanceId>,
    /// Instances that are told of new settings or a new topology while they run.
    pub told: Vec<InstanceId>,
    /// Instances that are recycled, because what differs cannot change while a program runs.
    pub recycled: Vec<InstanceId>,
    /// The settings whose values differ, of each role, for roles that both plans have.
    pub settings: BTreeMap<String, BTreeSet<String>>,
}

impl Difference {
    /// Whether the plans ask for the same.
    pub fn is_empty(&self) -> bool {
        [&self.added, &self.removed, &self.told, &self.recycled]
            .iter()
            .all(|instances| instances.is_empty())
    }
}

/// What has to happen so that `after` follows `before`.
pub fn difference(before: &DeploymentPlan, after: &DeploymentPlan) -> Difference {
    let known = by_id(before);
    let wanted = by_id(after);
    let mut difference = Difference {
        removed: before
            .instances()
            .filter(|instance| !wanted.contains_key(&instance.id))
            .map(|instance| instance.id.clone())
            .collect(),
        ..Difference::default()
    };
    for instance in after.instances() {
        let Some(earlier) = known.get(&instance.id) else {
            difference.added.push(instance.id.clone());
            continue;
        };
        let settings = settings(earlier, instance);
        if !settings.is_empty() {
            let role = difference.settings.entry(instance.role.clone());
            role.or_default().extend(settings);
        }
        if needs_recycle(earlier, instance) {
            difference.recycled.push(instance.id.clone());
        } else if *earlier != instance {
            difference.told.push(instance.id.clone());
        }
    }
    difference
}

fn by_id(plan: &DeploymentPlan) -> BTreeMap<&InstanceId, &InstancePlan> {
    plan.instances()
        .map(|instance| (&instance.id, instance))
        .collect()
}

/// The names of the settings whose values differ.
fn settings(before: &InstancePlan, after: &InstancePlan) -> BTreeSet<String> {
    let before: BTreeSet<_> = before.settings.iter().collect();
    let after: BTreeSet<_> = after.settings.iter().collect();
    before
        .symmetric_difference(&after)
        .map(|(name, _)| name.clone())
        .collect()
}

/// Whether anything differs that a running program cannot be told. What a later version adds to a plan counts as
/// such until somebody says otherwise here.
fn needs_recycle(before: &InstancePlan, after: &InstancePlan) -> bool {
    let mut told = before.clone();
    told.settings.clone_from(&after.settings);
    told.topology.clone_from(&after.topology);
    told.entry_point
        .environment
        .clone_from(&after.entry_point.environment);
    for (task, new) in told.startup_tasks.iter_mut().zip(&after.startup_tasks) {
        task.command
            .environment
            .clone_from(&new.command.environment);
    }
    told != *after
}
