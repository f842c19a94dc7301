//! `Runtime`, `Environment` and `EntryPoint`, with what they hold.

use super::*;

const PROGRAM: &str = "<ProgramEntryPoint commandLine=\"w\" setReadyOnProcessStart=\"true\" />";
const NET: &str = "<NetFxEntryPoint assemblyName=\"a.dll\" targetFrameworkVersion=\"v4.0\" />";

#[test]
fn runtime_stands_once() {
    let runtime = format!("<Runtime><EntryPoint>{PROGRAM}</EntryPoint></Runtime>");
    passes(&of_runtime(&runtime));
    refuses(&of_runtime(&(runtime.clone() + &runtime)), "AR0105");
    refuses(
        &of_runtime("<Runtime><Environment /><Environment /></Runtime>"),
        "AR0105",
    );
}

/// The page calls it optional: the platform loaded the role's assembly then, and approot loads none.
#[test]
fn a_role_without_an_entry_point_names_no_program() {
    refuses(&of_runtime(""), "AR0127");
    refuses(&of_runtime("<Runtime />"), "AR0127");
}

fn in_context(attributes: &str) -> String {
    of_runtime(&format!(
        "<Runtime {attributes}><EntryPoint>{PROGRAM}</EntryPoint></Runtime>"
    ))
}

#[test]
fn a_role_is_limited_by_default() {
    let context =
        |attributes: &str| read(&in_context(attributes)).1.unwrap().roles[0].execution_context;
    assert_eq!(context(""), ExecutionContext::Limited);
    assert_eq!(
        context("executionContext=\"limited\""),
        ExecutionContext::Limited
    );
    assert_eq!(
        context("executionContext=\"elevated\""),
        ExecutionContext::Elevated
    );
    refuses(&in_context("executionContext=\"admin\""), "AR0109");
}

#[test]
fn the_context_of_a_role_is_honoured() {
    for context in ["limited", "elevated"] {
        let text = in_context(&format!("executionContext=\"{context}\""));
        is_honoured(&text, "/Runtime[1]/@executionContext");
    }
}

fn environment(variables: &str) -> Vec<schema::Variable> {
    let (findings, definition) = read(&of_environment(variables));
    definition
        .unwrap_or_else(|| panic!("{findings:#?}"))
        .roles
        .remove(0)
        .environment
}

#[test]
fn a_role_has_any_number_of_variables() {
    let variables = |n: usize| {
        let variables: String = (0..n)
            .map(|i| format!("<Variable name=\"V{i}\" value=\"\" />"))
            .collect();
        environment(&variables).len()
    };
    assert_eq!([variables(0), variables(1), variables(200)], [0, 1, 200]);
}

#[test]
fn a_variable_needs_a_name() {
    presence(
        of_environment,
        "<Variable name=\"V\" value=\"v\" />",
        &["name"],
        &["value"],
    );
    assert_eq!(
        environment("<Variable name=\"V\" value=\"v\" />")[0].name,
        "V"
    );
}

const INSTANCE: &str = "<RoleInstanceValue xpath=\"/RoleEnvironment/CurrentInstance/@id\" />";

#[test]
fn a_variable_has_a_value_or_one_of_its_instance_and_not_both() {
    let [literal, instance] = [
        "<Variable name=\"V\" value=\"v\" />".to_owned(),
        format!("<Variable name=\"V\">{INSTANCE}</Variable>"),
    ];
    assert_eq!(
        environment(&literal)[0].value,
        VariableValue::Literal("v".to_owned())
    );
    let of_instance = VariableValue::RoleInstance(RoleInstanceValue::InstanceId);
    assert_eq!(environment(&instance)[0].value, of_instance);
    refuses(&of_environment("<Variable name=\"V\" />"), "AR0122");
    refuses(
        &of_environment(&format!(
            "<Variable name=\"V\" value=\"v\">{INSTANCE}</Variable>"
        )),
        "AR0122",
    );
}

#[test]
fn a_role_instance_value_needs_its_xpath() {
    let wrap = |value: &str| of_environment(&format!("<Variable name=\"V\">{value}</Variable>"));
    presence(wrap, INSTANCE, &["xpath"], &[]);
}

#[test]
fn an_xpath_is_a_path_to_the_settings_of_the_deployment() {
    let wrap = |xpath: &str| {
        of_environment(&format!(
            "<Variable name=\"V\"><RoleInstanceValue xpath=\"{xpath}\" /></Variable>"
        ))
    };
    passes(&wrap("/RoleEnvironment/Deployment/@id"));
    refuses(&wrap("/RoleEnvironment/Deployment/@colour"), "AR0123");
    refuses(&wrap("//@id"), "AR0123");
}

#[test]
fn two_entry_points_are_refused() {
    passes(&of_entry_point(PROGRAM));
    for two in [PROGRAM.to_owned() + NET, PROGRAM.repeat(2), NET.repeat(2)] {
        refuses(&of_entry_point(&two), "AR0125");
    }
    refuses(&of_entry_point(""), "AR0125");
}

#[test]
fn an_assembly_is_refused_for_good() {
    refuses(&of_entry_point(NET), "AR0128");
    for part in [
        "/NetFxEntryPoint[1]",
        "/@assemblyName",
        "/@targetFrameworkVersion",
    ] {
        is_never(&of_entry_point(NET), part);
    }
}

#[test]
fn an_assembly_needs_its_name_and_may_leave_out_its_framework() {
    presence(
        of_entry_point,
        NET,
        &["assemblyName"],
        &["targetFrameworkVersion"],
    );
}

#[test]
fn an_assembly_has_no_command_line() {
    let net = NET.replace("assemblyName", "commandLine=\"a\" assemblyName");
    assert!(finds(&of_entry_point(&net), "AR0102"));
}

#[test]
fn a_program_needs_its_command_line_and_says_when_it_is_ready() {
    presence(
        of_entry_point,
        PROGRAM,
        &["commandLine", "setReadyOnProcessStart"],
        &[],
    );
}

#[test]
fn a_command_line_has_a_path_a_file_name_and_arguments() {
    let program = PROGRAM.replace("\"w\"", "\"bin\\worker --fast &quot;a b&quot;\"");
    let (_, definition) = read(&of_entry_point(&program));
    let words = definition.unwrap().roles[0]
        .entry_point
        .command_line
        .parts()
        .to_vec();
    let words: Vec<&str> = words.iter().map(schema::CommandPart::as_str).collect();
    assert_eq!(words, ["bin/worker", "--fast", "a b"]);
}

#[test]
fn ready_on_process_start_may_be_true_and_false_is_reported() {
    let of = |value: &str| of_entry_point(&PROGRAM.replace("\"true\"", &format!("\"{value}\"")));
    let ready = |value: &str| {
        read(&of(value)).1.unwrap().roles[0]
            .entry_point
            .set_ready_on_process_start
    };
    assert_eq!([ready("true"), ready("false")], [true, false]);
    assert!(!finds(&of("true"), "AR0126"));
    assert!(finds(&of("false"), "AR0126"));
}
