//! A service in, a plan out.

use std::fmt::Write;

use expect_test::{Expect, expect};
use schema::{
    Certificate, CommandLine, Definition, ExecutionContext, InputEndpoint, InternalEndpoint,
    LocalResource, ProgramEntryPoint, Protocol, RoleInstanceValue, StartupTask, Variable,
    VariableValue,
};

use super::*;

mod changes;

fn line(text: &str) -> CommandLine {
    CommandLine::parse(text).unwrap()
}

fn service() -> Service {
    let variable = |name: &str, value| Variable {
        name: name.into(),
        value,
    };
    let role = RoleDefinition {
        name: "Echo".into(),
        vmsize: "Small".into(),
        settings: vec!["Greeting".into()],
        local_resources: vec![LocalResource {
            name: "Scratch".into(),
            clean_on_role_recycle: false,
            size_mb: 10,
        }],
        input_endpoints: vec![InputEndpoint {
            name: "In".into(),
            protocol: Protocol::Tcp,
            port: 1234,
            local_port: PortSpecifier::Fixed(CHOSEN_PORT_FIRST),
            ignore_role_instance_status: false,
            certificate: Some("Tls.Front".into()),
        }],
        internal_endpoints: vec![InternalEndpoint {
            name: "Peer".into(),
            protocol: Protocol::Tcp,
            ports: InternalPorts::Any,
        }],
        instance_input_endpoints: Vec::new(),
        execution_context: ExecutionContext::Limited,
        environment: vec![
            variable(
                "WHO",
                VariableValue::RoleInstance(RoleInstanceValue::InstanceId),
            ),
            variable(
                "WHERE",
                VariableValue::RoleInstance(RoleInstanceValue::LocalResourcePath("Scratch".into())),
            ),
            variable(
                "PORT",
                VariableValue::RoleInstance(RoleInstanceValue::EndpointPort("In".into())),
            ),
            variable(
                "HELLO",
                VariableValue::RoleInstance(RoleInstanceValue::Setting("Greeting".into())),
            ),
            variable("TEMP", VariableValue::Literal("mine".into())),
        ],
        entry_point: ProgramEntryPoint {
            command_line: line("echo"),
            set_ready_on_process_start: true,
        },
        startup_tasks: vec![StartupTask {
            command_line: line(r"bin\setup.cmd now"),
            execution_context: ExecutionContext::Limited,
            task_type: schema::TaskType::Simple,
            environment: vec![],
        }],
        contents: vec![],
        native_code_execution: true,
        certificates: vec![Certificate {
            name: "Tls.Front".into(),
            store_location: "LocalMachine".into(),
            store_name: "../My".into(),
            is_elevated: true,
        }],
    };
    let definition = Definition {
        name: "Cloud".into(),
        upgrade_domain_count: 2,
        roles: vec![role],
        blast: false,
    };
    let configuration = RoleConfiguration {
        name: "Echo".into(),
        instance_count: 3,
        settings: vec![("Greeting".into(), "hi".into())],
        certificates: vec![
            ("Imported".into(), "B".repeat(40)),
            ("Tls.Front".into(), "A".repeat(40)),
        ],
    };
    Service {
        definition,
        roles: vec![configuration],
    }
}

fn options() -> Options {
    Options {
        deployment_id: "d".repeat(32),
        incarnation: 1,
        slot: Slot::Production,
        emulated: true,
        instances: BTreeMap::new(),
        listen: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
        block: 5,
        taken: BTreeSet::from([2]),
        instances_directory: "/state/instances".into(),
        sockets_directory: "/run/i".into(),
        package: Package {
            digest: "abc".into(),
            root: "/state/package".into(),
            takes_sockets: BTreeSet::new(),
        },
        has_identities: true,
        group: "approot-1".into(),
        roles: BTreeMap::new(),
        kept: BTreeMap::new(),
        certificates_directory: "/state/certificates".into(),
    }
}

fn check(change: impl FnOnce(&mut Service, &mut Options), expected: &Expect) {
    let (mut service, mut options) = (service(), options());
    change(&mut service, &mut options);
    let text = match plan(&service, &options) {
        Ok(plan) => describe(&plan),
        Err(error) => format!("{error}\n"),
    };
    expected.assert_eq(&text);
}

fn describe(plan: &DeploymentPlan) -> String {
    let mut text = String::new();
    for public in &plan.public {
        writeln!(text, "{} at {:?}", public.key(), public.listen).unwrap();
    }
    for instance in plan.instances() {
        let endpoints: Vec<String> = instance
            .endpoints
            .iter()
            .map(|endpoint| format!("{} {}", endpoint.name, endpoint.address))
            .collect();
        let domains = (instance.upgrade_domain, instance.fault_domain);
        writeln!(
            text,
            "{} {:?} {}",
            instance.id,
            domains,
            endpoints.join(", ")
        )
        .unwrap();
    }
    text
}

#[test]
fn instances_get_domains_addresses_and_ports() {
    check(
        |_, _| {},
        &expect![[r#"
            Echo/In at [127.0.0.1:1234, [::1]:1234]
            Echo_IN_0 (0, 0) In 127.17.5.1:20000, Peer 127.17.5.1:20001
            Echo_IN_1 (1, 1) In 127.17.5.3:20000, Peer 127.17.5.3:20001
            Echo_IN_2 (0, 0) In 127.17.5.4:20000, Peer 127.17.5.4:20001
        "#]],
    );
}

#[test]
fn an_internal_endpoint_has_the_first_port_of_its_ranges_that_no_other_has() {
    let with = |ranges: &[(u16, u16)]| {
        let ranges = ranges.iter().map(|(min, max)| *min..=*max).collect();
        move |service: &mut Service, options: &mut Options| {
            options.instances.insert("Echo".into(), 1);
            let internal = &mut service.definition.roles[0].internal_endpoints;
            internal[0].ports = InternalPorts::OneOf(ranges);
            internal.push(InternalEndpoint {
                name: "More".into(),
                ports: internal[0].ports.clone(),
                ..internal[0].clone()
            });
        }
    };
    check(
        with(&[(20_000, 20_000), (30_000, 30_001)]),
        &expect![[r#"
            Echo/In at [127.0.0.1:1234, [::1]:1234]
            Echo_IN_0 (0, 0) In 127.17.5.1:20000, Peer 127.17.5.1:30000, More 127.17.5.1:30001
        "#]],
    );
    // Two endpoints of one port: it was named twice on purpose.
    check(
        with(&[(20_000, 20_000)]),
        &expect![[r#"
        Echo/In at [127.0.0.1:1234, [::1]:1234]
        Echo_IN_0 (0, 0) In 127.17.5.1:20000, Peer 127.17.5.1:20000, More 127.17.5.1:20000
    "#]],
    );
}

#[test]
fn an_instance_input_endpoint_is_the_same_local_port_of_every_instance() {
    check(
        |service, options| {
            options.instances.insert("Echo".into(), 2);
            let role = &mut service.definition.roles[0];
            role.instance_input_endpoints = vec![schema::InstanceInputEndpoint {
                name: "Direct".into(),
                protocol: Protocol::Tcp,
                local_port: CHOSEN_PORT_FIRST + 1,
            }];
        },
        &expect![[r#"
            Echo/In at [127.0.0.1:1234, [::1]:1234]
            Echo_IN_0 (0, 0) In 127.17.5.1:20000, Peer 127.17.5.1:20002, Direct 127.17.5.1:20001
            Echo_IN_1 (1, 1) In 127.17.5.3:20000, Peer 127.17.5.3:20002, Direct 127.17.5.3:20001
        "#]],
    );
}

#[test]
fn a_local_port_that_is_left_open_is_chosen_and_told() {
    let mut service = service();
    service.definition.roles[0].input_endpoints[0].local_port = PortSpecifier::Any;
    let plan = plan(&service, &options()).unwrap();
    let instance = &plan.roles[0].instances[0];
    assert_eq!(instance.endpoints[0].address.port(), CHOSEN_PORT_FIRST);
    assert_ne!(instance.endpoints[1].address.port(), CHOSEN_PORT_FIRST);
    let chosen = CHOSEN_PORT_FIRST.to_string();
    let told = ("PORT".to_owned(), chosen);
    assert!(instance.entry_point.environment.contains(&told));
    assert_eq!(
        plan.public[0].listen[0].port(),
        1234,
        "the public port stays"
    );
}

#[test]
fn an_internal_endpoint_is_on_loopback_and_has_no_public_port() {
    let plan = plan(&service(), &options()).unwrap();
    let public: Vec<_> = plan
        .public
        .iter()
        .map(|public| public.name.as_str())
        .collect();
    assert_eq!(public, ["In"]);
    for instance in plan.instances() {
        let peer = instance
            .endpoints
            .iter()
            .find(|endpoint| endpoint.name == "Peer")
            .unwrap();
        assert_eq!((peer.kind, peer.public), (EndpointKind::Internal, None));
        assert!(peer.address.ip().is_loopback());
    }
}

#[test]
fn counts_can_be_replaced_within_bounds() {
    let with = |role: &str, count| {
        let role = role.to_owned();
        move |_: &mut Service, options: &mut Options| {
            options.instances.insert(role, count);
        }
    };
    check(
        with("Echo", 1),
        &expect![[r#"
        Echo/In at [127.0.0.1:1234, [::1]:1234]
        Echo_IN_0 (0, 0) In 127.17.5.1:20000, Peer 127.17.5.1:20001
    "#]],
    );
    check(
        with("Echo", 0),
        &expect![[r#"
        role `Echo` needs at least one instance
    "#]],
    );
    check(
        with("Eco", 1),
        &expect![[r#"
        the service has no role `Eco`; it has `Echo`
    "#]],
    );
    check(
        with("Echo", 254),
        &expect![[r#"
        the deployment has 254 instances, and its block of loopback addresses has room for 253
    "#]],
    );
}

#[test]
fn a_missing_address_is_refused() {
    check(
        |_, options| options.listen.clear(),
        &expect![[r#"
        no address to listen on was given
    "#]],
    );
}

#[test]
fn variables_are_evaluated_and_declared_ones_come_last() {
    let plan = plan(&service(), &options()).unwrap();
    let instance = plan.instances().nth(1).unwrap();
    let environment = |name: &str| {
        let found = instance
            .entry_point
            .environment
            .iter()
            .rev()
            .find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(environment("WHO"), Some("Echo_IN_1"));
    assert_eq!(
        environment("WHERE"),
        Some("/state/instances/Echo_IN_1/directory/Scratch/")
    );
    assert_eq!(environment("PORT"), Some("20000"));
    assert_eq!(environment("HELLO"), Some("hi"));
    assert_eq!(environment("TEMP"), Some("mine"));
    assert_eq!(environment("RoleRoot"), Some("/state/instances/Echo_IN_1"));
    for (form, of) in [
        ("ROLEROOT", "RoleRoot"),
        ("roleinstanceid", "RoleInstanceID"),
        ("who", "WHO"),
        ("temp", "TEMP"),
    ] {
        assert_eq!(environment(form), environment(of), "{form}");
    }
    for (name, _) in &instance.startup_tasks[0].command.environment {
        let mut known = schema::PLATFORM_VARIABLES.iter();
        let is_known = known.any(|known| known.eq_ignore_ascii_case(name));
        assert!(is_known || name.starts_with("APPROOT_"), "{name}");
    }
    assert_eq!(
        environment("WaRuntimeEndpoint"),
        Some("/run/i/Echo_IN_1/runtime.sock")
    );
    let task = &instance.startup_tasks[0].command;
    assert_eq!(task.words, ["bin/setup.cmd", "now"]);
    assert!(
        !task.environment.iter().any(|(name, _)| name == "WHO"),
        "a task sees its own variables only"
    );
}

#[test]
fn certificates_are_placed_below_the_root_and_named_to_the_program() {
    let planned = plan(&service(), &options()).unwrap();
    let instance = &planned.roles[0].instances[0];
    let path = "/state/instances/Echo_IN_0/certificates/LocalMachine/.._My/Tls.Front";
    let expected = CertificatePlan {
        name: "Tls.Front".into(),
        thumbprint: "A".repeat(40),
        source: Path::new("/state/certificates").join("A".repeat(40)),
        path: path.into(),
        is_elevated: true,
    };
    assert_eq!(instance.certificates, [expected]);
    for name in [
        "APPROOT_CERTIFICATE_TLS_FRONT",
        "APPROOT_ENDPOINT_IN_CERTIFICATE",
    ] {
        for command in [&instance.entry_point, &instance.startup_tasks[0].command] {
            let expected = (name.to_owned(), path.to_owned());
            assert!(command.environment.contains(&expected), "{name}");
        }
    }
    assert_eq!([folder_name(".."), folder_name("My")], ["__", "My"]);
}

#[test]
fn roles_with_internal_endpoints_are_discoverable() {
    let planned = plan(&service(), &options()).unwrap();
    let topology = &planned.roles[0].instances[0].topology;
    assert_eq!(topology[0].instances.len(), 3);
    let mut without = service();
    without.definition.roles[0].internal_endpoints.clear();
    assert!(
        plan(&without, &options()).unwrap().roles[0].instances[0]
            .topology
            .is_empty()
    );
}

#[test]
fn a_plan_survives_being_written_down() {
    let planned = plan(&service(), &options()).unwrap();
    let text = serde_json::to_string(&planned).unwrap();
    assert_eq!(
        serde_json::from_str::<DeploymentPlan>(&text).unwrap(),
        planned
    );
}
