//! `docs/options.md`, the page of options, is what the table of keys says.
//!
//! `UPDATE_EXPECT=1` rewrites it.

#![cfg(test)]

use std::path::Path;

use expect_test::expect_file;
use options::{KEYS, Key, Scope};

const HEAD: &str = r#"# Options

What an operator can say of a service that its definition and configuration have no words for stands in `approot.toml`, beside the definition; `--options FILE` names another file.
It is not part of the package: `approot package build` copies it beside the package, like a configuration, and `approot run` reads it there.
It may be missing, and so may each of its keys.

```toml
[role.EchoWorker]
stop_limit_s = 30
command = { 'startup\setup.cmd' = "startup/setup.sh" }

[role.EchoWorker.endpoint.EchoEndpoint]
tls = "pass"
```

Whatever the file says and approot does not know is an error with its place, as is a name that the service has not: nothing in it is silently without effect.
A key whose behaviour is *not built yet* may stand there with its default only.

A `command` replaces the first word of a `commandLine`, whose other words stay.
Neither case nor the kind of separator matters in the word that it replaces.
What runs instead is found as any program is: in the approot, then on PATH.

"#;

#[test]
fn the_page_of_options_is_up_to_date() {
    let mut page = HEAD.to_owned();
    for (scope, heading) in [
        (Scope::Role, "Of a role: `[role.NAME]`"),
        (
            Scope::Endpoint,
            "Of an input endpoint: `[role.NAME.endpoint.NAME]`",
        ),
    ] {
        page += &format!("## {heading}\n\n| Key | Takes | Default | |\n|---|---|---|---|\n");
        page.extend(KEYS.iter().filter(|key| key.scope == scope).map(line));
        page += "\n";
    }
    page += "This page is generated: `UPDATE_EXPECT=1 cargo test -p options page`.\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/options.md");
    expect_file![path].assert_eq(&page);
}

fn line(key: &Key) -> String {
    let default = match key.default {
        "" => "none".to_owned(),
        default => format!("`{default}`"),
    };
    let meaning = match key.is_built {
        true => key.meaning.to_owned(),
        false => format!("{}; not built yet", key.meaning),
    };
    format!(
        "| `{}` | {} | {default} | {meaning} |\n",
        key.name, key.kind
    )
}
