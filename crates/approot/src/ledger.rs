//! `approot ledger`: what becomes of every element and attribute of a service's files.

use std::path::{Path, PathBuf};

use diagnostics::{FileId, Locator, Sources, one_line};
use packager::Opened;
use plan::command_line::Program;
use schema::{Definition, LedgerEntry, LedgerInput, Verdict};
use serde::Serialize;

use crate::cli::{Format, LedgerArguments};
use crate::exit::{self, Outcome};
use crate::files::{Files, refuse_two_configurations};
use crate::print::{self, Reader};
use crate::service::{self, Location, folder_of, read, read_definition};
use crate::show;

/// How much of the list is collected before it is printed.
const CHUNK_BYTES: usize = 64 * 1024;

/// Prints the list; or, of files that are not well-formed, what is wrong with them.
pub(crate) fn ledger(arguments: &LedgerArguments) -> Outcome {
    let path = arguments.path.as_deref().unwrap_or(Path::new("."));
    refuse_two_configurations([path], &arguments.configuration)?;
    let files = Files::find(path, &arguments.configuration)?;
    let mut sources = Sources::new();
    let mut findings = Vec::new();
    let location = files.definition.as_ref();
    let definition =
        location.and_then(|location| read_definition(&mut sources, location, &mut findings));
    let configurations: Vec<FileId> = files
        .configurations
        .iter()
        .filter_map(|configuration| read(&mut sources, configuration, &mut findings))
        .collect();
    let approots = Approots::find(path, location, definition, &sources);
    let find_program = |role: &str, word: &str| approots.find_program(role, word);
    let input = LedgerInput {
        definition,
        configurations: &configurations,
        find_program: approots.are_known().then_some(&find_program),
    };
    let mut list = List::new(&sources, arguments.format);
    if findings.is_empty() {
        let listed = schema::ledger(&sources, &input, &mut |entry| list.push(&entry));
        findings.extend(listed.err().into_iter().flatten());
    }
    if !findings.is_empty() {
        show::findings(&sources, &findings);
        return Ok(exit::INVALID);
    }
    list.finish()?;
    Ok(exit::DONE)
}

/// Where a role's files are looked for, to say which program a command line means.
enum Approots<'a> {
    /// A file was named alone.
    Unknown,
    Package(&'a Opened),
    /// The folder of a service, and its definition if that is valid.
    Folder(PathBuf, Option<Definition>),
}

impl<'a> Approots<'a> {
    fn find(
        path: &Path,
        location: Option<&'a Location>,
        definition: Option<FileId>,
        sources: &Sources,
    ) -> Approots<'a> {
        match location {
            Some(Location::Package(opened)) => Approots::Package(opened),
            Some(location @ Location::Definition(_)) if path.is_dir() => {
                let checked = definition.map(|file| schema::check_definition(sources, file));
                let definition = checked.and_then(|checked| checked.definition);
                Approots::Folder(folder_of(Some(path), location), definition)
            }
            Some(Location::Definition(_)) | None => Approots::Unknown,
        }
    }

    fn are_known(&self) -> bool {
        !matches!(self, Approots::Unknown)
    }

    fn find_program(&self, role: &str, word: &str) -> Option<String> {
        let path = std::env::var("PATH").ok();
        let in_approot = |relative: &str| self.has(role, relative);
        match host::resolve(word, in_approot, path.as_deref())? {
            Program::InApproot(program) | Program::OnMachine(program) => Some(program),
        }
    }

    /// Whether the approot of `role` has this file.
    fn has(&self, role: &str, relative: &str) -> bool {
        match self {
            Approots::Unknown => false,
            Approots::Package(opened) => {
                let mut files = opened.manifest().files_of(role);
                files.any(|(path, _)| path == relative)
            }
            Approots::Folder(folder, definition) => {
                let content = folder.join(format!("{role}Content"));
                let roles = definition.iter().flat_map(|definition| &definition.roles);
                let contents = roles
                    .filter(|known| known.name == role)
                    .flat_map(|role| &role.contents);
                content.join(relative).is_file()
                    || contents
                        .filter_map(|content| service::place_of(content, folder, relative))
                        .any(|place| place.is_file())
            }
        }
    }
}

/// The list as it is printed.
struct List<'s> {
    sources: &'s Sources,
    format: Format,
    locator: Option<(FileId, Locator<'s>)>,
    chunk: Vec<u8>,
    n_entries: usize,
    /// How many are honoured, and how many translated.
    n_honoured: usize,
    n_translated: usize,
    /// What printing came to; nothing more is printed after a failure.
    printed: anyhow::Result<Reader>,
}

/// The contract's form of an entry.
#[derive(Serialize)]
struct JsonEntry<'e> {
    file: &'e str,
    line: usize,
    column: usize,
    path: &'e str,
    value: Option<&'e str>,
    verdict: &'e str,
    how: &'e str,
}

impl<'s> List<'s> {
    fn new(sources: &'s Sources, format: Format) -> List<'s> {
        List {
            sources,
            format,
            locator: None,
            chunk: Vec::new(),
            n_entries: 0,
            n_honoured: 0,
            n_translated: 0,
            printed: Ok(Reader::There),
        }
    }

    fn push(&mut self, entry: &LedgerEntry<'_>) {
        let file = self.sources.file(entry.file);
        let (_, locator) = match &mut self.locator {
            Some(current) if current.0 == entry.file => current,
            other => other.insert((entry.file, Locator::new(file))),
        };
        let place = locator.locate(entry.span.start);
        let json = JsonEntry {
            file: file.name(),
            line: place.line,
            column: place.column,
            path: entry.path,
            value: entry.value,
            verdict: entry.verdict.as_str(),
            how: &entry.how,
        };
        match self.format {
            Format::Human => self.chunk.extend_from_slice(human(&json).as_bytes()),
            Format::Json => {
                let separator: &[u8] = if self.n_entries == 0 { b"[" } else { b",\n" };
                self.chunk.extend_from_slice(separator);
                serde_json::to_writer(&mut self.chunk, &json)
                    .expect("texts and numbers always serialise");
            }
        }
        self.n_entries += 1;
        self.n_honoured += usize::from(entry.verdict == Verdict::Honoured);
        self.n_translated += usize::from(entry.verdict == Verdict::Translated);
        if self.chunk.len() >= CHUNK_BYTES {
            self.print();
        }
    }

    fn print(&mut self) {
        if matches!(self.printed, Ok(Reader::There)) {
            self.printed = match self.format {
                Format::Json => print::result(&self.chunk),
                Format::Human => {
                    print::words(&String::from_utf8_lossy(&self.chunk));
                    Ok(Reader::There)
                }
            };
        }
        self.chunk.clear();
    }

    fn finish(mut self) -> anyhow::Result<()> {
        let end = match self.format {
            Format::Json if self.n_entries == 0 => "[]\n".to_owned(),
            Format::Json => "]\n".to_owned(),
            Format::Human => format!(
                "{} elements and attributes: {} honoured, {} translated, {} refused\n",
                self.n_entries,
                self.n_honoured,
                self.n_translated,
                self.n_entries - self.n_honoured - self.n_translated
            ),
        };
        self.chunk.extend_from_slice(end.as_bytes());
        self.print();
        self.printed.map(drop)
    }
}

/// An entry on a line of its own.
fn human(entry: &JsonEntry<'_>) -> String {
    let JsonEntry {
        file,
        line,
        column,
        path,
        value,
        verdict,
        how,
    } = entry;
    let value = value.map_or_else(String::new, |value| format!(" = {value:?}"));
    // Texts of the files stand in all of it, and must not end the line or command the terminal.
    let text = format!("{file}:{line}:{column}: {verdict}: {path}{value}: {how}");
    one_line(&text) + "\n"
}
