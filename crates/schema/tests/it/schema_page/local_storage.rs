//! `LocalResources` and `LocalStorage`.

use super::*;

fn store(attributes: &str) -> schema::LocalResource {
    let body = format!("<LocalResources><LocalStorage name=\"L\" {attributes} /></LocalResources>");
    role_with(&body).local_resources.remove(0)
}

#[test]
fn a_role_has_any_number_of_local_stores() {
    let stores = |n: usize| {
        let stores: String = (0..n)
            .map(|i| format!("<LocalStorage name=\"L{i}\" sizeInMB=\"1\" />"))
            .collect();
        role_with(&format!("<LocalResources>{stores}</LocalResources>"))
            .local_resources
            .len()
    };
    assert_eq!([stores(0), stores(1), stores(40)], [0, 1, 40]);
    assert_eq!(role_with("").local_resources, []);
}

#[test]
fn one_local_store_may_stand_beside_the_collection_and_is_one_of_them() {
    let direct = "<LocalStorage name=\"Old\" />";
    let body = format!("{direct}<LocalResources><LocalStorage name=\"New\" /></LocalResources>");
    let role = role_with(&body);
    let names: Vec<_> = role
        .local_resources
        .iter()
        .map(|store| store.name.as_str())
        .collect();
    assert_eq!(names, ["New", "Old"]);
    refuses(
        &service(&format!("{direct}<LocalStorage name=\"Older\" />")),
        "AR0105",
    );
}

#[test]
fn a_local_store_needs_a_name_that_no_other_has() {
    let store = "<LocalStorage name=\"L\" cleanOnRoleRecycle=\"true\" sizeInMB=\"1\" />";
    presence(
        in_stores,
        store,
        &["name"],
        &["cleanOnRoleRecycle", "sizeInMB"],
    );
    refuses(&in_stores(&(store.to_owned() + store)), "AR0134");
    refuses(
        &service(&format!("<LocalResources>{store}</LocalResources>{store}")),
        "AR0134",
    );
}

#[test]
fn a_local_store_is_cleaned_by_default() {
    assert!(store("").clean_on_role_recycle);
    assert!(!store("cleanOnRoleRecycle=\"false\"").clean_on_role_recycle);
    values(
        "<LocalStorage name=\"L\" cleanOnRoleRecycle=\"{}\" />",
        &["true", "false"],
        &["yes", ""],
    );
}

#[test]
fn size_in_mb_defaults_to_1000() {
    assert_eq!(store("").size_mb, 1000);
    assert_eq!(store("sizeInMB=\"10\"").size_mb, 10);
}

#[test]
fn size_in_mb_is_1_at_least() {
    values(
        "<LocalStorage name=\"L\" sizeInMB=\"{}\" />",
        &["1", "1000"],
        &["0", "-1", "1.5", "all"],
    );
}

#[test]
fn a_local_store_is_bounded_by_its_size() {
    is_honoured(
        &in_stores("<LocalStorage name=\"L\" sizeInMB=\"10\" />"),
        "/@sizeInMB",
    );
}

#[test]
fn size_in_mb_ends_with_a_capital_letter() {
    let (findings, _) = read(&in_stores("<LocalStorage name=\"L\" sizeInMb=\"10\" />"));
    let finding = findings
        .iter()
        .find(|finding| finding.code.as_str() == "AR0102")
        .unwrap();
    let help = finding.help.concat();
    assert!(help.contains("`sizeInMB`"), "{help}");
}

#[test]
fn there_is_no_min_size() {
    assert!(finds(
        &in_stores("<LocalStorage name=\"L\" minSize=\"10\" />"),
        "AR0102"
    ));
}
