//! `Endpoints`, how many there may be, and `InputEndpoint`.

use super::*;

fn endpoint(attributes: &str) -> schema::InputEndpoint {
    let body = format!(
        "<Endpoints><InputEndpoint name=\"E\" protocol=\"tcp\" port=\"80\" {attributes} /></Endpoints>"
    );
    role_with(&body).input_endpoints.remove(0)
}

fn of(name: &str, protocol: &str, port: u16) -> String {
    format!("<InputEndpoint name=\"{name}\" protocol=\"{protocol}\" port=\"{port}\" />")
}

#[test]
fn endpoints_of_both_kinds_are_collected_apart() {
    let body = format!(
        "<Endpoints><InternalEndpoint name=\"A\" protocol=\"tcp\" />{}</Endpoints>",
        of("B", "tcp", 80)
    );
    let role = role_with(&body);
    assert_eq!(
        (role.input_endpoints.len(), role.internal_endpoints.len()),
        (1, 1)
    );
    is_honoured(&service(&body), "/Endpoints[1]");
}

#[test]
fn twenty_five_input_endpoints_may_be_shared_out_as_one_likes() {
    let roles = |n_roles: u16, n_each: u16| {
        let each = |r: u16| {
            let endpoints: String = (0..n_each)
                .map(|e| of(&format!("E{e}"), "tcp", 1 + r * 25 + e))
                .collect();
            role(
                &format!("R{r}"),
                &format!("<Endpoints>{endpoints}</Endpoints>"),
            )
        };
        definition("", &(0..n_roles).map(each).collect::<String>())
    };
    for (n_roles, n_each) in [(5, 5), (1, 25), (25, 1)] {
        passes(&roles(n_roles, n_each));
    }
    refuses(&roles(2, 13), "AR0119");
}

#[test]
fn twenty_five_of_each_kind_are_counted_apart() {
    let endpoints: String = (0..25)
        .map(|i| {
            of(&format!("I{i}"), "tcp", 1 + i)
                + &format!("<InternalEndpoint name=\"P{i}\" protocol=\"tcp\" />")
        })
        .collect();
    passes(&in_endpoints(&endpoints));
}

#[test]
fn more_than_20_instances_are_no_finding() {
    let mut sources = Sources::new();
    let role = "<Role name=\"W\"><Instances count=\"21\" /></Role>";
    let file = sources.add("a.cscfg", configuration(role));
    assert_eq!(schema::check_files(&sources, None, &[file]), []);
}

#[test]
fn endpoints_of_http_and_tcp_stand_side_by_side() {
    let body = format!(
        "<Endpoints>{}{}</Endpoints>",
        of("A", "http", 80),
        of("B", "tcp", 81)
    );
    let role = role_with(&body);
    let protocols: Vec<_> = role
        .input_endpoints
        .iter()
        .map(|endpoint| endpoint.protocol)
        .collect();
    assert_eq!(protocols, [Protocol::Http, Protocol::Tcp]);
    is_honoured(&service(&body), "/InputEndpoint[1]");
    is_honoured(&service(&body), "/InputEndpoint[2]/@protocol");
}

#[test]
fn https_is_carried_as_it_is_and_its_certificate_named_to_the_program() {
    let endpoints =
        "<InputEndpoint name=\"E\" protocol=\"https\" port=\"443\" certificate=\"C\" />";
    let certificate = "<Certificate name=\"C\" storeLocation=\"LocalMachine\" storeName=\"My\" />";
    let text = service(&format!(
        "<Certificates>{certificate}</Certificates><Endpoints>{endpoints}</Endpoints>"
    ));
    passes(&text);
    is_honoured(&text, "/InputEndpoint[1]");
    is_honoured(&text, "/@protocol");
    assert_eq!(verdict(&text, "/@certificate").0, Verdict::Translated);
}

#[test]
fn ports_are_unique_in_the_service_and_not_only_in_the_role() {
    let roles = |a: u16, b: u16| {
        let first = of("A", "http", 80) + &of("B", "tcp", 443);
        let second = of("A", "http", a) + &of("B", "tcp", b);
        let roles = [("W", first), ("V", second)];
        let roles = roles
            .map(|(name, endpoints)| role(name, &format!("<Endpoints>{endpoints}</Endpoints>")));
        definition("", &roles.concat())
    };
    passes(&roles(8080, 8043));
    refuses(&roles(80, 8043), "AR0107");
    refuses(&roles(8080, 443), "AR0107");
    refuses(
        &in_endpoints(&(of("A", "http", 80) + &of("B", "tcp", 80))),
        "AR0107",
    );
}

#[test]
fn input_endpoints_of_a_worker_role_stand_in_endpoints() {
    passes(&in_endpoints(&of("A", "tcp", 80)));
    let old = service(&format!(
        "<InputEndpoints>{}</InputEndpoints>",
        of("A", "tcp", 80)
    ));
    let (findings, _) = read(&old);
    let finding = findings
        .iter()
        .find(|finding| finding.code.as_str() == "AR0101")
        .unwrap();
    let help = finding.help.concat();
    assert!(help.contains("`Endpoints`"), "{help}");
    let web = "<WebRole name=\"X\"><InputEndpoints><InputEndpoint name=\"A\" protocol=\"http\" port=\"80\" />\
               </InputEndpoints></WebRole>";
    assert!(!finds(&definition("", &(role("W", "") + web)), "AR0101"));
}

#[test]
fn an_input_endpoint_needs_name_protocol_and_port() {
    let endpoint = "<InputEndpoint name=\"E\" protocol=\"tcp\" port=\"80\" localPort=\"81\" certificate=\"C\" \
                    ignoreRoleInstanceStatus=\"true\" />";
    let optional = ["localPort", "certificate", "ignoreRoleInstanceStatus"];
    presence(
        in_endpoints,
        endpoint,
        &["name", "protocol", "port"],
        &optional,
    );
}

#[test]
fn endpoint_names_are_unique_in_the_role() {
    refuses(
        &in_endpoints(&(of("A", "tcp", 80) + &of("A", "tcp", 81))),
        "AR0118",
    );
    let internal = "<InternalEndpoint name=\"A\" protocol=\"tcp\" />";
    refuses(&in_endpoints(&(of("A", "tcp", 80) + internal)), "AR0118");
    let endpoints = format!("<Endpoints>{}</Endpoints>", of("A", "tcp", 80));
    let other = endpoints.replace("80", "81");
    passes(&definition(
        "",
        &(role("V", &endpoints) + &role("W", &other)),
    ));
}

#[test]
fn input_protocols_are_written_in_small_letters() {
    let template =
        "<Endpoints><InputEndpoint name=\"E\" protocol=\"{}\" port=\"80\" /></Endpoints>";
    values(
        template,
        &["http", "https", "tcp"],
        &["HTTP", "HTTPS", "TCP", "ftp", ""],
    );
}

#[test]
fn a_public_port_is_any_port_number() {
    let template =
        "<Endpoints><InputEndpoint name=\"E\" protocol=\"tcp\" port=\"{}\" /></Endpoints>";
    values(template, &["1", "80", "65535"], &["0", "65536", "*", "web"]);
}

#[test]
fn local_port_is_the_public_port_where_it_is_absent() {
    assert_eq!(endpoint("").local_port, PortSpecifier::Fixed(80));
    assert_eq!(
        endpoint("localPort=\"8080\"").local_port,
        PortSpecifier::Fixed(8080)
    );
}

#[test]
fn local_port_may_be_left_to_the_fabric() {
    assert_eq!(endpoint("localPort=\"*\"").local_port, PortSpecifier::Any);
}

#[test]
fn the_status_of_an_instance_counts_by_default() {
    assert!(!endpoint("").ignore_role_instance_status);
    assert!(endpoint("ignoreRoleInstanceStatus=\"true\"").ignore_role_instance_status);
}
