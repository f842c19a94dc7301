//! The ledger: one verdict for every element and every attribute of the files.
//!
//! The verdicts are the fates of the grammar's tables. What stands in something refused is refused with it,
//! what an error points at is refused for that, and what no table has is refused too, so nothing is left out.
//! Namespace declarations are no attributes and have no entry.

use std::borrow::Cow;
use std::collections::HashMap;

use diagnostics::{FileId, Finding, Sources, Span};
use xml_tree::{Attribute, Element, Tree};

use crate::check;
use crate::command_line::CommandLine;
use crate::findings::Findings;
use crate::grammar::fate::{Fate, Refusal};
use crate::grammar::{AttributeSpec, ElementSpec, is_of_any_document};

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
    let mut parse = |file: FileId| check::parse(sources, file, &mut findings);
    let definition = input.definition.map(|file| (file, parse(file)));
    let configurations = input.configurations.iter();
    let configurations: Vec<_> = configurations.map(|file| (*file, parse(*file))).collect();
    if findings.has_error() {
        return Err(findings.into_list());
    }
    let lowered = definition
        .as_ref()
        .and_then(|(file, tree)| check::read_definition(tree, *file, &mut findings));
    for (file, tree) in &configurations {
        let configured = check::read_configuration(tree, *file, &mut findings);
        if let (Some(definition), Some(configuration)) = (&lowered, &configured) {
            check::apply_service_rules(definition, configuration, &mut findings);
        }
    }
    let roles = lowered.iter().flat_map(|definition| &definition.roles);
    let context = Context {
        errors: Errors::new(findings.into_list()),
        not_run: roles
            .filter(|role| !role.kind.is_run())
            .filter_map(|role| Some((role.name?.value, role.kind.element())))
            .collect(),
        find_program: input.find_program,
    };
    let definitions = definition.iter().map(|part| (part, &check::DEFINITION));
    let configurations = configurations
        .iter()
        .map(|part| (part, &check::CONFIGURATION));
    for ((file, tree), document) in definitions.chain(configurations) {
        let mut walk = Walk {
            file: *file,
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
    find_program: Option<&'c FindProgram<'c>>,
}

/// The errors, by the place that they point at.
struct Errors(Vec<Finding>);

impl Errors {
    /// `findings` are sorted by file, then offset.
    fn new(mut findings: Vec<Finding>) -> Errors {
        findings.retain(Finding::is_error);
        Errors(findings)
    }

    /// What the first error within `span` says.
    fn within(&self, file: FileId, span: Span) -> Option<&str> {
        let at = |finding: &Finding| (finding.primary.file, finding.primary.span.start);
        let first = self
            .0
            .partition_point(|finding| at(finding) < (file, span.start));
        let found = self.0.get(first)?;
        let is_within = found.primary.file == file && found.primary.span.start < span.end;
        is_within.then_some(found.message.as_str())
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
        if let Some(error) = self.context.errors.within(self.file, element.name_span()) {
            return (refused(error.to_owned()), None);
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
            return refused(error.to_owned());
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
        if known.name == COMMAND_LINE
            && let Some(program) = self.windows_program(element, spec)
        {
            return program;
        }
        match &known.fate {
            Fate::WithElement => of_fate(&spec.fate, element),
            fate => of_fate(fate, element),
        }
    }

    /// The verdict on an element whose command line names a program of Windows, and on that attribute.
    fn windows_program<'l>(&self, element: Element<'_>, spec: &ElementSpec) -> Option<Ruling<'l>> {
        spec.attribute(COMMAND_LINE)?;
        let line = CommandLine::parse(element.attribute(COMMAND_LINE)?).ok()?;
        let word = line.words()[0].as_str();
        let (stem, kind) = windows_name(word)?;
        let found = self
            .context
            .find_program
            .zip(self.role.as_deref())
            .and_then(|(find, role)| find(role, word));
        let translated = |how: String| Some((Verdict::Translated, how.into()));
        match (kind, found) {
            (WindowsProgram::Script, Some(found)) if !is_script(&found) => {
                translated(format!("into `{found}`, which runs instead"))
            }
            (WindowsProgram::Script, _) => Some(refused(format!(
                "not yet: Windows scripts are not run; put `{stem}.sh`, or `{stem}`, beside it, which then runs \
                 instead"
            ))),
            (WindowsProgram::Executable, Some(found)) if windows_name(&found).is_none() => {
                translated(format!("into `{found}`, which runs instead"))
            }
            (WindowsProgram::Executable, Some(_)) => None,
            (WindowsProgram::Executable, None) => {
                translated(format!("into `{stem}`, unless there is a `{word}`"))
            }
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

const COMMAND_LINE: &str = "commandLine";

/// What the name of a file says to Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WindowsProgram {
    Script,
    Executable,
}

/// The name without the extension that Windows runs it by, and what it is; `None` without such an extension.
fn windows_name(word: &str) -> Option<(&str, WindowsProgram)> {
    let (stem, extension) = word.rsplit_once('.')?;
    let is = |known: &str| extension.eq_ignore_ascii_case(known);
    let kind = if ["cmd", "bat", "ps1"].into_iter().any(is) {
        WindowsProgram::Script
    } else if is("exe") {
        WindowsProgram::Executable
    } else {
        return None;
    };
    (!stem.is_empty()).then_some((stem, kind))
}

fn is_script(word: &str) -> bool {
    windows_name(word).is_some_and(|(_, kind)| kind == WindowsProgram::Script)
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
