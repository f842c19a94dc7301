//! What the words of a command line mean: [`expand`] puts variables in, [`Program::resolve`] finds the file.
//!
//! Nothing here touches a disk: whether a file exists is asked of a closure. Lines are cut into words by
//! [`schema::CommandLine`].

/// Replaces `%NAME%` and `${NAME}` by what `lookup` knows; what it does not know stays as written. Whether the
/// case of a name matters is up to `lookup`; on Windows it did not.
pub fn expand(word: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(start) = rest.find(['%', '$']) {
        expanded.push_str(&rest[..start]);
        rest = &rest[start..];
        let (name, length) = match reference(rest) {
            Some(found) => found,
            None => {
                expanded.push_str(&rest[..1]);
                rest = &rest[1..];
                continue;
            }
        };
        match lookup(name) {
            Some(value) => expanded.push_str(&value),
            None => expanded.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    expanded.push_str(rest);
    expanded
}

/// The name of the reference that `text` begins with, and the reference's length in bytes.
fn reference(text: &str) -> Option<(&str, usize)> {
    let (opening, closing) = if text.starts_with('%') {
        ("%", '%')
    } else {
        ("${", '}')
    };
    let inner = text.strip_prefix(opening)?;
    let name = &inner[..inner.find(closing)?];
    let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
    is_name.then(|| (name, opening.len() + name.len() + 1))
}

/// Where the program of a command line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// A file of the approot, relative to it.
    InApproot(String),
    /// A file of the machine: an absolute path, or a name to look up on PATH.
    OnMachine(String),
}

impl Program {
    /// Finds the program that the first word means: in the approot before the machine; a `.cmd`, `.bat`
    /// or `.ps1` gives way to a file of the same stem with `.sh` or no extension beside it; and what is not
    /// there is also tried without `.exe`, `.cmd` or `.bat`, as Windows programs are named with one.
    ///
    /// `in_approot` says whether a path relative to the approot is a file, `on_machine` whether an absolute path
    /// or a name on PATH is.
    pub fn resolve(
        word: &str,
        in_approot: impl Fn(&str) -> bool,
        on_machine: impl Fn(&str) -> bool,
    ) -> Option<Program> {
        let local = word.trim_start_matches("./");
        let stem = ["exe", "cmd", "bat", "ps1"].iter().find_map(|extension| {
            let (stem, found) = local.rsplit_once('.')?;
            (!stem.is_empty() && found.eq_ignore_ascii_case(extension))
                .then_some((stem, *extension))
        });
        let mut candidates = vec![local.to_owned()];
        match stem {
            Some((stem, "exe")) => candidates.push(stem.to_owned()),
            Some((stem, _)) => candidates
                .splice(0..0, [format!("{stem}.sh"), stem.to_owned()])
                .for_each(drop),
            None => {}
        }
        if !local.starts_with('/')
            && let Some(found) = candidates.iter().find(|candidate| in_approot(candidate))
        {
            return Some(Program::InApproot(found.clone()));
        }
        // A relative path with a folder in it means the approot; only a bare name is looked up on PATH.
        let may_be_on_machine = local.starts_with('/') || !local.contains('/');
        let found = candidates
            .into_iter()
            .find(|candidate| may_be_on_machine && on_machine(candidate));
        found.map(Program::OnMachine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_and_unknown_ones_stay() {
        let lookup = |name: &str| {
            name.eq_ignore_ascii_case("roleroot")
                .then(|| "/r".to_owned())
        };
        for (word, expected) in [
            ("%RoleRoot%/approot", "/r/approot"),
            ("${ROLEROOT}/x%", "/r/x%"),
            ("%NOPE%", "%NOPE%"),
            ("100% of %roleroot%", "100% of /r"),
            ("$RoleRoot", "$RoleRoot"),
            ("%%", "%%"),
        ] {
            assert_eq!(expand(word, lookup), expected, "{word}");
        }
    }

    #[test]
    fn programs_are_found_in_the_approot_before_the_machine() {
        let in_approot =
            |path: &str| ["tool", "startup/a.sh", "startup/a.cmd", "b"].contains(&path);
        let on_machine = |path: &str| ["tool", "node", "/bin/sh"].contains(&path);
        let find = |word| Program::resolve(word, in_approot, on_machine);
        assert_eq!(find("tool"), Some(Program::InApproot("tool".into())));
        assert_eq!(find("./tool"), Some(Program::InApproot("tool".into())));
        assert_eq!(
            find("startup/a.cmd"),
            Some(Program::InApproot("startup/a.sh".into()))
        );
        assert_eq!(find("b.exe"), Some(Program::InApproot("b".into())));
        assert_eq!(find("node.cmd"), Some(Program::OnMachine("node".into())));
        assert_eq!(find("/bin/sh"), Some(Program::OnMachine("/bin/sh".into())));
        assert_eq!(find("bin/node"), None);
        assert_eq!(find("missing"), None);
    }
}
