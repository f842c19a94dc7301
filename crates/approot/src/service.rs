//! Finding, reading and checking a service's files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use diagnostics::{FileId, Finding, Severity, Sources, sort};
use packager::{
    ContentSource, Found, OpenError, Opened, RoleSource, ServiceSource, Signing, find_without_case,
};
use schema::{Content, Definition, RoleDefinition, Service};

use crate::cli::{ServiceArguments, by_role};
use crate::exit::{self, Failure};
use crate::options_file::{self, Options};
use crate::show;
use crate::staging::{self, Undefined};

/// The most that a definition or configuration may have in bytes; real ones have some KiB.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Where a service's definition was found.
pub(crate) enum Location {
    /// A file in a service folder.
    Definition(PathBuf),
    /// Inside a package.
    Package(Box<Opened>),
}

impl Location {
    /// Finds the definition that `path` means.
    pub(crate) fn find(path: Option<&Path>) -> Result<Location, Failure> {
        let path = path.unwrap_or(Path::new("."));
        if path.is_dir() {
            return Ok(Location::Definition(definition_in(path)?));
        }
        must_exist(path)?;
        if has_extension(path, "csdef") {
            return Ok(Location::Definition(path.to_owned()));
        }
        if packager::is_package(path) {
            return Ok(Location::Package(Box::new(open(path)?)));
        }
        let error = anyhow!(
            "neither a service folder, nor a .csdef, nor a package: {}",
            path.display()
        );
        Err(exit::with(exit::INVALID, error))
    }
}

/// Refuses a path at which there is nothing.
pub(crate) fn must_exist(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    let error = anyhow!("there is no such file or folder: {}", path.display());
    Err(exit::with(exit::INVALID, error))
}

/// Opens and verifies a package.
pub(crate) fn open(path: &Path) -> Result<Opened, Failure> {
    must_exist(path)?;
    packager::open(path).map_err(open_failure)
}

/// Makes sure that what was opened is what was signed, and no file that has taken its place.
pub(crate) fn expect_signed(opened: &Opened, signing: &Signing) -> Result<(), Failure> {
    match signing {
        Signing::Signed(signed) => opened.expect_digest(signed.sha256).map_err(open_failure),
        _ => Ok(()),
    }
}

fn open_failure(error: OpenError) -> Failure {
    let status = if error.is_invalid() {
        exit::INVALID
    } else {
        exit::FAILED
    };
    exit::with(status, error)
}

/// A service that has passed every check.
pub(crate) struct Loaded {
    pub(crate) service: Service,
    pub(crate) location: Location,
    pub(crate) configuration: PathBuf,
    pub(crate) options: Options,
}

/// How much is said of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    /// What stands in the way, or may surprise.
    Warnings,
    /// Only what stands in the way.
    Errors,
}

/// Reads and checks a service and its configuration; prints what there is to say about them.
pub(crate) fn load(arguments: &ServiceArguments, words: Words) -> Result<Loaded, Failure> {
    let location = Location::find(arguments.path.as_deref())?;
    let beside = folder_of(arguments.path.as_deref(), &location);
    let configuration = configuration(arguments.configuration.as_deref(), &beside)?;
    let mut sources = Sources::new();
    let mut findings = Vec::new();
    let definition = read_definition(&mut sources, &location, &mut findings);
    let configured = read(&mut sources, &configuration, &mut findings);
    let service = match (definition, configured) {
        (Some(definition), Some(configured)) => {
            let checked = schema::check(&sources, definition, configured);
            findings.extend(checked.findings);
            checked.service
        }
        _ => None,
    };
    let file = options_file::find(arguments.options.as_deref(), &beside);
    let definition = service.as_ref().map(|service| &service.definition);
    let options = options_file::load(&mut sources, file, definition, &mut findings);
    let sound = service.zip(options);
    let (service, options) = report(&sources, findings, words, sound)?;
    Ok(Loaded {
        service,
        location,
        configuration,
        options,
    })
}

/// Prints the findings that stand in the way or may surprise, and passes the value on, if there is one. What is
/// merely worth knowing is for `approot check`.
pub(crate) fn report<T>(
    sources: &Sources,
    mut findings: Vec<Finding>,
    words: Words,
    value: Option<T>,
) -> Result<T, Failure> {
    findings.retain(|finding| match words {
        Words::Warnings => finding.severity != Severity::Report,
        Words::Errors => finding.is_error(),
    });
    sort(&mut findings);
    show::findings(sources, &findings);
    value.ok_or_else(|| exit::with(exit::INVALID, anyhow!("the service's files are not valid")))
}

pub(crate) fn read_definition(
    sources: &mut Sources,
    location: &Location,
    findings: &mut Vec<Finding>,
) -> Option<FileId> {
    match location {
        Location::Definition(path) => read(sources, path, findings),
        Location::Package(opened) => {
            let name = "ServiceDefinition.csdef (in the package)";
            keep(
                schema::load(sources, name, Ok(opened.definition().to_vec())),
                findings,
            )
        }
    }
}

pub(crate) fn read(
    sources: &mut Sources,
    path: &Path,
    findings: &mut Vec<Finding>,
) -> Option<FileId> {
    keep(
        schema::load(sources, &path.display().to_string(), read_file(path)),
        findings,
    )
}

/// Reads a definition or configuration.
pub(crate) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    packager::read_regular(path, FILE_BYTES_MAX)
}

fn keep(loaded: Result<FileId, Box<Finding>>, findings: &mut Vec<Finding>) -> Option<FileId> {
    loaded.map_err(|finding| findings.push(*finding)).ok()
}

/// The folder that a package's or definition's configurations lie in.
pub(crate) fn folder_of(path: Option<&Path>, location: &Location) -> PathBuf {
    let file = match location {
        Location::Definition(file) => file.as_path(),
        Location::Package(_) => path.unwrap_or(Path::new(".")),
    };
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn definition_in(folder: &Path) -> Result<PathBuf, Failure> {
    let usual = folder.join("ServiceDefinition.csdef");
    if usual.is_file() {
        return Ok(usual);
    }
    only(
        files_in(folder, "csdef")?,
        folder,
        "service definition (.csdef)",
        "name the one to use",
    )
}

/// The configuration that `name` means: a file, a NAME, or the only one there is.
pub(crate) fn configuration(name: Option<&str>, folder: &Path) -> Result<PathBuf, Failure> {
    let Some(name) = name else {
        return only(
            files_in(folder, "cscfg")?,
            folder,
            "service configuration (.cscfg)",
            "choose one with `--configuration`",
        );
    };
    let is_file = name.contains('/') || has_extension(Path::new(name), "cscfg");
    let path = if is_file {
        PathBuf::from(name)
    } else {
        folder.join(format!("ServiceConfiguration.{name}.cscfg"))
    };
    if path.is_file() {
        return Ok(path);
    }
    let there: Vec<String> = files_in(folder, "cscfg")?
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let there = if there.is_empty() {
        "none".to_owned()
    } else {
        there.join(", ")
    };
    let error = anyhow!(
        "there is no configuration {}; there is {there}",
        path.display()
    );
    Err(exit::with(exit::INVALID, error))
}

fn only(
    mut found: Vec<PathBuf>,
    folder: &Path,
    what: &str,
    cure: &str,
) -> Result<PathBuf, Failure> {
    let names: Vec<String> = found
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    match (found.pop(), names.len()) {
        (Some(path), 1) => Ok(path),
        (None, _) => Err(exit::with(
            exit::INVALID,
            anyhow!("there is no {what} in {}", folder.display()),
        )),
        (Some(_), _) => {
            let error = anyhow!(
                "there is more than one {what}, {cure}: {}",
                names.join(", ")
            );
            Err(exit::with(exit::USAGE, error))
        }
    }
}

pub(crate) fn files_in(folder: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| has_extension(path, extension))
        .collect();
    found.sort();
    Ok(found)
}

pub(crate) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// What the packager needs to know of a service folder.
pub(crate) fn source(
    definition: &Definition,
    path: &Path,
    binaries: &[(String, PathBuf)],
) -> Result<ServiceSource, Failure> {
    let mut binaries = by_role("--binary", binaries)?;
    let folder = folder_of(None, &Location::Definition(path.to_owned()));
    let mut undefined = Vec::new();
    let roles = definition
        .roles
        .iter()
        .map(|role| role_source(role, &folder, binaries.remove(&role.name), &mut undefined))
        .collect();
    if let Some((role, _)) = binaries.pop_first() {
        return Err(exit::with(
            exit::USAGE,
            anyhow!("`--binary` names a role that the service does not have: {role}"),
        ));
    }
    if !undefined.is_empty() {
        return Err(staging::undefined(path, &undefined));
    }
    let bytes = read_file(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(ServiceSource {
        service: definition.name.clone(),
        definition: bytes,
        roles,
    })
}

fn role_source(
    role: &RoleDefinition,
    folder: &Path,
    binary: Option<PathBuf>,
    undefined: &mut Vec<Undefined>,
) -> RoleSource {
    let content_directory = folder.join(format!("{}Content", role.name));
    let contents = role.contents.iter().enumerate().map(|(n, content)| {
        let source_directory = expand(&content.source_directory).unwrap_or_else(|variable| {
            undefined.push(Undefined {
                role: role.name.clone(),
                content: n,
                variable,
            });
            String::new()
        });
        ContentSource {
            destination: content.destination.clone(),
            source_directory: folder.join(source_directory.replace('\\', "/")),
            declared_as: content.source_directory.clone(),
        }
    });
    RoleSource {
        name: role.name.clone(),
        binary,
        components: None,
        content_directory: Some(content_directory).filter(|path| is_folder(path)),
        contents: contents.collect(),
    }
}

/// Whether there is such a folder, or several that only case tells from it, which the packager refuses.
fn is_folder(path: &Path) -> bool {
    match find_without_case(path) {
        Ok(Found::One(path)) => path.is_dir(),
        Ok(Found::Several(_)) => true,
        Ok(Found::None) | Err(_) => false,
    }
}

/// Where a file of the approot comes from if this content brings it; `None` if it does not.
pub(crate) fn place_of(content: &Content, folder: &Path, relative: &str) -> Option<PathBuf> {
    let destination = packager::destination(&content.destination)?;
    let below = Path::new(relative).strip_prefix(destination).ok()?;
    let source = expand(&content.source_directory).ok()?;
    match find_without_case(&folder.join(source.replace('\\', "/"))).ok()? {
        Found::One(source) => Some(source.join(below)),
        Found::None | Found::Several(_) => None,
    }
}

/// Expands `%NAME%` and `${NAME}` from this process's environment.
///
/// # Errors
/// The first name that is not set, or not as text.
fn expand(text: &str) -> Result<String, String> {
    let undefined = std::cell::RefCell::new(None);
    let expanded = plan::command_line::expand(text, |name| {
        let found = variable(name);
        if found.is_none() {
            undefined.borrow_mut().get_or_insert(name.to_owned());
        }
        found
    });
    undefined.into_inner().map_or(Ok(expanded), Err)
}

/// The variable of this name, or the first that only case tells from it.
fn variable(name: &str) -> Option<String> {
    if let Ok(value) = std::env::var(name) {
        return Some(value);
    }
    let mut known: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        .collect();
    known.sort();
    known.into_iter().next().map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_directory_is_relative_to_the_definition_or_absolute() {
        let content = |path: &str| {
            format!(r#"<Content destination="d"><SourceDirectory path="{path}" /></Content>"#)
        };
        let contents = content(r"assets\data") + &content("/srv/data");
        let text = format!(
            r#"<ServiceDefinition name="S" xmlns="http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceDefinition">
            <WorkerRole name="W"><Contents>{contents}</Contents><Runtime><EntryPoint>
            <ProgramEntryPoint commandLine="w" setReadyOnProcessStart="true" /></EntryPoint></Runtime></WorkerRole>
            </ServiceDefinition>"#
        );
        let mut sources = Sources::new();
        let file = sources.add("a.csdef", text);
        let definition = schema::check_definition(&sources, file).definition.unwrap();
        let mut undefined = Vec::new();
        let folder = Path::new("/service");
        let source = role_source(&definition.roles[0], folder, None, &mut undefined);
        assert!(undefined.is_empty());
        let folders = source
            .contents
            .iter()
            .map(|content| content.source_directory.as_path());
        let expected = ["/service/assets/data", "/srv/data"];
        assert!(folders.eq(expected.map(Path::new)), "{:?}", source.contents);
    }

    #[test]
    fn a_source_directory_is_expanded_or_refused() {
        let path = std::env::var("PATH").unwrap();
        assert_eq!(expand(r"%path%\x").unwrap(), format!(r"{path}\x"));
        assert_eq!(expand(r"${PATH}/x").unwrap(), format!("{path}/x"));
        let unset = expand("%PATH%/%APPROOT_SURELY_NOT_SET%/${APPROOT_NEITHER_SET}");
        assert_eq!(unset, Err("APPROOT_SURELY_NOT_SET".to_owned()));
    }
}
