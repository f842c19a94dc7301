//! Identities: whether a range of users is nobody's, and whether a user may execute a file.

use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::view::lets_pass;

/// The names in `/etc/passwd` and `/etc/group` that have an id of the range. Users that a name service knows from
/// elsewhere are not seen.
pub fn holders(range: &RangeInclusive<u32>) -> Vec<String> {
    let files =
        ["/etc/passwd", "/etc/group"].map(|path| fs::read_to_string(path).unwrap_or_default());
    files
        .iter()
        .flat_map(|text| holders_in(text, range))
        .collect()
}

/// Both files have the name first and the id third. Source: passwd(5), group(5).
fn holders_in(text: &str, range: &RangeInclusive<u32>) -> Vec<String> {
    let holder = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let id: u32 = fields.nth(1)?.parse().ok()?;
        range.contains(&id).then(|| name.to_owned())
    };
    text.lines().filter_map(holder).collect()
}

/// Whether a user in no group but its own could execute the file: what the modes of the file and of the folders on the
/// way to it say.
pub fn may_execute(path: &Path, identity: u32) -> bool {
    let Ok(file) = path.canonicalize() else {
        return false;
    };
    let reached = |path: &Path| {
        path.ancestors()
            .skip(1)
            .all(|folder| lets_pass(folder, identity))
    };
    // A link's own folder has to be passed, too.
    reached(path) && reached(&file) && lets_pass(&file, identity)
}

/// Whether the file is this user's.
pub fn is_owned_by(path: &Path, identity: u32) -> bool {
    path.symlink_metadata()
        .is_ok_and(|found| found.uid() == identity && found.gid() == identity)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn holders_are_those_of_the_range() {
        let text =
            "root:x:0:0:root:/root:/bin/sh\nnear:x:9:9::/:\nin:x:10:7::/:\nlast:x:12:\nbroken\n";
        assert_eq!(holders_in(text, &(10..=12)), ["in", "last"]);
        assert!(holders_in(text, &(20..=30)).is_empty());
    }

    #[test]
    fn a_program_is_reached_through_folders_that_let_pass() {
        let nobody = 0x7061_0001;
        assert!(may_execute(Path::new("/bin/sh"), nobody));
        assert!(!may_execute(Path::new("/etc/passwd"), nobody));
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("sh");
        std::os::unix::fs::symlink("/bin/sh", &link).unwrap();
        for (mode, lets_pass) in [(0o700, false), (0o711, true)] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(may_execute(&link, nobody), lets_pass);
        }
    }
}
