//! Comments, processing instructions and the XML declaration: read, checked, and dropped.

use diagnostics::Span;

use crate::chars::{check_chars, check_name, is_space, is_typographic_quote, name_len};
use crate::codes;
use crate::problem::Problem;
use crate::tag::not_typographic;

/// Checks a whole comment, `<!--` and `-->` included, at `offset`.
pub(crate) fn check_comment(raw: &str, offset: usize) -> Option<Problem> {
    let body = raw
        .strip_prefix("<!--")
        .and_then(|rest| rest.strip_suffix("-->"));
    let Some(body) = body else {
        return Some(unclosed(raw, offset));
    };
    // A final `-` makes `--->`, which holds `--` too.
    let hyphens = body
        .find("--")
        .or_else(|| body.ends_with('-').then(|| body.len() - 1));
    if let Some(at) = hyphens {
        let start = offset + 4 + at;
        let problem = Problem::new(
            codes::MARKUP,
            Span::new(start, start + 2),
            "`--` stands inside a comment",
        );
        return Some(problem.help("only the end of a comment, `-->`, may have two hyphens"));
    }
    check_chars(body, offset + 4)
}

/// Checks a whole processing instruction or XML declaration, `<?` and `?>` included, at `offset`.
pub(crate) fn check_instruction(raw: &str, offset: usize) -> Option<Problem> {
    let body = raw
        .strip_prefix("<?")
        .and_then(|rest| rest.strip_suffix("?>"));
    let Some(body) = body else {
        return Some(unclosed(raw, offset));
    };
    let start = offset + 2;
    let target = &body[..name_len(body)];
    let rest = &body[target.len()..];
    let span = Span::new(start, start + target.len());
    if target == "xml" && offset == 0 {
        return check_declaration(rest, start + target.len());
    }
    if target.eq_ignore_ascii_case("xml") {
        let message = "the XML declaration is not at the very start of the file";
        let problem = Problem::new(codes::DECLARATION, span, message);
        return Some(
            problem.help(
                "nothing may come before it, not even white space; write `xml` in lower case",
            ),
        );
    }
    if target.contains(':') {
        let message = format!("`{target}` has a colon, which no processing instruction may have");
        return Some(Problem::new(codes::NAME, span, message));
    }
    if let Some(problem) = check_name(target, start) {
        return Some(problem);
    }
    if !rest.is_empty() && !rest.starts_with(|c: char| c.is_ascii() && is_space(c as u8)) {
        let message = format!("white space is missing after `{target}`");
        return Some(Problem::new(codes::MARKUP, span, message));
    }
    check_chars(rest, start + target.len())
}

/// Checks what stands between `<?xml` and `?>`: a version, perhaps an encoding, perhaps standalone.
///
/// Source: XML 1.0, productions 23 to 26, 32, 80 and 81.
fn check_declaration(body: &str, offset: usize) -> Option<Problem> {
    let mut rest = body;
    // The grammar asks for a digit after `1.`; libxml2 does not, and neither do we.
    let is_version = |value: &str| {
        value
            .strip_prefix("1.")
            .is_some_and(|minor| minor.bytes().all(|b| b.is_ascii_digit()))
    };
    let is_encoding = |value: &str| {
        value.starts_with(|c: char| c.is_ascii_alphabetic())
            && value
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    let is_standalone = |value: &str| matches!(value, "yes" | "no");
    type IsValid<'f> = &'f dyn Fn(&str) -> bool;
    let parts: [(&str, bool, IsValid<'_>); 3] = [
        ("version", true, &is_version),
        ("encoding", false, &is_encoding),
        ("standalone", false, &is_standalone),
    ];
    for (name, is_required, is_valid) in parts {
        match pseudo_attribute(rest, name) {
            Some((value, after)) if is_valid(value) => rest = after,
            None if !is_required => {}
            _ => return Some(malformed_declaration(body, offset, rest)),
        }
    }
    let is_done = rest.bytes().all(is_space);
    (!is_done).then(|| malformed_declaration(body, offset, rest))
}

fn malformed_declaration(body: &str, offset: usize, rest: &str) -> Problem {
    let at = offset + body.len() - rest.trim_start().len();
    let span = Span::new(at, offset + body.len());
    let message = "the XML declaration is malformed here";
    let problem = Problem::new(codes::DECLARATION, span, message);
    match rest.chars().find(|c| is_typographic_quote(*c)) {
        Some(quote) => problem.help(not_typographic(quote)),
        None => problem.help("write `<?xml version=\"1.0\" encoding=\"utf-8\"?>`"),
    }
}

/// The value of ` name="value"` at the start of `text`, and what comes after it.
fn pseudo_attribute<'t>(text: &'t str, name: &str) -> Option<(&'t str, &'t str)> {
    let space: &[char] = &[' ', '\t', '\r', '\n'];
    let text = text
        .strip_prefix(space)?
        .trim_start_matches(space)
        .strip_prefix(name)?;
    let text = text
        .trim_start_matches(space)
        .strip_prefix('=')?
        .trim_start_matches(space);
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    text[1..].split_once(quote)
}

/// The problem of markup that begins at `offset` with `raw` and that nothing ends.
pub(crate) fn unclosed(raw: &str, offset: usize) -> Problem {
    let (what, opening, closing) = if raw.starts_with("<!--") {
        ("comment", "<!--", "-->")
    } else if raw.starts_with("<![CDATA[") {
        ("CDATA section", "<![CDATA[", "]]>")
    } else if raw.starts_with("<?") {
        ("processing instruction", "<?", "?>")
    } else {
        let span = Span::new(offset, offset + "<!".len());
        let problem = Problem::new(
            codes::MARKUP,
            span,
            "`<!` begins neither a comment nor a CDATA section",
        );
        return problem.help("in text, write `<` as `&lt;`");
    };
    let span = Span::new(offset, offset + opening.len());
    let message = format!("this {what} is never closed");
    Problem::new(codes::MARKUP, span, message).help(format!("close it with `{closing}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments() {
        for good in ["<!---->", "<!-- a - b -->", "<!-- é > < & -->"] {
            assert_eq!(check_comment(good, 0), None, "{good}");
        }
        for bad in [
            "<!-->",
            "<!--->",
            "<!-- a -- b -->",
            "<!-- a --->",
            "<!-- \u{1} -->",
            "<!-- a",
        ] {
            assert!(check_comment(bad, 0).is_some(), "{bad}");
        }
    }

    #[test]
    fn processing_instructions() {
        for good in ["<?a?>", "<?a b?>", "<?xml-style a?b?>", "<?xmlx?>"] {
            assert_eq!(check_instruction(good, 7), None, "{good}");
        }
        for bad in [
            "<??>",
            "<? a?>",
            "<?1?>",
            "<?a:b?>",
            "<?xml version='1.0'?>",
            "<?XML a?>",
            "<?a\u{1}?>",
            "<?a\"b\"?>",
            "<?a",
            "<?>",
        ] {
            assert!(check_instruction(bad, 7).is_some(), "{bad}");
        }
    }

    #[test]
    fn declarations() {
        for good in [
            "<?xml version=\"1.0\"?>",
            "<?xml version='1.0' encoding='utf-8' standalone='yes' ?>",
            "<?xml\n version = \"1.1\"\tstandalone=\"no\"?>",
        ] {
            assert_eq!(check_instruction(good, 0), None, "{good}");
        }
        for bad in [
            "<?xml?>",
            "<?xml ?>",
            "<?xml encoding=\"utf-8\"?>",
            "<?xml version=\"2.0\"?>",
            "<?xml version=\"1\"?>",
            "<?xml version=\"1.0\"encoding=\"utf-8\"?>",
            "<?xml version=\"1.0\" encoding=\"\"?>",
            "<?xml version=\"1.0\" standalone=\"maybe\"?>",
            "<?xml version=\"1.0\" standalone='yes' encoding='a'?>",
            "<?xml version=\"1.0?>",
            "<?xml version=1.0?>",
            "<?xml version=\"1.0\" x?>",
        ] {
            assert!(check_instruction(bad, 0).is_some(), "{bad}");
        }
    }
}
