//! A small service on disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use packager::{ContentSource, Package, RoleSource, ServiceSource, build};
use tempfile::TempDir;

/// The definition of every service here.
pub(crate) const DEFINITION: &[u8] = b"<ServiceDefinition name=\"EchoCloud\" />\r\n";

/// A folder with the sources of a service; gone when dropped.
pub(crate) struct Fixture {
    directory: TempDir,
}

impl Fixture {
    /// An empty folder.
    pub(crate) fn empty() -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        Fixture { directory }
    }

    /// A program, a content folder and a folder of scripts.
    pub(crate) fn echo() -> Fixture {
        let fixture = Fixture::empty();
        fixture.program("target/echo-worker", "#!/bin/sh\necho\n");
        fixture.write("EchoWorkerContent/readme.txt", "read me");
        fixture.write("EchoWorkerContent/data/b.txt", "bb");
        fixture.write("EchoWorkerContent/data/a.txt", "");
        fixture.write(
            "EchoWorkerContent/data.txt",
            "between `data` and `data/` in bytes",
        );
        fixture.link("EchoWorkerContent/data/latest", "../readme.txt");
        fixture.program("scripts/deep/start.sh", "#!/bin/sh\n");
        fixture
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    pub(crate) fn write(&self, relative: &str, content: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn program(&self, relative: &str, content: &str) {
        self.write(relative, content);
        set_mode(&self.path(relative), 0o755);
    }

    pub(crate) fn link(&self, relative: &str, target: &str) {
        symlink(target, self.path(relative)).unwrap();
    }

    /// One role with all that [`Fixture::echo`] has.
    pub(crate) fn source(&self) -> ServiceSource {
        let scripts = content("tools\\scripts", self.path("scripts"));
        self.source_of(RoleSource {
            name: "EchoWorker".to_owned(),
            binary: Some(self.path("target/echo-worker")),
            components: None,
            content_directory: Some(self.path("EchoWorkerContent")),
            contents: vec![scripts],
        })
    }

    pub(crate) fn source_of(&self, role: RoleSource) -> ServiceSource {
        ServiceSource {
            service: "EchoCloud".to_owned(),
            definition: DEFINITION.to_vec(),
            roles: vec![role],
        }
    }

    pub(crate) fn build(&self) -> Package {
        build(&self.source(), &self.path("EchoCloud.cspkg.tar.gz")).unwrap()
    }
}

pub(crate) fn content(destination: &str, source_directory: PathBuf) -> ContentSource {
    ContentSource {
        destination: destination.to_owned(),
        declared_as: source_directory
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned(),
        source_directory,
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Every file and link below a folder: path, permissions, content or target.
pub(crate) fn tree(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let content = if metadata.is_dir() {
                pending.push(path.clone());
                String::new()
            } else if metadata.is_symlink() {
                fs::read_link(&path).unwrap().to_str().unwrap().to_owned()
            } else {
                String::from_utf8(fs::read(&path).unwrap()).unwrap()
            };
            lines.push(format!(
                "{} {mode:o} {content:?}",
                path.strip_prefix(root).unwrap().display()
            ));
        }
    }
    lines.sort();
    lines
}

/// An error and its causes, with the changing part of paths replaced.
pub(crate) fn chain(error: &dyn std::error::Error, fixture: &Fixture) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text.replace(fixture.path("").to_str().unwrap(), "/")
}
