//! Both sides of every rule over the definition alone.
//!
//! Much of what the rules are about has a finding of its own, since approot does not do it yet; and many
//! endpoints here share a port of their instances, which has a test of its own. [`codes`] gives the rest.

use crate::support::{check, definition, role};

/// The codes of a definition's findings without those that only say what approot does with a part.
fn codes(definition: &str) -> Vec<&'static str> {
    let aside = ["AR0130", "AR0131", "AR0138", "AR0139", "AR0164", "AR0172"];
    let is_of_rule = |code: &&str| !aside.contains(code);
    check(definition).into_iter().filter(is_of_rule).collect()
}

/// The same of a service with one worker role of this content.
fn of_role(body: &str) -> Vec<&'static str> {
    codes(&definition("", &role("W", body)))
}

/// The same of a worker role with these endpoints.
fn of_endpoints(endpoints: &str) -> Vec<&'static str> {
    of_role(&format!("<Endpoints>{endpoints}</Endpoints>"))
}

fn certificate(name: &str) -> String {
    format!("<Certificate name=\"{name}\" storeLocation=\"LocalMachine\" storeName=\"My\" />")
}

fn input(name: &str, protocol: &str, port: u16) -> String {
    format!("<InputEndpoint name=\"{name}\" protocol=\"{protocol}\" port=\"{port}\" />")
}

fn internal(name: &str) -> String {
    format!("<InternalEndpoint name=\"{name}\" protocol=\"tcp\" />")
}

fn instance(name: &str, protocol: &str, (min, max): (u16, u16)) -> String {
    format!(
        "<InstanceInputEndpoint name=\"{name}\" protocol=\"{protocol}\" localPort=\"1\">\
         <AllocatePublicPortFrom><FixedPortRange min=\"{min}\" max=\"{max}\" /></AllocatePublicPortFrom>\
         </InstanceInputEndpoint>"
    )
}

fn imports(modules: &[&str]) -> String {
    let import = |module: &&str| format!("<Import moduleName=\"{module}\" />");
    let imports: String = modules.iter().map(import).collect();
    format!("<Imports>{imports}</Imports>")
}

#[test]
fn certificate_names_are_unique_in_a_role_and_store_and_compared_letter_by_letter() {
    let two = |a: &str, b: &str| {
        let certificates = certificate(a) + &certificate(b);
        role("W", &format!("<Certificates>{certificates}</Certificates>"))
    };
    assert_eq!(codes(&definition("", &two("A", "a"))), [""; 0]);
    assert_eq!(codes(&definition("", &two("A", "A"))), ["AR0142"]);
    let in_two_stores = certificate("A") + &certificate("A").replace("My", "TrustedPeople");
    assert_eq!(
        of_role(&format!("<Certificates>{in_two_stores}</Certificates>")),
        [""; 0]
    );
    let of_two_owners = certificate("A") + &certificate("A").replace("LocalMachine", "CurrentUser");
    assert_eq!(
        of_role(&format!("<Certificates>{of_two_owners}</Certificates>")),
        [""; 0]
    );
    let one = format!("<Certificates>{}</Certificates>", certificate("A"));
    let in_two_roles = role("W", &one) + &role("V", &one);
    assert_eq!(codes(&definition("", &in_two_roles)), [""; 0]);
}

#[test]
fn an_endpoint_names_a_certificate_of_its_role_and_an_https_one_must() {
    let endpoint = |attributes: &str| {
        let certificates = format!("<Certificates>{}</Certificates>", certificate("Tls"));
        of_role(&format!(
            "{certificates}<Endpoints><InputEndpoint name=\"E\" port=\"1\" {attributes} /></Endpoints>"
        ))
    };
    assert_eq!(endpoint("protocol=\"https\" certificate=\"Tls\""), [""; 0]);
    assert_eq!(
        endpoint("protocol=\"https\" certificate=\"Other\""),
        ["AR0143"]
    );
    assert_eq!(endpoint("protocol=\"https\""), ["AR0143"]);
    assert_eq!(endpoint("protocol=\"https\" certificate=\"\""), ["AR0109"]);
    assert_eq!(endpoint("protocol=\"http\""), [""; 0]);
    assert_eq!(endpoint("protocol=\"tcp\" certificate=\"Tls\""), [""; 0]);
    assert_eq!(
        endpoint("protocol=\"tcp\" certificate=\"Other\""),
        ["AR0143"]
    );
}

#[test]
fn a_certificate_of_another_role_is_none_of_this_one_and_one_of_an_import_is() {
    let endpoint = |certificate: &str| {
        format!(
            "<Endpoints><InputEndpoint name=\"E\" protocol=\"https\" port=\"1\" \
             certificate=\"{certificate}\" /></Endpoints>"
        )
    };
    let other = format!("<Certificates>{}</Certificates>", certificate("Tls"));
    let both = role("W", &endpoint("Tls")) + &role("V", &other);
    assert_eq!(codes(&definition("", &both)), ["AR0143"]);
    let imported = "Microsoft.WindowsAzure.Plugins.RemoteAccess.PasswordEncryption";
    assert_eq!(
        of_role(&(endpoint(imported) + &imports(&["RemoteAccess"]))),
        [""; 0]
    );
    assert_eq!(of_role(&endpoint(imported)), ["AR0143"]);
}

#[test]
fn a_range_of_ports_may_be_one_port_and_not_end_before_it_begins() {
    let internal = |min: u16, max: u16| {
        of_endpoints(&format!(
            "<InternalEndpoint name=\"E\" protocol=\"tcp\"><FixedPort port=\"1\" />\
             <FixedPortRange min=\"{min}\" max=\"{max}\" /></InternalEndpoint>"
        ))
    };
    assert_eq!(internal(10, 10), [""; 0]);
    assert_eq!(internal(10, 9), ["AR0145"]);
    assert_eq!(of_endpoints(&instance("E", "tcp", (10, 10))), [""; 0]);
    assert_eq!(of_endpoints(&instance("E", "tcp", (10, 9))), ["AR0145"]);
}

#[test]
fn public_ranges_are_disjoint_from_input_endpoints_and_from_each_other() {
    let with_port =
        |port| of_endpoints(&(input("A", "http", port) + &instance("B", "tcp", (10, 20))));
    assert_eq!(with_port(9), [""; 0]);
    assert_eq!(with_port(10), ["AR0107"]);
    assert_eq!(with_port(20), ["AR0107"]);
    assert_eq!(with_port(21), [""; 0]);
    let ranges = |a, b| of_endpoints(&(instance("A", "tcp", a) + &instance("B", "tcp", b)));
    assert_eq!(ranges((10, 20), (21, 30)), [""; 0]);
    assert_eq!(ranges((10, 20), (20, 30)), ["AR0107"]);
    assert_eq!(ranges((10, 20), (12, 13)), ["AR0107"]);
    assert_eq!(ranges((1, 65535), (65535, 65535)), ["AR0107"]);
}

#[test]
fn a_wide_range_clashes_with_all_that_follow_not_only_with_the_next() {
    let endpoints = instance("Wide", "tcp", (10, 40))
        + &instance("Narrow", "tcp", (11, 12))
        + &input("Last", "tcp", 40)
        + &input("Beyond", "tcp", 41);
    assert_eq!(of_endpoints(&endpoints), ["AR0107", "AR0107"]);
}

#[test]
fn ranges_of_udp_and_tcp_share_nothing() {
    let ranges = |a, b| of_endpoints(&(instance("A", a, (10, 20)) + &instance("B", b, (10, 20))));
    assert_eq!(ranges("tcp", "udp"), [""; 0]);
    assert_eq!(ranges("udp", "udp"), ["AR0107"]);
}

#[test]
fn public_ports_of_different_roles_share_one_address() {
    let endpoints = |endpoint: String| format!("<Endpoints>{endpoint}</Endpoints>");
    let roles = |port| {
        role("W", &endpoints(instance("E", "tcp", (10, 20))))
            + &role("V", &endpoints(input("E", "tcp", port)))
    };
    assert_eq!(codes(&definition("", &roles(21))), [""; 0]);
    assert_eq!(codes(&definition("", &roles(20))), ["AR0107"]);
}

#[test]
fn remote_desktop_takes_public_port_3389_of_the_service() {
    let with_port = |port, modules: &[&str]| {
        of_role(&format!(
            "<Endpoints>{}</Endpoints>{}",
            input("E", "tcp", port),
            imports(modules)
        ))
    };
    assert_eq!(with_port(3389, &["RemoteForwarder"]), ["AR0107"]);
    assert_eq!(with_port(3388, &["RemoteForwarder"]), [""; 0]);
    assert_eq!(with_port(3389, &["RemoteAccess"]), [""; 0]);
    assert_eq!(with_port(30399, &["RemoteDebugger"]), [""; 0]);
    assert_eq!(with_port(30400, &["RemoteDebugger"]), ["AR0107"]);
    let twice =
        role("W", &imports(&["RemoteForwarder"])) + &role("V", &imports(&["RemoteForwarder"]));
    assert_eq!(codes(&definition("", &twice)), [""; 0]);
}

#[test]
fn an_endpoint_of_a_module_may_be_declared_in_its_place() {
    let declared = |name: &str| {
        of_role(&format!(
            "<Endpoints>{}</Endpoints>{}",
            input(name, "tcp", 8172),
            imports(&["WebDeploy"])
        ))
    };
    assert_eq!(
        declared("Microsoft.WindowsAzure.Plugins.WebDeploy.InputEndpoint"),
        [""; 0]
    );
    assert_eq!(declared("Mine"), ["AR0107"]);
}

/// The codes of a definition with this probe.
fn of_probe(attributes: &str) -> Vec<&'static str> {
    let probe = format!("<LoadBalancerProbe name=\"P\" {attributes} />");
    let probes = format!("<LoadBalancerProbes>{probe}</LoadBalancerProbes>");
    codes(&definition("", &(probes + &role("W", ""))))
}

#[test]
fn an_http_probe_has_a_path_and_a_tcp_probe_has_none() {
    assert_eq!(of_probe("protocol=\"http\" path=\"/\""), [""; 0]);
    assert_eq!(of_probe("protocol=\"http\""), ["AR0147"]);
    assert_eq!(of_probe("protocol=\"http\" path=\"\""), ["AR0147"]);
    assert_eq!(of_probe("protocol=\"tcp\""), [""; 0]);
    assert_eq!(of_probe("protocol=\"tcp\" path=\"/\""), ["AR0147"]);
}

#[test]
fn a_probe_is_sent_every_5_seconds_at_most_and_waits_11_at_least() {
    let times = |times: &str| of_probe(&format!("protocol=\"tcp\" {times}"));
    assert_eq!(times("intervalInSeconds=\"5\""), [""; 0]);
    assert_eq!(times("intervalInSeconds=\"4\""), ["AR0109"]);
    assert_eq!(
        times("intervalInSeconds=\"5\" timeoutInSeconds=\"11\""),
        [""; 0]
    );
    assert_eq!(
        times("intervalInSeconds=\"5\" timeoutInSeconds=\"10\""),
        ["AR0109"]
    );
}

#[test]
fn a_probe_times_out_no_earlier_than_it_is_sent_again() {
    let times = |times: &str| of_probe(&format!("protocol=\"tcp\" {times}"));
    assert_eq!(
        times("intervalInSeconds=\"20\" timeoutInSeconds=\"20\""),
        [""; 0]
    );
    assert_eq!(
        times("intervalInSeconds=\"21\" timeoutInSeconds=\"20\""),
        ["AR0149"]
    );
    // The defaults are 15 and 31.
    assert_eq!(times("timeoutInSeconds=\"15\""), [""; 0]);
    assert_eq!(times("timeoutInSeconds=\"14\""), ["AR0149"]);
    assert_eq!(times("intervalInSeconds=\"31\""), [""; 0]);
    assert_eq!(times("intervalInSeconds=\"32\""), ["AR0149"]);
}

#[test]
fn probes_have_different_names_and_endpoints_name_one_of_them() {
    let with = |probes: &[&str], named: &str| {
        let probe = |name: &&str| format!("<LoadBalancerProbe name=\"{name}\" protocol=\"tcp\" />");
        let probes: String = probes.iter().map(probe).collect();
        let endpoint = format!(
            "<Endpoints><InputEndpoint name=\"E\" protocol=\"tcp\" port=\"1\" \
             loadBalancerProbe=\"{named}\" /></Endpoints>"
        );
        let probes = format!("<LoadBalancerProbes>{probes}</LoadBalancerProbes>");
        codes(&definition("", &(probes + &role("W", &endpoint))))
    };
    assert_eq!(with(&["A", "B"], "B"), [""; 0]);
    assert_eq!(with(&["A", "a"], "a"), [""; 0]);
    assert_eq!(with(&["A", "A"], "A"), ["AR0150"]);
    assert_eq!(with(&["A"], "a"), ["AR0148"]);
    assert_eq!(with(&[], "A"), ["AR0148"]);
}

/// The codes of a service with the roles `W` (endpoints `In`, `Out`, `One`) and `V`, and these rules.
fn of_traffic_rules(rules: &str) -> Vec<&'static str> {
    let endpoints = internal("In") + &input("Out", "tcp", 1) + &instance("One", "tcp", (2, 3));
    let w = role(
        "W",
        &format!(
            "<Endpoints>{endpoints}</Endpoints>{}",
            imports(&["RemoteAccess", "RemoteForwarder"])
        ),
    );
    let roles = w + &role("V", "") + "<VirtualMachineRole name=\"Vm\" />";
    codes(&definition("", &(roles + rules)))
}

#[test]
fn a_traffic_rule_is_about_an_internal_endpoint_that_the_role_has() {
    let to = |role: &str, endpoint: &str| {
        of_traffic_rules(&format!(
            "<NetworkTrafficRules><OnlyAllowTrafficTo><Destinations>\
             <RoleEndpoint roleName=\"{role}\" endpointName=\"{endpoint}\" /></Destinations>\
             <AllowAllTraffic /></OnlyAllowTrafficTo></NetworkTrafficRules>"
        ))
    };
    assert_eq!(to("W", "In"), [""; 0]);
    assert_eq!(to("W", "in"), ["AR0151"]);
    assert_eq!(to("W", "Out"), ["AR0151"]);
    assert_eq!(to("W", "One"), ["AR0151"]);
    assert_eq!(to("V", "In"), ["AR0151"]);
    assert_eq!(to("w", "In"), ["AR0151"]);
    assert_eq!(to("Vm", "Whatever"), [""; 0]);
    let of_module = |rest: &str| to("W", &format!("Microsoft.WindowsAzure.Plugins.{rest}"));
    assert_eq!(of_module("RemoteAccess.Rdp"), [""; 0]);
    assert_eq!(of_module("RemoteForwarder.RdpInput"), ["AR0151"]);
}

#[test]
fn a_traffic_rule_lets_roles_in_that_the_service_has() {
    let from = |role: &str| {
        of_traffic_rules(&format!(
            "<NetworkTrafficRules><OnlyAllowTrafficTo><Destinations>\
             <RoleEndpoint roleName=\"W\" endpointName=\"In\" /></Destinations>\
             <WhenSource matches=\"AnyRule\"><FromRole roleName=\"{role}\" /></WhenSource>\
             </OnlyAllowTrafficTo></NetworkTrafficRules>"
        ))
    };
    assert_eq!(from("V"), [""; 0]);
    assert_eq!(from("Vm"), [""; 0]);
    assert_eq!(from("X"), ["AR0151"]);
}

#[test]
fn a_traffic_rule_names_its_sources_in_one_way() {
    const ALL: &str = "<AllowAllTraffic />";
    const SOME: &str = "<WhenSource matches=\"AnyRule\"><FromRole roleName=\"V\" /></WhenSource>";
    let rules = |sources: &str| {
        format!(
            "<NetworkTrafficRules><OnlyAllowTrafficTo><Destinations>\
             <RoleEndpoint roleName=\"W\" endpointName=\"In\" /></Destinations>{sources}\
             </OnlyAllowTrafficTo></NetworkTrafficRules>"
        )
    };
    assert_eq!(of_traffic_rules(&rules(ALL)), [""; 0]);
    assert_eq!(of_traffic_rules(&rules(SOME)), [""; 0]);
    assert_eq!(
        of_traffic_rules(&rules(&format!("{ALL}{SOME}"))),
        ["AR0166"]
    );
    assert_eq!(of_traffic_rules(&rules("")), ["AR0166"]);
    assert_eq!(of_traffic_rules("<NetworkTrafficRules />"), [""; 0]);
    assert_eq!(of_traffic_rules(&(rules(ALL) + &rules(SOME))), ["AR0166"]);
}

#[test]
fn local_stores_fit_on_the_disk_of_the_size() {
    let with = |attributes: &str, sizes: &[u64]| {
        let store = |(i, size): (usize, &u64)| {
            format!("<LocalStorage name=\"S{i}\" sizeInMB=\"{size}\" />")
        };
        let stores: String = sizes.iter().enumerate().map(store).collect();
        codes(&definition(
            "",
            &format!(
                "<WorkerRole name=\"W\" {attributes}><LocalResources>{stores}</LocalResources>\
                 <LocalStorage name=\"Old\" sizeInMB=\"1\" /><Runtime><EntryPoint><ProgramEntryPoint \
                 commandLine=\"w\" setReadyOnProcessStart=\"true\" /></EntryPoint></Runtime></WorkerRole>"
            ),
        ))
    };
    let gib = 1024;
    // The old direct store counts.
    assert_eq!(with("vmsize=\"ExtraSmall\"", &[20 * gib - 1]), [""; 0]);
    assert_eq!(with("vmsize=\"ExtraSmall\"", &[20 * gib]), ["AR0155"]);
    assert_eq!(
        with("vmsize=\"Standard_D1_v2\"", &[49 * gib, gib - 1]),
        [""; 0]
    );
    assert_eq!(
        with("vmsize=\"Standard_D1_v2\"", &[49 * gib, gib]),
        ["AR0155"]
    );
    // Without a size it is `Small`, and of one that is not known nothing is said.
    assert_eq!(with("", &[225 * gib - 1]), [""; 0]);
    assert_eq!(with("", &[225 * gib]), ["AR0155"]);
    let endless = [2_147_483_647; 3];
    assert_eq!(with("vmsize=\"Standard_D2s_v5\"", &endless), ["AR0156"]);
    assert_eq!(with("vmsize=\"Standard_G5\"", &endless), ["AR0155"]);
}

#[test]
fn sizes_are_known_by_their_exact_names() {
    let size = |size: &str| {
        codes(&definition(
            "",
            &format!(
                "<WorkerRole name=\"W\" vmsize=\"{size}\"><Runtime><EntryPoint><ProgramEntryPoint \
             commandLine=\"w\" setReadyOnProcessStart=\"true\" /></EntryPoint></Runtime></WorkerRole>"
            ),
        ))
    };
    for known in [
        "ExtraSmall",
        "ExtraLarge",
        "A5",
        "A11",
        "Standard_A8m_v2",
        "Standard_D3_v2",
        "Standard_H16mr",
    ] {
        assert_eq!(size(known), [""; 0], "{known}");
    }
    for unknown in [
        "",
        "small",
        "A12",
        "Standard_D3_V2",
        "Standard_D3v2",
        "Standard_D4s_v5",
    ] {
        assert_eq!(size(unknown), ["AR0156"], "{unknown}");
    }
}

#[test]
fn modules_are_known_by_their_exact_names() {
    let all = [
        "RemoteAccess",
        "RemoteForwarder",
        "Diagnostics",
        "Connect",
        "Caching",
        "WebDeploy",
        "RemoteDebugger",
    ];
    assert_eq!(of_role(&imports(&all)), [""; 0]);
    assert_eq!(of_role(&imports(&["diagnostics"])), ["AR0159"]);
    assert_eq!(of_role(&imports(&["Contoso"])), ["AR0159"]);
}

#[test]
fn remote_desktop_is_one_of_the_5_internal_endpoints_that_old_tools_took() {
    let with = |n: usize, modules: &[&str]| {
        let endpoints: String = (0..n).map(|i| internal(&format!("E{i}"))).collect();
        of_role(&format!(
            "<Endpoints>{endpoints}</Endpoints>{}",
            imports(modules)
        ))
    };
    assert_eq!(with(4, &["RemoteAccess"]), [""; 0]);
    assert_eq!(with(5, &["RemoteAccess"]), ["AR0120"]);
    assert_eq!(with(5, &["RemoteForwarder", "Diagnostics"]), [""; 0]);
    assert_eq!(with(5, &["Caching"]), [""; 0]);
    assert_eq!(with(0, &["Caching", "RemoteAccess"]), [""; 0]);
}

#[test]
fn endpoints_of_modules_count_for_the_limits_of_the_service() {
    let with = |n: u16, modules: &[&str]| {
        let endpoints: String = (0..n)
            .map(|i| input(&format!("E{i}"), "tcp", i + 1))
            .collect();
        of_role(&format!(
            "<Endpoints>{endpoints}</Endpoints>{}",
            imports(modules)
        ))
    };
    assert_eq!(with(24, &["RemoteForwarder"]), [""; 0]);
    assert_eq!(with(25, &["RemoteForwarder"]), ["AR0119"]);
    assert_eq!(with(25, &["RemoteAccess"]), [""; 0]);
    let five = |modules: &[&str]| {
        let endpoints: String = (0..5).map(|i| internal(&format!("E{i}"))).collect();
        format!("<Endpoints>{endpoints}</Endpoints>{}", imports(modules))
    };
    let roles = |last: &str| {
        let four: String = (0..4).map(|i| role(&format!("R{i}"), &five(&[]))).collect();
        codes(&definition("", &(four + &role("R4", last))))
    };
    assert_eq!(roles(&five(&["RemoteForwarder"])), [""; 0]);
    assert_eq!(roles(&five(&["RemoteAccess"])), ["AR0120", "AR0119"]);
}

#[test]
fn a_service_has_at_most_25_instance_input_endpoints() {
    let with = |n: u16, modules: &[&str]| {
        let endpoint = |i: u16| instance(&format!("E{i}"), "tcp", (i + 1, i + 1));
        let endpoints: String = (0..n).map(endpoint).collect();
        of_role(&format!(
            "<Endpoints>{endpoints}</Endpoints>{}",
            imports(modules)
        ))
    };
    assert_eq!(with(25, &[]), [""; 0]);
    assert_eq!(with(26, &[]), ["AR0119"]);
    assert_eq!(with(22, &["RemoteDebugger"]), [""; 0]);
    assert_eq!(with(23, &["RemoteDebugger"]), ["AR0119"]);
}

#[test]
fn a_service_has_at_most_199_certificates() {
    let with = |n: usize, modules: &[&str]| {
        let certificates = |range: std::ops::Range<usize>| {
            let certificates: String = range.map(|i| certificate(&format!("C{i}"))).collect();
            format!("<Certificates>{certificates}</Certificates>")
        };
        let first = role("W", &(certificates(0..100) + &imports(modules)));
        codes(&definition(
            "",
            &(first + &role("V", &certificates(100..n))),
        ))
    };
    assert_eq!(with(199, &[]), [""; 0]);
    assert_eq!(with(200, &[]), ["AR0119"]);
    assert_eq!(with(198, &["RemoteAccess"]), [""; 0]);
    assert_eq!(with(199, &["RemoteAccess"]), ["AR0119"]);
}

#[test]
fn disallow_is_not_the_store_disallowed() {
    let store = |store: &str| {
        of_role(&format!(
            "<Certificates><Certificate name=\"C\" storeLocation=\"LocalMachine\" storeName=\"{store}\" />\
             </Certificates>"
        ))
    };
    assert_eq!(store("Disallowed"), [""; 0]);
    assert_eq!(store("Disallow"), ["AR0162"]);
    assert_eq!(store("disallow"), ["AR0162"]);
    assert_eq!(store("OurOwn"), [""; 0]);
}

#[test]
fn an_idle_timeout_is_4_to_30_minutes_and_not_for_udp() {
    let input = |protocol: &str, minutes: u32| {
        of_endpoints(&format!(
            "<InputEndpoint name=\"E\" protocol=\"{protocol}\" port=\"1\" idleTimeoutInMinutes=\"{minutes}\" />"
        ))
    };
    assert_eq!(input("tcp", 0), ["AR0109"]);
    assert_eq!(input("tcp", 3), ["AR0163"]);
    assert_eq!(input("http", 4), [""; 0]);
    assert_eq!(input("tcp", 30), [""; 0]);
    assert_eq!(input("tcp", 31), ["AR0163"]);
    assert_eq!(input("udp", 10), ["AR0163"]);
    let instance = |protocol, minutes: &str| {
        let with = format!("localPort=\"1\" idleTimeoutInMinutes=\"{minutes}\"");
        of_endpoints(&instance("E", protocol, (1, 2)).replace("localPort=\"1\"", &with))
    };
    assert_eq!(instance("tcp", "4"), [""; 0]);
    assert_eq!(instance("tcp", "3"), ["AR0163"]);
    assert_eq!(instance("udp", "4"), ["AR0163"]);
}

#[test]
fn a_web_role_has_an_endpoint_for_http_and_binds_to_its_own() {
    let web = |endpoints: &str, bound: &str| {
        let site = format!(
            "<Sites><Site name=\"Web\"><Bindings><Binding name=\"B\" endpointName=\"{bound}\" />\
             </Bindings></Site></Sites>"
        );
        let web = format!("<WebRole name=\"X\">{site}<Endpoints>{endpoints}</Endpoints></WebRole>");
        codes(&definition("", &(role("W", "") + &web)))
    };
    assert_eq!(web(&input("In", "http", 80), "In"), [""; 0]);
    assert_eq!(web(&input("In", "tcp", 80), "In"), ["AR0167"]);
    assert_eq!(web(&input("In", "http", 80), "in"), ["AR0167"]);
    assert_eq!(web("", "In"), ["AR0167", "AR0167"]);
    let old = "<WebRole name=\"X\"><InputEndpoints><InputEndpoint name=\"In\" protocol=\"http\" port=\"80\" />\
               </InputEndpoints></WebRole>";
    assert_eq!(codes(&definition("", &(role("W", "") + old))), [""; 0]);
}

#[test]
fn a_path_does_not_begin_with_the_approot() {
    let task = |line: &str| {
        of_role(&format!(
            "<Startup><Task commandLine=\"{line}\" /></Startup>"
        ))
    };
    for redundant in [
        r"%RoleRoot%\approot\a.cmd",
        r"%ROLEROOT%/APPROOT/a.cmd",
        r"%RoleRoot%approot\a.cmd",
        r"\%RoleRoot%\approot\a.cmd",
        r" &quot;%RoleRoot%\approot\a b.cmd&quot;",
        r"%RoleRoot%\approot",
    ] {
        assert_eq!(task(redundant), ["AR0168"], "{redundant}");
    }
    for fine in [
        r"a.cmd %RoleRoot%\approot",
        r"%RoleRoot%\approots\a.cmd",
        r"%RoleRoot%\a.cmd",
        r"approot\a.cmd",
        r"%RoleRoo",
        r"%RoleRoot%",
    ] {
        assert_eq!(task(fine), [""; 0], "{fine}");
    }
    let program = definition("", &role("W", "")).replace("\"w\"", r#""%RoleRoot%\approot\w""#);
    assert_eq!(codes(&program), ["AR0168"]);
    let net = definition("", &role("W", "")).replace(
        "<ProgramEntryPoint commandLine=\"w\" setReadyOnProcessStart=\"true\" />",
        r#"<NetFxEntryPoint assemblyName="%RoleRoot%\approot\w.dll" />"#,
    );
    assert_eq!(codes(&net), ["AR0128", "AR0168"]);
}

/// The codes of a role with the settings `Own`, the endpoints `In` and `One`, an import, and this xpath,
/// in whose predicate `'` may stand.
fn of_xpath(xpath: &str) -> Vec<&'static str> {
    let endpoints = internal("In") + &instance("One", "tcp", (1, 2));
    let body = format!(
        "<ConfigurationSettings><Setting name=\"Own\" /></ConfigurationSettings>\
         <Endpoints>{endpoints}</Endpoints>{}<Startup><Task commandLine=\"t\"><Environment>\
         <Variable name=\"V\"><RoleInstanceValue xpath=\"/RoleEnvironment/CurrentInstance/{xpath}\" />\
         </Variable></Environment></Task></Startup>",
        imports(&["RemoteAccess"])
    );
    of_role(&body)
}

#[test]
fn an_xpath_may_name_a_setting_that_an_import_declares() {
    let setting = |name: &str| {
        of_xpath(&format!(
            "ConfigurationSettings/ConfigurationSetting[@name='{name}']/@value"
        ))
    };
    assert_eq!(setting("Own"), [""; 0]);
    assert_eq!(setting("Other"), ["AR0124"]);
    let of_plugin = |rest: &str| setting(&format!("Microsoft.WindowsAzure.Plugins.{rest}"));
    assert_eq!(of_plugin("RemoteAccess.Enabled"), [""; 0]);
    // The tables need not have all that any version of a module declared.
    assert_eq!(of_plugin("RemoteAccess.Disabled"), [""; 0]);
    assert_eq!(of_plugin("Diagnostics.ConnectionString"), ["AR0124"]);
}

#[test]
fn an_xpath_may_name_an_endpoint_of_a_single_instance_in_either_quotes() {
    assert_eq!(of_xpath("Endpoints/Endpoint[@name='In']/@port"), [""; 0]);
    assert_eq!(of_xpath("Endpoints/Endpoint[@name='One']/@port"), [""; 0]);
    assert_eq!(
        of_xpath("Endpoints/Endpoint[@name=&quot;One&quot;]/@port"),
        [""; 0]
    );
    assert_eq!(
        of_xpath("Endpoints/Endpoint[@name='Two']/@port"),
        ["AR0124"]
    );
    assert_eq!(
        of_xpath("Endpoints/Endpoint[@name=&quot;Two&quot;]/@port"),
        ["AR0124"]
    );
    assert_eq!(
        of_xpath("Endpoints/Endpoint[@name='One&quot;]/@port"),
        ["AR0123"]
    );
}

#[test]
fn endpoints_on_one_port_of_their_instances_are_a_warning() {
    let of = |endpoints: &str| {
        let role = role("W", &format!("<Endpoints>{endpoints}</Endpoints>"));
        check(&definition("", &role))
    };
    let local = |name: &str, port: u16| {
        format!(
            "<InputEndpoint name=\"{name}\" protocol=\"tcp\" port=\"{port}\" localPort=\"9\" />"
        )
    };
    assert_eq!(of(&local("A", 1)), [""; 0]);
    assert_eq!(of(&(local("A", 1) + &local("B", 2))), ["AR0172"]);
    let fixed = |protocol: &str| {
        format!("<InternalEndpoint name=\"I\" protocol=\"{protocol}\" port=\"9\" />")
    };
    assert_eq!(of(&(local("A", 1) + &fixed("http"))), ["AR0172"]);
    assert_eq!(of(&(local("A", 1) + &fixed("udp"))), [""; 0]);
    // Without a local port it is the public one; two of those clash outside already.
    assert_eq!(of(&(input("A", "tcp", 9) + &fixed("tcp"))), ["AR0172"]);
    assert_eq!(
        of(&(input("A", "tcp", 9) + &input("B", "tcp", 9))),
        ["AR0107"]
    );
}

#[test]
fn a_variable_stands_once_without_regard_to_case() {
    let of = |names: &[&str]| {
        let variable = |name: &&str| format!("<Variable name=\"{name}\" value=\"\" />");
        let variables: String = names.iter().map(variable).collect();
        codes(&definition(
            "",
            &role(
                "W",
                &format!(
                    "<Startup><Task commandLine=\"a\"><Environment>{variables}</Environment></Task></Startup>"
                ),
            ),
        ))
    };
    assert_eq!(of(&["A", "B"]), [""; 0]);
    assert_eq!(of(&["A", "A"]), ["AR0171"]);
    assert_eq!(of(&["A", "b", "a"]), ["AR0171"]);
}

#[test]
fn scripts_and_shells_of_windows_are_reported() {
    let of = |line: &str| {
        let task = format!("<Startup><Task commandLine=\"{line}\" /></Startup>");
        check(&definition("", &role("W", &task)))
    };
    for line in [
        "a.sh",
        "a",
        "a.exe",
        "%ROLEROOT%\\a.cmd",
        "${RoleRoot}/a.cmd",
    ] {
        assert_eq!(of(line), [""; 0], "{line}");
    }
    for line in [
        "a.cmd x",
        "bin\\A.BAT",
        "a.ps1",
        "cmd /c a",
        "PowerShell.exe -File a.ps1",
    ] {
        assert_eq!(of(line), ["AR0164"], "{line}");
    }
}
