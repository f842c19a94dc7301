//! Finding a folder or file as Windows would have: without regard to case, where the exact name is
//! not there.
//!
//! Each step of a path is looked at by itself. A step that is there as it is written is taken,
//! whatever else there is; no step is guessed between two.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// What [`find_without_case`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This, spelled as it is on disk.
    One(PathBuf),
    /// Nothing.
    None,
    /// A step is not there as it is written, and these differ from it only in case; sorted.
    Several(Vec<PathBuf>),
}

/// Finds what `path` means.
///
/// # Errors
///
/// A folder on the way could not be listed.
pub fn find_without_case(path: &Path) -> io::Result<Found> {
    if fs::metadata(path).is_ok() {
        return Ok(Found::One(path.to_owned()));
    }
    let mut found = PathBuf::new();
    for component in path.components() {
        let exact = found.join(component);
        let is_name = matches!(component, Component::Normal(_));
        if !is_name || fs::symlink_metadata(&exact).is_ok() {
            found = exact;
            continue;
        }
        let Some(name) = component.as_os_str().to_str() else {
            return Ok(Found::None);
        };
        let mut same = same_but_case(&found, name)?;
        match (same.pop(), same.is_empty()) {
            (None, _) => return Ok(Found::None),
            (Some(one), true) => found = one,
            (Some(last), false) => {
                same.push(last);
                return Ok(Found::Several(same));
            }
        }
    }
    Ok(Found::One(found))
}

/// The entries of `directory` that only case tells from `name`, sorted.
fn same_but_case(directory: &Path, name: &str) -> io::Result<Vec<PathBuf>> {
    let listed = if directory == Path::new("") {
        Path::new(".")
    } else {
        directory
    };
    let entries = match fs::read_dir(listed) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let name = name.to_lowercase();
    let mut same = Vec::new();
    for entry in entries {
        let found = entry?.file_name();
        if found
            .to_str()
            .is_some_and(|found| found.to_lowercase() == name)
        {
            same.push(directory.join(found));
        }
    }
    same.sort();
    Ok(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_before_case_and_never_a_guess() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for folder in ["Assets/Data", "Both/x", "both/y", "One/Ä"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("file"), "").unwrap();
        let find = |path: &str| find_without_case(&root.join(path)).unwrap();
        let one = |path: &str| Found::One(root.join(path));
        assert_eq!(find("Assets/Data"), one("Assets/Data"));
        assert_eq!(find("assets/DATA"), one("Assets/Data"));
        assert_eq!(find("assets/./data/../data"), one("Assets/Data/../Data"));
        assert_eq!(find("one/ä"), one("One/Ä"));
        assert_eq!(find("both/y"), one("both/y"));
        assert_eq!(
            find("Both/y"),
            Found::None,
            "the exact folder is the one meant"
        );
        let both = vec![root.join("Both"), root.join("both")];
        assert_eq!(find("BOTH/x"), Found::Several(both));
        for gone in ["gone", "assets/gone/x", "file/x", "FILE/x"] {
            assert_eq!(find(gone), Found::None, "{gone}");
        }
    }
}
