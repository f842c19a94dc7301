//! Findings as text for people: the excerpt, the exact span underlined, related places, help.
//!
//! The only module that knows `annotate-snippets`. It decides neither whether the reader is a terminal
//! nor how wide it is; the caller picks the [`Style`].

use std::ops::Range;

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet,
    normalize_untrusted_str,
};

use crate::finding::{Finding, Label, Severity, sort};
use crate::span::{SourceFile, Sources, Span};

/// The most bytes of text that one excerpt is cut from.
///
/// The renderer scans all of an excerpt, so without a bound a thousand findings on one endless line would
/// cost a thousand scans of it. Lines that people wrote stay far below; those of machines are placed
/// without being shown.
const MAX_EXCERPT_BYTES: usize = 16 * 1024;

/// How text is dressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without escape sequences.
    Plain,
    /// With colour and weight, for a terminal.
    Coloured,
}

/// The findings as text, sorted by file, then offset, one empty line between two; ends with a line end
/// unless there are none.
pub fn render_human(sources: &Sources, findings: &[Finding], style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    let mut findings = findings.to_vec();
    sort(&mut findings);
    let texts: Vec<_> = findings
        .iter()
        .map(|finding| renderer.render(&[group(sources, finding)]) + "\n")
        .collect();
    texts.join("\n")
}

fn group<'a>(sources: &'a Sources, finding: &'a Finding) -> Group<'a> {
    let title = level(finding.severity)
        .primary_title(&finding.message)
        .id(finding.code.as_str());
    let labels: Vec<&Label> = std::iter::once(&finding.primary)
        .chain(&finding.related)
        .collect();
    let mut group = Group::with_title(title);
    // One excerpt a file, the primary label's first; labels are few, so a scan finds the files.
    for (i, label) in labels.iter().enumerate() {
        let is_new = !labels[..i].iter().any(|earlier| earlier.file == label.file);
        let in_file = || {
            labels[i..]
                .iter()
                .filter(|other| other.file == label.file)
                .copied()
        };
        if is_new {
            group = group.elements(excerpts(sources, in_file().collect(), &finding.primary));
        }
    }
    group.elements(
        finding
            .help
            .iter()
            .map(|help| Level::HELP.message(normalize_untrusted_str(help))),
    )
}

/// One excerpt for labels of one file, or one for each where they stand too far apart.
fn excerpts<'a>(sources: &'a Sources, labels: Vec<&'a Label>, primary: &Label) -> Vec<Element<'a>> {
    let start = labels
        .iter()
        .map(|label| label.span.start)
        .min()
        .unwrap_or(0);
    let end = labels.iter().map(|label| label.span.end).max().unwrap_or(0);
    let file = sources.file(labels[0].file);
    let lines = file.lines_around(Span::new(start, end));
    match lines.len() <= MAX_EXCERPT_BYTES {
        _ if file.text().is_empty() => vec![Origin::path(file.name()).into()],
        true => vec![excerpt(file, lines, &labels, primary).into()],
        false if labels.len() == 1 => vec![origin(file, labels[0]).into()],
        false => labels
            .into_iter()
            .flat_map(|label| excerpts(sources, vec![label], primary))
            .collect(),
    }
}

/// The place alone, for a label on a line too long to show.
fn origin<'a>(file: &'a SourceFile, label: &Label) -> Origin<'a> {
    let location = file.location(label.span.start);
    Origin::path(file.name())
        .line(location.line)
        .char_column(location.column)
}

/// These lines of the file with the labels under them.
fn excerpt<'a>(
    file: &'a SourceFile,
    lines: Range<usize>,
    labels: &[&'a Label],
    primary: &Label,
) -> Snippet<'a, Annotation<'a>> {
    let annotations = labels.iter().map(|label| {
        let kind = match std::ptr::eq(*label, primary) {
            true => AnnotationKind::Primary,
            false => AnnotationKind::Context,
        };
        let span = within(file, label.span, &lines);
        kind.span(span)
            .label((!label.text.is_empty()).then_some(label.text.as_str()))
    });
    Snippet::source(&file.text()[lines.clone()])
        .path(file.name())
        .line_start(file.location(lines.start).line)
        .annotations(annotations)
}

/// A label's span in the excerpt, on character boundaries whatever the label says.
fn within(file: &SourceFile, span: Span, lines: &Range<usize>) -> Range<usize> {
    let start = file
        .boundary_before(span.start)
        .clamp(lines.start, lines.end);
    let end = file.boundary_after(span.end).clamp(start, lines.end);
    start - lines.start..end - lines.start
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Report => Level::INFO.with_name("report"),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::codes::Code;

    const TEXT: &str = "<Endpoints>\r\n\t<In name=\"Größe\" port=\"80\" />\r\n\t<In name=\"b\" />\r\n\t<In />\r\n\t<In port=\"80\" />\r\n</Endpoints>\r\n";
    const CODE: Code = Code::new("AR0107");

    fn nth(needle: &str, n: usize) -> Span {
        let (start, found) = TEXT.match_indices(needle).nth(n).expect("in the text");
        Span::new(start, start + found.len())
    }

    fn check(finding: impl FnOnce(crate::FileId) -> Finding, expected: Expect) {
        let mut sources = Sources::new();
        let file = sources.add("a.csdef", TEXT);
        sources.add("b.cscfg", "<Role/>");
        expected.assert_eq(&render_human(&sources, &[finding(file)], Style::Plain));
    }

    #[test]
    fn the_exact_span_is_underlined_with_related_places_and_help() {
        check(
            |file| {
                Finding::error(CODE, file, nth("80", 1), "both use port 80")
                    .label("used again")
                    .related(file, nth("80", 0), "first used here")
                    .help("give it a port of its own")
            },
            expect![[r#"
                error[AR0107]: both use port 80
                 --> a.csdef:5:12
                  |
                2 |     <In name="Größe" port="80" />
                  |                            -- first used here
                ...
                5 |     <In port="80" />
                  |               ^^ used again
                  |
                  = help: give it a port of its own
            "#]],
        );
    }

    #[test]
    fn a_related_place_in_another_file_has_its_own_excerpt() {
        let mut sources = Sources::new();
        let first = sources.add("a.csdef", TEXT);
        let second = sources.add("b.cscfg", "<Role/>");
        let finding = Finding::warning(CODE, second, Span::new(1, 5), "no such role").related(
            first,
            nth("name", 0),
            "declared here",
        );
        expect![[r#"
            warning[AR0107]: no such role
             --> b.cscfg:1:2
              |
            1 | <Role/>
              |  ^^^^
              |
             ::: a.csdef:2:6
              |
            2 |     <In name="Größe" port="80" />
              |         ---- declared here
        "#]]
        .assert_eq(&render_human(&sources, &[finding], Style::Plain));
    }

    #[test]
    fn a_file_without_text_is_named_without_excerpt() {
        let mut sources = Sources::new();
        let file = sources.add("gone.csdef", "");
        let finding = Finding::error(CODE, file, Span::default(), "cannot be read").help("look");
        expect![[r#"
            error[AR0107]: cannot be read
            --> gone.csdef
             = help: look
        "#]]
        .assert_eq(&render_human(&sources, &[finding], Style::Plain));
    }

    #[test]
    fn findings_come_in_the_order_of_the_text() {
        let mut sources = Sources::new();
        let file = sources.add("a.csdef", TEXT);
        let findings = [
            Finding::report(CODE, file, nth("80", 1), "second"),
            Finding::report(CODE, file, nth("80", 0), "first"),
        ];
        let text = render_human(&sources, &findings, Style::Plain);
        assert!(text.find("first") < text.find("second"), "{text}");
        assert!(text.contains("--> a.csdef:2:25\n"), "{text}");
        assert_eq!(render_human(&sources, &[], Style::Plain), "");
    }

    #[test]
    fn colour_only_on_demand_and_never_from_the_file() {
        let mut sources = Sources::new();
        let file = sources.add("a.csdef", "<a \u{1b}[31m>");
        let finding =
            Finding::error(CODE, file, Span::new(3, 4), "bad \u{1b}[31m").help("\u{1b}[0m");
        let findings = [finding];
        assert!(!render_human(&sources, &findings, Style::Plain).contains('\u{1b}'));
        assert!(render_human(&sources, &findings, Style::Coloured).contains('\u{1b}'));
    }

    #[test]
    fn places_far_apart_have_an_excerpt_each() {
        let mut sources = Sources::new();
        let text = format!("<a/>\n{}<b/>\n", "\n".repeat(MAX_EXCERPT_BYTES));
        let file = sources.add("a.csdef", &text);
        let end = text.len() - 4;
        let finding = Finding::error(CODE, file, Span::new(end, end + 1), "twice").related(
            file,
            Span::new(1, 2),
            "first one here",
        );
        expect![[r#"
            error[AR0107]: twice
                 --> a.csdef:16386:2
                  |
            16386 | <b/>
                  |  ^
                  |
                 ::: a.csdef:1:2
                  |
                1 | <a/>
                  |  - first one here
        "#]]
        .assert_eq(&render_human(&sources, &[finding], Style::Plain));
    }

    #[test]
    fn a_place_on_an_endless_line_is_named_without_excerpt() {
        let mut sources = Sources::new();
        let file = sources.add("a.csdef", " ".repeat(MAX_EXCERPT_BYTES + 1));
        let finding = Finding::error(CODE, file, Span::new(9, 10), "wide");
        expect![[r#"
            error[AR0107]: wide
            --> a.csdef:1:10
        "#]]
        .assert_eq(&render_human(&sources, &[finding], Style::Plain));
    }

    #[test]
    fn spans_at_and_past_the_end_do_not_panic() {
        let mut sources = Sources::new();
        let file = sources.add("a.csdef", "<é>\n");
        for span in [
            Span::new(2, 2),
            Span::new(5, 5),
            Span::new(5, 900),
            Span::new(900, 900),
        ] {
            let finding = Finding::error(CODE, file, span, "x");
            assert!(render_human(&sources, &[finding], Style::Plain).contains("a.csdef:"));
        }
    }
}
