//! The largest service that the platform takes, as text.
//!
//! 25 worker roles, 25 endpoints of each of the three kinds, 199 certificates and 5,000 settings with names and values
//! of the length that real ones have; the two files together have about 1 MiB. The same text every time.

use std::fmt::Write as _;

const ROLES: usize = 25;
const CERTIFICATES: usize = 199;
const SETTINGS_A_ROLE: usize = 200;

/// What settings are about; with a number behind it, each name is unique in its role.
const TOPICS: &[(&str, &str)] = &[
    ("Storefront.Checkout.PaymentGateway.TimeoutSeconds", "30"),
    (
        "Catalogue.Search.IndexConnectionString",
        "Endpoint=https://search.example.com/;Index=catalogue;Key=c2VhcmNoLWtleQ==",
    ),
    (
        "Diagnostics.Trace.MinimumLevel.ForOutgoingRequests",
        "Information",
    ),
    (
        "Orders.Archive.RetentionAddress",
        "https://archive.example.com/orders?tier=cold&amp;days=90",
    ),
    ("Customers.Profile.Cache.MaximumEntries", "250000"),
    (
        "Warehouse.Inventory.Database",
        "Server=inventory.example.com,1433;Database=inventory;Encrypt=True;Timeout=15",
    ),
    ("Features.RecommendationsOnStartPage.IsEnabled", "true"),
    (
        "Shipping.Carriers.Preferred",
        "Northwind Parcel, Fabrikam Freight",
    ),
];

/// The service definition.
pub(crate) fn definition() -> String {
    let mut out = String::from(
        r#"<?xml version="1.0" encoding="utf-8"?>
<ServiceDefinition name="MaximalCloud" upgradeDomainCount="5" xmlns="http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceDefinition">
"#,
    );
    for role in 0..ROLES {
        write_role(&mut out, role);
    }
    out + "</ServiceDefinition>\n"
}

/// Its service configuration.
pub(crate) fn configuration() -> String {
    let mut out = String::from(
        r#"<?xml version="1.0" encoding="utf-8"?>
<ServiceConfiguration serviceName="MaximalCloud" osFamily="4" osVersion="*" xmlns="http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceConfiguration">
"#,
    );
    for role in 0..ROLES {
        put(
            &mut out,
            format_args!(
                "  <Role name=\"{}\">\n    <Instances count=\"{}\" />\n    <ConfigurationSettings>\n",
                role_name(role),
                1 + role % 4
            ),
        );
        for setting in 0..SETTINGS_A_ROLE {
            let (name, value) = (setting_name(setting), TOPICS[setting % TOPICS.len()].1);
            put(
                &mut out,
                format_args!("      <Setting name=\"{name}\" value=\"{value}\" />\n"),
            );
        }
        out.push_str("    </ConfigurationSettings>\n    <Certificates>\n");
        for certificate in certificates_of(role) {
            let name = certificate_name(certificate);
            put(
                &mut out,
                format_args!(
                    "      <Certificate name=\"{name}\" thumbprint=\"{certificate:040X}\" thumbprintAlgorithm=\"sha1\" />\n"
                ),
            );
        }
        out.push_str("    </Certificates>\n  </Role>\n");
    }
    out + "</ServiceConfiguration>\n"
}

fn write_role(out: &mut String, role: usize) {
    let name = role_name(role);
    put(
        out,
        format_args!("  <WorkerRole name=\"{name}\" vmsize=\"Medium\">\n"),
    );
    write_startup(out);
    write_runtime(out, role);
    out.push_str("    <ConfigurationSettings>\n");
    for setting in 0..SETTINGS_A_ROLE {
        let name = setting_name(setting);
        put(out, format_args!("      <Setting name=\"{name}\" />\n"));
    }
    out.push_str("    </ConfigurationSettings>\n");
    write_resources(out, role);
    out.push_str("  </WorkerRole>\n");
}

fn write_startup(out: &mut String) {
    out.push_str("    <Startup>\n");
    for (task, kind) in ["simple", "simple", "foreground", "background"]
        .iter()
        .enumerate()
    {
        put(
            out,
            format_args!(
                r#"      <Task commandLine="startup/step-{task}.sh" executionContext="limited" taskType="{kind}">
        <Environment>
          <Variable name="STEP" value="{task}" />
          <Variable name="INSTANCE">
            <RoleInstanceValue xpath="/RoleEnvironment/CurrentInstance/@id" />
          </Variable>
          <Variable name="CACHE">
            <RoleInstanceValue xpath="/RoleEnvironment/CurrentInstance/LocalResources/LocalResource[@name='Cache']/@path" />
          </Variable>
        </Environment>
      </Task>
"#
            ),
        );
    }
    out.push_str("    </Startup>\n");
}

fn write_runtime(out: &mut String, role: usize) {
    out.push_str("    <Runtime executionContext=\"limited\">\n      <Environment>\n");
    for variable in 0..8 {
        put(
            out,
            format_args!(
                "        <Variable name=\"STOREFRONT_OPTION_{variable}\" value=\"value {variable} of role {role}\" />\n"
            ),
        );
    }
    let setting = setting_name(0);
    let paths = [
        ("DEPLOYMENT", "Deployment/@id".to_owned()),
        ("UPDATE_DOMAIN", "CurrentInstance/@updateDomain".to_owned()),
        (
            "TIMEOUT",
            format!(
                "CurrentInstance/ConfigurationSettings/ConfigurationSetting[@name='{setting}']/@value"
            ),
        ),
        (
            "SPOOL_SIZE",
            "CurrentInstance/LocalResources/LocalResource[@name='Spool']/@sizeInMB".to_owned(),
        ),
        (
            "PUBLIC_PORT",
            "CurrentInstance/Endpoints/Endpoint[@name='Public']/@port".to_owned(),
        ),
        (
            "PEER_ADDRESS",
            "CurrentInstance/Endpoints/Endpoint[@name='Peers']/@address".to_owned(),
        ),
    ];
    for (name, path) in paths {
        put(
            out,
            format_args!(
                "        <Variable name=\"{name}\">\n          <RoleInstanceValue xpath=\"/RoleEnvironment/{path}\" />\n        </Variable>\n"
            ),
        );
    }
    out.push_str(
        r#"      </Environment>
      <EntryPoint>
        <ProgramEntryPoint commandLine="storefront-worker --log json" setReadyOnProcessStart="true" />
      </EntryPoint>
    </Runtime>
"#,
    );
}

/// Local stores, endpoints, certificates and contents.
fn write_resources(out: &mut String, role: usize) {
    let (public, local, range) = (8000 + role, 9000 + role, 20_000 + 10 * role);
    put(
        out,
        format_args!(
            r#"    <LocalResources>
      <LocalStorage name="Cache" sizeInMB="512" />
      <LocalStorage name="Spool" sizeInMB="2048" cleanOnRoleRecycle="false" />
    </LocalResources>
    <Endpoints>
      <InputEndpoint name="Public" protocol="tcp" port="{public}" localPort="{local}" />
      <InternalEndpoint name="Peers" protocol="tcp" port="*" />
      <InstanceInputEndpoint name="Debug" protocol="tcp" localPort="4022">
        <AllocatePublicPortFrom>
          <FixedPortRange min="{range}" max="{}" />
        </AllocatePublicPortFrom>
      </InstanceInputEndpoint>
    </Endpoints>
    <Certificates>
"#,
            range + 9
        ),
    );
    for certificate in certificates_of(role) {
        let name = certificate_name(certificate);
        put(
            out,
            format_args!(
                "      <Certificate name=\"{name}\" storeLocation=\"LocalMachine\" storeName=\"My\" />\n"
            ),
        );
    }
    out.push_str(
        r#"    </Certificates>
    <Contents>
      <Content destination="content">
        <SourceDirectory path="content" />
      </Content>
      <Content destination="startup">
        <SourceDirectory path="startup" />
      </Content>
    </Contents>
"#,
    );
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a text takes all");
}

fn role_name(role: usize) -> String {
    format!("StorefrontWorker{role:02}")
}

fn setting_name(setting: usize) -> String {
    let (topic, _) = TOPICS[setting % TOPICS.len()];
    format!("Contoso.{topic}{setting:03}")
}

fn certificate_name(certificate: usize) -> String {
    format!("Contoso.Storefront.Partner{certificate:03}")
}

fn certificates_of(role: usize) -> impl Iterator<Item = usize> {
    (0..CERTIFICATES).filter(move |certificate| certificate % ROLES == role)
}
