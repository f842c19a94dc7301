//! `WorkerRole` and its attributes.

use super::*;

#[test]
fn a_worker_role_is_run() {
    is_honoured(&service(""), "/WorkerRole[1]");
}

#[test]
fn a_service_without_worker_roles_has_nothing_to_run() {
    let web = "<WebRole name=\"X\" />";
    refuses(&definition("", web), "AR0130");
    passes(&definition("", &(role("W", "") + web)));
}

/// A service of a role with this attribute.
fn with(attribute: &str) -> String {
    let role = role("W", "").replacen("name=\"W\"", &format!("name=\"W\" {attribute}"), 1);
    definition("", &role)
}

#[test]
fn a_role_needs_a_name() {
    let wrap = |role: &str| definition("", role);
    presence(wrap, &role("W", ""), &["name"], &[]);
}

#[test]
fn the_attributes_of_a_role_are_optional() {
    let role = with("vmsize=\"Small\" enableNativeCodeExecution=\"true\"");
    presence(
        str::to_owned,
        &role,
        &[],
        &["vmsize", "enableNativeCodeExecution"],
    );
}

#[test]
fn role_names_are_unique_without_regard_to_case() {
    passes(&definition("", &(role("A", "") + &role("B", ""))));
    refuses(&definition("", &(role("A", "") + &role("a", ""))), "AR0113");
}

#[test]
fn native_code_is_on_by_default() {
    let on = with("enableNativeCodeExecution=\"true\"");
    let (findings, definition) = read(&on);
    assert_eq!((findings, definition), read(&with("")));
    is_honoured(&on, "/@enableNativeCodeExecution");
    assert!(finds(&with("enableNativeCodeExecution=\"yes\""), "AR0109"));
}

#[test]
fn switching_native_code_off_is_honoured() {
    for value in ["false", "0"] {
        let off = with(&format!("enableNativeCodeExecution=\"{value}\""));
        is_honoured(&off, "/@enableNativeCodeExecution");
        let (findings, definition) = read(&off);
        assert_eq!(findings, []);
        assert!(!definition.unwrap().roles[0].native_code_execution);
    }
    assert!(role_with("").native_code_execution);
}

#[test]
fn a_worker_role_without_vmsize_is_small() {
    assert_eq!(role_with("").vmsize, "Small");
}

#[test]
fn the_five_sizes_of_the_page_are_known() {
    for size in ["ExtraSmall", "Small", "Medium", "Large", "ExtraLarge"] {
        let (findings, definition) = read(&with(&format!("vmsize=\"{size}\"")));
        assert_eq!(findings, [], "{size}");
        assert_eq!(definition.unwrap().roles[0].vmsize, size);
    }
}

#[test]
fn the_size_of_an_instance_is_honoured() {
    is_honoured(&with("vmsize=\"Large\""), "/@vmsize");
}
