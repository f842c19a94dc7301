//! Findings as workflow commands of GitHub Actions, which shows them at their lines as annotations.
//!
//! One line a finding, for the standard output of a step. GitHub shows the first few of a step and drops the
//! others from its page, not from the log; this does not choose among them.
//!
//! Source: GitHub Docs, "Workflow commands for GitHub Actions"; how values are escaped and which properties go
//! together is in the sources of actions/toolkit (`command.ts`) and actions/runner (`ActionCommandManager.cs`).

use crate::finding::{Finding, Severity, sort};
use crate::span::Sources;

/// The findings as one command each, sorted by file, then offset; empty if there are none.
pub fn render_github(sources: &Sources, findings: &[Finding]) -> String {
    let mut findings = findings.to_vec();
    sort(&mut findings);
    findings
        .iter()
        .map(|finding| command(sources, finding) + "\n")
        .collect()
}

fn command(sources: &Sources, finding: &Finding) -> String {
    let name = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Report => "notice",
    };
    let file = sources.file(finding.primary.file);
    let start = file.location(finding.primary.span.start);
    let end = file.location(finding.primary.span.end);
    // Columns go with a single line alone; the runner complains of others and drops them.
    let columns = match start.line == end.line {
        true => format!(",col={},endColumn={}", start.column, end.column),
        false => String::new(),
    };
    format!(
        "::{name} file={},line={},endLine={}{columns},title={}::{}",
        property(file.name()),
        start.line,
        end.line,
        property(finding.code.as_str()),
        data(&text(sources, finding)),
    )
}

/// The message, the related places, which an annotation cannot point at, and the help, a line each.
fn text(sources: &Sources, finding: &Finding) -> String {
    let mut text = finding.headline();
    for label in &finding.related {
        let file = sources.file(label.file);
        let at = file.location(label.span.start);
        let place = format!("{}:{}:{}", file.name(), at.line, at.column);
        match label.text.is_empty() {
            true => text.push_str(&format!("\nsee {place}")),
            false => text.push_str(&format!("\n{}: {place}", label.text)),
        }
    }
    for help in &finding.help {
        text.push_str(&format!("\nhelp: {help}"));
    }
    text
}

fn data(text: &str) -> String {
    // The percent sign first, as the others bring new ones.
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::codes::Code;
    use crate::span::Span;

    const CODE: Code = Code::new("AR0107");

    #[test]
    fn each_finding_is_a_command() {
        let mut sources = Sources::new();
        let file = sources.add("a.csdef", "<é>\n<b>");
        let gone = sources.add("gone.csdef", "");
        let findings = [
            Finding::report(CODE, file, Span::new(1, 7), "over two lines"),
            Finding::error(CODE, file, Span::new(1, 3), "both use port 80")
                .label("used again")
                .related(file, Span::new(5, 8), "first used here")
                .related(gone, Span::default(), "")
                .help("give it a port of its own"),
            Finding::warning(CODE, gone, Span::default(), "cannot be read"),
        ];
        expect![[r#"
            ::notice file=a.csdef,line=1,endLine=2,title=AR0107::over two lines
            ::error file=a.csdef,line=1,endLine=1,col=2,endColumn=3,title=AR0107::both use port 80 (used again)%0Afirst used here: a.csdef:2:1%0Asee gone.csdef:1:1%0Ahelp: give it a port of its own
            ::warning file=gone.csdef,line=1,endLine=1,col=1,endColumn=1,title=AR0107::cannot be read
        "#]].assert_eq(&render_github(&sources, &findings));
    }

    #[test]
    fn what_has_a_meaning_is_escaped() {
        let mut sources = Sources::new();
        let file = sources.add("a,b:c%\n=.csdef", "");
        let finding = Finding::error(CODE, file, Span::default(), "50%, a: b\r\n::error::no");
        expect![[r#"
            ::error file=a%2Cb%3Ac%25%0A=.csdef,line=1,endLine=1,col=1,endColumn=1,title=AR0107::50%25, a: b%0D%0A::error::no
        "#]].assert_eq(&render_github(&sources, &[finding]));
    }

    #[test]
    fn no_findings_are_no_commands() {
        assert_eq!(render_github(&Sources::new(), &[]), "");
    }
}
