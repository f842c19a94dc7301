//! Where the options file of a service is, and where it goes beside a package.
//!
//! What it may say is known to the `options` crate.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use diagnostics::{Finding, Sources};
use options::FILE_NAME;
use plan::RoleOptions;
use schema::Definition;

use crate::service::read;

/// The options of a service.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// The file that they were read from, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// Those of each role that the file speaks of.
    pub(crate) roles: BTreeMap<String, RoleOptions>,
}

/// The file that was named, else the one beside the definition or package, if it is there.
pub(crate) fn find(named: Option<&Path>, folder: &Path) -> Option<PathBuf> {
    let beside = folder.join(FILE_NAME);
    match named {
        Some(named) => Some(named.to_owned()),
        None => beside.exists().then_some(beside),
    }
}

/// Reads and checks the options; `None` where something is wrong with them, which `findings` then says.
pub(crate) fn load(
    sources: &mut Sources,
    file: Option<PathBuf>,
    definition: Option<&Definition>,
    findings: &mut Vec<Finding>,
) -> Option<Options> {
    let Some(path) = file else {
        return Some(Options::default());
    };
    let id = read(sources, &path, findings)?;
    let checked = options::check(sources, id, definition);
    let is_sound = checked.findings.is_empty();
    findings.extend(checked.findings);
    is_sound.then_some(Options {
        file: Some(path),
        roles: checked.roles,
    })
}

/// Puts the options beside a package, and returns their name there; without any, takes those of an earlier
/// package away, which would be followed as if they were this one's.
///
/// What lies there is only taken away where the digests of that earlier package name it.
pub(crate) fn copy(file: Option<&Path>, out: &Path) -> anyhow::Result<Option<&'static str>> {
    let target = out.join(FILE_NAME);
    if let Some(file) = file {
        let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        packager::replace_file(&target, &text)
            .with_context(|| format!("cannot write {}", target.display()))?;
        return Ok(Some(FILE_NAME));
    }
    let sums = fs::read_to_string(out.join("SHA256SUMS")).unwrap_or_default();
    let is_ours = sums
        .lines()
        .any(|line| line.ends_with(&format!("  {FILE_NAME}")));
    if is_ours
        && let Err(error) = fs::remove_file(&target)
        && error.kind() != ErrorKind::NotFound
    {
        let context = format!("cannot remove the earlier options {}", target.display());
        return Err(anyhow::Error::new(error).context(context));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_beside_is_taken_unless_another_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(find(None, folder.path()), None);
        let named = Path::new("other.toml");
        assert_eq!(find(Some(named), folder.path()), Some(named.to_owned()));
        let beside = folder.path().join("approot.toml");
        fs::write(&beside, "").unwrap();
        assert_eq!(find(None, folder.path()), Some(beside));
    }

    #[test]
    fn options_go_beside_the_package_and_away_with_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let (file, out) = (folder.path().join("mine.toml"), folder.path().join("out"));
        fs::create_dir(&out).unwrap();
        fs::write(&file, "[role.A]\n").unwrap();
        assert_eq!(copy(Some(&file), &out).unwrap(), Some("approot.toml"));
        let copied = out.join("approot.toml");
        assert_eq!(fs::read_to_string(&copied).unwrap(), "[role.A]\n");
        copy(None, &out).unwrap();
        assert!(copied.exists(), "nothing says that it was ours");
        fs::write(out.join("SHA256SUMS"), "00  approot.toml\n").unwrap();
        assert_eq!(copy(None, &out).unwrap(), None);
        assert!(!copied.exists());
        copy(None, &out).unwrap();
    }
}
