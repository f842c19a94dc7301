//! What differs between two role environments, in the words of *changing* and *changed*.
//!
//! A change names what changed, not how: the new values are read from the new environment.
//! Deliberately not compared: local stores, which cannot change under a running instance; public
//! ports, which belong to the load balancer; and the order in which anything is listed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::environment::{Instance, Role, RoleEnvironment};

/// One difference between two environments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A setting has another value, is new or is gone.
    ConfigurationSetting {
        /// The setting's name.
        name: String,
    },
    /// A role is new or gone, or its instances are others, or one has other domains or endpoints.
    Topology {
        /// The role's name.
        role: String,
    },
}

/// The changes from `old` to `new`: settings first, then roles, each in the order of their names.
pub fn changes(old: &RoleEnvironment, new: &RoleEnvironment) -> Vec<Change> {
    let settings = differing(&settings(old), &settings(new));
    let topology = differing(&topology(&old.all_roles()), &topology(&new.all_roles()));
    let settings = settings
        .into_iter()
        .map(|name| Change::ConfigurationSetting { name });
    settings
        .chain(topology.into_iter().map(|role| Change::Topology { role }))
        .collect()
}

/// The keys whose values differ, or that only one of the two has, in order.
fn differing<V: PartialEq>(old: &BTreeMap<&str, V>, new: &BTreeMap<&str, V>) -> Vec<String> {
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let differs = |name: &&str| old.get(name) != new.get(name);
    names
        .into_iter()
        .filter(differs)
        .map(str::to_owned)
        .collect()
}

fn settings(environment: &RoleEnvironment) -> BTreeMap<&str, &str> {
    let settings = environment.current.settings.iter();
    settings
        .map(|setting| (&*setting.name, &*setting.value))
        .collect()
}

/// What counts of a role: its instances by id.
type RoleShape<'a> = BTreeMap<&'a str, InstanceShape<'a>>;

/// What counts of an instance: its domains, and its endpoints by name.
type InstanceShape<'a> = (u32, u32, BTreeMap<&'a str, (IpAddr, u16, &'a str)>);

fn topology(roles: &[Role]) -> BTreeMap<&str, RoleShape<'_>> {
    let mut shapes = BTreeMap::new();
    for role in roles {
        let instances = role.instances.iter();
        let shape = instances
            .map(|instance| (&*instance.id, instance_shape(instance)))
            .collect();
        shapes.insert(&*role.name, shape);
    }
    shapes
}

fn instance_shape(instance: &Instance) -> InstanceShape<'_> {
    let endpoints = instance.endpoints.iter().map(|endpoint| {
        (
            &*endpoint.name,
            (endpoint.address, endpoint.port, &*endpoint.protocol),
        )
    });
    (
        instance.fault_domain,
        instance.update_domain,
        endpoints.collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::tests::{environment, instance, setting};

    /// What `edit` changes, one word a change.
    #[track_caller]
    fn check(edit: impl FnOnce(&mut RoleEnvironment), expected: &[&str]) {
        let old = environment();
        let mut new = old.clone();
        edit(&mut new);
        let words = |changes: Vec<Change>| {
            let word = |change| match change {
                Change::ConfigurationSetting { name } => format!("setting {name}"),
                Change::Topology { role } => format!("topology {role}"),
            };
            changes.into_iter().map(word).collect::<Vec<_>>()
        };
        assert_eq!(words(changes(&old, &new)), expected);
        assert_eq!(
            words(changes(&new, &old)),
            expected,
            "the way back names the same"
        );
    }

    #[test]
    fn settings_differ_by_value_and_presence() {
        check(|_| (), &[]);
        check(
            |new| new.current.settings[0].value.push('!'),
            &["setting Greeting"],
        );
        check(
            |new| new.current.settings.push(setting("Added", "1")),
            &["setting Added"],
        );
        check(
            |new| new.current.settings.clear(),
            &["setting Empty", "setting Greeting"],
        );
        check(|new| new.current.settings.reverse(), &[]);
    }

    #[test]
    fn a_role_is_named_once_whatever_differs() {
        let worker = &["topology EchoWorker"];
        check(
            |new| new.roles[0].instances.push(instance("EchoWorker_IN_2", 2)),
            worker,
        );
        check(|new| new.roles[0].instances.clear(), worker);
        check(|new| new.roles[0].instances[0].update_domain += 1, worker);
        check(|new| new.current.instance.fault_domain += 1, worker);
        check(|new| new.current.instance.endpoints[0].port += 1, worker);
        check(
            |new| new.current.instance.endpoints[0].protocol = "udp".to_owned(),
            worker,
        );
        check(|new| drop(new.roles.pop()), &["topology Cache"]);
        check(
            |new| drop(new.roles[1].instances[0].endpoints.pop()),
            &["topology Cache"],
        );
        check(|new| new.roles.reverse(), &[]);
    }

    #[test]
    fn what_is_no_change() {
        check(|new| new.current.resources.clear(), &[]);
        check(
            |new| new.current.instance.endpoints[0].public_port = None,
            &[],
        );
        check(|new| new.roles = new.all_roles(), &[]);
    }
}
