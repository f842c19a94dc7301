//! What is wrong with the files of a service's roles, told at the place of the definition that asks
//! for them.
//!
//! The packager knows roles and sources, not lines; the definition is read again here for its
//! places. What has no place there, such as a file of a kind that cannot be packaged, is told as an
//! error that names the file. Finding what is wrong is the packager's.

use std::path::Path;

use anyhow::anyhow;
use diagnostics::{Code, FileId, Finding, Sources, Span, sort};
use packager::{Conflict, Part, Refusal, SourceError};
use schema::{RolePlaces, codes, role_places};

use crate::exit::{self, Failure};
use crate::{service, show};

/// An environment variable that a `SourceDirectory` names and that is not set.
pub(crate) struct Undefined {
    pub(crate) role: String,
    /// The index of the content.
    pub(crate) content: usize,
    pub(crate) variable: String,
}

/// Prints that variables are not set; what it returns ends the command.
pub(crate) fn undefined(definition: &Path, all: &[Undefined]) -> Failure {
    let places = Places::read(definition);
    let findings = all.iter().filter_map(|undefined| {
        let span = places
            .as_ref()?
            .of(&undefined.role, Part::Content(undefined.content))?;
        let variable = &undefined.variable;
        let message = format!("the environment variable `{variable}` is not set");
        places
            .as_ref()
            .map(|places| places.finding(codes::SOURCE_UNDEFINED, span, message))
    });
    let findings = findings.collect();
    failed(places.as_ref(), findings)
}

/// Prints what is wrong with the sources; what it returns ends the command.
pub(crate) fn invalid(definition: &Path, error: SourceError) -> Failure {
    if !error.is_invalid() {
        return exit::with(exit::FAILED, error);
    }
    let places = Places::read(definition);
    let mut findings = Vec::new();
    let mut elsewhere = Vec::new();
    for error in error.into_each() {
        match places.as_ref().and_then(|places| places.tell(&error)) {
            Some(finding) => findings.push(finding),
            None => elsewhere.push(anyhow::Error::new(error)),
        }
    }
    // The last error is told by whoever ends the command.
    let last = if findings.is_empty() {
        elsewhere.pop()
    } else {
        None
    };
    elsewhere.iter().for_each(show::error);
    match last {
        Some(error) => exit::with(exit::INVALID, error),
        None => failed(places.as_ref(), findings),
    }
}

fn failed(places: Option<&Places>, mut findings: Vec<Finding>) -> Failure {
    sort(&mut findings);
    if let Some(places) = places {
        show::findings(&places.sources, &findings);
    }
    exit::with(
        exit::INVALID,
        anyhow!("the files of the service's roles are not valid"),
    )
}

/// The definition and where its roles and contents stand.
struct Places {
    sources: Sources,
    file: FileId,
    roles: Vec<RolePlaces>,
}

impl Places {
    /// `None` where the definition cannot be read, though it could a moment ago.
    fn read(definition: &Path) -> Option<Places> {
        let mut sources = Sources::new();
        let name = definition.display().to_string();
        let file = schema::load(&mut sources, &name, service::read_file(definition)).ok()?;
        let roles = role_places(&sources, file);
        Some(Places {
            sources,
            file,
            roles,
        })
    }

    fn role(&self, name: &str) -> Option<&RolePlaces> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// Where a source is asked for: the role's name for what goes without saying.
    fn of(&self, role: &str, part: Part) -> Option<Span> {
        let role = self.role(role)?;
        match part {
            Part::Program | Part::ContentDirectory => Some(role.span),
            Part::Content(n) => Some(role.contents.get(n)?.source_directory),
        }
    }

    fn finding(&self, code: Code, span: Span, message: impl Into<String>) -> Finding {
        Finding::error(code, self.file, span, message)
    }

    /// `None` for what has no place in the definition.
    fn tell(&self, error: &SourceError) -> Option<Finding> {
        match error {
            SourceError::Missing {
                role,
                part,
                declared_as,
                looked_for,
            } => {
                let message = format!("role `{role}`: `{declared_as}` is not there");
                let label = format!("looked for {}", looked_for.display());
                let place = self.of(role, *part)?;
                let finding = self.finding(codes::SOURCE_MISSING, place, message);
                let finding = finding.label(label);
                Some(match has_drive(declared_as) {
                    true => finding.help("there are no drives here: write a path that is relative to the definition, or an absolute one of this machine"),
                    false => finding,
                })
            }
            SourceError::WrongKind {
                role,
                part,
                declared_as,
                expected,
                looked_for,
            } => {
                let message = format!("role `{role}`: `{declared_as}` is not a {expected}");
                let finding = self.finding(codes::SOURCE_MISSING, self.of(role, *part)?, message);
                Some(finding.label(looked_for.display().to_string()))
            }
            SourceError::Ambiguous {
                role,
                part,
                declared_as,
                found,
            } => {
                let message =
                    format!("role `{role}`: `{declared_as}` is not there as it is written");
                let found: Vec<String> = found
                    .iter()
                    .map(|path| format!("`{}`", path.display()))
                    .collect();
                let finding = self.finding(codes::SOURCE_AMBIGUOUS, self.of(role, *part)?, message);
                Some(finding.label(format!(
                    "only case tells it from each of {}",
                    found.join(", ")
                )))
            }
            SourceError::Destination { role, part, .. } => {
                let Part::Content(n) = part else { return None };
                let span = self.role(role)?.contents.get(*n)?.destination;
                let message = format!("role `{role}`: the destination leaves the approot");
                Some(self.finding(codes::DESTINATION, span, message))
            }
            SourceError::Conflict(conflict) => self.tell_conflict(conflict),
            _ => None,
        }
    }

    /// Points at the second source, and from there at the first.
    fn tell_conflict(&self, conflict: &Conflict) -> Option<Finding> {
        let Conflict {
            role,
            path,
            refusal,
            ..
        } = conflict;
        let path = path.escape_debug();
        let message = match refusal {
            Refusal::CaseClash { other } => {
                format!("role `{role}`: only case tells `{path}` from `{other}` of another source")
            }
            Refusal::BelowFile { other } => {
                format!("role `{role}`: `{path}` lies below `{other}`, a file of another source")
            }
            _ => format!("role `{role}`: two sources for `{path}`"),
        };
        let second = self.of(role, conflict.second_part)?;
        let first = self.of(role, conflict.first_part)?;
        let label = |part: Part, path: &Path| match part {
            Part::Program => format!("the role's program: {}", path.display()),
            Part::ContentDirectory => format!("the role's folder: {}", path.display()),
            Part::Content(_) => path.display().to_string(),
        };
        let finding = self
            .finding(codes::SOURCE_CONFLICT, second, message)
            .label(label(conflict.second_part, &conflict.second));
        Some(finding.related(
            self.file,
            first,
            label(conflict.first_part, &conflict.first),
        ))
    }
}

fn has_drive(path: &str) -> bool {
    let mut letters = path.chars();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && letters.next() == Some(':')
}

#[cfg(test)]
mod tests {
    use diagnostics::{Style, render_human};
    use packager::{ContentSource, RoleSource, ServiceSource};

    use super::*;

    const DEFINITION: &str = r#"<ServiceDefinition name="S" xmlns="http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceDefinition">
  <WorkerRole name="W">
    <Contents>
      <Content destination="."><SourceDirectory path="one" /></Content>
      <Content destination="."><SourceDirectory path="two" /></Content>
      <Content destination=".."><SourceDirectory path="one" /></Content>
      <Content destination="x"><SourceDirectory path="C:\gone" /></Content>
    </Contents>
  </WorkerRole>
</ServiceDefinition>
"#;

    /// The codes and places of the findings about a folder with two sources for one file.
    #[test]
    fn each_finding_points_at_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for path in ["one", "two"] {
            std::fs::create_dir(folder.join(path)).unwrap();
            std::fs::write(folder.join(path).join("x"), "").unwrap();
        }
        std::fs::write(folder.join("a.csdef"), DEFINITION).unwrap();
        let content = |destination: &str, path: &str| ContentSource {
            destination: destination.to_owned(),
            source_directory: folder.join(path),
            declared_as: path.to_owned(),
        };
        let role = RoleSource {
            name: "W".to_owned(),
            binary: Some(folder.join("no-program")),
            components: None,
            content_directory: None,
            contents: vec![
                content(".", "one"),
                content(".", "two"),
                content("..", "one"),
                content("x", r"C:\gone"),
            ],
        };
        let source = ServiceSource {
            service: "S".to_owned(),
            definition: DEFINITION.into(),
            roles: vec![role],
        };
        let error = packager::list(&source).unwrap_err();
        let places = Places::read(&folder.join("a.csdef")).unwrap();
        let findings: Vec<Finding> = error
            .into_each()
            .iter()
            .map(|error| places.tell(error).unwrap())
            .collect();
        let told: Vec<(&str, usize)> = findings
            .iter()
            .map(|finding| {
                let start = finding.primary.span.start;
                (
                    finding.code.as_str(),
                    places.sources.location(places.file, start).line,
                )
            })
            .collect();
        let expected = [("AR0201", 2), ("AR0205", 5), ("AR0204", 6), ("AR0201", 7)];
        assert_eq!(told, expected);
        let related = &findings[1].related[0];
        let first = places.sources.location(places.file, related.span.start);
        assert_eq!(first.line, 4);
        let text = render_human(&places.sources, &findings, Style::Plain);
        for part in [
            "a.csdef:5:",
            "role `W`: two sources for `x`",
            "one/x",
            "two/x",
            "drives",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(
            invalid(
                &folder.join("a.csdef"),
                packager::list(&source).unwrap_err()
            )
            .status,
            exit::INVALID
        );
    }
}
