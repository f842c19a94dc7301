//! `Contents`, `Content` and `SourceDirectory`.

use super::*;

fn in_contents(content: &str) -> String {
    service(&format!("<Contents>{content}</Contents>"))
}

fn in_content(source: &str) -> String {
    in_contents(&format!("<Content destination=\"d\">{source}</Content>"))
}

#[test]
fn contents_name_where_from_and_where_to() {
    let content = |from: &str, to: &str| {
        format!("<Content destination=\"{to}\"><SourceDirectory path=\"{from}\" /></Content>")
    };
    let body = format!(
        "<Contents>{}{}</Contents>",
        content("..\\data", "data"),
        content("a", "b\\c")
    );
    let expected = |from: &str, to: &str| Content {
        destination: to.to_owned(),
        source_directory: from.to_owned(),
    };
    assert_eq!(
        role_with(&body).contents,
        [expected("..\\data", "data"), expected("a", "b\\c")]
    );
    is_honoured(&service(&body), "/Contents[1]");
}

#[test]
fn a_content_needs_its_destination_and_one_source() {
    let source = "<SourceDirectory path=\"p\" />";
    presence(
        in_contents,
        &format!("<Content destination=\"d\">{source}</Content>"),
        &["destination"],
        &[],
    );
    refuses(&in_content(""), "AR0106");
    refuses(&in_content(&source.repeat(2)), "AR0105");
}

#[test]
fn a_source_directory_needs_its_path() {
    presence(in_content, "<SourceDirectory path=\"p\" />", &["path"], &[]);
}
