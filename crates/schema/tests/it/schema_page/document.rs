//! The file as a whole, its root and its quotes.

use super::*;

/// The page's block of syntax with values in it, in its order, and with everything that it shows at
/// once though only one of it may stand.
const FORM: &str = r#"
<Certificates><Certificate name="C" storeLocation="LocalMachine" storeName="My" /></Certificates>
<ConfigurationSettings><Setting name="S" /></ConfigurationSettings>
<Endpoints>
  <InputEndpoint name="I" protocol="https" localPort="81" port="80" certificate="C" />
  <InternalEndpoint name="P" protocol="tcp" port="82">
    <FixedPort port="83" /><FixedPortRange min="84" max="85" />
  </InternalEndpoint>
</Endpoints>
<Imports><Import moduleName="Diagnostics" /></Imports>
<LocalResources><LocalStorage name="L" cleanOnRoleRecycle="true" sizeInMB="10" /></LocalResources>
<LocalStorage name="M" cleanOnRoleRecycle="false" sizeInMB="10" />
<Runtime executionContext="limited">
  <Environment><Variable name="V" value="v">
    <RoleInstanceValue xpath="/RoleEnvironment/Deployment/@id" />
  </Variable></Environment>
  <EntryPoint>
    <NetFxEntryPoint assemblyName="a.dll" targetFrameworkVersion="v4.0" />
    <ProgramEntryPoint commandLine="w" setReadyOnProcessStart="true" />
  </EntryPoint>
</Runtime>
<Startup priority="1">
  <Task commandLine="t" executionContext="limited" taskType="simple"><Environment>
    <Variable name="V" value="v"><RoleInstanceValue xpath="/RoleEnvironment/Deployment/@id" /></Variable>
  </Environment></Task>
</Startup>
<Contents><Content destination="d"><SourceDirectory path="p" /></Content></Contents>"#;

#[test]
fn the_form_of_the_page_is_known_and_what_it_shows_at_once_is_refused() {
    let role = format!(
        "<WorkerRole name=\"W\" vmsize=\"Small\" enableNativeCodeExecution=\"true\">{FORM}</WorkerRole>"
    );
    let text = definition("upgradeDomainCount=\"3\"", &role);
    for unknown in ["AR0101", "AR0102", "AR0105", "AR0106", "AR0108", "AR0109"] {
        assert!(!finds(&text, unknown), "{unknown}");
    }
    // Two entry points, two ways to give a port, two values of a variable.
    for either in ["AR0125", "AR0133", "AR0122"] {
        refuses(&text, either);
    }
}

#[test]
fn the_namespace_is_the_one_of_2008() {
    let of = |namespace: &str| {
        let text = definition("", &role("W", ""));
        text.replace(NAMESPACE, namespace)
    };
    passes(&of(NAMESPACE));
    refuses(
        &of("http://schemas.microsoft.com/ServiceHosting/2011/10/ServiceDefinition"),
        "AR0103",
    );
}

#[test]
fn the_root_is_one_service_definition() {
    let one = definition("", &role("W", ""));
    passes(&one);
    refuses(
        &one.replace("ServiceDefinition ", "Service ")
            .replace("</ServiceDefinition", "</Service"),
        "AR0104",
    );
    refuses(&format!("{one}{one}"), "AR0011");
    assert!(finds(&definition("", &(role("W", "") + &one)), "AR0101"));
}

#[test]
fn a_service_has_a_name() {
    refuses(&take_out(&definition("", &role("W", "")), "name"), "AR0108");
    let (_, service) = read(&definition("", &role("W", "")));
    assert_eq!(service.unwrap().name, "S");
}

#[test]
fn upgrade_domain_count_defaults_to_5() {
    let count = |attributes: &str| {
        let (_, service) = read(&definition(attributes, &role("W", "")));
        service.unwrap().upgrade_domain_count
    };
    assert_eq!(count(""), 5);
    assert_eq!(count("upgradeDomainCount=\"20\""), 20);
    refuses(
        &definition("upgradeDomainCount=\"five\"", &role("W", "")),
        "AR0109",
    );
}

/// The page gives an SDK for each of these, before which it was not there.
#[test]
fn every_version_of_the_schema_is_read_alike() {
    let newer = r#"
<Endpoints>
  <InternalEndpoint name="P" protocol="tcp"><FixedPort port="83" /></InternalEndpoint>
  <InternalEndpoint name="Q" protocol="tcp"><FixedPortRange min="84" max="85" /></InternalEndpoint>
</Endpoints>
<Imports><Import moduleName="Diagnostics" /></Imports>
<Startup><Task commandLine="t"><Environment><Variable name="V" value="v" /></Environment></Task></Startup>
<Contents><Content destination="d"><SourceDirectory path="p" /></Content></Contents>"#;
    let net = "<WorkerRole name=\"N\"><Runtime><EntryPoint><NetFxEntryPoint assemblyName=\"a.dll\" />\
               </EntryPoint></Runtime></WorkerRole>";
    for roles in [role("W", newer), role("W", newer) + net] {
        // As long as each other, so that findings have the same places.
        let of = |version: &str| {
            let attribute = format!("schemaVersion=\"{version}\"");
            read(&definition(&attribute, &roles))
        };
        assert_eq!(of("2009-04.1.0"), of("2015-04.2.6"));
    }
    passes(&service(newer));
}

#[test]
fn a_typographic_quote_is_named() {
    let text =
        in_certificates("<Certificate name=\"C\" storeLocation=“CurrentUser” storeName=\"My\" />");
    let (findings, _) = read(&text);
    let finding = findings
        .iter()
        .find(|finding| finding.code.as_str() == "AR0015")
        .unwrap();
    let help = finding.help.concat();
    assert!(help.contains("typographic"), "{help}");
}
