//! A program is named by its path from the approot, without `%RoleRoot%\approot` before it.
//!
//! The schema page of 2011 shows the prefix. `RoleRoot` is a drive without a separator on the platform, so
//! that without one of their own the two name a folder relative to the drive's current one.

use diagnostics::{FileId, Finding, Span};

use super::part;
use crate::codes;
use crate::csdef::{Role, ServiceDefinition};
use crate::findings::Findings;
use crate::spanned::Spanned;

const VARIABLE: &str = "%RoleRoot%";
const FOLDER: &str = "approot";

/// `%RoleRoot%\approot` at the beginning of a path.
struct Prefix {
    /// Byte offsets in the path.
    at: (usize, usize),
    has_separator: bool,
}

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for path in definition.roles.iter().flat_map(of_role) {
        findings.extend(prefix(path.value).map(|prefix| {
            let span = part(path, prefix.at.0, prefix.at.1);
            finding(
                definition.file,
                span,
                &path.value[prefix.at.0..prefix.at.1],
                &prefix,
            )
        }));
    }
}

fn finding(file: FileId, span: Span, written: &str, prefix: &Prefix) -> Finding {
    let message =
        format!("the path begins with `{written}`, and is relative to the approot already");
    let finding = Finding::warning(codes::APPROOT_PREFIX, file, span, message);
    let finding = match prefix.has_separator {
        true => finding,
        false => finding.label("relative to the drive on the platform: no separator"),
    };
    finding.help("delete the prefix")
}

fn of_role<'t>(role: &Role<'t>) -> Vec<Spanned<&'t str>> {
    let entry_point = role.entry_point.iter();
    let programs = entry_point
        .clone()
        .flat_map(|entry_point| &entry_point.programs);
    let assemblies = entry_point.flat_map(|entry_point| &entry_point.net);
    let tasks = role.startup_tasks.iter();
    programs
        .filter_map(|program| program.command_line)
        .chain(assemblies.filter_map(|assembly| assembly.assembly_name))
        .chain(tasks.filter_map(|task| task.command_line))
        .collect()
}

/// The prefix with the separator after it, behind the blanks, quote and separator that may stand before it.
fn prefix(path: &str) -> Option<Prefix> {
    let is_separator = |c: char| matches!(c, '\\' | '/');
    let rest = path.trim_start();
    let rest = rest.strip_prefix('"').unwrap_or(rest);
    let start = path.len() - rest.len();
    let rest = rest.strip_prefix(is_separator).unwrap_or(rest);
    let rest = strip_prefix_ignoring_case(rest, VARIABLE)?;
    let folder = rest.strip_prefix(is_separator);
    let rest = strip_prefix_ignoring_case(folder.unwrap_or(rest), FOLDER)?;
    let is_whole = rest.is_empty()
        || rest.starts_with(|c: char| is_separator(c) || c == '"' || c.is_whitespace());
    let end = path.len() - rest.strip_prefix(is_separator).unwrap_or(rest).len();
    is_whole.then_some(Prefix {
        at: (start, end),
        has_separator: folder.is_some(),
    })
}

fn strip_prefix_ignoring_case<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let (head, rest) = path.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}
