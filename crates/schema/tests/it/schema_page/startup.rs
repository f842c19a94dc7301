//! `Startup` and `Task`.

use super::*;

#[test]
fn startup_is_optional_and_stands_once() {
    assert_eq!(role_with("").startup_tasks, []);
    refuses(&service("<Startup /><Startup />"), "AR0105");
}

#[test]
fn the_priority_of_startup_is_a_number_and_nothing_else() {
    let of =
        |value: &str| format!("<Startup priority=\"{value}\"><Task commandLine=\"t\" /></Startup>");
    assert_eq!(role_with(&of("-2")), role_with(&of("7")));
    values("<Startup priority=\"{}\" />", &["-2", "0"], &["high", ""]);
    is_never(&service(&of("-2")), "/@priority");
}

#[test]
fn tasks_stand_in_the_order_of_the_file() {
    let body = "<Startup><Task commandLine=\"b\" /><Task commandLine=\"a\" /></Startup>";
    let role = role_with(body);
    let lines: Vec<_> = role
        .startup_tasks
        .iter()
        .map(|task| task.command_line.as_str())
        .collect();
    assert_eq!(lines, ["b", "a"]);
    is_honoured(&service(body), "/Task[2]");
}

#[test]
fn a_task_needs_its_command_line() {
    let task = "<Task commandLine=\"t\" executionContext=\"limited\" taskType=\"simple\" />";
    presence(
        in_startup,
        task,
        &["commandLine"],
        &["executionContext", "taskType"],
    );
}

fn task(attributes: &str) -> schema::StartupTask {
    let body = format!("<Startup><Task commandLine=\"t\" {attributes} /></Startup>");
    role_with(&body).startup_tasks.remove(0)
}

#[test]
fn a_task_is_limited_by_default() {
    assert_eq!(task("").execution_context, ExecutionContext::Limited);
    assert_eq!(
        task("executionContext=\"elevated\"").execution_context,
        ExecutionContext::Elevated
    );
    values(
        "<Startup><Task commandLine=\"t\" executionContext=\"{}\" /></Startup>",
        &["limited"],
        &["admin"],
    );
}

#[test]
fn the_context_of_a_task_is_honoured() {
    for context in ["limited", "elevated"] {
        let body =
            format!("<Startup><Task commandLine=\"t\" executionContext=\"{context}\" /></Startup>");
        is_honoured(&service(&body), "/Task[1]/@executionContext");
    }
}

#[test]
fn task_type_defaults_to_simple() {
    assert_eq!(task("").task_type, TaskType::Simple);
    assert_eq!(
        task("taskType=\"foreground\"").task_type,
        TaskType::Foreground
    );
    assert_eq!(
        task("taskType=\"background\"").task_type,
        TaskType::Background
    );
    values(
        "<Startup><Task commandLine=\"t\" taskType=\"{}\" /></Startup>",
        &["simple"],
        &["Simple", ""],
    );
}
