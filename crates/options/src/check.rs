//! From the text to each role's options, with a finding for everything that is wrong.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use diagnostics::{FileId, Finding, Sources, Span};
use plan::{RoleOptions, is_same_program};
use schema::{Definition, RoleDefinition, codes};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::keys::{KEYS, Key, Kind, Scope};

/// What the file comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// The options of roles that the file speaks of. Of no use where there are findings: they are all errors.
    pub roles: BTreeMap<String, RoleOptions>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

type Name<'i> = Spanned<DeString<'i>>;
type Value<'i> = Spanned<DeValue<'i>>;

/// Reads `file`. Where there is no `definition`, names of roles and endpoints are taken as they are.
pub fn check(sources: &Sources, file: FileId, definition: Option<&Definition>) -> Checked {
    let text = sources.file(file).text();
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut checker = Checker {
        file,
        checked: Checked::default(),
    };
    for error in errors {
        let span = error.span().unwrap_or_default();
        let message = format!("the file is not TOML: {}", error.message());
        checker.fault(codes::OPTIONS_SYNTAX, span, message);
    }
    // What stands behind a fault of syntax may have been read as something else.
    if checker.checked.findings.is_empty() {
        checker.root(root.get_ref(), definition);
    }
    diagnostics::sort(&mut checker.checked.findings);
    checker.checked
}

struct Checker {
    file: FileId,
    checked: Checked,
}

impl Checker {
    fn fault(
        &mut self,
        code: diagnostics::Code,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> &mut Finding {
        let span = Span {
            start: span.start,
            end: span.end,
        };
        let finding = Finding::error(code, self.file, span, message);
        self.checked.findings.push(finding);
        let last = self.checked.findings.last_mut();
        last.expect("it was pushed in this moment")
    }

    fn root(&mut self, root: &DeTable<'_>, definition: Option<&Definition>) {
        for (name, value) in root {
            if name.get_ref() != "role" {
                let message = format!("there is no table `{}`", name.get_ref());
                self.fault(codes::UNKNOWN_OPTION, name.span(), message)
                    .help
                    .push("write `[role.NAME]`".to_owned());
                continue;
            }
            let Some(roles) = self.table(name, value) else {
                continue;
            };
            for (name, value) in roles {
                self.role(name, value, definition);
            }
        }
    }

    fn role(&mut self, name: &Name<'_>, value: &Value<'_>, definition: Option<&Definition>) {
        let role = definition.map(|definition| {
            let mut roles = definition.roles.iter();
            roles.find(|role| role.name == **name.get_ref())
        });
        if let (Some(None), Some(definition)) = (&role, definition) {
            let known = definition.roles.iter().map(|role| &role.name);
            let message = format!("the service has no role `{}`", name.get_ref());
            self.unknown_name(name, message, known);
        }
        let Some(table) = self.table(name, value) else {
            return;
        };
        let mut options = RoleOptions::default();
        for (key, value) in table {
            if key.get_ref() == "endpoint" {
                self.endpoints(key, value, role.flatten());
            } else if let Some(key) = self.key(Scope::Role, key) {
                self.set(key, value, role.flatten(), &mut options);
            }
        }
        let name = name.get_ref().clone().into_owned();
        self.checked.roles.insert(name, options);
    }

    fn endpoints(&mut self, name: &Name<'_>, value: &Value<'_>, role: Option<&RoleDefinition>) {
        let Some(endpoints) = self.table(name, value) else {
            return;
        };
        for (name, value) in endpoints {
            if let Some(role) = role {
                let inputs = role.input_endpoints.iter().map(|endpoint| &endpoint.name);
                if !inputs.clone().any(|known| *known == **name.get_ref()) {
                    let message = format!(
                        "role `{}` has no input endpoint `{}`",
                        role.name,
                        name.get_ref()
                    );
                    self.unknown_name(name, message, inputs);
                }
            }
            for (key, value) in self.table(name, value).into_iter().flatten() {
                if let Some(key) = self.key(Scope::Endpoint, key) {
                    // No key of an endpoint is built yet, so that there is nothing to keep.
                    self.set(key, value, None, &mut RoleOptions::default());
                }
            }
        }
    }

    /// A name that the definition has not.
    fn unknown_name<'n>(
        &mut self,
        name: &Name<'_>,
        message: String,
        known: impl Iterator<Item = &'n String>,
    ) {
        let known: Vec<String> = known.map(|name| format!("`{name}`")).collect();
        let help = match known.as_slice() {
            [] => "it has none".to_owned(),
            known => format!("it has {}", known.join(", ")),
        };
        self.fault(codes::OPTION_OF_NOTHING, name.span(), message)
            .help
            .push(help);
    }

    fn table<'v, 'i>(&mut self, name: &Name<'_>, value: &'v Value<'i>) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            let message = format!("`{}` is a table, not a value", name.get_ref());
            self.fault(codes::OPTION_VALUE, value.span(), message);
        }
        table
    }

    fn key(&mut self, scope: Scope, name: &Name<'_>) -> Option<&'static Key> {
        let mut keys = KEYS.iter().filter(|key| key.scope == scope);
        let found = keys.clone().find(|key| *key.name == **name.get_ref());
        if found.is_none() {
            let message = format!("there is no such option of {scope}s: `{}`", name.get_ref());
            let known: Vec<String> = keys.by_ref().map(|key| format!("`{}`", key.name)).collect();
            self.fault(codes::UNKNOWN_OPTION, name.span(), message)
                .help
                .push(format!("the options of {scope}s are {}", known.join(", ")));
        }
        found
    }

    fn set(
        &mut self,
        key: &Key,
        value: &Value<'_>,
        role: Option<&RoleDefinition>,
        options: &mut RoleOptions,
    ) {
        let Some(given) = self.read(key, value, role) else {
            let message = format!("`{}` takes {}", key.name, key.kind);
            self.fault(codes::OPTION_VALUE, value.span(), message);
            return;
        };
        if !key.is_built && given.as_toml() != key.default {
            let message = format!("`{} = {}` is not built yet", key.name, given.as_toml());
            let help = format!("delete it, or write `{}`", key.default);
            self.fault(codes::OPTION_NOT_YET, value.span(), message)
                .help
                .push(help);
            return;
        }
        match (key.name, given) {
            ("stop_limit_s", Given::Seconds(seconds)) => {
                options.stop_limit = Duration::from_secs(seconds);
            }
            ("watchdog_s", Given::Seconds(seconds)) => {
                options.watchdog = Some(Duration::from_secs(seconds));
            }
            ("fifo", Given::Switch(fifo)) => options.fifo = fifo,
            ("command", Given::Programs(programs)) => options.commands = programs,
            // Not built: its value is the default.
            _ => {}
        }
    }

    /// The value, if it is of the key's kind.
    fn read(
        &mut self,
        key: &Key,
        value: &Value<'_>,
        role: Option<&RoleDefinition>,
    ) -> Option<Given> {
        let value = value.get_ref();
        match key.kind {
            Kind::Switch => value.as_bool().map(Given::Switch),
            Kind::Word(words) => {
                let word = value.as_str()?;
                words.contains(&word).then(|| Given::Word(word.to_owned()))
            }
            Kind::Seconds(min, max) => {
                let integer = value.as_integer()?;
                let digits = integer.as_str().replace('_', "");
                let seconds = i64::from_str_radix(&digits, integer.radix()).ok()?;
                let is_in_range = (min..=max).contains(&seconds);
                let seconds = u64::try_from(seconds).ok().filter(|_| is_in_range)?;
                Some(Given::Seconds(seconds))
            }
            Kind::Programs => self.programs(value.as_table()?, role).map(Given::Programs),
        }
    }

    fn programs(
        &mut self,
        table: &DeTable<'_>,
        role: Option<&RoleDefinition>,
    ) -> Option<BTreeMap<String, String>> {
        let mut programs = BTreeMap::new();
        for (from, to) in table {
            let program = to.get_ref().as_str()?;
            if program.is_empty() {
                return None;
            }
            let named = from.get_ref();
            let is_named = |word: &str| is_same_program(named, word);
            if role.is_some_and(|role| !first_words(role).any(is_named)) {
                let message = format!("no command line of the role begins with `{named}`");
                self.fault(codes::OPTION_OF_NOTHING, from.span(), message);
            }
            programs.insert(named.clone().into_owned(), program.to_owned());
        }
        Some(programs)
    }
}

fn first_words(role: &RoleDefinition) -> impl Iterator<Item = &str> {
    let tasks = role.startup_tasks.iter().map(|task| &task.command_line);
    let lines = tasks.chain([&role.entry_point.command_line]);
    lines.map(schema::CommandLine::program)
}

/// A value of the right kind.
enum Given {
    Switch(bool),
    Seconds(u64),
    Word(String),
    Programs(BTreeMap<String, String>),
}

impl Given {
    /// As defaults are written. A table of programs is never compared with one.
    fn as_toml(&self) -> String {
        match self {
            Given::Switch(value) => value.to_string(),
            Given::Seconds(value) => value.to_string(),
            Given::Word(value) => format!("\"{value}\""),
            Given::Programs(_) => String::new(),
        }
    }
}
