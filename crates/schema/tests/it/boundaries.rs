//! Both sides of every number that a rule compares with, on services built for the purpose.

use diagnostics::{Severity, Sources};

use crate::support::{check, codes, configuration, definition, role};

fn with_endpoints(endpoints: impl Iterator<Item = String>) -> String {
    let endpoints: String = endpoints.collect();
    definition(
        "",
        &role("W", &format!("<Endpoints>{endpoints}</Endpoints>")),
    )
}

#[test]
fn a_service_has_1_to_25_roles() {
    let roles = |n: usize| {
        (0..n)
            .map(|i| role(&format!("R{i}"), ""))
            .collect::<String>()
    };
    assert_eq!(check(&definition("", "")), ["AR0119"]);
    assert_eq!(check(&definition("", &roles(1))), [""; 0]);
    assert_eq!(check(&definition("", &roles(25))), [""; 0]);
    assert_eq!(check(&definition("", &roles(26))), ["AR0119"]);
    // Beyond a thousand not all are looked at; it is an error all the same.
    assert_eq!(check(&definition("", &roles(1001))), ["AR0119"]);
}

#[test]
fn a_role_that_is_not_run_counts_as_a_role() {
    let roles = (0..25)
        .map(|i| role(&format!("R{i}"), ""))
        .collect::<String>();
    assert_eq!(
        check(&definition("", &(roles + "<WebRole name=\"X\" />"))),
        ["AR0119", "AR0130", "AR0167"]
    );
}

#[test]
fn a_service_has_at_most_25_input_endpoints() {
    let endpoint = |i: usize| {
        format!(
            "<InputEndpoint name=\"E{i}\" protocol=\"tcp\" port=\"{}\" />",
            i + 1
        )
    };
    assert_eq!(check(&with_endpoints((0..25).map(endpoint))), [""; 0]);
    assert_eq!(check(&with_endpoints((0..26).map(endpoint))), ["AR0119"]);
}

#[test]
fn a_service_has_at_most_25_internal_endpoints() {
    let roles = |n: usize| {
        let endpoint = |i: usize| format!("<InternalEndpoint name=\"E{i}\" protocol=\"tcp\" />");
        let role = |r: usize| {
            let endpoints: String = (r * 5..(r * 5 + 5).min(n)).map(endpoint).collect();
            role(
                &format!("R{r}"),
                &format!("<Endpoints>{endpoints}</Endpoints>"),
            )
        };
        definition("", &(0..n.div_ceil(5)).map(role).collect::<String>())
    };
    assert_eq!(check(&roles(25)), [""; 0]);
    assert_eq!(check(&roles(26)), ["AR0119"]);
}

#[test]
fn more_than_5_internal_endpoints_in_a_role_are_a_warning() {
    let endpoint = |i: usize| format!("<InternalEndpoint name=\"E{i}\" protocol=\"tcp\" />");
    assert_eq!(check(&with_endpoints((0..5).map(endpoint))), [""; 0]);
    assert_eq!(check(&with_endpoints((0..6).map(endpoint))), ["AR0120"]);
}

#[test]
fn upgrade_domains_are_1_to_20() {
    let count = |n: &str| definition(&format!("upgradeDomainCount=\"{n}\""), &role("W", ""));
    assert_eq!(check(&count("0")), ["AR0109"]);
    assert_eq!(check(&count("1")), [""; 0]);
    assert_eq!(check(&count("20")), [""; 0]);
    assert_eq!(check(&count("21")), ["AR0121"]);
}

#[test]
fn public_ports_are_1_to_65535_and_tcp_shares_none() {
    let ports = |a: &str, b: &str| {
        let endpoint = |name, port| {
            format!("<InputEndpoint name=\"{name}\" protocol=\"tcp\" port=\"{port}\" />")
        };
        with_endpoints([endpoint("A", a), endpoint("B", b)].into_iter())
    };
    assert_eq!(check(&ports("1", "65535")), [""; 0]);
    assert_eq!(check(&ports("0", "65536")), ["AR0109", "AR0109"]);
    assert_eq!(check(&ports("80", "81")), [""; 0]);
    assert_eq!(check(&ports("80", "080")), ["AR0107"]);
}

#[test]
fn udp_is_a_space_of_ports_of_its_own() {
    let endpoint = |protocol: &str| {
        format!("<InputEndpoint name=\"{protocol}\" protocol=\"{protocol}\" port=\"53\" />")
    };
    let both = with_endpoints(["tcp", "udp"].map(endpoint).into_iter());
    assert_eq!(check(&both), ["AR0131"]);
}

#[test]
fn an_instance_count_is_at_least_1() {
    let count = |n: &str| {
        let mut sources = Sources::new();
        let role = format!("<Role name=\"W\"><Instances count=\"{n}\" /></Role>");
        let file = sources.add("a.cscfg", configuration(&role));
        codes(&schema::check_files(&sources, None, &[file]))
    };
    assert_eq!(count("1"), [""; 0]);
    assert_eq!(count("2147483647"), [""; 0]);
    assert_eq!(count("0"), ["AR0117"]);
    assert_eq!(count("-1"), ["AR0117"]);
    assert_eq!(count("many"), ["AR0109"]);
}

/// The findings of a definition with one role and a configuration of it with these settings.
fn check_settings(role_body: &str, settings: &str) -> Vec<&'static str> {
    let mut sources = Sources::new();
    let definition = sources.add("a.csdef", definition("", &role("W", role_body)));
    let role = format!(
        "<Role name=\"W\"><Instances count=\"1\" /><ConfigurationSettings>{settings}\
         </ConfigurationSettings></Role>"
    );
    let configuration = sources.add("a.cscfg", configuration(&role));
    let checked = schema::check(&sources, definition, configuration);
    let errors = checked
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.code.as_str()).collect()
}

#[test]
fn settings_of_an_imported_plugin_need_no_declaration() {
    let imports = "<Imports><Import moduleName=\"Diagnostics\" /></Imports>";
    let setting = |name: &str| {
        format!("<Setting name=\"Microsoft.WindowsAzure.Plugins.{name}\" value=\"\" />")
    };
    assert_eq!(
        check_settings(imports, &setting("Diagnostics.ConnectionString")),
        [""; 0]
    );
    assert_eq!(
        check_settings("", &setting("Diagnostics.ConnectionString")),
        ["AR0115"]
    );
    assert_eq!(
        check_settings(imports, &setting("RemoteAccess.Enabled")),
        ["AR0115"]
    );
    assert_eq!(
        check_settings(imports, &setting("DiagnosticsX.Enabled")),
        ["AR0115"]
    );
}

#[test]
fn setting_names_are_compared_letter_by_letter() {
    let declared = "<ConfigurationSettings><Setting name=\"A\" /></ConfigurationSettings>";
    assert_eq!(
        check_settings(declared, "<Setting name=\"A\" value=\"\" />"),
        [""; 0]
    );
    assert_eq!(
        check_settings(declared, "<Setting name=\"a\" value=\"\" />"),
        ["AR0115"],
        "one mistake, and not a missing setting beside an unknown one"
    );
}

#[test]
fn at_most_a_thousand_findings_are_listed_errors_first() {
    let with = |n: usize| {
        definition(
            "upgradeDomainCount=\"21\"",
            &(role("W", &"<Unknown />".repeat(n))),
        )
    };
    let count = |codes: &[&str], code: &str| codes.iter().filter(|&&other| other == code).count();
    let all = check(&with(999));
    assert_eq!(
        (
            count(&all, "AR0101"),
            count(&all, "AR0121"),
            count(&all, "AR0137")
        ),
        (999, 1, 0)
    );
    let most = check(&with(1000));
    assert_eq!(
        (
            count(&most, "AR0101"),
            count(&most, "AR0121"),
            count(&most, "AR0137")
        ),
        (999, 1, 1)
    );
}
