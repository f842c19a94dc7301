//! `InternalEndpoint`, `FixedPort` and `FixedPortRange`.

use super::*;

#[test]
fn an_internal_endpoint_needs_name_and_protocol() {
    let endpoint = "<InternalEndpoint name=\"E\" protocol=\"tcp\" port=\"80\" />";
    presence(in_endpoints, endpoint, &["name", "protocol"], &["port"]);
}

#[test]
fn internal_protocols_are_http_and_tcp() {
    let template = "<Endpoints><InternalEndpoint name=\"E\" protocol=\"{}\" /></Endpoints>";
    values(template, &["http", "tcp"], &["https", "HTTP", ""]);
    for protocol in ["http", "tcp"] {
        is_honoured(
            &service(&template.replace("{}", protocol)),
            "/InternalEndpoint[1]",
        );
    }
}

#[test]
fn an_internal_endpoint_without_a_port_has_any() {
    assert_eq!(internal_ports("/>"), InternalPorts::Any);
    assert_eq!(
        internal_ports("port=\"80\" />"),
        InternalPorts::OneOf(vec![80..=80])
    );
}

#[test]
fn an_internal_endpoint_has_no_public_port_beside_its_own() {
    let endpoint = "<InternalEndpoint name=\"E\" protocol=\"tcp\" port=\"80\" localPort=\"81\" />";
    assert!(finds(&in_endpoints(endpoint), "AR0102"));
}

#[test]
fn fixed_port_is_the_port_of_the_endpoint() {
    let fixed = internal_ports("><FixedPort port=\"80\" /></InternalEndpoint>");
    assert_eq!(fixed, internal_ports("port=\"80\" />"));
}

#[test]
fn fixed_port_is_a_range_of_one_port() {
    let fixed = internal_ports("><FixedPort port=\"80\" /></InternalEndpoint>");
    let range = internal_ports("><FixedPortRange min=\"80\" max=\"80\" /></InternalEndpoint>");
    assert_eq!(fixed, range);
}

fn in_internal(inside: &str) -> String {
    in_endpoints(&format!(
        "<InternalEndpoint name=\"E\" protocol=\"tcp\">{inside}</InternalEndpoint>"
    ))
}

#[test]
fn a_fixed_port_needs_its_port() {
    presence(in_internal, "<FixedPort port=\"80\" />", &["port"], &[]);
}

#[test]
fn a_range_of_ports_needs_both_ends() {
    presence(
        in_internal,
        "<FixedPortRange min=\"80\" max=\"81\" />",
        &["min", "max"],
        &[],
    );
    let range = internal_ports("><FixedPortRange min=\"80\" max=\"81\" /></InternalEndpoint>");
    assert_eq!(range, InternalPorts::OneOf(vec![80..=81]));
}

#[test]
fn both_ends_of_a_range_are_port_numbers() {
    for end in ["min", "max"] {
        for (value, is_bad) in [("80", false), ("0", true), ("65536", true), ("many", true)] {
            let range = "<FixedPortRange min=\"80\" max=\"80\" />";
            let range = range.replace(&format!("{end}=\"80\""), &format!("{end}=\"{value}\""));
            assert_eq!(finds(&in_internal(&range), "AR0109"), is_bad, "{range}");
        }
    }
}
