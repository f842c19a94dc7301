//! Packages that are signed: every case with its message and its exit status.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use e2e::deployment::{Deployment, Place};
use e2e::service::{Service, binary, write, write_script};
use serde_json::Value;
use tempfile::TempDir;
use test_support::has_program;

const PACKAGE: &str = "FixtureCloud.cspkg.tar.gz";
const SIGNATURE: &str = "FixtureCloud.cspkg.tar.gz.minisig";

/// A folder with minisign's keys `ours` and `theirs`, the first with a password, and a small
/// service.
struct Signed {
    folder: TempDir,
    service: Service,
}

impl Signed {
    /// `None` where `minisign` is not there to make keys.
    fn new() -> Option<Signed> {
        if !has_program("minisign") {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let sources = folder.path().join("service");
        fs::create_dir(&sources).unwrap();
        write_script(&sources, "role.sh", "exec sleep 600");
        let parts = r#"<Runtime><EntryPoint><ProgramEntryPoint commandLine="role.sh" setReadyOnProcessStart="true" /></EntryPoint></Runtime>"#;
        let service = write(&sources, parts, 1, vec![]);
        let signed = Signed { folder, service };
        signed.minisign(&["-G", "-p", "ours.pub", "-s", "ours.key"], "word\nword\n");
        signed.minisign(&["-GW", "-p", "theirs.pub", "-s", "theirs.key"], "");
        signed.write("password", "word\n");
        Some(signed)
    }

    fn minisign(&self, arguments: &[&str], input: &str) {
        let mut child = Command::new("minisign")
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        assert!(child.wait().unwrap().success(), "minisign {arguments:?}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// `approot` in the folder, without a terminal.
    fn approot(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        Command::new(binary("approot"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("SOURCE_DATE_EPOCH")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn build(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let build = ["package", "build", "service", "--out", "."];
        let build = [&build[..], arguments].concat();
        self.approot(&build, variables)
    }

    /// Verifies the package, and expects a status and words.
    fn verify(&self, arguments: &[&str], status: i32, words: &str) {
        let verify = [&["package", "verify", PACKAGE][..], arguments].concat();
        expect(&self.approot(&verify, &[]), status, words);
    }
}

fn expect(output: &Output, status: i32, words: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{text}");
    assert!(text.contains(words), "not `{words}`: {text}");
}

#[test]
fn a_key_gets_its_password_without_a_terminal() {
    let Some(signed) = Signed::new() else { return };
    let sign = ["--sign", "ours.key"];
    let from_file = ["--sign", "ours.key", "--password-file", "password"];
    expect(
        &signed.build(&sign, &[]),
        2,
        "the key needs a password, and there is no terminal to ask at: give it with `--password-file` or \
         $APPROOT_SIGN_PASSWORD: ours.key",
    );
    assert!(!signed.path(PACKAGE).exists(), "asked before the work");
    let wrong = signed.build(&sign, &[("APPROOT_SIGN_PASSWORD", "sesame")]);
    expect(&wrong, 1, "wrong password for the key ours.key");
    let no_key = signed.build(&["--sign", "ours.pub"], &[]);
    expect(&no_key, 2, "not a secret key of minisign: ours.pub");

    expect(&signed.build(&from_file, &[]), 0, "");
    let signature = signed.read(SIGNATURE);
    signed.minisign(&["-Vm", PACKAGE, "-p", "ours.pub"], "");
    let again = signed.build(&sign, &[("APPROOT_SIGN_PASSWORD", "word")]);
    expect(&again, 0, "");
    assert_eq!(signed.read(SIGNATURE), signature, "same inputs, same bytes");
    assert!(signed.read("SHA256SUMS").contains(SIGNATURE));

    let at_a_time = signed.build(&from_file, &[("SOURCE_DATE_EPOCH", "1700000000")]);
    expect(&at_a_time, 0, "");
    assert!(signed.read(SIGNATURE).contains("timestamp:1700000000\t"));

    // The signature of an earlier package does not stay.
    expect(&signed.build(&[], &[]), 0, "");
    assert!(!signed.path(SIGNATURE).exists());
    assert!(!signed.read("SHA256SUMS").contains(SIGNATURE));
}

#[test]
fn each_case_has_its_message_and_status() {
    let Some(signed) = Signed::new() else { return };
    let trusted = ["--trusted", "theirs.pub"];
    let required = ["--trusted", "theirs.pub", "--require-signature"];
    expect(&signed.build(&[], &[]), 0, "");
    signed.verify(&[], 0, "not signed");
    signed.verify(&trusted, 0, "not signed");
    signed.verify(
        &required,
        3,
        "the package is not signed, and a signature is required",
    );
    signed.verify(&["--require-signature"], 2, "--trusted");

    expect(&signed.build(&["--sign", "theirs.key"], &[]), 0, "");
    signed.verify(&[], 0, "not checked");
    signed.verify(&required, 0, "(theirs.pub): service:FixtureCloud");
    signed.verify(&["--trusted", "."], 0, "(./theirs.pub)");
    let verify = ["package", "verify", PACKAGE, "--format", "json"];
    let output = signed.approot(&[&verify[..], &trusted].concat(), &[]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["signature"]["trusted"], true, "{report}");

    signed.verify(&["--trusted", "ours.pub"], 3, "not among the trusted ones");
    signed.verify(&["--trusted", "gone.pub"], 1, "cannot read `gone.pub`");
    signed.verify(
        &["--trusted", "password"],
        2,
        "not a public key of minisign",
    );

    let key = signed.read("theirs.pub");
    let expired = key.replacen('\n', " expires 2026-01-31\n", 1);
    signed.write("expired.pub", &expired);
    signed.verify(
        &["--trusted", "expired.pub"],
        3,
        "which was trusted until 2026-01-31 (expired.pub)",
    );

    let signature = signed.read(SIGNATURE);
    signed.write(
        SIGNATURE,
        &signature.replace("file:Fixture", "file:fixture"),
    );
    signed.verify(&trusted, 3, "the signature was changed, or is not by key");
    signed.write(SIGNATURE, "x");
    signed.verify(
        &trusted,
        3,
        "not a valid signature, it does not have four lines",
    );
    signed.verify(&[], 3, "not a valid signature");

    signed.write("other", "x");
    signed.minisign(&["-Sm", "other", "-s", "theirs.key"], "");
    signed.write(SIGNATURE, &signed.read("other.minisig"));
    signed.verify(
        &trusted,
        3,
        "the signature is that of another file, `other`",
    );

    signed.write(SIGNATURE, &signature);
    flip_a_bit(&signed.path(PACKAGE));
    signed.verify(&trusted, 3, "the package is not the one that was signed");
}

#[test]
fn whoever_looks_into_a_package_is_told_who_signed_it() {
    let Some(signed) = Signed::new() else { return };
    let theirs = ["--trusted", "theirs.pub", "--require-signature"];
    let look = |arguments: &[&str], trust: &[&str]| {
        let arguments = [&["package"][..], arguments, trust].concat();
        signed.approot(&arguments, &[])
    };
    let inspect = ["inspect", PACKAGE];
    let unpack = ["unpack", PACKAGE, "--out", "tree"];
    let diff = ["diff", "unsigned.tar.gz", PACKAGE];
    expect(&signed.build(&[], &[]), 0, "not signed");
    fs::rename(signed.path(PACKAGE), signed.path("unsigned.tar.gz")).unwrap();
    let built = signed.build(&["--sign", "theirs.key", "--format", "json"], &[]);
    let summary: Value = serde_json::from_slice(&built.stdout).unwrap();
    assert_eq!(summary["signed"], true);
    assert_eq!(summary["signature"], format!("./{SIGNATURE}"));

    let words = "(theirs.pub): service:FixtureCloud";
    let refusal = "not among the trusted ones";
    for arguments in [&inspect[..], &unpack, &["diff", PACKAGE, PACKAGE]] {
        let refused = look(arguments, &["--trusted", "ours.pub"]);
        expect(&refused, 3, refusal);
        assert!(!signed.path("tree").exists());
    }
    expect(&look(&inspect, &[]), 0, "not checked");
    expect(&look(&inspect, &theirs), 0, words);
    expect(&look(&unpack, &theirs), 0, words);
    expect(
        &look(&["inspect", "service"], &theirs),
        2,
        "`--trusted` is for a package",
    );
    expect(&look(&diff, &theirs), 3, "the package is not signed");
    let same = "the same, byte for byte\nsignatures\n  + signature signed by key";
    expect(&look(&diff, &theirs[..2]), 0, same);
    let json = look(&[&inspect[..], &["--format", "json"]].concat(), &theirs);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["package"]["signature"]["trusted"], true, "{json}");
}

fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn run_opens_what_it_trusts_and_writes_nothing_else() {
    let Some(signed) = Signed::new() else { return };
    expect(&signed.build(&["--sign", "theirs.key"], &[]), 0, "");
    let refused = |path: &str, trusted: &str| {
        let run = ["run", path, "--state", "state"];
        let trust = ["--trusted", trusted, "--require-signature"];
        let output = signed.approot(&[&run[..], &trust].concat(), &[]);
        assert!(!signed.path("state").exists());
        output
    };
    expect(
        &refused(PACKAGE, "ours.pub"),
        3,
        "not among the trusted ones",
    );
    expect(
        &refused("service", "theirs.pub"),
        2,
        "`--trusted` is for a package: a service folder has no signature",
    );

    let service = Service {
        path: signed.path(PACKAGE),
        ..signed.service.clone()
    };
    let key = signed.path("theirs.pub");
    let trust = ["--trusted", key.to_str().unwrap(), "--require-signature"];
    let place = Place::new(signed.folder.path());
    let mut deployment = Deployment::spawn(&service, &place, &trust);
    deployment.await_ready();
}

/// Runs a program at a terminal of its own, types once it is asked, and prints its status, whether
/// the terminal shows again what is typed, and what it showed.
const AT_A_TERMINAL: &str = "
import json, os, pty, select, sys, termios
typed, *arguments = sys.argv[1:]
# Both ends stay open here, so that the terminal outlives the program.
master, terminal = pty.openpty()
child = os.fork()
if child == 0:
    os.login_tty(terminal)
    os.execv(arguments[0], arguments)
shown, asked, status = b'', False, None
while status is None or select.select([master], [], [], 0)[0]:
    if select.select([master], [], [], 0.02)[0]:
        shown += os.read(master, 4096)
    if not asked and b'Password of' in shown:
        asked = True
        os.write(master, typed.encode())
    if status is None:
        ended, waited = os.waitpid(child, os.WNOHANG)
        status = os.waitstatus_to_exitcode(waited) if ended else None
shows = bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
print(json.dumps({'status': status, 'shows': shows, 'shown': shown.decode()}))
";

#[test]
fn a_password_is_asked_for_at_a_terminal() {
    let Some(signed) = Signed::new() else { return };
    if !has_program("python3") {
        return;
    }
    let ask = |typed: &str| {
        let output = Command::new("timeout")
            .args(["120", "python3", "-c", AT_A_TERMINAL, typed])
            .arg(binary("approot"))
            .args([
                "package", "build", "service", "--out", ".", "--sign", "ours.key",
            ])
            .current_dir(signed.folder.path())
            .env_remove("APPROOT_SIGN_PASSWORD")
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{typed:?}: {words}");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let shown = told["shown"].as_str().unwrap().to_owned();
        assert!(
            shown.starts_with("Password of ours.key: \r\n"),
            "{typed:?}: {shown}"
        );
        assert_eq!(
            told["shows"], true,
            "{typed:?} leaves the terminal as it was"
        );
        (told["status"].as_i64().unwrap(), shown)
    };
    for (typed, status, words) in [
        ("sesame\n", 1, "wrong password for the key ours.key"),
        ("\n", 1, "wrong password for the key ours.key"),
        // The keys that end the input, and that interrupt: by signal 2 then.
        ("\u{4}", 1, "nothing was typed"),
        ("\u{3}", -2, ""),
        ("wo\u{3}", -2, ""),
    ] {
        let (ended, shown) = ask(typed);
        assert_eq!(ended, status, "{typed:?}: {shown}");
        assert!(
            shown.contains(words) && !shown.contains("sesame"),
            "{shown}"
        );
        assert!(!signed.path(PACKAGE).exists());
    }
    // A slip of the finger is taken back.
    let (ended, shown) = ask("worx\u{7f}d\n");
    assert!(ended == 0 && shown.contains("signed"), "{ended}: {shown}");
    signed.verify(
        &["--trusted", "ours.pub", "--require-signature"],
        0,
        "(ours.pub)",
    );
}
