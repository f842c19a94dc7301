//! Both sides of every rule over the configuration, alone and together with its definition.

use std::time::{Duration, Instant};

use diagnostics::Sources;

use crate::support::{check_both, codes, configuration, configured, definition, role};

/// The codes of the errors of `findings` and of what a test is about: not what is said of every such file.
fn without_verdicts(codes: Vec<&'static str>) -> Vec<&'static str> {
    let is_verdict = |code: &str| matches!(code, "AR0138" | "AR0139");
    codes.into_iter().filter(|code| !is_verdict(code)).collect()
}

/// A definition of role `W` with this body, and the body of a configuration.
fn check(role_body: &str, configuration_body: &str) -> Vec<&'static str> {
    let definition = definition("", &role("W", role_body));
    without_verdicts(check_both(&definition, &configuration(configuration_body)))
}

fn check_configuration(body: &str) -> Vec<&'static str> {
    let mut sources = Sources::new();
    let file = sources.add("a.cscfg", configuration(body));
    without_verdicts(codes(&schema::check_files(&sources, None, &[file])))
}

fn declared(names: &[&str]) -> String {
    let certificate = |name: &&str| {
        format!("<Certificate name=\"{name}\" storeLocation=\"LocalMachine\" storeName=\"My\" />")
    };
    let certificates: String = names.iter().map(certificate).collect();
    format!("<Certificates>{certificates}</Certificates>")
}

fn certificate(name: &str, thumbprint: &str) -> String {
    format!(
        "<Certificate name=\"{name}\" thumbprint=\"{thumbprint}\" thumbprintAlgorithm=\"sha1\" />"
    )
}

/// Role `W`, configured with these certificates.
fn with_certificates(names: &[&str]) -> String {
    let thumbprint = "0".repeat(40);
    let certificates: String = names
        .iter()
        .map(|name| certificate(name, &thumbprint))
        .collect();
    configured("W", &format!("<Certificates>{certificates}</Certificates>"))
}

#[test]
fn declared_and_configured_certificates_are_the_same() {
    let check = |names: &[&str], configured: &[&str]| {
        check(&declared(names), &with_certificates(configured))
    };
    assert_eq!(check(&["A", "B"], &["B", "A"]), [""; 0]);
    assert_eq!(check(&["A", "B"], &["A"]), ["AR0141"]);
    assert_eq!(check(&["A"], &["A", "B"]), ["AR0144"]);
    assert_eq!(check(&["A"], &["a"]), ["AR0144"]);
    assert_eq!(check(&["A"], &["Other"]), ["AR0141", "AR0144"]);
    assert_eq!(check(&["A"], &["A", "A"]), ["AR0142"]);
    assert_eq!(check(&["A"], &[]), ["AR0141"]);
}

#[test]
fn a_certificate_of_an_import_is_legal_and_not_required() {
    let import = |module| format!("<Imports><Import moduleName=\"{module}\" /></Imports>");
    let encryption = "Microsoft.WindowsAzure.Plugins.RemoteAccess.PasswordEncryption";
    let present = with_certificates(&[encryption]);
    assert_eq!(check(&import("RemoteAccess"), &present), [""; 0]);
    assert_eq!(
        check(&import("RemoteAccess"), &with_certificates(&[])),
        [""; 0]
    );
    assert_eq!(check(&import("RemoteForwarder"), &present), ["AR0144"]);
    assert_eq!(check("", &present), ["AR0144"]);
}

#[test]
fn what_an_import_left_behind_says_which_import_it_was() {
    let settings = "<ConfigurationSettings><Setting value=\"\" \
                    name=\"Microsoft.WindowsAzure.Plugins.Diagnostics.ConnectionString\" />\
                    </ConfigurationSettings>";
    let mut sources = Sources::new();
    let definition = sources.add("a.csdef", definition("", &role("W", "")));
    let configuration = sources.add("a.cscfg", configuration(&configured("W", settings)));
    let findings = schema::check(&sources, definition, configuration).findings;
    assert_eq!(codes(&findings), ["AR0115"]);
    assert!(findings[0].help[0].contains("<Import moduleName=\"Diagnostics\" />"));
}

#[test]
fn of_a_web_role_nothing_is_missed_and_nothing_is_made_up() {
    let web = format!(
        "<WebRole name=\"Web\"><ConfigurationSettings><Setting name=\"A\" /></ConfigurationSettings>\
         {}</WebRole>",
        declared(&["C"])
    );
    let definition = definition("", &(web + &role("W", "")));
    let check = |web: &str| {
        let configuration = configuration(&(configured("W", "") + web));
        let mut found = without_verdicts(check_both(&definition, &configuration));
        found.retain(|code| !matches!(*code, "AR0130" | "AR0167"));
        found
    };
    let web = |settings: &str, certificates: &str| {
        let body = format!(
            "<ConfigurationSettings>{settings}</ConfigurationSettings>\
             <Certificates>{certificates}</Certificates>"
        );
        configured("Web", &body)
    };
    let thumbprint = "0".repeat(40);
    assert_eq!(check(""), [""; 0]);
    assert_eq!(check(&web("", "")), [""; 0]);
    let setting = |name: &str| format!("<Setting name=\"{name}\" value=\"\" />");
    assert_eq!(
        check(&web(&setting("A"), &certificate("C", &thumbprint))),
        [""; 0]
    );
    assert_eq!(
        check(&web(&setting("B"), &certificate("D", &thumbprint))),
        ["AR0115", "AR0144"]
    );
}

#[test]
fn a_thumbprint_has_40_digits() {
    let check = |thumbprint: &str| {
        let certificate = certificate("C", thumbprint);
        check_configuration(&configured(
            "W",
            &format!("<Certificates>{certificate}</Certificates>"),
        ))
    };
    assert_eq!(check(&"a".repeat(40)), [""; 0]);
    assert_eq!(check(&format!("\u{200e}{}", "aB ".repeat(20))), [""; 0]);
    assert_eq!(check(&"a".repeat(39)), ["AR0160"]);
    assert_eq!(check(&"a".repeat(41)), ["AR0160"]);
    assert_eq!(check("0"), ["AR0160"]);
    assert_eq!(check("TODO"), ["AR0109"]);
    assert_eq!(check(""), ["AR0109"]);
}

#[test]
fn a_public_range_has_a_port_for_each_instance() {
    let check = |min: u16, max: u16, count: &str| {
        let endpoint = format!(
            "<Endpoints><InstanceInputEndpoint name=\"E\" protocol=\"tcp\" localPort=\"1\">\
             <AllocatePublicPortFrom><FixedPortRange min=\"{min}\" max=\"{max}\" />\
             </AllocatePublicPortFrom></InstanceInputEndpoint></Endpoints>"
        );
        check(
            &endpoint,
            &format!("<Role name=\"W\"><Instances count=\"{count}\" /></Role>"),
        )
    };
    assert_eq!(check(10, 12, "3"), [""; 0]);
    assert_eq!(check(10, 12, "4"), ["AR0146"]);
    assert_eq!(check(10, 10, "1"), [""; 0]);
    assert_eq!(check(1, 65535, "65535"), ["AR0169"]);
    assert_eq!(check(1, 65535, "65536"), ["AR0146", "AR0169"]);
    assert_eq!(check(65535, 65535, "2147483647"), ["AR0146", "AR0169"]);
    assert_eq!(check(10, 12, "0"), ["AR0117"]);
}

/// `n` rules, of which the last has this order.
fn rules(n: usize, last_order: usize) -> String {
    let order = |i: usize| if i + 1 == n { last_order } else { i };
    (0..n)
        .map(|i| {
            let order = order(i);
            format!("<Rule order=\"{order}\" action=\"permit\" remoteSubnet=\"10.0.0.0/8\" />")
        })
        .collect()
}

fn access_control(name: &str, rules: &str) -> String {
    format!("<AccessControl name=\"{name}\">{rules}</AccessControl>")
}

fn access_controls(controls: &str) -> String {
    format!(
        "<NetworkConfiguration><AccessControls>{controls}</AccessControls></NetworkConfiguration>"
    )
}

#[test]
fn an_access_control_has_1_to_50_rules() {
    let check =
        |n: usize| check_configuration(&access_controls(&access_control("A", &rules(n, n))));
    assert_eq!(check(0), ["AR0106"]);
    assert_eq!(check(1), [""; 0]);
    assert_eq!(check(50), [""; 0]);
    assert_eq!(check(51), ["AR0105"]);
}

#[test]
fn rules_of_one_access_control_have_different_orders() {
    let check = |controls: &str| check_configuration(&access_controls(controls));
    assert_eq!(check(&access_control("A", &rules(3, 2))), [""; 0]);
    assert_eq!(check(&access_control("A", &rules(3, 1))), ["AR0153"]);
    let two = access_control("A", &rules(1, 1)) + &access_control("B", &rules(1, 1));
    assert_eq!(check(&two), [""; 0]);
    let two = access_control("A", &rules(1, 1)) + &access_control("A", &rules(1, 1));
    assert_eq!(check(&two), ["AR0154"]);
}

#[test]
fn a_subnet_is_an_ipv4_address_with_a_prefix_of_at_most_32() {
    let check = |subnet: &str| {
        let rule = format!("<Rule order=\"1\" action=\"deny\" remoteSubnet=\"{subnet}\" />");
        check_configuration(&access_controls(&access_control("A", &rule)))
    };
    for subnet in ["0.0.0.0/0", "175.1.0.1/24", "10.0.0.1/32", "10.0.0.1"] {
        assert_eq!(check(subnet), [""; 0], "{subnet}");
    }
    for subnet in ["10.0.0.1/33", "10.0.0/8", "::/0", "everyone", ""] {
        assert_eq!(check(subnet), ["AR0109"], "{subnet}");
    }
}

/// What these `EndpointAcl` lead to, whose role `W` has one endpoint of each kind.
fn check_acls(acls: &str) -> Vec<&'static str> {
    let body = "<Endpoints><InputEndpoint name=\"In\" protocol=\"tcp\" port=\"1\" />\
                <InternalEndpoint name=\"Inside\" protocol=\"tcp\" /></Endpoints>\
                <Imports><Import moduleName=\"RemoteForwarder\" /></Imports>";
    let network = format!(
        "<NetworkConfiguration><AccessControls>{}</AccessControls>\
         <EndpointAcls>{acls}</EndpointAcls></NetworkConfiguration>",
        access_control("Friends", &rules(1, 1))
    );
    check(body, &(configured("W", "") + &network))
}

fn acl(role: &str, endpoint: &str, control: &str) -> String {
    format!("<EndpointAcl role=\"{role}\" {endpoint} accessControl=\"{control}\" />")
}

#[test]
fn an_endpoint_acl_joins_an_input_endpoint_with_an_access_control() {
    let check = |role, endpoint, control| {
        check_acls(&acl(role, &format!("endPoint=\"{endpoint}\""), control))
    };
    assert_eq!(check("W", "In", "Friends"), [""; 0]);
    let of_import = "Microsoft.WindowsAzure.Plugins.RemoteForwarder.RdpInput";
    assert_eq!(check("W", of_import, "Friends"), [""; 0]);
    assert_eq!(check("V", "In", "Friends"), ["AR0152"]);
    assert_eq!(check("w", "In", "Friends"), ["AR0152"]);
    assert_eq!(check("W", "Out", "Friends"), ["AR0152"]);
    assert_eq!(check("W", "Inside", "Friends"), ["AR0152"]);
    assert_eq!(check("W", "In", "Foes"), ["AR0152"]);
    assert_eq!(check("V", "In", "Foes"), ["AR0152", "AR0152"]);
}

#[test]
fn an_endpoint_acl_names_its_endpoint_in_one_of_two_spellings() {
    let check = |endpoint| check_acls(&acl("W", endpoint, "Friends"));
    assert_eq!(check("endPoint=\"In\""), [""; 0]);
    assert_eq!(check("endpoint=\"In\""), [""; 0]);
    assert_eq!(check(""), ["AR0108"]);
    assert_eq!(check("endPoint=\"In\" endpoint=\"In\""), ["AR0152"]);
    assert_eq!(check("endpoint=\"1\""), ["AR0109"]);
}

#[test]
fn an_endpoint_has_one_acl() {
    let once = acl("W", "endPoint=\"In\"", "Friends");
    assert_eq!(check_acls(&once), [""; 0]);
    assert_eq!(check_acls(&once.repeat(2)), ["AR0170"]);
    let other = acl("W", "endpoint=\"In\"", "Friends");
    assert_eq!(check_acls(&(once + &other)), ["AR0170"]);
}

#[test]
fn roles_of_the_network_configuration_exist() {
    let check = |role: &str| {
        let addresses = format!(
            "<NetworkConfiguration><AddressAssignments><InstanceAddress roleName=\"{role}\" />\
             </AddressAssignments></NetworkConfiguration>"
        );
        let groups = format!(
            "<NetworkConfiguration><NetworkSecurityGroupRefs><NetworkSecurityGroupRef \
             roleName=\"{role}\"><NetworkSecurityGroup name=\"G\" /></NetworkSecurityGroupRef>\
             </NetworkSecurityGroupRefs></NetworkConfiguration>"
        );
        [addresses, groups].map(|network| check("", &(configured("W", "") + &network)))
    };
    assert_eq!(check("W"), [[""; 0]; 2]);
    assert_eq!(check("V"), [["AR0157"], ["AR0157"]]);
    assert_eq!(check("w"), [["AR0157"], ["AR0157"]]);
}

#[test]
fn a_load_balancer_that_an_endpoint_names_is_configured() {
    let check = |name: &str| {
        let endpoint = format!(
            "<Endpoints><InputEndpoint name=\"E\" protocol=\"tcp\" port=\"1\" loadBalancer=\"{name}\" />\
             </Endpoints>"
        );
        let network = "<NetworkConfiguration><LoadBalancers><LoadBalancer name=\"Inner\">\
                       <FrontendIPConfiguration type=\"private\" /></LoadBalancer></LoadBalancers>\
                       </NetworkConfiguration>";
        check(&endpoint, &(configured("W", "") + network))
    };
    assert_eq!(check("Inner"), [""; 0]);
    assert_eq!(check("Outer"), ["AR0161"]);
}

#[test]
fn a_role_of_other_case_is_another_role() {
    assert_eq!(check("", &configured("W", "")), [""; 0]);
    // One mistake, and not a missing role beside an unknown one.
    assert_eq!(check("", &configured("w", "")), ["AR0112"]);
    assert_eq!(check("", &configured("Other", "")), ["AR0111", "AR0112"]);
}

/// The findings of files of one role whose roots have these attributes.
fn check_roots(of_definition: &str, of_configuration: &str) -> Vec<&'static str> {
    let configuration = configuration(&configured("W", ""));
    check_both(
        &definition(of_definition, &role("W", "")),
        &configuration.replacen("serviceName=\"S\"", of_configuration, 1),
    )
}

#[test]
fn the_configuration_has_the_name_of_the_definition() {
    assert_eq!(check_roots("", "serviceName=\"S\""), [""; 0]);
    assert_eq!(check_roots("", "serviceName=\"s\""), ["AR0110"]);
    assert_eq!(check_roots("", ""), ["AR0108"]);
}

#[test]
fn schema_versions_differ_where_both_are_named() {
    let (old, new) = (
        "schemaVersion=\"2014-06.2.4\"",
        "schemaVersion=\"2015-04.2.6\"",
    );
    let check = |a: &str, b: &str| check_roots(a, &format!("serviceName=\"S\" {b}"));
    assert_eq!(check(old, old), [""; 0]);
    assert_eq!(check(old, ""), [""; 0]);
    assert_eq!(check("", new), [""; 0]);
    assert_eq!(check(old, new), ["AR0129"]);
}

const NETWORK: &str =
    "<NetworkConfiguration><VirtualNetworkSite name=\"N\" /></NetworkConfiguration>";

/// What roles of these names and sizes lead to, with this network.
fn check_sizes(roles: &[(&str, &str)], network: &str) -> Vec<&'static str> {
    let defined: String = roles
        .iter()
        .map(|(name, size)| {
            role(name, "").replacen("<WorkerRole", &format!("<WorkerRole vmsize=\"{size}\""), 1)
        })
        .collect();
    let names: String = roles.iter().map(|(name, _)| configured(name, "")).collect();
    without_verdicts(check_both(
        &definition("", &defined),
        &configuration(&(names + network)),
    ))
}

#[test]
fn a_service_without_a_sign_of_extended_support_hears_nothing_of_it() {
    assert_eq!(check_sizes(&[("S", "Small")], ""), [""; 0]);
    assert_eq!(check_sizes(&[("W", "Standard_A1_v2")], NETWORK), [""; 0]);
    assert_eq!(check_sizes(&[("W", "Standard_A1_v2")], ""), ["AR0158"]);
    assert_eq!(check_sizes(&[("W", "Standard_D1_v2")], ""), [""; 0]);
    assert_eq!(check_sizes(&[("W", "Small")], NETWORK), ["AR0158"]);
    // The default is not written, so there is nothing to rename.
    assert_eq!(check("", &(configured("W", "") + NETWORK)), [""; 0]);
}

#[test]
fn each_thing_that_extended_support_refuses_is_one_report() {
    let sizes = [("A", "Small"), ("B", "Small"), ("C", "A8")];
    assert_eq!(check_sizes(&sizes, NETWORK), ["AR0158", "AR0158"]);
    assert_eq!(check_sizes(&[("S", "Standard_A1_v2")], NETWORK), ["AR0158"]);
    let imports = "<Imports><Import moduleName=\"RemoteAccess\" />\
                   <Import moduleName=\"RemoteForwarder\" /></Imports>";
    assert_eq!(check(imports, &(configured("W", "") + NETWORK)), ["AR0158"]);
    let other = imports.replace("Remote", "Other");
    assert!(!check(&other, &(configured("W", "") + NETWORK)).contains(&"AR0158"));
}

/// Long lists on both sides, nothing of one in the other: none of them is searched once for each name.
#[test]
fn long_lists_that_differ_take_no_quadratic_time() {
    const N: usize = 20_000;
    let list = |f: &dyn Fn(usize) -> String| (0..N).map(f).collect::<String>();
    let declared = list(&|i| format!("<Setting name=\"D{i}\" />"));
    let certificates = list(&|i| {
        format!("<Certificate name=\"D{i}\" storeLocation=\"LocalMachine\" storeName=\"My\" />")
    });
    let imports = list(&|i| format!("<Import moduleName=\"M{i}\" />"));
    let body = format!(
        "<ConfigurationSettings>{declared}</ConfigurationSettings>\
         <Certificates>{certificates}</Certificates><Imports>{imports}</Imports>"
    );
    let settings = list(&|i| format!("<Setting name=\"D{i}\" value=\"\" />"))
        + &list(&|i| {
            format!("<Setting name=\"Microsoft.WindowsAzure.Plugins.N{i}.X\" value=\"\" />")
        });
    let thumbprints = list(&|i| certificate(&format!("D{i}"), "00"))
        + &list(&|i| certificate(&format!("Microsoft.WindowsAzure.Plugins.N{i}.X"), "00"));
    let acls = list(&|i| acl(&format!("V{i}"), &format!("endPoint=\"E{i}\""), "None"));
    let network =
        format!("<NetworkConfiguration><EndpointAcls>{acls}</EndpointAcls></NetworkConfiguration>");
    let configured = configured(
        "W",
        &format!(
            "<ConfigurationSettings>{settings}</ConfigurationSettings>\
             <Certificates>{thumbprints}</Certificates>"
        ),
    );
    let start = Instant::now();
    let found = check(&body, &(configured + &network));
    assert!(found.contains(&"AR0137"));
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn more_instances_than_a_machine_has_places_for_are_a_warning() {
    let roles = role("V", "") + &role("W", "");
    let check = |of_v: u32, of_w: u32| {
        let configured = |name: &str, count: u32| {
            format!("<Role name=\"{name}\"><Instances count=\"{count}\" /></Role>")
        };
        let body = configured("V", of_v) + &configured("W", of_w);
        check_both(&definition("", &roles), &configuration(&body))
    };
    assert_eq!(check(253, 1), [""; 0]);
    assert_eq!(check(254, 1), ["AR0169"]);
    assert_eq!(check(2147483647, 2147483647), ["AR0169"]);
}

#[test]
fn a_setting_of_a_module_is_one_that_it_is_known_to_declare() {
    let imports = |module: &str| format!("<Imports><Import moduleName=\"{module}\" /></Imports>");
    let check = |module: &str, name: &str| {
        let name = format!("Microsoft.WindowsAzure.Plugins.{name}");
        let settings = format!(
            "<ConfigurationSettings><Setting name=\"{name}\" value=\"\" /></ConfigurationSettings>"
        );
        check(&imports(module), &configured("W", &settings))
    };
    assert_eq!(
        check("Diagnostics", "Diagnostics.ConnectionString"),
        [""; 0]
    );
    assert_eq!(
        check("Diagnostics", "Diagnostics.ConectionString"),
        ["AR0165"]
    );
    // Of a module that nobody knows any name may be right.
    assert_eq!(check("Own", "Own.Anything"), ["AR0159"]);
}

#[test]
fn an_xpath_to_the_setting_of_a_module_needs_its_value() {
    let name = "Microsoft.WindowsAzure.Plugins.Diagnostics.ConnectionString";
    let body = format!(
        "<Imports><Import moduleName=\"Diagnostics\" /></Imports><Startup><Task commandLine=\"a\"><Environment>\
         <Variable name=\"V\"><RoleInstanceValue xpath=\"/RoleEnvironment/CurrentInstance/ConfigurationSettings/\
         ConfigurationSetting[@name='{name}']/@value\" /></Variable></Environment></Task></Startup>"
    );
    let with = format!(
        "<ConfigurationSettings><Setting name=\"{name}\" value=\"\" /></ConfigurationSettings>"
    );
    assert_eq!(check(&body, &configured("W", &with)), [""; 0]);
    assert_eq!(check(&body, &configured("W", "")), ["AR0124"]);
}
