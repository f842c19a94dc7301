//! A file that changes between the two readings.

use std::fs;

use super::*;
use crate::RoleSource;

#[test]
fn a_changed_file_is_named_and_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let content = directory.path().join("content");
    fs::create_dir(&content).unwrap();
    fs::write(content.join("a"), "old").unwrap();
    let role = RoleSource {
        name: "EchoWorker".to_owned(),
        binary: None,
        components: None,
        content_directory: Some(content.clone()),
        contents: Vec::new(),
    };
    let source = ServiceSource {
        service: "EchoCloud".to_owned(),
        definition: Vec::new(),
        roles: vec![role],
    };
    let inventory = Inventory::take(&source).unwrap();
    fs::write(content.join("a"), "new").unwrap();
    let error = copy(inventory, &directory.path().join("staged")).unwrap_err();
    let is_named = matches!(
        &error,
        StageError::Source(SourceError::Changed { path }) if path.ends_with("content/a")
    );
    assert!(is_named && !error.is_invalid(), "{error}");
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);
}
