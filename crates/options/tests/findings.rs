//! What the file may say, and everything that it may not, with its place.

#![cfg(test)]

use std::time::Duration;

use diagnostics::Sources;
use expect_test::{Expect, expect};
use options::{Checked, KEYS, check};
use schema::Definition;

const DEFINITION: &str = r#"<ServiceDefinition name="S" xmlns="http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceDefinition">
  <WorkerRole name="W">
    <Startup><Task commandLine="startup\setup.cmd quiet" taskType="simple" /></Startup>
    <Endpoints><InputEndpoint name="In" protocol="tcp" port="80" /></Endpoints>
    <Runtime><EntryPoint><ProgramEntryPoint commandLine="w.exe" setReadyOnProcessStart="true" /></EntryPoint></Runtime>
  </WorkerRole>
</ServiceDefinition>"#;

fn definition() -> Definition {
    let mut sources = Sources::new();
    let file = sources.add("a.csdef", DEFINITION);
    schema::check_definition(&sources, file).definition.unwrap()
}

fn checked(text: &str) -> (Sources, Checked) {
    let mut sources = Sources::new();
    let file = sources.add("approot.toml", text);
    let checked = check(&sources, file, Some(&definition()));
    (sources, checked)
}

fn check_findings(text: &str, expected: &Expect) {
    let (sources, checked) = checked(text);
    let mut said = String::new();
    for finding in &checked.findings {
        let at = sources.location(finding.primary.file, finding.primary.span.start);
        said += &format!(
            "{}:{} {} {}\n",
            at.line, at.column, finding.code, finding.message
        );
        for help in &finding.help {
            said += &format!("  help: {help}\n");
        }
    }
    expected.assert_eq(&said);
}

#[test]
fn what_is_built_arrives() {
    let text = r#"
[role.W]
stop_limit_s = 1_0
watchdog_s = 0x20
fifo = true
command = { 'startup\setup.cmd' = "startup/setup.sh" }
isolation = "none"
[role.W.endpoint.In]
tls = "pass"
drain_s = 5
"#;
    let (_, checked) = checked(text);
    assert_eq!(checked.findings, []);
    let options = &checked.roles["W"];
    assert_eq!(options.stop_limit, Duration::from_secs(10));
    assert_eq!(options.watchdog, Some(Duration::from_secs(32)));
    assert!(options.fifo);
    assert_eq!(options.program("Startup/Setup.cmd"), "startup/setup.sh");
    assert_eq!(checked_roles(""), 0);
}

fn checked_roles(text: &str) -> usize {
    checked(text).1.roles.len()
}

#[test]
fn unknown_names_are_told_with_those_that_there_are() {
    check_findings(
        "[roles]\n[role.X]\n[role.W]\nfifos = true\n[role.W.endpoint.Out]\ntls = \"pass\"\n[role.W.endpoint.In]\nfifo = true\n[role.W.command]\n\"other.cmd\" = \"x\"\n",
        &expect![[r#"
            1:2 AR0302 there is no table `roles`
              help: write `[role.NAME]`
            2:7 AR0304 the service has no role `X`
              help: it has `W`
            4:1 AR0302 there is no such option of roles: `fifos`
              help: the options of roles are `stop_limit_s`, `watchdog_s`, `fifo`, `command`, `isolation`
            5:18 AR0304 role `W` has no input endpoint `Out`
              help: it has `In`
            8:1 AR0302 there is no such option of endpoints: `fifo`
              help: the options of endpoints are `tls`, `proxy_protocol`, `replay_safe`, `drain_s`, `park_s`
            10:1 AR0304 no command line of the role begins with `other.cmd`
        "#]],
    );
}

#[test]
fn values_of_another_kind_or_range_are_refused() {
    check_findings(
        "[role.W]\nfifo = 1\nstop_limit_s = 0\nwatchdog_s = 1.5\nisolation = \"full\"\ncommand = { \"w.exe\" = 1 }\nendpoint = 3\n[role.W.a]\n",
        &expect![[r#"
            2:8 AR0303 `fifo` takes `true` or `false`
            3:16 AR0303 `stop_limit_s` takes whole seconds, 1 to 86400
            4:14 AR0303 `watchdog_s` takes whole seconds, 1 to 86400
            5:13 AR0303 `isolation` takes `"none"` or `"netns"`
            6:11 AR0303 `command` takes a table of programs, `{ "FROM" = "TO" }`
            7:12 AR0303 `endpoint` is a table, not a value
            8:9 AR0302 there is no such option of roles: `a`
              help: the options of roles are `stop_limit_s`, `watchdog_s`, `fifo`, `command`, `isolation`
        "#]],
    );
    check_findings(
        "role = 1\n",
        &expect![[r#"
        1:8 AR0303 `role` is a table, not a value
    "#]],
    );
}

#[test]
fn what_is_not_built_yet_is_refused() {
    check_findings(
        "[role.W]\nisolation = \"netns\"\n[role.W.endpoint.In]\ntls = \"terminate\"\nproxy_protocol = \"v2\"\nreplay_safe = true\ndrain_s = 6\npark_s = 0\n",
        &expect![[r#"
            2:13 AR0305 `isolation = "netns"` is not built yet
              help: delete it, or write `"none"`
            4:7 AR0305 `tls = "terminate"` is not built yet
              help: delete it, or write `"pass"`
            5:18 AR0305 `proxy_protocol = "v2"` is not built yet
              help: delete it, or write `"none"`
            6:15 AR0305 `replay_safe = true` is not built yet
              help: delete it, or write `false`
            7:11 AR0305 `drain_s = 6` is not built yet
              help: delete it, or write `5`
            8:10 AR0305 `park_s = 0` is not built yet
              help: delete it, or write `60`
        "#]],
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    check_findings(
        "[role.W]\nfifo = true\nfifo = false\n",
        &expect![[r#"
        3:1 AR0301 the file is not TOML: duplicate key
    "#]],
    );
    check_findings(
        "[role.W]\nfifo = yes\n",
        &expect![[r#"
        2:8 AR0301 the file is not TOML: string values must be quoted, expected literal string
    "#]],
    );
}

#[test]
fn defaults_are_those_of_the_code() {
    let default = |name: &str| {
        let key = KEYS.iter().find(|key| key.name == name).unwrap();
        key.default.parse::<u64>().ok().map(Duration::from_secs)
    };
    let options = plan::RoleOptions::default();
    assert_eq!(default("stop_limit_s"), Some(options.stop_limit));
    assert_eq!(default("watchdog_s"), options.watchdog);
    assert_eq!(default("drain_s"), Some(fabric_core::DRAIN_LIMIT));
    assert_eq!(default("park_s"), Some(balancer::PARK_LIMIT));
    assert!(!options.fifo && options.commands.is_empty());
}
