//! Any bytes: decoding and parsing never panic, and every place lies inside the text.
//!
//! It does not say whether a document is taken rightly; the comparison with `xmllint` does.

#![no_main]

use diagnostics::Span;
use libfuzzer_sys::fuzz_target;
use xml_tree::{Element, Tree, decode, limits, parse};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = decode(bytes.to_vec()) {
        check_tree(&text, &parse(&text));
    }
});

fn check_tree(text: &str, tree: &Tree<'_>) {
    assert!(tree.problems().len() <= limits::MAX_PROBLEMS);
    for problem in tree.problems() {
        assert_inside(text, problem.span);
        let related = problem.related.iter().map(|(span, _)| *span);
        related.for_each(|span| assert_inside(text, span));
    }
    match tree.root() {
        Some(root) => check_element(text, root, Span::new(0, text.len())),
        None => assert!(!tree.problems().is_empty(), "nothing is missing unreported"),
    }
}

/// The depth of the recursion is that of the tree, which is bounded.
fn check_element(text: &str, element: Element<'_>, parent: Span) {
    let (span, name) = (element.span(), element.name_span());
    assert!(parent.start <= span.start && span.end <= parent.end);
    assert_inside(text, span);
    assert!(text[name.start..name.end].ends_with(element.name()));
    for attribute in element.attributes() {
        let name = attribute.name_span();
        assert!(text[name.start..name.end].ends_with(attribute.name()));
        assert_inside(text, attribute.value_span());
        assert!(name.end < attribute.value_span().start && attribute.value_span().end < span.end);
    }
    let mut from = name.end;
    for child in element.elements() {
        check_element(text, child, Span::new(from, span.end));
        from = child.span().end;
    }
}

fn assert_inside(text: &str, span: Span) {
    assert!(text.get(span.start..span.end).is_some(), "{span:?}");
}
