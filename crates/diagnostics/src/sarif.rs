//! Findings as SARIF 2.1.0, for code scanning services and editors.
//!
//! One log with one run; the rules are the codes that occur. What GitHub asks for beyond the standard is there,
//! but for `partialFingerprints`, which its upload action adds. A relative path stays relative to the folder
//! that approot ran in, which this crate does not know; neither does it resolve `..`.
//!
//! Source: OASIS, SARIF Version 2.1.0, 3.4 (artifact locations), 3.10 (URIs), 3.11.5 and 3.11.6 (placeholders and
//! links in messages), 3.14.27 (`columnKind`), 3.30 (regions); GitHub Docs, "SARIF support for code scanning".

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::codes::{Code, CodeEntry};
use crate::finding::{Finding, Label, Severity, sort};
use crate::span::Sources;

/// The name by which the schema calls itself; GitHub refuses a log that names none.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The findings as one SARIF log, sorted by file, then offset.
///
/// `codes` are those that findings may have; one that is not among them becomes a rule without words.
pub fn render_sarif<'a>(
    sources: &Sources,
    findings: &[Finding],
    codes: impl Iterator<Item = &'a CodeEntry>,
) -> String {
    let mut findings = findings.to_vec();
    sort(&mut findings);
    let occurring: BTreeSet<Code> = findings.iter().map(|finding| finding.code).collect();
    let entries: BTreeMap<Code, &CodeEntry> = codes.map(|entry| (entry.code, entry)).collect();
    let rules: Vec<Value> = occurring
        .iter()
        .map(|code| rule(*code, entries.get(code).copied()))
        .collect();
    let index: BTreeMap<Code, usize> = occurring.into_iter().zip(0..).collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| result(sources, finding, index[&finding.code]))
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "approot",
                // All crates have the version of the workspace.
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
    .to_string()
}

fn rule(code: Code, entry: Option<&CodeEntry>) -> Value {
    let mut rule = json!({"id": code.as_str()});
    if let Some(CodeEntry { cause, cure, .. }) = entry {
        rule["shortDescription"] = message(cause);
        rule["fullDescription"] = message(&format!("{cause}; {cure}"));
        rule["help"] = message(cure);
    }
    rule
}

fn result(sources: &Sources, finding: &Finding, rule_index: usize) -> Value {
    let mut result = json!({
        "ruleId": finding.code.as_str(),
        "ruleIndex": rule_index,
        "level": level(finding.severity),
        "message": {"text": result_text(finding)},
        "locations": [location(sources, &finding.primary)],
    });
    if !finding.related.is_empty() {
        let related = (1..).zip(&finding.related);
        result["relatedLocations"] = related
            .map(|(id, label)| related_location(sources, id, label))
            .collect();
    }
    result
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Report => "note",
    }
}

/// The message, a link to each related place, as viewers show those that are linked to alone, and the help.
fn result_text(finding: &Finding) -> String {
    let mut text = without_placeholders(&finding.headline());
    for (id, label) in (1..).zip(&finding.related) {
        if !label.text.is_empty() {
            text.push_str(&format!("\n[{}]({id})", link_text(&label.text)));
        }
    }
    for help in &finding.help {
        text.push_str(&format!("\nhelp: {}", without_placeholders(help)));
    }
    text
}

fn message(text: &str) -> Value {
    json!({"text": without_placeholders(text)})
}

/// `{0}` would stand for an argument of the message.
fn without_placeholders(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

fn link_text(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('[', "\\[");
    without_placeholders(&escaped.replace(']', "\\]"))
}

fn related_location(sources: &Sources, id: usize, label: &Label) -> Value {
    let mut location = location(sources, label);
    location["id"] = json!(id);
    if !label.text.is_empty() {
        location["message"] = message(&label.text);
    }
    location
}

fn location(sources: &Sources, label: &Label) -> Value {
    let file = sources.file(label.file);
    let start = file.location(label.span.start);
    let end = file.location(label.span.end);
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(file.name())},
        "region": {
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        },
    }})
}

/// A path as a URI: relative if the path is, else with the scheme `file`; without `.` and empty segments.
fn uri(path: &str) -> String {
    let segments = path.split('/');
    let segments: Vec<String> = segments
        .filter(|segment| !matches!(*segment, "" | "."))
        .map(percent_encoded)
        .collect();
    let root = match path.starts_with('/') {
        true => "file:///",
        false => "",
    };
    root.to_owned() + &segments.join("/")
}

/// Encodes all but the unreserved characters; a colon too, which would end a scheme in the first segment.
/// Source: RFC 3986, 2.3 and 4.2.
fn percent_encoded(segment: &str) -> String {
    let mut encoded = String::new();
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::span::Span;

    const FIRST: Code = Code::new("AR0001");
    const PORT: Code = Code::new("AR0107");
    const CODES: [CodeEntry; 3] = [
        entry(FIRST, "the first cause", "the first cure"),
        entry(Code::new("AR0002"), "never", "seen"),
        entry(PORT, "two take {one} port", "give each a port of its own"),
    ];

    const fn entry(code: Code, cause: &'static str, cure: &'static str) -> CodeEntry {
        CodeEntry { code, cause, cure }
    }

    /// What stands in the run, for reading; the rest is the same for every log.
    fn check(sources: &Sources, findings: &[Finding], expected: Expect) {
        let log: Value =
            serde_json::from_str(&render_sarif(sources, findings, CODES.iter())).unwrap();
        let run = &log["runs"][0];
        let shown = json!({"rules": run["tool"]["driver"]["rules"], "results": run["results"]});
        expected.assert_eq(&serde_json::to_string_pretty(&shown).unwrap());
    }

    #[test]
    fn a_log_without_findings_names_schema_tool_and_columns() {
        let log = render_sarif(&Sources::new(), &[], CODES.iter());
        let expected = json!({
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {"name": "approot", "version": env!("CARGO_PKG_VERSION"), "rules": []}},
                "columnKind": "unicodeCodePoints",
                "results": [],
            }],
        });
        assert_eq!(serde_json::from_str::<Value>(&log).unwrap(), expected);
    }

    #[test]
    fn results_are_sorted_and_point_at_their_rules() {
        let mut sources = Sources::new();
        let file = sources.add("a b/ä.csdef", "<é>\n<b>");
        let later = Finding::report(FIRST, file, Span::new(6, 7), "later");
        let earlier = Finding::error(PORT, file, Span::new(1, 7), "a `{0}` {")
            .label("here")
            .related(file, Span::new(5, 8), "[there]\\")
            .related(file, Span::new(0, 1), "")
            .help("mend {it}")
            .help("or [not](0)");
        check(
            &sources,
            &[later, earlier],
            expect![[r#"
            {
              "results": [
                {
                  "level": "error",
                  "locations": [
                    {
                      "physicalLocation": {
                        "artifactLocation": {
                          "uri": "a%20b/%C3%A4.csdef"
                        },
                        "region": {
                          "endColumn": 3,
                          "endLine": 2,
                          "startColumn": 2,
                          "startLine": 1
                        }
                      }
                    }
                  ],
                  "message": {
                    "text": "a `{{0}}` {{ (here)\n[\\[there\\]\\\\](1)\nhelp: mend {{it}}\nhelp: or [not](0)"
                  },
                  "relatedLocations": [
                    {
                      "id": 1,
                      "message": {
                        "text": "[there]\\"
                      },
                      "physicalLocation": {
                        "artifactLocation": {
                          "uri": "a%20b/%C3%A4.csdef"
                        },
                        "region": {
                          "endColumn": 4,
                          "endLine": 2,
                          "startColumn": 1,
                          "startLine": 2
                        }
                      }
                    },
                    {
                      "id": 2,
                      "physicalLocation": {
                        "artifactLocation": {
                          "uri": "a%20b/%C3%A4.csdef"
                        },
                        "region": {
                          "endColumn": 2,
                          "endLine": 1,
                          "startColumn": 1,
                          "startLine": 1
                        }
                      }
                    }
                  ],
                  "ruleId": "AR0107",
                  "ruleIndex": 1
                },
                {
                  "level": "note",
                  "locations": [
                    {
                      "physicalLocation": {
                        "artifactLocation": {
                          "uri": "a%20b/%C3%A4.csdef"
                        },
                        "region": {
                          "endColumn": 3,
                          "endLine": 2,
                          "startColumn": 2,
                          "startLine": 2
                        }
                      }
                    }
                  ],
                  "message": {
                    "text": "later"
                  },
                  "ruleId": "AR0001",
                  "ruleIndex": 0
                }
              ],
              "rules": [
                {
                  "fullDescription": {
                    "text": "the first cause; the first cure"
                  },
                  "help": {
                    "text": "the first cure"
                  },
                  "id": "AR0001",
                  "shortDescription": {
                    "text": "the first cause"
                  }
                },
                {
                  "fullDescription": {
                    "text": "two take {{one}} port; give each a port of its own"
                  },
                  "help": {
                    "text": "give each a port of its own"
                  },
                  "id": "AR0107",
                  "shortDescription": {
                    "text": "two take {{one}} port"
                  }
                }
              ]
            }"#]],
        );
    }

    #[test]
    fn a_code_outside_the_table_is_a_rule_without_words() {
        let mut sources = Sources::new();
        let gone = sources.add("gone.csdef", "");
        let code = Code::new("AR0999");
        let finding = Finding::warning(code, gone, Span::default(), "cannot be read");
        check(
            &sources,
            &[finding],
            expect![[r#"
            {
              "results": [
                {
                  "level": "warning",
                  "locations": [
                    {
                      "physicalLocation": {
                        "artifactLocation": {
                          "uri": "gone.csdef"
                        },
                        "region": {
                          "endColumn": 1,
                          "endLine": 1,
                          "startColumn": 1,
                          "startLine": 1
                        }
                      }
                    }
                  ],
                  "message": {
                    "text": "cannot be read"
                  },
                  "ruleId": "AR0999",
                  "ruleIndex": 0
                }
              ],
              "rules": [
                {
                  "id": "AR0999"
                }
              ]
            }"#]],
        );
    }

    #[test]
    fn paths_become_uris() {
        for (path, expected) in [
            ("a.csdef", "a.csdef"),
            ("./a//b/./c.csdef", "a/b/c.csdef"),
            ("../a", "../a"),
            ("/tmp/x y", "file:///tmp/x%20y"),
            ("c:a", "c%3Aa"),
            ("50%#?", "50%25%23%3F"),
            (r"a\b", "a%5Cb"),
            ("sör", "s%C3%B6r"),
            (
                "S.csdef (in the package)",
                "S.csdef%20%28in%20the%20package%29",
            ),
        ] {
            assert_eq!(uri(path), expected, "{path}");
        }
    }
}
