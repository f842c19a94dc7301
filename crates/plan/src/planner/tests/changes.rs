//! A plan that follows another.

use super::{options, service};
use crate::{DeploymentPlan, InstanceId, difference, plan};

fn first() -> DeploymentPlan {
    plan(&service(), &options()).unwrap()
}

/// The plan that follows the first one, with every address kept.
fn next(change: impl FnOnce(&mut schema::Service)) -> DeploymentPlan {
    let mut service = service();
    change(&mut service);
    let mut options = options();
    options.incarnation = 2;
    // In use by the instances themselves.
    options.taken.extend([1, 3, 4]);
    options.kept = first()
        .instances()
        .map(|instance| (instance.id.clone(), instance.address))
        .collect();
    plan(&service, &options).unwrap()
}

fn ids(indices: &[u32]) -> Vec<InstanceId> {
    let ids = indices.iter().map(|index| InstanceId::new("Echo", *index));
    ids.collect()
}

#[test]
fn the_same_configuration_again_is_no_difference() {
    let same = difference(&first(), &next(|_| {}));
    assert!(same.is_empty() && same.settings.is_empty(), "{same:?}");
}

#[test]
fn a_setting_is_told_even_where_a_variable_holds_it() {
    let found = difference(
        &first(),
        &next(|service| service.roles[0].settings[0].1 = "hello".into()),
    );
    assert_eq!(found.told, ids(&[0, 1, 2]));
    assert_eq!(found.settings["Echo"], ["Greeting".to_owned()].into());
    assert!(found.added.is_empty() && found.removed.is_empty() && found.recycled.is_empty());
}

#[test]
fn more_instances_get_addresses_of_their_own_and_are_told_to_the_others() {
    let plan = next(|service| service.roles[0].instance_count = 5);
    let found = difference(&first(), &plan);
    assert_eq!((found.added, found.told), (ids(&[3, 4]), ids(&[0, 1, 2])));
    let last = |instance: &crate::InstancePlan| instance.address.octets()[3];
    let addresses: Vec<u8> = plan.instances().map(last).collect();
    assert_eq!(addresses, [1, 3, 4, 5, 6]);
}

#[test]
fn fewer_instances_are_the_first_ones() {
    let found = difference(
        &first(),
        &next(|service| service.roles[0].instance_count = 1),
    );
    assert_eq!((found.removed, found.told), (ids(&[1, 2]), ids(&[0])));
}

#[test]
fn without_internal_endpoints_nobody_hears_of_the_others() {
    let alone = |count| {
        let mut service = service();
        service.definition.roles[0].internal_endpoints.clear();
        service.roles[0].instance_count = count;
        plan(&service, &options()).unwrap()
    };
    let found = difference(&alone(3), &alone(2));
    assert_eq!((found.removed, found.told), (ids(&[2]), vec![]));
}

#[test]
fn what_a_running_program_cannot_be_told_recycles_it() {
    let found = difference(
        &first(),
        &next(|service| {
            service.definition.roles[0].local_resources[0].size_mb = 20;
            service.roles[0].settings[0].1 = "hello".into();
        }),
    );
    assert_eq!((found.recycled, found.told), (ids(&[0, 1, 2]), vec![]));
}

#[test]
fn a_full_block_refuses_only_what_is_new() {
    let mut service = service();
    let mut options = options();
    options.taken = (1..=254).collect();
    options.kept = first()
        .instances()
        .map(|instance| (instance.id.clone(), instance.address))
        .collect();
    assert!(plan(&service, &options).is_ok());
    service.roles[0].instance_count = 4;
    let refused = plan(&service, &options).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the deployment has 4 instances, and its block of loopback addresses has room for 3"
    );
}
