//! Programs started for real.

use std::fs;

use tempfile::TempDir;
use tokio::task::LocalSet;

use super::*;

struct Fixture {
    folder: TempDir,
    paths: Paths,
    log: Log,
}

impl Fixture {
    fn new() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let below = |name: &str| folder.path().join(name);
        let paths = Paths {
            root: folder.path().into(),
            approot: below("approot"),
            temp: below("temp"),
            logs: below("logs"),
            sockets: below("sockets"),
            approot_source: below("package"),
        };
        fs::create_dir_all(paths.approot.join("data")).unwrap();
        fs::write(paths.approot.join("data/list.txt"), "").unwrap();
        let log = Log::begin(&paths.logs, 1).unwrap();
        Fixture { folder, paths, log }
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.paths.approot.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn start(&self, line: &str, environment: &[(&str, &str)]) -> Result<Running, StartError> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let command = Command {
            environment: environment.iter().map(own).collect(),
            ..Command::from(&schema::CommandLine::parse(line).unwrap())
        };
        start(
            &command,
            &self.paths,
            &[],
            &[],
            "",
            &self.log,
            &Confinement::default(),
        )
    }

    /// Runs a command line to its end; returns how it ended, and what the log has once the lines of
    /// `expected` are in it: the two streams of a program are read apart.
    async fn run(
        &self,
        line: &str,
        environment: &[(&str, &str)],
        expected: &str,
    ) -> (Exit, String) {
        let exit = self.start(line, environment).unwrap().wait().await.exit;
        let file = crate::logs::files(&self.paths.logs).unwrap().remove(0);
        loop {
            // The last lines may still be on their way through the pipe.
            let text = fs::read_to_string(&file).unwrap();
            if expected.lines().all(|line| text.contains(line)) {
                return (exit, text);
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn local<T>(test: impl Future<Output = T>) -> T {
    let tasks = LocalSet::new();
    tokio::time::timeout(std::time::Duration::from_secs(30), tasks.run_until(test))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_program_sees_what_was_planned_and_little_else() {
    let it = Fixture::new();
    it.script(
        "show.sh",
        "#!/bin/sh\nenv; pwd; echo \"words: $*\"; echo oops >&2; echo end",
    );
    let environment = [("GREETING", "first"), ("GREETING", "second")];
    let (exit, log) = local(it.run(
        r"show.sh %greeting% data\list.txt C:\other",
        &environment,
        "err: oops\nout: end",
    ))
    .await;
    assert_eq!(exit, Exit::Code(0));
    assert!(
        log.contains("GREETING=second") && log.contains("err: oops"),
        "{log}"
    );
    assert!(
        log.contains(&it.folder.path().join("approot").display().to_string()),
        "{log}"
    );
    assert!(
        log.contains(r"words: second data/list.txt C:\other"),
        "{log}"
    );
    assert!(
        !log.contains("CARGO"),
        "the environment of the build does not reach a role: {log}"
    );
}

#[tokio::test]
async fn names_that_differ_in_case_are_two_variables_as_linux_has_it() {
    let it = Fixture::new();
    it.script("show.sh", "#!/bin/sh\nenv; echo \"words: $*\"; echo end");
    let environment = [("MODE", "loud"), ("Mode", "quiet")];
    let (_, log) = local(it.run("show.sh %Mode% %MODE%", &environment, "out: end")).await;
    assert!(
        log.contains("MODE=loud") && log.contains("Mode=quiet"),
        "{log}"
    );
    assert!(log.contains("words: quiet loud"), "{log}");
}

#[tokio::test]
async fn operators_go_to_the_shell_and_values_stay_values() {
    let it = Fixture::new();
    it.script(
        "setup.sh",
        "#!/bin/sh\necho \"words: $*\"; echo oops >&2; exit $1",
    );
    it.script("next.sh", "#!/bin/sh\necho next: $*; cat");
    let environment = [
        ("PATH", "/usr/bin:/bin"),
        (
            "EVIL",
            "a'; touch evil; $(touch evil) `touch evil` > evil \" &",
        ),
        ("FOLDER", "data"),
    ];
    let run = |line: &'static str, expected: &'static str| {
        let it = &it;
        async move { it.run(line, &environment, expected).await }
    };
    let (exit, _) = local(run(
        r"setup.cmd 0 %evil% data\list.txt > %FOLDER%\log.txt 2> NUL",
        "",
    ))
    .await;
    assert_eq!(exit, Exit::Code(0));
    let approot = it.folder.path().join("approot");
    let written = fs::read_to_string(approot.join("data/log.txt")).unwrap();
    assert_eq!(
        written,
        format!("words: 0 {} data/list.txt\n", environment[1].1)
    );
    let (exit, log) = local(run(
        "setup.cmd 3 x 2>&1 | next.cmd 1 && setup.sh 0 y || exit 5 & next.sh 2 < data/log.txt",
        "out: next: 1\nout: words: 3 x\nout: oops\nout: words: 0 y\nout: next: 2\nout: words: 0 a'",
    ))
    .await;
    assert_eq!(exit, Exit::Code(0), "{log}");
    let (exit, _) = local(run("setup.cmd 3 > NUL", "")).await;
    assert_eq!(exit, Exit::Code(3));
    assert!(!approot.join("evil").exists());
    let error = local(async { it.start("nowhere.cmd > log", &[]).unwrap_err() }).await;
    assert!(matches!(error, StartError::NotThere { .. }), "{error}");
}

#[tokio::test]
async fn ends_are_told_apart() {
    let it = Fixture::new();
    it.script("end.sh", "#!/bin/sh\necho begun\nkill -$1 $$\nexit 3");
    let (exit, _) = local(it.run("end.sh 0", &[], "begun")).await;
    assert_eq!(exit, Exit::Code(3));
    let (exit, _) = local(it.run("end.sh 9", &[], "begun")).await;
    assert_eq!(exit, Exit::Signal(9));
}

#[tokio::test]
async fn a_program_that_is_not_there_or_cannot_run_is_an_error() {
    let it = Fixture::new();
    let missing = local(async { it.start("nowhere.exe", &[]).unwrap_err() }).await;
    let expected =
        "`nowhere.exe` of the command line `nowhere.exe` is in neither the approot nor PATH";
    assert_eq!(missing.to_string(), expected);
    it.script("broken.sh", "#!/no/such/interpreter\n");
    let refused = local(async { it.start("broken.sh", &[]).unwrap_err() }).await;
    assert!(matches!(refused, StartError::Refused { .. }), "{refused}");
}

#[tokio::test]
async fn a_line_without_an_end_is_cut_into_lines() {
    let it = Fixture::new();
    it.script(
        "long.sh",
        "#!/bin/sh\nhead -c 40000 /dev/zero | tr '\\0' x; echo; echo end",
    );
    let (_, log) = local(it.run("long.sh", &[("PATH", "/usr/bin:/bin")], "out: end")).await;
    assert_eq!(log.lines().count(), 4);
    assert_eq!(log.matches('x').count(), 40000);
}

#[test]
fn only_executable_files_on_absolute_folders_are_found() {
    assert_eq!(
        find_on_path("sh", Some("relative:/bin"), None),
        Some("/bin/sh".into())
    );
    assert_eq!(find_on_path("/bin/sh", None, None), Some("/bin/sh".into()));
    assert_eq!(find_on_path("/etc/passwd", None, None), None);
    assert_eq!(find_on_path("sh", None, None), None);
}
