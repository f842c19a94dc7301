//! Documents in, trees and problems out: every `test_data/{ok,err}/*.xml` beside what it must give.
//!
//! `UPDATE_EXPECT=1` rewrites the expected files; read their difference before committing it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use diagnostics::{Sources, Span};
use expect_test::expect_file;
use xml_tree::{Element, Tree, decode, parse};

/// Calls `check` with the path and the text of each document of a folder.
fn each_document(folder: &str, check: impl Fn(&Path, &str)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("test_data")
        .join(folder);
    let entries = fs::read_dir(&folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "xml"));
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let text = decode(fs::read(&path).expect("readable")).expect("UTF-8");
        check(&path, &text);
    }
}

fn place(text: &str, span: Span) -> String {
    let mut sources = Sources::new();
    let file = sources.add("", text);
    let location = sources.location(file, span.start);
    format!(
        "{}:{} {:?}",
        location.line,
        location.column,
        &text[span.start..span.end]
    )
}

fn dump_element(text: &str, element: Element<'_>, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let name = place(text, element.name_span());
    let namespace = element.namespace().unwrap_or("none");
    writeln!(out, "{indent}{} at {name} in {namespace}", element.name()).expect("a text takes all");
    for attribute in element.attributes() {
        let prefix = attribute
            .prefix()
            .map(|prefix| format!("{prefix}:"))
            .unwrap_or_default();
        let (name, value) = (attribute.name(), attribute.value());
        let name_place = place(text, attribute.name_span());
        let value_place = place(text, attribute.value_span());
        writeln!(
            out,
            "{indent}  @{prefix}{name} = {value:?} at {name_place}, {value_place}"
        )
        .expect("a text takes all");
    }
    if !element.text().is_empty() {
        writeln!(out, "{indent}  text {:?}", element.text()).expect("a text takes all");
    }
    element
        .elements()
        .for_each(|child| dump_element(text, child, depth + 1, out));
}

fn dump_problems(text: &str, tree: &Tree<'_>) -> String {
    let mut out = String::new();
    for problem in tree.problems() {
        writeln!(
            out,
            "{} {}: {}",
            problem.code,
            place(text, problem.span),
            problem.message
        )
        .expect("a text takes all");
        if let Some((span, phrase)) = &problem.related {
            writeln!(out, "  {}: {phrase}", place(text, *span)).expect("a text takes all");
        }
        if let Some(help) = &problem.help {
            writeln!(out, "  help: {help}").expect("a text takes all");
        }
    }
    out
}

#[test]
fn well_formed_documents_give_their_tree() {
    each_document("ok", |path, text| {
        let tree = parse(text);
        assert_eq!(dump_problems(text, &tree), "", "{}", path.display());
        let mut out = String::new();
        dump_element(text, tree.root().expect("a root"), 0, &mut out);
        expect_file![path.with_extension("txt")].assert_eq(&out);
    });
}

#[test]
fn malformed_documents_give_their_problem_and_never_pass() {
    each_document("err", |path, text| {
        let tree = parse(text);
        assert!(!tree.problems().is_empty(), "{} passed", path.display());
        expect_file![path.with_extension("err")].assert_eq(&dump_problems(text, &tree));
    });
}

#[test]
fn every_code_has_a_document_that_shows_it() {
    let shown = std::cell::RefCell::new(Vec::new());
    each_document("err", |_, text| {
        shown
            .borrow_mut()
            .extend(parse(text).problems().iter().map(|problem| problem.code));
    });
    for entry in xml_tree::codes::ALL
        .iter()
        .filter(|entry| entry.code != xml_tree::codes::LIMIT)
    {
        assert!(
            shown.borrow().contains(&entry.code),
            "no document shows {}",
            entry.code
        );
    }
}

#[test]
fn no_prefix_of_a_document_panics_and_none_but_the_whole_passes() {
    each_document("ok", |path, text| {
        for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
            let tree = parse(&text[..end]);
            let is_whole = tree.problems().is_empty();
            let root_end = text.rfind("</").unwrap() + 2;
            assert!(
                !is_whole || end > root_end,
                "{} passed cut at {end}",
                path.display()
            );
        }
    });
}

#[test]
fn utf16_gives_the_same_tree() {
    each_document("ok", |_, text| {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(bytes).as_deref(), Ok(text));
    });
}

/// The code of the only problem of `text`.
fn only_code(text: &str) -> &'static str {
    match parse(text).problems() {
        [] => "none",
        [problem] => problem.code.as_str(),
        _ => "several",
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
    assert_eq!(only_code(&nested(xml_tree::limits::MAX_DEPTH)), "none");
    assert_eq!(
        only_code(&nested(xml_tree::limits::MAX_DEPTH + 1)),
        "AR0003"
    );
    assert_eq!(only_code(&"<a>".repeat(1_000_000)), "AR0003");
}

#[test]
fn attributes_of_an_element_are_bounded() {
    let with = |n: usize| {
        let attributes: String = (0..n).map(|i| format!(" a{i}=\"\"")).collect();
        format!("<a{attributes}/>")
    };
    assert_eq!(only_code(&with(xml_tree::limits::MAX_ATTRIBUTES)), "none");
    assert_eq!(
        only_code(&with(xml_tree::limits::MAX_ATTRIBUTES + 1)),
        "AR0003"
    );
}

#[test]
fn elements_of_a_document_are_bounded() {
    let with = |n: usize| format!("<a>{}</a>", "<b/>".repeat(n - 1));
    assert_eq!(only_code(&with(xml_tree::limits::MAX_ELEMENTS)), "none");
    assert_eq!(
        only_code(&with(xml_tree::limits::MAX_ELEMENTS + 1)),
        "AR0003"
    );
}

#[test]
fn bytes_of_a_document_are_bounded() {
    let with = |n: usize| format!("<a>{}</a>", " ".repeat(n - "<a></a>".len()));
    assert_eq!(only_code(&with(xml_tree::limits::MAX_TEXT_BYTES)), "none");
    assert_eq!(
        only_code(&with(xml_tree::limits::MAX_TEXT_BYTES + 1)),
        "AR0003"
    );
}

#[test]
fn problems_of_a_document_are_bounded() {
    let elements = format!("<a>{}</a>", "<b c=\"&\"/>".repeat(1000));
    let one_value = format!("<a b=\"{}\"/>", "&".repeat(1_000_000));
    for text in [elements, one_value] {
        assert_eq!(
            parse(&text).problems().len(),
            xml_tree::limits::MAX_PROBLEMS
        );
    }
}

/// Found by the fuzz target `parse`.
#[test]
fn problems_are_bounded_inside_one_tag_too() {
    let value = "&".repeat(xml_tree::limits::MAX_PROBLEMS);
    let text = format!("<a b=\"{value}\"c=\"\"d=\"\"/>");
    assert_eq!(
        parse(&text).problems().len(),
        xml_tree::limits::MAX_PROBLEMS
    );
}

/// Found by the fuzz target `parse`.
#[test]
fn an_element_whose_tag_reaches_the_bound_of_problems_holds_its_attributes() {
    let value = "&".repeat(xml_tree::limits::MAX_PROBLEMS);
    let text = format!("<a b=\"{value}\"><c/></a>");
    let tree = parse(&text);
    let root = tree.root().expect("a root");
    assert_eq!(root.span(), Span::new(0, text.len() - "<c/></a>".len()));
}

#[test]
fn namespaces_in_force_are_bounded() {
    // The root declares three, so that depth is not the bound that is met.
    let nested = |depth: usize| {
        let start: String = (1..depth)
            .map(|i| format!("<a xmlns:p{i}=\"u\">"))
            .collect();
        let root = "<a xmlns:x=\"u\" xmlns:y=\"u\" xmlns:z=\"u\">";
        format!("{root}{start}{}", "</a>".repeat(depth))
    };
    assert_eq!(
        only_code(&nested(xml_tree::limits::MAX_NAMESPACES - 2)),
        "none"
    );
    assert_eq!(
        only_code(&nested(xml_tree::limits::MAX_NAMESPACES - 1)),
        "AR0003"
    );
}

#[test]
fn a_long_namespace_is_held_once() {
    // A copy for each element would take 20 GB.
    let name = format!("urn:&amp;{}", "n".repeat(400_000));
    let text = format!("<a xmlns=\"{name}\">{}</a>", "<b/>".repeat(50_000));
    let tree = parse(&text);
    let root = tree.root().expect("a root");
    assert!(tree.problems().is_empty());
    assert!(
        root.elements().all(|child| {
            child.namespace().map(str::as_ptr) == root.namespace().map(str::as_ptr)
        })
    );
}

#[test]
fn namespaces_are_one_by_their_names_whatever_declares_them() {
    let text = "<a xmlns=\"u\" xmlns:p=\"u\" xmlns:q=\"v\"><b/><p:b/><b xmlns=\"&#117;\"/><q:c/><c xmlns=\"\"/>\
                <xml:c/></a>";
    let tree = parse(text);
    assert!(tree.problems().is_empty());
    let root = tree.root().expect("a root");
    assert_eq!(root.elements().count(), 6);
    for child in root.elements() {
        assert_eq!(child.is_in_namespace_of(root), child.name() == "b");
        assert_eq!(
            child.is_in_namespace_of(root),
            child.namespace() == root.namespace()
        );
    }
}
