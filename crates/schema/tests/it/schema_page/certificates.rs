//! `Certificates` and `Certificate`.

use super::*;

const CERTIFICATE: &str = "<Certificate name=\"C\" storeLocation=\"CurrentUser\" storeName=\"My\" permissionLevel=\"elevated\" />";

#[test]
fn a_role_has_any_number_of_certificates() {
    let certificates = |n: usize| -> String {
        (0..n)
            .map(|i| CERTIFICATE.replace("\"C\"", &format!("\"C{i}\"")))
            .collect()
    };
    for n in [0, 1, 100] {
        passes(&in_certificates(&certificates(n)));
    }
}

#[test]
fn a_certificate_becomes_files_of_the_role() {
    let text = in_certificates(CERTIFICATE);
    passes(&text);
    assert!(!finds(&text, "AR0138"));
    is_honoured(&text, "/Certificates[1]");
    is_honoured(&text, "/Certificate[1]/@name");
    for part in [
        "/Certificate[1]",
        "/@storeLocation",
        "/@storeName",
        "/@permissionLevel",
    ] {
        assert_eq!(verdict(&text, part).0, Verdict::Translated, "{part}");
    }
    let role = role_with(&format!("<Certificates>{CERTIFICATE}</Certificates>"));
    let certificate = &role.certificates[0];
    assert_eq!(
        (certificate.name.as_str(), certificate.is_elevated),
        ("C", true)
    );
    let store = [&certificate.store_location, &certificate.store_name];
    assert_eq!(store, ["CurrentUser", "My"]);
}

#[test]
fn a_certificate_needs_name_and_store() {
    let required = ["name", "storeLocation", "storeName"];
    presence(
        in_certificates,
        CERTIFICATE,
        &required,
        &["permissionLevel"],
    );
}

#[test]
fn there_are_two_locations_of_stores() {
    let template = format!(
        "<Certificates>{}</Certificates>",
        CERTIFICATE.replace("CurrentUser", "{}")
    );
    values(
        &template,
        &["CurrentUser", "LocalMachine"],
        &["currentuser", "Elsewhere", ""],
    );
}

#[test]
fn a_store_is_built_in_or_has_a_name_of_its_own() {
    let template = format!(
        "<Certificates>{}</Certificates>",
        CERTIFICATE.replace("My", "{}")
    );
    let built_in = [
        "My",
        "Root",
        "CA",
        "Trust",
        "Disallowed",
        "TrustedPeople",
        "TrustedPublisher",
        "AuthRoot",
    ];
    values(&template, &built_in, &[""]);
    values(&template, &["AddressBook", "Mine"], &[]);
}

#[test]
fn disallow_of_the_form_is_a_name_like_any_other() {
    passes(&in_certificates(&CERTIFICATE.replace("My", "Disallow")));
    passes(&in_certificates(&CERTIFICATE.replace("My", "Disallowed")));
}

#[test]
fn there_are_two_levels_of_permission() {
    let template = format!(
        "<Certificates>{}</Certificates>",
        CERTIFICATE.replace("elevated", "{}")
    );
    values(
        &template,
        &["limitedOrElevated", "elevated"],
        &["limited", ""],
    );
}
