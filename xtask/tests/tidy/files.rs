//! The files that the rules are about.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file of the workspace.
pub(crate) struct File {
    /// Below the workspace's root.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.path.file_name().is_some_and(|other| other == name)
    }

    pub(crate) fn is_below(&self, folder: &str) -> bool {
        self.path
            .components()
            .any(|part| part.as_os_str() == folder)
    }
}

pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("xtask lies in the workspace").to_owned()
}

/// All files with one of the extensions, by path: sources, not products, and no test data, which
/// has its faults on purpose.
pub(crate) fn files(extensions: &[&str]) -> Vec<File> {
    let mut paths = Vec::new();
    walk(&root(), &mut paths);
    paths.retain(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| extensions.contains(&extension))
    });
    paths.sort();
    assert!(!paths.is_empty(), "no {extensions:?} below {:?}", root());
    paths.into_iter().map(read).collect()
}

fn read(path: PathBuf) -> File {
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let path = path.strip_prefix(root()).unwrap().to_owned();
    File { path, text }
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let is_ours = ![".git", "target", "test_data", "node_modules"]
            .iter()
            .any(|other| name == *other);
        let file_type = entry.file_type().unwrap();
        if file_type.is_dir() && is_ours {
            walk(&entry.path(), paths);
        } else if file_type.is_file() {
            paths.push(entry.path());
        }
    }
}

/// Fails with the whole list, one fault a line.
#[track_caller]
pub(crate) fn none(rule: &str, faults: Vec<String>) {
    assert!(faults.is_empty(), "{rule}:\n  {}\n", faults.join("\n  "));
}
