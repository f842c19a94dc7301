//! Findings as JSON, for programs.
//!
//! A stable format: fields may be added, none is renamed or taken away. Lines and columns count from 1,
//! columns in characters; `end_line` and `end_column` are those after the last character.

use serde::Serialize;

use crate::finding::{Finding, Label, sort};
use crate::span::Sources;

#[derive(Serialize)]
struct JsonFinding<'a> {
    code: &'a str,
    severity: String,
    message: &'a str,
    #[serde(flatten)]
    place: JsonPlace<'a>,
    label: &'a str,
    help: &'a [String],
    related: Vec<JsonRelated<'a>>,
}

#[derive(Serialize)]
struct JsonRelated<'a> {
    message: &'a str,
    #[serde(flatten)]
    place: JsonPlace<'a>,
}

#[derive(Serialize)]
struct JsonPlace<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

/// The findings as one JSON list, sorted by file, then offset.
pub fn render_json(sources: &Sources, findings: &[Finding]) -> String {
    let mut findings = findings.to_vec();
    sort(&mut findings);
    let list: Vec<_> = findings
        .iter()
        .map(|finding| json_finding(sources, finding))
        .collect();
    serde_json::to_string(&list).expect("texts and numbers always serialise")
}

fn json_finding<'a>(sources: &'a Sources, finding: &'a Finding) -> JsonFinding<'a> {
    JsonFinding {
        code: finding.code.as_str(),
        severity: finding.severity.to_string(),
        message: &finding.message,
        place: json_place(sources, &finding.primary),
        label: &finding.primary.text,
        help: &finding.help,
        related: finding
            .related
            .iter()
            .map(|label| JsonRelated {
                message: &label.text,
                place: json_place(sources, label),
            })
            .collect(),
    }
}

fn json_place<'a>(sources: &'a Sources, label: &Label) -> JsonPlace<'a> {
    let file = sources.file(label.file);
    let start = file.location(label.span.start);
    let end = file.location(label.span.end);
    JsonPlace {
        file: file.name(),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::codes::Code;
    use crate::span::Span;

    #[test]
    fn findings_are_one_sorted_list() {
        let mut sources = Sources::new();
        let file = sources.add("a.csdef", "<é>\n<b>");
        let code = Code::new("AR0001");
        let later = Finding::warning(code, file, Span::new(6, 7), "later");
        let earlier = Finding::error(code, file, Span::new(1, 3), "a \"quote\"")
            .label("here")
            .related(file, Span::new(5, 8), "there")
            .help("mend it");
        let json = render_json(&sources, &[later, earlier]);
        expect![[r#"[{"code":"AR0001","severity":"error","message":"a \"quote\"","file":"a.csdef","line":1,"column":2,"end_line":1,"end_column":3,"label":"here","help":["mend it"],"related":[{"message":"there","file":"a.csdef","line":2,"column":1,"end_line":2,"end_column":4}]},{"code":"AR0001","severity":"warning","message":"later","file":"a.csdef","line":2,"column":2,"end_line":2,"end_column":3,"label":"","help":[],"related":[]}]"#]]
        .assert_eq(&json);
    }

    #[test]
    fn no_findings_are_an_empty_list() {
        assert_eq!(render_json(&Sources::new(), &[]), "[]");
    }
}
