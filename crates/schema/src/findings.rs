//! The findings of one check, as they come in: bounded in number and in length.
//!
//! A hostile file can hold a hundred thousand mistakes, each of which repeats the longest name in the
//! file. Nobody reads that, so it is never held: what is too much is counted and dropped where it arises.

use diagnostics::{FileId, Finding, Severity, Span, sort};

use crate::codes;

/// The most findings that one check lists.
///
/// More would not be read by anyone; each costs about a kilobyte here and a rendered excerpt later.
pub(crate) const MAX_FINDINGS: usize = 1000;

/// The most bytes of one message, label or piece of advice.
///
/// They quote names and values, of which real ones have at most a few hundred bytes; with
/// [`MAX_FINDINGS`] this keeps all texts together below some megabytes.
const MAX_TEXT_BYTES: usize = 1024;

/// The most bytes of a name that a message quotes; no name of the schema has a third of it.
const MAX_QUOTE_BYTES: usize = 100;

/// What was found so far, in the order of finding.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    errors: Kept,
    warnings: Kept,
    reports: Kept,
}

/// The first findings of one severity, and the places of the others.
#[derive(Debug, Default)]
struct Kept {
    first: Vec<Finding>,
    unlisted: Vec<Place>,
}

/// A file and an offset in it.
pub(crate) type Place = (FileId, usize);

impl Kept {
    fn take(&mut self, file: FileId, at: Span, make: impl FnOnce() -> Finding) {
        // One more than is listed: it tells where the first unlisted one stands.
        if self.first.len() <= MAX_FINDINGS {
            self.first.push(shortened(make()));
        } else {
            self.unlisted.push((file, at.start));
        }
    }

    fn n_found(&self) -> usize {
        self.first.len() + self.unlisted.len()
    }
}

impl Findings {
    /// Takes a finding in.
    pub(crate) fn push(&mut self, finding: Finding) {
        let kept = match finding.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
            Severity::Report => &mut self.reports,
        };
        kept.take(finding.primary.file, finding.primary.span, || finding);
    }

    /// Takes an error at `at` in that is made only where it can be listed: seeking a suggestion is not cheap.
    pub(crate) fn push_error(&mut self, file: FileId, at: Span, make: impl FnOnce() -> Finding) {
        self.errors.take(file, at, make);
    }

    /// As [`Findings::push_error`], for a warning.
    pub(crate) fn push_warning(&mut self, file: FileId, at: Span, make: impl FnOnce() -> Finding) {
        self.warnings.take(file, at, make);
    }

    /// Where the errors stand that are too many to be listed, in ascending order.
    pub(crate) fn unlisted_errors(&self) -> Vec<Place> {
        let more = self.errors.first.iter().skip(MAX_FINDINGS);
        let more = more.map(|finding| (finding.primary.file, finding.primary.span.start));
        let mut places: Vec<_> = more.chain(self.errors.unlisted.iter().copied()).collect();
        places.sort_unstable();
        places
    }

    /// Whether one of them is an error.
    pub(crate) fn has_error(&self) -> bool {
        !self.errors.first.is_empty()
    }

    /// As many as anyone reads, errors before warnings and reports, sorted by file, then offset.
    pub(crate) fn into_list(self) -> Vec<Finding> {
        let kept = [self.errors, self.warnings, self.reports];
        let n_found: usize = kept.iter().map(Kept::n_found).sum();
        let mut findings: Vec<_> = kept.into_iter().flat_map(|kept| kept.first).collect();
        if let Some(unlisted) = findings.get(MAX_FINDINGS) {
            let file = unlisted.primary.file;
            let message = format!("{} more findings are not listed", n_found - MAX_FINDINGS);
            findings.truncate(MAX_FINDINGS);
            findings.push(Finding::report(
                codes::MORE_FINDINGS,
                file,
                Span::default(),
                message,
            ));
        }
        sort(&mut findings);
        findings
    }
}

impl Extend<Finding> for Findings {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }
}

/// As much of a name as a message quotes: the excerpt below has all of it, and a hostile one is half a
/// megabyte.
pub(crate) fn quotable(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_QUOTE_BYTES)]
}

fn shortened(mut finding: Finding) -> Finding {
    let labels = std::iter::once(&mut finding.primary).chain(&mut finding.related);
    std::iter::once(&mut finding.message)
        .chain(labels.map(|label| &mut label.text))
        .chain(&mut finding.help)
        .for_each(shorten);
    finding
}

fn shorten(text: &mut String) {
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
        text.push('…');
        text.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use diagnostics::{FileId, Sources};

    use super::*;

    const CODE: diagnostics::Code = codes::VALUE;

    fn file() -> FileId {
        Sources::new().add("a", "")
    }

    fn at(severity: Severity, start: usize) -> Finding {
        let label = diagnostics::Label::new(file(), Span::new(start, start));
        Finding::new(severity, CODE, "m", label)
    }

    #[test]
    fn as_many_as_the_limit_are_all_listed() {
        let mut findings = Findings::default();
        findings.extend((0..MAX_FINDINGS).map(|i| at(Severity::Warning, i)));
        assert!(!findings.has_error());
        let list = findings.into_list();
        assert_eq!(list.len(), MAX_FINDINGS);
        assert!(list.iter().all(|finding| finding.code == CODE));
    }

    #[test]
    fn beyond_the_limit_errors_stay_and_the_rest_is_counted() {
        let mut findings = Findings::default();
        findings.extend((0..2 * MAX_FINDINGS).map(|i| at(Severity::Report, i)));
        findings.extend((0..10).map(|i| at(Severity::Error, 5000 + i)));
        assert!(findings.has_error());
        let list = findings.into_list();
        assert_eq!(list.len(), MAX_FINDINGS + 1);
        assert_eq!(list.iter().filter(|finding| finding.is_error()).count(), 10);
        let more = list
            .iter()
            .find(|finding| finding.code == codes::MORE_FINDINGS)
            .unwrap();
        assert_eq!(more.message, "1010 more findings are not listed");
    }

    #[test]
    fn errors_that_are_not_listed_are_not_made() {
        let mut findings = Findings::default();
        let mut n_made = 0;
        for start in 0..2 * MAX_FINDINGS {
            findings.push_error(file(), Span::new(start, start), || {
                n_made += 1;
                at(Severity::Error, start)
            });
        }
        assert_eq!(n_made, MAX_FINDINGS + 1);
        let list = findings.into_list();
        let is_more = |finding: &&Finding| finding.code == codes::MORE_FINDINGS;
        assert_eq!(
            list.iter().find(is_more).unwrap().message,
            "1000 more findings are not listed"
        );
    }

    #[test]
    fn endless_texts_are_cut_between_characters() {
        let mut text = "é".repeat(MAX_TEXT_BYTES / 2);
        shorten(&mut text);
        assert_eq!(text.len(), MAX_TEXT_BYTES);
        let mut text = format!("a{}", "é".repeat(MAX_TEXT_BYTES / 2));
        shorten(&mut text);
        assert_eq!(text.len(), MAX_TEXT_BYTES - 1 + "…".len());
        assert!(text.ends_with("é…"));
        let long = "x".repeat(MAX_TEXT_BYTES + 1);
        assert_eq!(quotable(&long), &long[..MAX_QUOTE_BYTES]);
        assert_eq!(quotable("é"), "é");
        let finding = Finding::error(CODE, file(), Span::default(), &*long)
            .label(&*long)
            .related(file(), Span::default(), &*long)
            .help(&*long);
        let finding = shortened(finding);
        let texts = [
            &finding.message,
            &finding.primary.text,
            &finding.related[0].text,
            &finding.help[0],
        ];
        assert!(texts.iter().all(|text| text.ends_with("x…")));
    }
}
