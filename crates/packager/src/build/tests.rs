//! A file that changes between the two readings.

use std::fs;
use std::path::Path;

use super::*;
use crate::RoleSource;
use crate::identity::Identity;

fn source(directory: &Path) -> ServiceSource {
    let role = RoleSource {
        name: "EchoWorker".to_owned(),
        binary: None,
        components: None,
        content_directory: Some(directory.to_owned()),
        contents: Vec::new(),
    };
    ServiceSource {
        service: "EchoCloud".to_owned(),
        definition: b"<ServiceDefinition />".to_vec(),
        roles: vec![role],
    }
}

/// Builds, with `change` done to the one source file after it was hashed.
fn build_after(change: impl FnOnce(&Path)) -> (Result<KnownPackage, BuildError>, bool) {
    let directory = tempfile::tempdir().unwrap();
    let content = directory.path().join("content");
    let file = content.join("a");
    fs::create_dir(&content).unwrap();
    fs::write(&file, "old").unwrap();
    let source = source(&content);
    let inventory = Inventory::take(&source).unwrap();
    change(&file);
    let out = directory.path().join("out");
    let built = write_package(&inventory, &out, BuildOptions::default());
    (built, out.exists())
}

#[test]
fn nothing_changed() {
    let (built, exists) = build_after(|_| {});
    assert!(built.is_ok() && exists);
}

#[test]
fn a_changed_file_is_named() {
    let to_fifo = |file: &Path| {
        fs::remove_file(file).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, file, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    type Change<'a> = &'a dyn Fn(&Path);
    let changes: [Change<'_>; 4] = [
        &|file| fs::write(file, "new").unwrap(),
        &|file| fs::write(file, "longer").unwrap(),
        &|file| fs::write(file, "").unwrap(),
        &to_fifo,
    ];
    for change in changes {
        let (built, exists) = build_after(change);
        let error = built.unwrap_err();
        let is_named = matches!(
            &error,
            BuildError::Source(SourceError::Changed { path }) if path.ends_with("content/a")
        );
        assert!(is_named && !exists && !error.is_invalid(), "{error}");
    }
}

#[test]
fn a_file_that_is_gone_or_a_link_cannot_be_read() {
    let to_link = |file: &Path| {
        fs::remove_file(file).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", file).unwrap();
    };
    type Change<'a> = &'a dyn Fn(&Path);
    let changes: [Change<'_>; 2] = [&|file| fs::remove_file(file).unwrap(), &to_link];
    for change in changes {
        let (built, exists) = build_after(change);
        let error = built.unwrap_err();
        assert!(
            matches!(&error, BuildError::Source(SourceError::Read { .. })),
            "{error}"
        );
        assert!(!exists);
    }
}

/// Builds with a cache that says, for the one source file, that it has another content.
fn build_with_a_wrong_cache(progress: &dyn Progress) -> (Package, Cache, Digest) {
    let directory = tempfile::tempdir().unwrap();
    let content = directory.path().join("content");
    fs::create_dir(&content).unwrap();
    fs::write(content.join("a"), "right").unwrap();
    let source = source(&content);
    let out = directory.path().join("out");
    let expected = build(&source, &out).unwrap().sha256;
    let identity = Identity::of(&fs::metadata(content.join("a")).unwrap());
    let package = KnownPackage {
        manifest: Digest::of(b"another"),
        sha256: expected,
        bytes: 0,
    };
    let wrong = [(identity, Digest::of(b"wrong"))];
    Cache::default()
        .store(&out, package, wrong.into_iter())
        .unwrap();
    let options = BuildOptions {
        cache: true,
        progress,
        ..BuildOptions::default()
    };
    let package = build_with(&source, &out, options).unwrap();
    let cache = Cache::load(&out);
    assert_ne!(cache.files.get(&identity), Some(Digest::of(b"wrong")));
    (package, cache, expected)
}

#[test]
fn a_wrong_cache_is_found_out_and_replaced() {
    let (package, cache, expected) = build_with_a_wrong_cache(&());
    assert_eq!((package.sha256, package.is_reused), (expected, false));
    assert_eq!(cache.package.unwrap().sha256, expected);
}

#[test]
fn each_step_is_told() {
    #[derive(Default)]
    struct Steps(std::sync::Mutex<Vec<(Step, u64, u64)>>);
    impl Progress for Steps {
        fn begin(&self, step: Step, bytes: u64) {
            self.0.lock().unwrap().push((step, bytes, 0));
        }
        fn advance(&self, bytes: u64) {
            self.0.lock().unwrap().last_mut().unwrap().2 += bytes;
        }
        fn cache_not_kept(&self, path: &Path, error: &io::Error) {
            panic!("{}: {error}", path.display());
        }
    }
    let steps = Steps::default();
    build_with_a_wrong_cache(&steps);
    let steps = steps.0.into_inner().unwrap();
    let kinds: Vec<Step> = steps.iter().map(|(step, ..)| *step).collect();
    // Once as the cache says, then without it.
    assert_eq!(
        kinds,
        [Step::Hash, Step::Compress, Step::Hash, Step::Compress]
    );
    assert_eq!(steps[0], (Step::Hash, 0, 0));
    for (_, bytes, bytes_done) in &steps[2..] {
        assert_eq!(bytes, bytes_done);
    }
}
