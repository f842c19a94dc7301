//! Names of variables that a program has without declaring them, and references to variables in text.
//!
//! Their values are the plan's and the host's business.

/// What each program and startup task is given, in the platform's spelling. Each is also set in upper and in
/// lower case.
///
/// Source: dumps of the environments of live instances. Left out is what has no truth here, see
/// `docs/programs.md`.
pub const PLATFORM_VARIABLES: [&str; 14] = [
    "RoleRoot",
    "RdRoleRoot",
    "RoleName",
    "RoleInstanceID",
    "RoleDeploymentID",
    "RdRoleId",
    "WaRoleType",
    "WaRuntimeEndpoint",
    "TEMP",
    "TMP",
    "TMPDIR",
    "DiagnosticStore",
    "COMPUTERNAME",
    "NUMBER_OF_PROCESSORS",
];

/// What a program takes over from the machine, where it is set there. All else of the environment that approot
/// was started in is that of a person's terminal or a build, and none of the role's business.
const INHERITED: [&str; 8] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TZ",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// Whether a program takes a variable of this name over from the machine.
pub fn is_inherited(name: &str) -> bool {
    INHERITED.contains(&name) || name.starts_with("LC_")
}

/// Whether `%NAME%` may have a value though nobody declares it.
pub(crate) fn is_given(name: &str) -> bool {
    let mut known = PLATFORM_VARIABLES.iter().chain(&INHERITED);
    let upper = name.to_ascii_uppercase();
    // The last are approot's own.
    known.any(|known| known.eq_ignore_ascii_case(name))
        || ["LC_", "APPROOT_", "LISTEN_", "NOTIFY_SOCKET"]
            .iter()
            .any(|start| upper.starts_with(start))
}

/// A reference to a variable in a text: `%NAME%` or `${NAME}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'t> {
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
    /// The name.
    pub name: &'t str,
}

/// Every reference to a variable, from left to right; they do not overlap.
pub fn references(text: &str) -> impl Iterator<Item = Reference<'_>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let start = from + text[from..].find(['%', '$'])?;
            match reference(text, start) {
                Some(found) => {
                    from = found.end;
                    return Some(found);
                }
                None => from = start + 1,
            }
        }
    })
}

fn reference(text: &str, start: usize) -> Option<Reference<'_>> {
    let (opening, closing) = if text[start..].starts_with('%') {
        ("%", '%')
    } else {
        ("${", '}')
    };
    let inner = text[start..].strip_prefix(opening)?;
    let name = &inner[..inner.find(closing)?];
    let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
    is_name.then(|| Reference {
        start,
        end: start + opening.len() + name.len() + 1,
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_where_a_name_is_enclosed() {
        for (text, expected) in [
            ("%A%${B}x%", &["A", "B"][..]),
            ("100% of %A%", &["A"]),
            ("%%A%", &["A"]),
            ("$A %", &[]),
            ("${} %%", &[]),
        ] {
            let found: Vec<_> = references(text).map(|found| found.name).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_is_given_is_known_in_any_case() {
        for name in ["roleroot", "Path", "lc_all", "APPROOT_CERTIFICATE_TLS"] {
            assert!(is_given(name), "{name}");
        }
        assert!(!is_given("windir"));
        assert!(is_inherited("LC_ALL") && !is_inherited("Path"));
    }
}
