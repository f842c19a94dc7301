//! The twelve documented forms of `RoleInstanceValue/@xpath`.
//!
//! A closed list, matched step by step so that a finding can point at the wrong one. Not an XPath engine:
//! functions, axes and other roles' data are refused like any other text.
//! Source: "Expose role configuration as an environment variable with XPath" (Azure documentation);
//! quotes of either style are taken.

use crate::model::RoleInstanceValue;

/// Steps of one form, and what it means with the name of its predicate (empty where it has none).
/// A step that ends with `[]` wants a predicate `[@name='…']`.
type Form = (&'static [&'static str], fn(&str) -> RoleInstanceValue);

const FORMS: &[Form] = &[
    (&["RoleEnvironment", "Deployment", "@emulated"], |_| {
        RoleInstanceValue::Emulated
    }),
    (&["RoleEnvironment", "Deployment", "@id"], |_| {
        RoleInstanceValue::DeploymentId
    }),
    (&["RoleEnvironment", "CurrentInstance", "@id"], |_| {
        RoleInstanceValue::InstanceId
    }),
    (
        &["RoleEnvironment", "CurrentInstance", "@updateDomain"],
        |_| RoleInstanceValue::UpdateDomain,
    ),
    (
        &["RoleEnvironment", "CurrentInstance", "@faultDomain"],
        |_| RoleInstanceValue::FaultDomain,
    ),
    (&["RoleEnvironment", "CurrentInstance", "@roleName"], |_| {
        RoleInstanceValue::RoleName
    }),
    (
        &[
            "RoleEnvironment",
            "CurrentInstance",
            "ConfigurationSettings",
            "ConfigurationSetting[]",
            "@value",
        ],
        |name| RoleInstanceValue::Setting(name.into()),
    ),
    (
        &[
            "RoleEnvironment",
            "CurrentInstance",
            "LocalResources",
            "LocalResource[]",
            "@path",
        ],
        |name| RoleInstanceValue::LocalResourcePath(name.into()),
    ),
    (
        &[
            "RoleEnvironment",
            "CurrentInstance",
            "LocalResources",
            "LocalResource[]",
            "@sizeInMB",
        ],
        |name| RoleInstanceValue::LocalResourceSize(name.into()),
    ),
    (
        &[
            "RoleEnvironment",
            "CurrentInstance",
            "Endpoints",
            "Endpoint[]",
            "@protocol",
        ],
        |name| RoleInstanceValue::EndpointProtocol(name.into()),
    ),
    (
        &[
            "RoleEnvironment",
            "CurrentInstance",
            "Endpoints",
            "Endpoint[]",
            "@address",
        ],
        |name| RoleInstanceValue::EndpointAddress(name.into()),
    ),
    (
        &[
            "RoleEnvironment",
            "CurrentInstance",
            "Endpoints",
            "Endpoint[]",
            "@port",
        ],
        |name| RoleInstanceValue::EndpointPort(name.into()),
    ),
];

/// An expression that is one of the forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct XPath {
    pub(crate) value: RoleInstanceValue,
    /// Byte offsets in the expression of the name in the predicate; of nothing where there is none.
    pub(crate) name: (usize, usize),
}

/// Why an expression is none of the forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct XPathError {
    /// Byte offsets in the expression of the step that is wrong.
    pub(crate) at: (usize, usize),
    pub(crate) message: String,
    /// The steps that would be right there; empty where the expression should have ended.
    pub(crate) expected: Vec<String>,
}

/// A step: its byte offset, its name, and the name in its predicate with its offset.
struct Step<'x> {
    start: usize,
    text: &'x str,
    name: &'x str,
    predicate: Option<Result<(usize, &'x str), ()>>,
}

impl Step<'_> {
    fn matches(&self, wanted: &str) -> bool {
        match wanted.strip_suffix("[]") {
            Some(wanted) => self.name == wanted && matches!(self.predicate, Some(Ok(_))),
            None => self.name == wanted && self.predicate.is_none(),
        }
    }
}

/// One more than the longest form has: there, at the latest, an expression is wrong.
///
/// An attribute can hold a million slashes, and a step is forty times as large.
const MAX_STEPS: usize = 6;

/// Parses one of the twelve forms.
pub(crate) fn parse(xpath: &str) -> Result<XPath, XPathError> {
    let steps = steps(xpath);
    let mut forms: Vec<&Form> = FORMS.iter().collect();
    for (depth, step) in steps.iter().enumerate() {
        let fits = |form: &&Form| form.0.get(depth).is_some_and(|wanted| step.matches(wanted));
        if !forms.iter().any(fits) {
            return Err(wrong_step(step, expected_at(&forms, depth)));
        }
        forms.retain(fits);
    }
    match forms.iter().find(|form| form.0.len() == steps.len()) {
        Some((_, meaning)) => Ok(finish(&steps, meaning)),
        None => Err(XPathError {
            at: (0, xpath.len()),
            message: "the xpath ends too early".into(),
            expected: expected_at(&forms, steps.len()),
        }),
    }
}

fn finish(steps: &[Step<'_>], meaning: &fn(&str) -> RoleInstanceValue) -> XPath {
    let (start, name) = steps
        .iter()
        .find_map(|step| step.predicate.and_then(Result::ok))
        .unwrap_or_default();
    XPath {
        value: meaning(name),
        name: (start, start + name.len()),
    }
}

fn wrong_step(step: &Step<'_>, expected: Vec<String>) -> XPathError {
    let message = match (&step.predicate, expected.is_empty()) {
        (Some(Err(())), _) => "the predicate is not `[@name='…']`".to_owned(),
        (_, true) => format!("nothing may follow here: `/{}`", step.text),
        (_, false) => format!("the step `{}` is not documented here", step.text),
    };
    XPathError {
        at: (step.start, step.start + step.text.len()),
        message,
        expected,
    }
}

/// The steps that the forms have at this depth, as one writes them.
fn expected_at(forms: &[&Form], depth: usize) -> Vec<String> {
    let mut expected: Vec<String> = forms
        .iter()
        .filter_map(|form| form.0.get(depth))
        .map(|step| step.replace("[]", "[@name='…']"))
        .collect();
    expected.dedup();
    expected
}

/// Cuts an expression at the slashes outside quotes, as far as [`MAX_STEPS`]. Text before the first slash is a step of its own,
/// which no form has: the expression must begin with one.
fn steps(xpath: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut quote = None;
    let mut start = 0;
    let mut cut = |start: usize, end: usize| {
        // Before a leading slash there is nothing, and that is right.
        if (start, end) != (0, 0) && steps.len() < MAX_STEPS {
            steps.push(step(start, &xpath[start..end]));
        }
    };
    for (at, byte) in xpath.bytes().enumerate() {
        match (quote, byte) {
            (None, b'/') => {
                cut(start, at);
                start = at + 1;
            }
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    cut(start, xpath.len());
    if !xpath.starts_with('/')
        && let Some(first) = steps.first_mut()
    {
        first.name = "";
    }
    steps
}

fn step(start: usize, text: &str) -> Step<'_> {
    let (name, predicate) = match text.split_once('[') {
        Some((name, _)) => (name, Some(predicate(start, text).ok_or(()))),
        None => (text, None),
    };
    Step {
        start,
        text,
        name: name.trim(),
        predicate,
    }
}

/// The name in `…[@name='…']`, with its offset in the expression.
fn predicate(start: usize, text: &str) -> Option<(usize, &str)> {
    let inside = text.trim_end().strip_suffix(']')?.split_once('[')?.1;
    let value = inside
        .trim()
        .strip_prefix("@name")?
        .trim_start()
        .strip_prefix('=')?
        .trim();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let name = value.strip_prefix(quote)?.strip_suffix(quote)?;
    // Both are slices of one text, so the distance of their ends is the offset.
    let after = inside.len() - inside.trim_end().len() + quote.len_utf8();
    let end = text.trim_end().len() - 1 - after;
    (!name.contains(quote)).then_some((start + end - name.len(), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTANCE: &str = "/RoleEnvironment/CurrentInstance";

    #[test]
    fn no_form_has_as_many_steps_as_are_cut() {
        assert!(FORMS.iter().all(|form| form.0.len() < MAX_STEPS));
        assert_eq!(steps(&"/a".repeat(1000)).len(), MAX_STEPS);
        let endless = format!("/RoleEnvironment/Deployment/@id{}", "/a".repeat(1000));
        let error = parse(&endless).unwrap_err();
        assert_eq!(error.message, "nothing may follow here: `/a`");
    }

    #[test]
    fn the_twelve_forms() {
        use RoleInstanceValue::*;
        let forms = [
            ("/RoleEnvironment/Deployment/@emulated".to_owned(), Emulated),
            ("/RoleEnvironment/Deployment/@id".to_owned(), DeploymentId),
            (format!("{INSTANCE}/@id"), InstanceId),
            (format!("{INSTANCE}/@updateDomain"), UpdateDomain),
            (format!("{INSTANCE}/@faultDomain"), FaultDomain),
            (format!("{INSTANCE}/@roleName"), RoleName),
            (
                format!("{INSTANCE}/ConfigurationSettings/ConfigurationSetting[@name='a']/@value"),
                Setting("a".into()),
            ),
            (
                format!("{INSTANCE}/LocalResources/LocalResource[@name='a b']/@path"),
                LocalResourcePath("a b".into()),
            ),
            (
                format!("{INSTANCE}/LocalResources/LocalResource[@name=\"a\"]/@sizeInMB"),
                LocalResourceSize("a".into()),
            ),
            (
                format!("{INSTANCE}/Endpoints/Endpoint[@name='é/x']/@protocol"),
                EndpointProtocol("é/x".into()),
            ),
            (
                format!("{INSTANCE}/Endpoints/Endpoint[ @name = 'a' ]/@address"),
                EndpointAddress("a".into()),
            ),
            (
                format!("{INSTANCE}/Endpoints/Endpoint[@name='a']/@port"),
                EndpointPort("a".into()),
            ),
        ];
        assert_eq!(forms.len(), FORMS.len());
        for (text, value) in forms {
            let xpath = parse(&text).expect(&text);
            assert_eq!(xpath.value, value);
            let (start, end) = xpath.name;
            assert!(
                start == end || ["a", "a b", "é/x"].contains(&&text[start..end]),
                "{text}"
            );
        }
    }

    fn error(text: &str) -> (String, Vec<String>) {
        let error = parse(text).expect_err(text);
        (text[error.at.0..error.at.1].to_owned(), error.expected)
    }

    #[test]
    fn the_wrong_step_is_named() {
        let (step, expected) = error("/RoleEnvironment/Deploymnet/@id");
        assert_eq!(
            (step.as_str(), expected),
            (
                "Deploymnet",
                vec!["Deployment".into(), "CurrentInstance".into()]
            )
        );
        let (step, expected) = error("/RoleEnvironment/Deployment/@ID");
        assert_eq!(
            (step.as_str(), expected),
            ("@ID", vec!["@emulated".into(), "@id".into()])
        );
        let (step, expected) = error("/RoleEnvironment/Deployment/@id/more");
        assert_eq!((step.as_str(), expected), ("more", vec![]));
        assert_eq!(error("RoleEnvironment/Deployment/@id").0, "RoleEnvironment");
        assert_eq!(error("/RoleEnvironment//@id").0, "");
        assert_eq!(error("").1, ["RoleEnvironment"]);
        assert_eq!(
            error("/RoleEnvironment/Roles/Role[@name='x']/@id").0,
            "Roles"
        );
    }

    #[test]
    fn an_expression_that_ends_too_early_says_what_comes_next() {
        let (whole, expected) = error("/RoleEnvironment/Deployment");
        assert_eq!(whole, "/RoleEnvironment/Deployment");
        assert_eq!(expected, ["@emulated", "@id"]);
    }

    #[test]
    fn a_predicate_that_is_none_of_ours_is_refused() {
        for predicate in [
            "[@id='a']",
            "[@name=a]",
            "[@name='a]",
            "[1]",
            "[@name='a'][1]",
            "",
            "[",
            "[@name='']x",
            "[@name=\"a']",
        ] {
            let text = format!("{INSTANCE}/Endpoints/Endpoint{predicate}/@port");
            assert!(parse(&text).is_err(), "{text}");
        }
    }
}
