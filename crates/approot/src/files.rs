//! Which files a path on the command line means, for commands that only read them.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use crate::exit::{self, Failure};
use crate::service::{Location, configuration, files_in, folder_of, has_extension};

/// A definition and configurations of it, or one configuration alone.
pub(crate) struct Files {
    /// Absent where the path is a configuration.
    pub(crate) definition: Option<Location>,
    pub(crate) configurations: Vec<PathBuf>,
}

impl Files {
    /// Finds what `path` means; a folder without named configurations means all that it has.
    ///
    /// A file that is named alone is read alone. One that is not there is found here all the same: reading it
    /// makes the finding that says why not.
    pub(crate) fn find(path: &Path, named: &[String]) -> Result<Files, Failure> {
        if is_configuration(path) {
            return Ok(Files {
                definition: None,
                configurations: vec![path.to_owned()],
            });
        }
        if !path.exists() {
            return Ok(Files {
                definition: Some(Location::Definition(path.to_owned())),
                configurations: Vec::new(),
            });
        }
        let location = Location::find(Some(path))?;
        let folder = folder_of(Some(path), &location);
        let configurations = match (named, path.is_dir()) {
            ([], true) => files_in(&folder, "cscfg")?,
            ([], false) => Vec::new(),
            (named, _) => named
                .iter()
                .map(|name| configuration(Some(name), &folder))
                .collect::<Result<_, _>>()?,
        };
        Ok(Files {
            definition: Some(location),
            configurations,
        })
    }
}

/// A configuration is held against a definition, not against another configuration.
///
/// # Errors
/// One of `paths` is a configuration, and `named` names others.
pub(crate) fn refuse_two_configurations<'p>(
    paths: impl IntoIterator<Item = &'p Path>,
    named: &[String],
) -> Result<(), Failure> {
    let configuration = paths.into_iter().find(|path| is_configuration(path));
    match configuration {
        Some(path) if !named.is_empty() => {
            let error = anyhow!(
                "`--configuration` goes with a definition, and this is a configuration itself: {}",
                path.display()
            );
            Err(exit::with(exit::USAGE, error))
        }
        _ => Ok(()),
    }
}

fn is_configuration(path: &Path) -> bool {
    has_extension(path, "cscfg") && !path.is_dir()
}
