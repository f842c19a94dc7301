//! The ledger: one verdict for every element and every attribute of the files.
//!
//! The verdicts are the fates of the grammar's tables. What stands in something refused is refused with it,
//! what an error points at is refused for that, and what no table has is refused too, so nothing is left out.
//! Namespace declarations are no attributes and have no entry.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use diagnostics::{Code, FileId, Finding, Sources, Span};
use xml_tree::{Attribute, Element, Tree};

use crate::check::Trees;
use crate::codes;
use crate::command_line::{CommandLine, WindowsProgram, names_a_variable, windows_script_stem};
use crate::findings::{Findings, Place};
use crate::grammar::fate::{Fate, Refusal};
use crate::grammar::{AttributeSpec, ElementSpec, is_of_any_document};
use crate::modules;

/// The most characters of one step of a path: twice the longest name of the schema.
///
/// A hostile file can nest endless names around a hundred thousand elements, each of which has them all in
/// its path.
const MAX_STEP_CHARS: usize = 64;

/// What becomes of a part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It works as on the platform.
    Honoured,
    /// It works in another form.
    Translated,
    /// It has no effect.
    Refused,
}

impl Verdict {
    /// The word: `honoured`, `translated` or `refused`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Honoured => "honoured",
            Verdict::Translated => "translated",
            Verdict::Refused => "refused",
        }
    }
}

/// The verdict on one element or attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry<'l> {
    /// The file it stands in.
    pub file: FileId,
    /// The place of its name.
    pub span: Span,
    /// The way to it: `ServiceDefinition/WorkerRole[1]/@vmsize`. `[n]` counts siblings of one name from 1.
    /// Longer names than any of the schema are cut.
    pub path: &'l str,
    /// An attribute's value; `None` for an element.
    pub value: Option<&'l str>,
    /// What becomes of it.
    pub verdict: Verdict,
    /// By what, into what, or why not and what to do instead; `not yet` stands in it where a later version
    /// will honour it.
    pub how: Cow<'l, str>,
}

/// What runs for a role and the first word of a command line of it.
type FindProgram<'f> = dyn Fn(&str, &str) -> Option<String> + 'f;

/// What [`ledger`] reads.
pub struct LedgerInput<'i> {
    /// The service definition.
    pub definition: Option<FileId>,
    /// Service configurations, each of which is also held against the definition.
    pub configurations: &'i [FileId],
    /// The file of the approot or of the machine that runs for the first word of a command line of a role;
    /// `None` where there is none. Absent where nobody knows the files.
    pub find_program: Option<&'i FindProgram<'i>>,
}

/// Gives `visit` an entry for every element and attribute: the definition's, then each configuration's, in
/// the order of the text, an element before its attributes and those before its children.
///
/// # Errors
/// A file is not well-formed: the findings that say so, and no entry.
pub fn ledger(
    sources: &Sources,
    input: &LedgerInput<'_>,
    visit: &mut dyn FnMut(LedgerEntry<'_>),
) -> Result<(), Vec<Finding>> {
    let mut findings = Findings::default();
    let trees = Trees::parse(
        sources,
        input.definition,
        input.configurations,
        &mut findings,
    );
    if findings.has_error() {
        return Err(findings.into_list());
    }
    let lowered = trees.read(&mut findings);
    let roles = lowered.definition.iter().flat_map(|it| &it.roles);
    let certificates = roles.clone().flat_map(|role| &role.certificates);
    let certificates = certificates.filter_map(|it| Some(it.name?.value));
    let unlisted = findings.unlisted_errors();
    let context = Context {
        errors: Errors::new(findings.into_list(), unlisted),
        not_run: roles
            .filter(|role| !role.kind.is_run())
            .filter_map(|role| Some((role.name?.value, role.kind.element())))
            .collect(),
        certificates: certificates.collect(),
        find_program: input.find_program,
    };
    for (file, tree, document) in trees.documents() {
        let mut walk = Walk {
            file,
            context: &context,
            role: None,
            path: String::new(),
            visit,
        };
        walk.root(tree, document.root);
    }
    Ok(())
}

/// What verdicts depend on besides the tables.
struct Context<'c> {
    errors: Errors,
    /// Roles of the definition that approot does not run, and the element that declares them.
    not_run: HashMap<&'c str, &'static str>,
    /// The names of the certificates that roles declare.
    certificates: HashSet<&'c str>,
    find_program: Option<&'c FindProgram<'c>>,
}

/// The errors, by the place that they point at.
struct Errors {
    listed: Vec<Finding>,
    unlisted: Vec<Place>,
}

/// An error as the ledger tells it.
#[derive(Clone, Copy)]
struct Fault<'e> {
    message: &'e str,
    /// Absent for one that is too many to be listed.
    code: Option<Code>,
    start: usize,
}

impl Errors {
    /// `findings` are sorted by file, then offset, and so are the places.
    fn new(mut findings: Vec<Finding>, unlisted: Vec<Place>) -> Errors {
        findings.retain(Finding::is_error);
        Errors {
            listed: findings,
            unlisted,
        }
    }

    /// The first error that points into `span`.
    fn within(&self, file: FileId, span: Span) -> Option<Fault<'_>> {
        let is_within = |place: Place| place.0 == file && place.1 < span.end;
        let at = |finding: &Finding| (finding.primary.file, finding.primary.span.start);
        let from = (file, span.start);
        let listed = self.listed.partition_point(|finding| at(finding) < from);
        let listed = self.listed.get(listed).filter(|found| is_within(at(found)));
        if let Some(found) = listed {
            return Some(Fault {
                message: &found.message,
                code: Some(found.code),
                start: found.primary.span.start,
            });
        }
        let unlisted = self.unlisted.partition_point(|place| *place < from);
        let (_, start) = self
            .unlisted
            .get(unlisted)
            .filter(|place| is_within(**place))?;
        Some(Fault {
            message: "there is an error, beyond the thousand that `approot check` lists",
            code: None,
            start: *start,
        })
    }
}

/// A verdict with its reason.
type Ruling<'l> = (Verdict, Cow<'l, str>);

/// Why everything inside an element is refused.
#[derive(Clone, Copy)]
struct Inherited<'l> {
    element: &'l str,
    why: &'l str,
}

struct Walk<'w> {
    file: FileId,
    context: &'w Context<'w>,
    /// The role of the definition that the walk is in.
    role: Option<String>,
    path: String,
    visit: &'w mut dyn FnMut(LedgerEntry<'_>),
}

impl Walk<'_> {
    fn root(&mut self, tree: &Tree<'_>, spec: &'static ElementSpec) {
        let Some(root) = tree.root() else { return };
        self.path.push_str(step(root.name()));
        let is_known = root.name() == spec.name;
        self.element(root, is_known.then_some(spec), None);
    }

    fn element(
        &mut self,
        element: Element<'_>,
        spec: Option<&'static ElementSpec>,
        inherited: Option<Inherited<'_>>,
    ) {
        if spec.is_some_and(|spec| spec.name == "WorkerRole") {
            self.role = element.attribute("name").map(str::to_owned);
        }
        let (ruling, inside) = self.rule_element(element, spec, inherited);
        self.emit(element.name_span(), None, ruling);
        let inside = inside
            .as_ref()
            .map(|(name, why)| Inherited { element: name, why });
        let inherited = inherited.or(inside);
        for attribute in element.attributes() {
            self.attribute(element, spec, attribute, inherited);
        }
        let end = self.path.len();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for child in element.elements() {
            let nth = seen.entry(child.name()).or_default();
            *nth += 1;
            self.path.push('/');
            self.path.push_str(step(child.name()));
            self.path.push_str(&format!("[{nth}]"));
            let is_of_schema = child.namespace() == element.namespace();
            let known = spec.and_then(|spec| spec.child(child.name()));
            let known = known.filter(|_| is_of_schema).map(|child| child.element);
            self.element(child, known, inherited);
            self.path.truncate(end);
        }
    }

    /// The verdict on an element, and why all inside it is refused if it is.
    fn rule_element<'l>(
        &self,
        element: Element<'_>,
        spec: Option<&'static ElementSpec>,
        inherited: Option<Inherited<'_>>,
    ) -> (Ruling<'l>, Option<(String, String)>) {
        if let Some(inherited) = inherited {
            return (as_outside(inherited), None);
        }
        let inside = |why: &str| Some((element.name().to_owned(), why.to_owned()));
        let Some(spec) = spec else {
            let why = "it is not part of the schema";
            return (refused(format!("{why}, and has no effect")), inside(why));
        };
        let name = element.attribute("name");
        let not_run = name.and_then(|name| self.context.not_run.get(name));
        if let ("Role", Some(kind)) = (spec.name, not_run) {
            let why =
                format!("the definition declares it as a `{kind}`, which approot does not run");
            return (refused(why.clone()), inside(&why));
        }
        let is_imported =
            |name: &str| modules::is_imported(name) && !self.context.certificates.contains(name);
        if spec.name == "Certificate" && name.is_some_and(is_imported) {
            let why = "it is an import's, of which nothing runs, and is not placed";
            return (refused(why.to_owned()), inside(why));
        }
        if let (Fate::Refused(refusal), _) = spec.fate.of(element) {
            let why = format!("{}{}", not_yet(refusal), refusal.why);
            return (refused(how(refusal)), inside(&why));
        }
        if let Some(program) = self.windows_program(element, spec) {
            let inside = (program.0 == Verdict::Refused)
                .then(|| inside(&program.1))
                .flatten();
            return (program, inside);
        }
        if let Some(error) = self.error_in(element) {
            let is_unread =
                error.code.is_some_and(|code| UNREAD.contains(&code)) || is_at_name(element, error);
            let inside = is_unread.then(|| inside(error.message)).flatten();
            return (refused(error.message.to_owned()), inside);
        }
        let of_group = matches!(spec.fate, Fate::Group)
            .then(|| holds_only_refused(element, spec))
            .flatten();
        let ruling = of_group.map_or_else(
            || of_fate(&spec.fate, element),
            |is_not_yet| {
                let not_yet = if is_not_yet { "not yet: " } else { "" };
                refused(format!("{not_yet}nothing that it holds has an effect"))
            },
        );
        (ruling, None)
    }

    fn attribute(
        &mut self,
        element: Element<'_>,
        spec: Option<&'static ElementSpec>,
        attribute: Attribute<'_>,
        inherited: Option<Inherited<'_>>,
    ) {
        let ruling = match inherited {
            Some(inherited) => as_outside(inherited),
            None => self.rule_attribute(element, spec, attribute),
        };
        let end = self.path.len();
        self.path.push_str("/@");
        if let Some(prefix) = attribute.prefix() {
            self.path.push_str(step(prefix));
            self.path.push(':');
        }
        self.path.push_str(step(attribute.name()));
        self.emit(attribute.name_span(), Some(attribute.value()), ruling);
        self.path.truncate(end);
    }

    fn rule_attribute<'l>(
        &self,
        element: Element<'_>,
        spec: Option<&'static ElementSpec>,
        attribute: Attribute<'_>,
    ) -> Ruling<'l> {
        let whole = Span::new(attribute.name_span().start, attribute.value_span().end + 1);
        if let Some(error) = self.context.errors.within(self.file, whole) {
            return refused(error.message.to_owned());
        }
        if is_of_any_document(attribute) {
            return refused(
                "it is a hint for other programs, and nothing here reads it".to_owned(),
            );
        }
        let known = spec.and_then(|spec| spec.attribute(attribute.name()));
        let known: Option<&AttributeSpec> = known.filter(|_| attribute.prefix().is_none());
        let (Some(spec), Some(known)) = (spec, known) else {
            return refused("it is not part of the schema, and has no effect".to_owned());
        };
        if known.name == COMMAND_LINE {
            let program = self.windows_program(element, spec);
            if let Some(ruling) = with_operators(attribute.value(), program) {
                return ruling;
            }
        }
        match &known.fate {
            Fate::WithElement => of_fate(&spec.fate, element),
            fate => of_fate(fate, element),
        }
    }

    /// The first error that points at an element's name, or at the name that it gives itself.
    fn error_in(&self, element: Element<'_>) -> Option<Fault<'_>> {
        let errors = &self.context.errors;
        let of_name = element
            .find_attribute("name")
            .and_then(|name| errors.within(self.file, name.value_span()));
        of_name.or_else(|| errors.within(self.file, element.name_span()))
    }

    /// The verdict on an element whose command line names a program of Windows, and on that attribute.
    fn windows_program<'l>(&self, element: Element<'_>, spec: &ElementSpec) -> Option<Ruling<'l>> {
        spec.attribute(COMMAND_LINE)?;
        let line = CommandLine::parse(element.attribute(COMMAND_LINE)?).ok()?;
        let word = line.program();
        if names_a_variable(word) {
            // Only the machine that runs it knows what it names.
            return None;
        }
        let program = WindowsProgram::of(word)?;
        let found = self
            .context
            .find_program
            .zip(self.role.as_deref())
            .and_then(|(find, role)| find(role, word));
        let translated = |how: String| Some((Verdict::Translated, how.into()));
        match (program, found) {
            (WindowsProgram::Script(_), Some(found)) if windows_script_stem(&found).is_none() => {
                translated(format!("into `{found}`, which runs instead"))
            }
            (WindowsProgram::Script(stem), _) => Some(refused(format!(
                "not yet: Windows scripts are not run; put `{stem}.sh`, or `{stem}`, beside it, which then runs \
                 instead"
            ))),
            (WindowsProgram::Executable(_), Some(found)) if found.ends_with(word) => None,
            (WindowsProgram::Executable(_), Some(found)) => {
                translated(format!("into `{found}`, which runs instead"))
            }
            (WindowsProgram::Executable(stem), None) => {
                translated(format!("into `{stem}`, unless there is a `{word}`"))
            }
            (WindowsProgram::Shell, Some(_)) => None,
            (WindowsProgram::Shell, None) => Some(refused(format!(
                "`{word}` is a program of Windows; name a program of this system"
            ))),
        }
    }

    fn emit(&mut self, span: Span, value: Option<&str>, (verdict, how): Ruling<'_>) {
        (self.visit)(LedgerEntry {
            file: self.file,
            span,
            path: &self.path,
            value,
            verdict,
            how,
        });
    }
}

/// Errors that leave an element unread, and so everything inside it.
const UNREAD: &[Code] = &[codes::ROOT, codes::NAMESPACE, codes::TOO_MANY];

/// Whether an error is about the name that an element gives itself: nothing can refer to it then.
fn is_at_name(element: Element<'_>, error: Fault<'_>) -> bool {
    let name = element.find_attribute("name");
    name.is_some_and(|name| {
        let span = name.value_span();
        (span.start..=span.end).contains(&error.start)
    })
}

const COMMAND_LINE: &str = "commandLine";

const TO_SHELL: &str = "into a line for `/bin/sh`: operators of the command interpreter become the shell's, \
     and every word is quoted after its variables are put in";

/// The verdict on a command line, where the table's is not enough: `program` is what there is to say of its
/// first program.
fn with_operators<'l>(line: &str, program: Option<Ruling<'l>>) -> Option<Ruling<'l>> {
    if !CommandLine::parse(line).is_ok_and(|line| line.has_operators()) {
        return program;
    }
    match program {
        None => Some((Verdict::Translated, TO_SHELL.into())),
        Some((Verdict::Translated, how)) => {
            Some((Verdict::Translated, format!("{how}; {TO_SHELL}").into()))
        }
        refused => refused,
    }
}

/// As much of a name as a path holds of it.
fn step(name: &str) -> &str {
    let end = name.char_indices().nth(MAX_STEP_CHARS);
    &name[..end.map_or(name.len(), |(end, _)| end)]
}

fn refused<'l>(how: String) -> Ruling<'l> {
    (Verdict::Refused, how.into())
}

fn as_outside<'l>(inherited: Inherited<'_>) -> Ruling<'l> {
    let Inherited { element, why } = inherited;
    refused(format!("with its `{}`: {why}", step(element)))
}

fn how(refusal: &Refusal) -> String {
    format!("{}{}; {}", not_yet(refusal), refusal.why, refusal.instead)
}

fn not_yet(refusal: &Refusal) -> &'static str {
    if refusal.is_not_yet { "not yet: " } else { "" }
}

/// Whether a group holds something, and nothing but refused parts; of those, whether one is for a later
/// version. Groups hold groups no deeper than the tables nest them.
fn holds_only_refused(element: Element<'_>, spec: &ElementSpec) -> Option<bool> {
    let parts = element.elements().filter_map(|child| {
        let known = spec.child(child.name())?;
        Some((child, known.element))
    });
    let mut is_not_yet = None;
    for (child, known) in parts {
        let of_part = match known.fate.of(child).0 {
            Fate::Refused(refusal) => refusal.is_not_yet,
            Fate::Group if child.elements().next().is_none() => continue,
            Fate::Group => holds_only_refused(child, known)?,
            _ => return None,
        };
        is_not_yet = Some(is_not_yet.unwrap_or(false) || of_part);
    }
    is_not_yet
}

fn of_fate<'l>(fate: &Fate, element: Element<'_>) -> Ruling<'l> {
    match fate.of(element).0 {
        Fate::Group => (
            Verdict::Honoured,
            "by what it holds: each part has its own verdict".into(),
        ),
        Fate::Honoured(by) => (Verdict::Honoured, (*by).into()),
        Fate::Translated(into) => (Verdict::Translated, (*into).into()),
        Fate::Refused(refusal) => refused(how(refusal)),
        Fate::WithElement | Fate::ByValue(..) => {
            unreachable!("values are decided, and elements have a fate of their own")
        }
    }
}
