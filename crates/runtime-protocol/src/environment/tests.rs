//! The environment document: rendered, read back, refused.

use expect_test::expect;

use super::*;

/// Instance 0 of `EchoWorker`, which sees instance 1 and one of `Cache`.
pub(crate) fn environment() -> RoleEnvironment {
    RoleEnvironment {
        deployment_id: "0123456789abcdef0123456789abcdef".to_owned(),
        emulated: true,
        blast: false,
        current: CurrentInstance {
            role: "EchoWorker".to_owned(),
            instance: Instance {
                endpoints: vec![endpoint("EchoEndpoint", "127.17.0.1", Some(1234))],
                ..instance("EchoWorker_IN_0", 0)
            },
            settings: vec![
                setting("Greeting", "Hello & \"welcome\"\r\n"),
                setting("Empty", ""),
            ],
            resources: vec![LocalResource {
                name: "Scratch".to_owned(),
                path: "/i/0/stores/Scratch/".to_owned(),
                size_mb: 10,
            }],
        },
        roles: vec![
            Role {
                name: "EchoWorker".to_owned(),
                instances: vec![instance("EchoWorker_IN_1", 1)],
            },
            Role {
                name: "Cache".to_owned(),
                instances: vec![Instance {
                    endpoints: vec![endpoint("Memcache", "::1", None)],
                    ..instance("Cache_IN_0", 0)
                }],
            },
        ],
    }
}

pub(crate) fn instance(id: &str, domain: u32) -> Instance {
    Instance {
        id: id.to_owned(),
        fault_domain: domain,
        update_domain: domain,
        endpoints: Vec::new(),
    }
}

pub(crate) fn setting(name: &str, value: &str) -> Setting {
    Setting {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn endpoint(name: &str, address: &str, public_port: Option<u16>) -> Endpoint {
    Endpoint {
        name: name.to_owned(),
        address: address.parse().expect("an address"),
        port: 20_000,
        public_port,
        protocol: "tcp".to_owned(),
    }
}

#[test]
fn renders_every_part() {
    expect![[r#"
        <?xml version="1.0" encoding="utf-8"?>
        <RoleEnvironment>
          <Deployment id="0123456789abcdef0123456789abcdef" emulated="true" />
          <CurrentInstance id="EchoWorker_IN_0" roleName="EchoWorker" faultDomain="0" updateDomain="0">
            <ConfigurationSettings>
              <ConfigurationSetting name="Greeting" value="Hello &amp; &quot;welcome&quot;&#13;&#10;" />
              <ConfigurationSetting name="Empty" value="" />
            </ConfigurationSettings>
            <LocalResources>
              <LocalResource name="Scratch" path="/i/0/stores/Scratch/" sizeInMB="10" />
            </LocalResources>
            <Endpoints>
              <Endpoint name="EchoEndpoint" address="127.17.0.1" port="20000" publicPort="1234" protocol="tcp" />
            </Endpoints>
          </CurrentInstance>
          <Roles>
            <Role name="EchoWorker">
              <Instances>
                <Instance id="EchoWorker_IN_1" faultDomain="1" updateDomain="1">
                  <Endpoints>
                  </Endpoints>
                </Instance>
              </Instances>
            </Role>
            <Role name="Cache">
              <Instances>
                <Instance id="Cache_IN_0" faultDomain="0" updateDomain="0">
                  <Endpoints>
                    <Endpoint name="Memcache" address="::1" port="20000" protocol="tcp" />
                  </Endpoints>
                </Instance>
              </Instances>
            </Role>
          </Roles>
        </RoleEnvironment>
    "#]]
    .assert_eq(&environment().render());
}

#[test]
fn reads_back_what_it_renders() {
    let environment = environment();
    assert_eq!(
        RoleEnvironment::parse(environment.render()),
        Ok(environment)
    );
}

#[test]
fn roles_and_lists_may_be_absent() {
    let document = r#"<RoleEnvironment><Deployment id="d" emulated="false"/>
        <CurrentInstance id="W_IN_0" roleName="W" faultDomain="0" updateDomain="0"/>
        </RoleEnvironment>"#;
    let environment = RoleEnvironment::parse(document).expect("a sparse document");
    assert_eq!(environment.current.instance, instance("W_IN_0", 0));
    assert_eq!(
        (environment.current.settings.len(), environment.roles.len()),
        (0, 0)
    );
}

#[test]
fn the_current_instance_joins_its_role() {
    let ids = |environment: &RoleEnvironment| {
        let roles = environment.all_roles();
        let line = |role: &Role| {
            let ids: Vec<_> = role
                .instances
                .iter()
                .map(|instance| &*instance.id)
                .collect();
            format!("{}: {}", role.name, ids.join(" "))
        };
        roles.iter().map(line).collect::<Vec<_>>()
    };
    let mut environment = environment();
    let joined = [
        "EchoWorker: EchoWorker_IN_1 EchoWorker_IN_0",
        "Cache: Cache_IN_0",
    ];
    assert_eq!(ids(&environment), joined);
    environment.roles = environment.all_roles();
    assert_eq!(ids(&environment), joined, "joining twice changes nothing");
    environment.roles.clear();
    assert_eq!(ids(&environment), ["EchoWorker: EchoWorker_IN_0"]);
}

#[track_caller]
fn check_refused(from: &str, to: &str, expected: &str) {
    let document = environment().render();
    assert!(document.contains(from), "the document holds {from}");
    let error = RoleEnvironment::parse(document.replacen(from, to, 1)).expect_err("refused");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn refuses_a_broken_document() {
    check_refused("<Deployment", "<Slot", "`Deployment` is missing");
    check_refused(
        "emulated=\"true\"",
        "emulated=\"True\"",
        "`@emulated` has a value that means nothing: `True`",
    );
    check_refused("roleName", "role", "`@roleName` is missing");
    check_refused(
        "faultDomain=\"0\"",
        "faultDomain=\"-1\"",
        "`@faultDomain` has a value that means nothing: `-1`",
    );
    check_refused(
        "port=\"20000\"",
        "port=\"70000\"",
        "`@port` has a value that means nothing: `70000`",
    );
    check_refused(
        "publicPort=\"1234\"",
        "publicPort=\"*\"",
        "`@publicPort` has a value that means nothing: `*`",
    );
    check_refused(
        "address=\"127.17.0.1\"",
        "address=\"localhost\"",
        "`@address` has a value that means nothing: `localhost`",
    );
    check_refused(
        "sizeInMB=\"10\"",
        "sizeInMB=\"ten\"",
        "`@sizeInMB` has a value that means nothing: `ten`",
    );
    check_refused(" value=\"\"", "", "`@value` is missing");
}
