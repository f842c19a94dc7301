//! `Imports` and `Import`.

use super::*;

fn in_imports(import: &str) -> String {
    service(&format!("<Imports>{import}</Imports>"))
}

#[test]
fn imports_are_optional_and_stand_once() {
    passes(&service(""));
    passes(&service("<Imports />"));
    refuses(&service("<Imports /><Imports />"), "AR0105");
}

#[test]
fn an_import_needs_the_name_of_a_module() {
    presence(
        in_imports,
        "<Import moduleName=\"Diagnostics\" />",
        &["moduleName"],
        &[],
    );
}

#[test]
fn the_four_modules_of_the_page_add_nothing_to_a_machine_and_say_so() {
    for module in ["RemoteAccess", "RemoteForwarder", "Diagnostics", "Connect"] {
        let import = format!("<Import moduleName=\"{module}\" />");
        passes(&in_imports(&import));
        assert!(finds(&in_imports(&import), "AR0139"), "{module}");
        is_never(&in_imports(&import), "/@moduleName");
    }
}

#[test]
fn what_takes_the_place_of_a_module_is_named() {
    let advice = [
        ("RemoteAccess", "ssh"),
        ("RemoteForwarder", "ssh"),
        ("Diagnostics", "approot logs"),
        ("Connect", "network"),
    ];
    for (module, instead) in advice {
        let text = in_imports(&format!("<Import moduleName=\"{module}\" />"));
        let (_, how) = verdict(&text, "/Import[1]");
        assert!(how.contains(instead), "{module}: {how}");
    }
}
