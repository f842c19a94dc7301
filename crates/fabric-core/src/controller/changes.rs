//! A new plan of the deployment that runs, and instances that are started anew.
//!
//! ```text
//!   Configured ──► is only in the new plan ──► a member like any other, spawned when it is vacant
//!             ├──► is only in the old plan ──► leaves: Order::Stop … host ended ──► Discard
//!             ├──► can be told ──────────────► Change
//!             └──► cannot be told ───────────► Replace, one upgrade domain at a time, each Ready before the next
//! ```

use std::time::Duration;

use host_core::Order;
use plan::{DeploymentPlan, InstanceId, difference};

use super::{Controller, Goal, STOP_LIMIT};
use crate::member::{Host, Leaving, Member};
use crate::messages::Action;

/// How long another configuration has to wait for one that is being carried out. It need not wait for one that an
/// instance fails under: then it may well be the cure.
pub const CHANGE_LIMIT: Duration = Duration::from_secs(60);

impl Controller {
    /// Which instances a configuration that is being carried out still waits for; empty where another may come.
    pub fn under_way(&self, now: Duration) -> Vec<InstanceId> {
        let pending = self
            .members
            .iter()
            .filter(|(_, member)| member.is_pending());
        let fails = |member: &Member| {
            let report = member.report.as_ref();
            member.host_deaths > 0 || report.is_some_and(|report| report.failed_starts > 0)
        };
        let is_stuck = pending.clone().any(|(_, member)| fails(member));
        let is_late = self.changed_at.is_none_or(|at| now >= at + CHANGE_LIMIT);
        if is_stuck || is_late {
            return Vec::new();
        }
        pending.map(|(id, _)| id.clone()).collect()
    }

    /// Instances that have not come to what the plan wants of them.
    pub fn pending(&self) -> impl Iterator<Item = &InstanceId> {
        let is_pending = |(id, member): (_, &Member)| member.is_pending().then_some(id);
        self.members.iter().filter_map(is_pending)
    }

    /// Whether the deployment is to run, rather than to stop.
    pub fn is_running(&self) -> bool {
        self.goal == Goal::Run
    }

    /// Every instance that is on its way out, with the address that it still has.
    pub fn leaving(&self) -> impl Iterator<Item = &plan::InstancePlan> {
        let leaving = |member| Member::leaving_plan(member);
        self.members.values().filter_map(leaving)
    }

    pub(super) fn configure(&mut self, now: Duration, plan: DeploymentPlan) {
        if self.goal != Goal::Run {
            return;
        }
        let difference = difference(&self.plan, &plan);
        let before = std::mem::replace(&mut self.plan, plan);
        self.changed_at = Some(now);
        for id in &difference.removed {
            let plan = before.instances().find(|instance| instance.id == *id);
            self.release(now, id, plan.expect("it was in that plan").clone());
        }
        for id in &difference.added {
            // One that is still on its way out begins anew when it has gone.
            if !self.members.contains_key(id) {
                self.add_member(id);
            }
        }
        let stays = |id: &InstanceId| !difference.added.contains(id);
        let plan = &self.plan;
        for instance in plan.instances().filter(|instance| stays(&instance.id)) {
            let member = self
                .members
                .get_mut(&instance.id)
                .expect("it was in the plan before, and every planned instance is a member");
            let is_replaced = difference.recycled.contains(&instance.id);
            member.take_change(now, is_replaced);
        }
    }

    /// An instance leaves: its program by the stop path, and then its host.
    fn release(&mut self, now: Duration, id: &InstanceId, plan: plan::InstancePlan) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let leaving = Leaving {
            plan,
            kill_at: now + STOP_LIMIT,
        };
        // It may be on its way out already, from before it was wanted again.
        member.leaving.get_or_insert(leaving);
        member.due = None;
        self.order(id, Order::Stop);
        self.discard_if_left(id);
    }

    fn add_member(&mut self, id: &InstanceId) {
        let instance = self.plan.instances().find(|instance| instance.id == *id);
        let is_public =
            instance.is_some_and(|instance| super::is_public(&self.plan, &instance.role));
        self.members.insert(id.clone(), Member::new(is_public));
    }

    /// Nothing runs of an instance that has left: its folders go, and itself, unless it is wanted again by now.
    pub(super) fn discard_if_left(&mut self, id: &InstanceId) {
        let has_left = self.members.get(id).is_some_and(|member| {
            member.leaving.is_some() && matches!(member.host, Host::Absent { .. })
        });
        if !has_left {
            return;
        }
        self.members.remove(id);
        self.actions.push_back(Action::Discard(id.clone()));
        if self.plan.instances().any(|instance| instance.id == *id) {
            self.add_member(id);
        }
    }

    /// Tells hosts of the new plan: at once where that is all, else one upgrade domain at a time.
    pub(super) fn tell_changes(&mut self) {
        if self.goal != Goal::Run {
            return;
        }
        let members = &self.members;
        let domains = |is_meant: &dyn Fn(&Member) -> bool| {
            let meant = |id: &InstanceId| {
                let member = &members[id];
                member.leaving.is_none() && is_meant(member)
            };
            let instances = self.plan.instances().filter(|plan| meant(&plan.id));
            instances.map(|plan| plan.upgrade_domain).min()
        };
        let is_due =
            |member: &Member| member.host == Host::Present && member.due == Some(Order::Replace);
        let domain = domains(&|member| member.is_replacing).or_else(|| domains(&is_due));
        for instance in self.plan.instances() {
            let member = self
                .members
                .get_mut(&instance.id)
                .expect("every planned instance is a member");
            let is_its_turn =
                member.due != Some(Order::Replace) || domain == Some(instance.upgrade_domain);
            let is_there = member.host == Host::Present && member.leaving.is_none();
            if let Some(order) = member.due.filter(|_| is_its_turn && is_there) {
                member.due = None;
                member.changes += 1;
                member.is_replacing |= order == Order::Replace;
                self.actions
                    .push_back(Action::Change(instance.id.clone(), order));
            }
        }
    }

    /// Starts an instance anew, host and all. One that has no host gets another at once.
    pub(super) fn reboot(&mut self, now: Duration, id: &InstanceId) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        if member.leaving.is_some() || self.goal != Goal::Run {
            return;
        }
        match &mut member.host {
            Host::Absent { spawn_at } => *spawn_at = now,
            Host::Spawning => member.is_rebooting = true,
            Host::Present => {
                member.is_rebooting = true;
                self.order(id, Order::Reboot);
            }
            // The one that is spawned when it has gone is a new one anyway.
            Host::Unknown => {}
        }
    }
}

impl Member {
    /// There is a new plan, and a host that knows the old one has to hear of it. Whoever waits to be spawned again
    /// is, at once.
    fn take_change(&mut self, now: Duration, is_replaced: bool) {
        self.host_deaths = 0;
        let order = if is_replaced || self.due == Some(Order::Replace) {
            Order::Replace
        } else {
            Order::Change
        };
        match &mut self.host {
            Host::Absent { spawn_at } => *spawn_at = now,
            Host::Spawning | Host::Present if self.leaving.is_none() => self.due = Some(order),
            Host::Spawning | Host::Present | Host::Unknown => {}
        }
    }

    fn leaving_plan(&self) -> Option<&plan::InstancePlan> {
        self.leaving.as_ref().map(|leaving| &leaving.plan)
    }
}
