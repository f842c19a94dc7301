//! What the words of a command line mean: [`expand`] puts variables in, [`Program::resolve`] finds the file, and
//! [`script`] writes a line with operators for `/bin/sh`.
//!
//! Nothing here touches a disk: whether a file exists is asked of a closure. Lines are cut into words by
//! [`schema::CommandLine`].

use schema::{CommandLine, CommandPart};

use crate::deployment::{Command, ScriptPart};

/// Replaces `%NAME%` and `${NAME}` by what `lookup` knows; what it does not know stays as written. Whether the
/// case of a name matters is up to `lookup`; on Windows it did not.
pub fn expand(word: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::with_capacity(word.len());
    let mut end = 0;
    for reference in schema::references(word) {
        expanded.push_str(&word[end..reference.start]);
        match lookup(reference.name) {
            Some(value) => expanded.push_str(&value),
            None => expanded.push_str(&word[reference.start..reference.end]),
        }
        end = reference.end;
    }
    expanded.push_str(&word[end..]);
    expanded
}

/// What is run by the shell itself, and so is no file.
const BUILT_IN: [&str; 2] = ["cd", "exit"];

/// Whether a shell runs this program itself.
pub fn is_built_in(program: &str) -> bool {
    BUILT_IN.contains(&program)
}

/// A line for `/bin/sh -c`. `word` says what a part other than an operator has become, with its variables in; it
/// is quoted here, so that no value can be taken for an operator or another word.
///
/// # Errors
/// Those of `word`.
pub fn script<E>(
    parts: &[ScriptPart],
    mut word: impl FnMut(&ScriptPart) -> Result<String, E>,
) -> Result<String, E> {
    let mut programs = parts.iter().filter_map(|part| match part {
        ScriptPart::Program(program) => Some(program),
        _ => None,
    });
    // One command takes the shell's place: signals reach it, and its exit status is its own.
    let is_one =
        programs.next().is_some_and(|first| !is_built_in(first)) && programs.next().is_none();
    let mut line = if is_one { "exec" } else { "" }.to_owned();
    for part in parts {
        if !line.is_empty() {
            line.push(' ');
        }
        match part {
            ScriptPart::Operator(operator) => line.push_str(operator),
            ScriptPart::Program(_) | ScriptPart::Argument(_) | ScriptPart::File(_) => {
                line.push('\'');
                line.push_str(&word(part)?.replace('\'', r"'\''"));
                line.push('\'');
            }
        }
    }
    Ok(line)
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

/// What a command line asks for, without its environment.
impl From<&CommandLine> for Command {
    fn from(line: &CommandLine) -> Command {
        Command {
            command_line: line.as_str().to_owned(),
            words: words_of_first(line),
            environment: Vec::new(),
            script: if line.has_operators() {
                line.parts().iter().map(script_part).collect()
            } else {
                Vec::new()
            },
        }
    }
}

/// The words of a line's first command; files that it is redirected to are none.
fn words_of_first(line: &CommandLine) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in line.parts() {
        match part {
            CommandPart::Program(_) if !words.is_empty() => break,
            CommandPart::Program(word) | CommandPart::Argument(word) => words.push(word.clone()),
            CommandPart::File(_) | CommandPart::Operator(_) => {}
        }
    }
    words
}

fn script_part(part: &CommandPart) -> ScriptPart {
    match part.clone() {
        CommandPart::Program(text) => ScriptPart::Program(text),
        CommandPart::Argument(text) => ScriptPart::Argument(text),
        CommandPart::File(text) => ScriptPart::File(text),
        CommandPart::Operator(text) => ScriptPart::Operator(text),
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
    fn no_value_is_taken_for_a_part_of_the_script() {
        let script = |parts: &[ScriptPart]| {
            script(parts, |part| match part {
                ScriptPart::Program(word) | ScriptPart::Argument(word) | ScriptPart::File(word) => {
                    Ok::<_, ()>(word.replace("%X%", "'; $(rm) > \" x"))
                }
                ScriptPart::Operator(_) => Err(()),
            })
            .unwrap()
        };
        let program = |word: &str| ScriptPart::Program(word.into());
        let operator = |text: &str| ScriptPart::Operator(text.into());
        let argument = ScriptPart::Argument("%X%".into());
        let file = ScriptPart::File("log".into());
        assert_eq!(
            script(&[program("/a"), argument, operator("2>"), file]),
            r#"exec '/a' ''\''; $(rm) > " x' 2> 'log'"#
        );
        assert_eq!(
            script(&[program("a"), operator("&&"), program("b")]),
            "'a' && 'b'"
        );
        assert_eq!(script(&[program("cd")]), "'cd'");
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
