//! `ConfigurationSettings` and `Setting`.

use super::*;

fn of_settings(settings: &str) -> String {
    service(&format!(
        "<ConfigurationSettings>{settings}</ConfigurationSettings>"
    ))
}

#[test]
fn settings_are_collected_in_the_order_of_the_file() {
    let body = "<ConfigurationSettings><Setting name=\"B\" /><Setting name=\"A\" /></ConfigurationSettings>";
    assert_eq!(role_with(body).settings, ["B", "A"]);
    is_honoured(&service(body), "/ConfigurationSettings[1]");
}

#[test]
fn a_setting_needs_a_name_that_no_other_has() {
    presence(of_settings, "<Setting name=\"A\" />", &["name"], &[]);
    refuses(
        &of_settings("<Setting name=\"A\" /><Setting name=\"A\" />"),
        "AR0116",
    );
}

#[test]
fn a_setting_is_declared_in_one_file_and_set_in_the_other() {
    let definition = of_settings("<Setting name=\"A\" />");
    let configuration = configuration(&configured(
        "W",
        "<ConfigurationSettings><Setting name=\"A\" value=\"1\" /></ConfigurationSettings>",
    ));
    let mut sources = Sources::new();
    let definition = sources.add("a.csdef", definition);
    let configuration = sources.add("a.cscfg", configuration);
    let service = schema::check(&sources, definition, configuration)
        .service
        .unwrap();
    assert_eq!(
        service.roles[0].settings,
        [("A".to_owned(), "1".to_owned())]
    );
    assert!(finds(
        &of_settings("<Setting name=\"A\" value=\"1\" />"),
        "AR0102"
    ));
}
