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

/// The most columns between two labels of one excerpt.
///
/// The renderer cuts lines to a width of 140 only outside of its labels, so more would give lines that wrap.
const MAX_COLUMNS_BETWEEN: usize = 120;

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
    match lines.len() <= MAX_EXCERPT_BYTES && fit_side_by_side(file, &labels) {
        _ if file.text().is_empty() => vec![Origin::path(one_line(file.name())).into()],
        true => vec![excerpt(file, lines, &labels, primary).into()],
        false if labels.len() == 1 => place(file, labels[0]),
        false => labels
            .into_iter()
            .flat_map(|label| excerpts(sources, vec![label], primary))
            .collect(),
    }
}

fn fit_side_by_side(file: &SourceFile, labels: &[&Label]) -> bool {
    let columns = labels
        .iter()
        .map(|label| file.location(label.span.start).column);
    let (leftmost, rightmost) = (columns.clone().min(), columns.max());
    rightmost.unwrap_or(0) - leftmost.unwrap_or(0) <= MAX_COLUMNS_BETWEEN
}

/// The place and its words alone, for a label on a line too long to show.
fn place<'a>(file: &SourceFile, label: &Label) -> Vec<Element<'a>> {
    let location = file.location(label.span.start);
    let origin = Origin::path(one_line(file.name()))
        .line(location.line)
        .char_column(location.column);
    let words = Level::NOTE.message(one_line(&label.text));
    match label.text.is_empty() {
        true => vec![origin.into()],
        false => vec![origin.into(), words.into()],
    }
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
            .label((!label.text.is_empty()).then(|| one_line(&label.text)))
    });
    Snippet::source(&file.text()[lines.clone()])
        .path(one_line(file.name()))
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

/// Text that a terminal shows and does not obey, and that does not end the line it stands on.
pub fn one_line(text: &str) -> String {
    normalize_untrusted_str(text).replace('\n', " ")
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
        let file = sources.add("a\u{1b}[34m.csdef", "<a \u{1b}[31m>");
        let endless = sources.add("b\u{1b}.csdef", " ".repeat(MAX_EXCERPT_BYTES + 1));
        let finding =
            Finding::error(CODE, file, Span::new(3, 4), "bad \u{1b}[31m").help("\u{1b}[0m");
        let finding = finding.label("\u{1b}[32m\nlabel").related(
            endless,
            Span::new(1, 2),
            "\u{1b}[33m\nthere",
        );
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
        let finding = Finding::error(CODE, file, Span::new(9, 10), "wide")
            .label("here")
            .related(file, Span::new(900, 910), "first one here")
            .help("break the line");
        expect![[r#"
            error[AR0107]: wide
            --> a.csdef:1:10
             = note: here
            ::: a.csdef:1:901
             = note: first one here
             = help: break the line
        "#]]
        .assert_eq(&render_human(&sources, &[finding], Style::Plain));
    }

    /// Two places stand between brackets, which are not in the text: the one that closes first is related.
    fn check_places(marked: &str, expected: Expect) {
        let mut text = String::new();
        let (mut starts, mut spans) = (Vec::new(), Vec::new());
        for char in marked.chars() {
            match char {
                '⟦' => starts.push(text.len()),
                '⟧' => spans.push(Span::new(starts.pop().expect("open"), text.len())),
                _ => text.push(char),
            }
        }
        let mut sources = Sources::new();
        let file = sources.add("a.csdef", text);
        let [first, second] = spans[..] else {
            panic!("two places: {marked}")
        };
        let finding =
            Finding::error(CODE, file, second, "twice").related(file, first, "first one here");
        expected.assert_eq(&render_human(
            &sources,
            &[finding.label("again")],
            Style::Plain,
        ));
    }

    #[test]
    fn tabs_and_wide_characters_are_as_wide_as_they_are_shown() {
        check_places(
            "\t<a\t⟦b⟧=\"\"/>\n\t\t<a\t\t⟦b\t⟧=\"\"/>\n",
            expect![[r#"
            error[AR0107]: twice
             --> a.csdef:2:7
              |
            1 |     <a    b=""/>
              |           - first one here
            2 |         <a        b    =""/>
              |                   ^^^^^ again
        "#]],
        );
        check_places(
            "<漢字 ⟦名前⟧=\"漢\"/>\n<🎉 a=\"e\u{301}🎉\" ⟦名⟧=\"\"/>\n",
            expect![[r#"
                error[AR0107]: twice
                 --> a.csdef:2:12
                  |
                1 | <漢字 名前="漢"/>
                  |       ---- first one here
                2 | <🎉 a="é🎉" 名=""/>
                  |             ^^ again
            "#]],
        );
    }

    #[test]
    fn two_places_of_one_line_may_touch_or_nest() {
        check_places(
            "<a ⟦b⟧=\"\" ⟦b⟧=\"\"/>\n",
            expect![[r#"
            error[AR0107]: twice
             --> a.csdef:1:9
              |
            1 | <a b="" b=""/>
              |    -    ^ again
              |    |
              |    first one here
        "#]],
        );
        check_places(
            "<⟦a⟧⟦b⟧/>\n",
            expect![[r#"
            error[AR0107]: twice
             --> a.csdef:1:3
              |
            1 | <ab/>
              |  -^ again
              |  |
              |  first one here
        "#]],
        );
        check_places(
            "⟦<a ⟦b⟧=\"\"/>⟧\n",
            expect![[r#"
            error[AR0107]: twice
             --> a.csdef:1:1
              |
            1 | <a b=""/>
              | ^^^-^^^^^
              | |  |
              | |  first one here
              | again
        "#]],
        );
    }

    #[test]
    fn places_of_several_lines_are_bracketed() {
        check_places(
            "⟦<a\r\n  b=\"\"\r\n/>⟧\r\n⟦<a\n/>⟧\n",
            expect![[r#"
            error[AR0107]: twice
             --> a.csdef:4:1
              |
            1 | / <a
            2 | |   b=""
            3 | | />
              | |__- first one here
            4 | / <a
            5 | | />
              | |__^ again
        "#]],
        );
        let long = format!("<⟦a⟧>\n⟦<b{}>⟧\n", "\n  c=\"\"".repeat(9));
        check_places(
            &long,
            expect![[r#"
            error[AR0107]: twice
              --> a.csdef:2:1
               |
             1 |   <a>
               |    - first one here
             2 | / <b
             3 | |   c=""
             4 | |   c=""
             5 | |   c=""
            ...  |
            10 | |   c=""
            11 | |   c="">
               | |_______^ again
        "#]],
        );
    }

    #[test]
    fn a_long_line_is_cut_around_its_place() {
        let filler = "<x/>".repeat(40);
        let one_line = format!("{filler}<⟦a⟧/>{filler}<⟦a⟧/>{filler}");
        check_places(
            &one_line,
            expect![[r#"
            error[AR0107]: twice
             --> a.csdef:1:326
              |
            1 | ...<x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><a/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x...
              |                                                                 ^ again
              |
             ::: a.csdef:1:162
              |
            1 | ...<x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><a/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x...
              |                                                             - first one here
        "#]],
        );
        let two_lines = format!("{filler}<⟦a⟧/>\n{filler}{filler}<⟦a⟧/>{filler}\n");
        check_places(
            &two_lines,
            expect![[r#"
                error[AR0107]: twice
                 --> a.csdef:2:322
                  |
                2 | ...<x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><a/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x...
                  |                                                                 ^ again
                  |
                 ::: a.csdef:1:162
                  |
                1 | ...<x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><a/>
                  |                                                             - first one here
            "#]],
        );
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
