//! File systems made and mounted for real, as root.

use test_support::{has_program, is_root};

use super::*;

#[test]
fn escapes_of_mount_points_are_undone() {
    assert_eq!(unescape(r"/a\040b\134c"), r"/a b\c");
    assert_eq!(unescape(r"/a\9"), r"/a\9");
}

struct Fixture {
    folder: tempfile::TempDir,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = release(self.folder.path());
    }
}

impl Fixture {
    /// `None` where there is no root.
    fn new() -> Option<Fixture> {
        let is_possible = is_root() && has_program("mkfs.ext4");
        is_possible.then(|| Fixture {
            folder: tempfile::tempdir().expect("there is room"),
        })
    }

    fn store(&self, size_mb: u32) -> LocalResourcePlan {
        LocalResourcePlan {
            name: "Cache".into(),
            path: self.folder.path().join("directory/Cache"),
            size_mb,
            clean_on_role_recycle: false,
        }
    }

    fn mount(&self, size_mb: u32) -> Result<Option<String>, String> {
        let store = self.store(size_mb);
        let is_mounted = !mounted_below(&store.path).is_empty();
        mount(self.folder.path(), &store, is_mounted)
    }

    /// Writes until the store is full; returns how many bytes went in.
    fn fill(&self) -> u64 {
        use std::io::Write;
        let path = self.store(1).path.join("filler");
        let mut file = fs::File::create(&path).expect("the store is writable");
        let chunk = vec![1; 1 << 16];
        loop {
            match file.write_all(&chunk) {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                    let bytes = file.metadata().expect("it is open").len();
                    fs::remove_file(path).expect("it is there");
                    return bytes;
                }
            }
        }
    }
}

#[test]
fn a_store_has_the_room_that_was_declared_and_little_more() {
    let Some(it) = Fixture::new() else { return };
    for size_mb in [1, 7, 8, 100] {
        it.mount(size_mb).unwrap();
        let bytes = it.fill();
        let declared = u64::from(size_mb) * MIB;
        let most = declared + declared / 20 + 3 * MIB;
        assert!((declared..=most).contains(&bytes), "{size_mb} MB: {bytes}");
        assert!(is_empty(&it.store(1).path), "nothing else is in it");
        release(it.folder.path()).unwrap();
        fs::remove_dir_all(images(it.folder.path())).unwrap();
    }
}

#[test]
fn what_a_store_holds_survives_another_mount_and_another_size() {
    let Some(it) = Fixture::new() else { return };
    let note = it.store(1).path.join("note");
    it.mount(20).unwrap();
    fs::write(&note, "kept").unwrap();
    // As after a host that was killed.
    it.mount(20).unwrap();
    release(it.folder.path()).unwrap();
    assert!(!note.exists(), "it is unmounted");
    for size_mb in [20, 40, 12] {
        assert_eq!(it.mount(size_mb).unwrap(), None);
        assert_eq!(fs::read_to_string(&note).unwrap(), "kept");
        let bytes = it.fill();
        assert!(bytes >= u64::from(size_mb) * MIB, "{size_mb} MB: {bytes}");
        assert!(
            bytes <= u64::from(size_mb + 4) * MIB,
            "{size_mb} MB: {bytes}"
        );
    }
}

#[test]
fn a_store_that_holds_more_than_its_new_size_keeps_the_old_one() {
    let Some(it) = Fixture::new() else { return };
    it.mount(20).unwrap();
    let large = it.store(1).path.join("large");
    fs::write(&large, vec![1; 15 << 20]).unwrap();
    let remark = it.mount(9).unwrap().unwrap();
    assert!(remark.contains("keeps the size"), "{remark}");
    assert_eq!(fs::metadata(&large).unwrap().len(), 15 << 20);
}

#[test]
fn an_image_that_cannot_be_resized_or_mounted_is_left_as_it_was() {
    let Some(it) = Fixture::new() else { return };
    it.mount(20).unwrap();
    release(it.folder.path()).unwrap();
    let image = image(it.folder.path(), &it.store(20));
    let bytes = image_bytes(20);
    fs::write(&image, "no file system").unwrap();
    File::options()
        .write(true)
        .open(&image)
        .and_then(|file| file.set_len(bytes))
        .unwrap();
    for size_mb in [40, 12, 20] {
        let error = it.mount(size_mb).unwrap_err();
        assert!(error.starts_with("`e2fsck`"), "{error}");
        let held = fs::read(&image).unwrap();
        assert!(held.starts_with(b"no file system"));
        assert_eq!(held.len() as u64, bytes);
        assert!(!image.with_extension("new").exists());
    }
    let cleaned = LocalResourcePlan {
        clean_on_role_recycle: true,
        ..it.store(20)
    };
    assert_eq!(mount(it.folder.path(), &cleaned, false), Ok(None));
    assert!(it.fill() >= 20 * MIB, "it is made anew");
}

#[test]
fn a_copy_has_the_bytes_and_the_holes() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let file = File::create_new(&from).unwrap();
    let copy = |bytes: &[(u64, &[u8])], length| {
        for (at, bytes) in bytes {
            std::os::unix::fs::FileExt::write_all_at(&file, bytes, *at).unwrap();
        }
        file.set_len(length).unwrap();
        copy_sparse(&from, &File::create(&to).unwrap()).unwrap();
        assert!(fs::read(&from).unwrap() == fs::read(&to).unwrap());
        assert!(fs::metadata(&to).unwrap().blocks() * 512 < MIB);
    };
    copy(&[], 0);
    copy(&[], 8 * MIB);
    let page = [7; 8192];
    copy(&[(0, &page), (5 * MIB, &page)], 8 * MIB);
    copy(&[(9 * MIB, &page)], 9 * MIB + 8192);
}

#[test]
fn a_folder_with_contents_stays_a_folder() {
    let Some(it) = Fixture::new() else { return };
    let note = it.store(1).path.join("note");
    fs::create_dir_all(it.store(1).path).unwrap();
    fs::write(&note, "kept").unwrap();
    assert!(it.mount(20).is_err());
    assert!(note.exists());
}
