//! Signed, and accepted or not: each case by its message, and minisign as the judge of both.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use expect_test::{Expect, expect};
use minisign::KeyPair;
use packager::{
    KeyError, LockedKey, Package, SignatureError, Signing, Trust, TrustedKeys, open, sign,
    signature_path,
};

use crate::support::Fixture;

/// A package, and keys of three holders: `ours`, `theirs` and `other`, each `.key` and `.pub`.
struct Signed {
    fixture: Fixture,
    package: Package,
}

impl Signed {
    fn new() -> Signed {
        let fixture = Fixture::echo();
        for name in ["ours", "theirs", "other"] {
            let pair = KeyPair::generate_unencrypted_keypair().unwrap();
            let public = pair.pk.to_box().unwrap().to_string();
            let secret = pair.sk.to_box(None).unwrap().to_string();
            fixture.write(&format!("{name}.pub"), &public);
            fixture.write(&format!("{name}.key"), &secret);
        }
        let package = fixture.build();
        let signed = Signed { fixture, package };
        signed.sign("ours", None);
        signed
    }

    fn sign(&self, name: &str, signed_at: Option<u64>) -> PathBuf {
        let path = self.fixture.path(&format!("{name}.key"));
        let key = LockedKey::read(&path).unwrap().unlock("").unwrap();
        sign(&self.package, &key, signed_at).unwrap()
    }

    fn signature(&self) -> PathBuf {
        signature_path(&self.package.path)
    }

    fn trust(&self, keys: &[&str]) -> Trust {
        let keys: Vec<PathBuf> = keys.iter().map(|key| self.fixture.path(key)).collect();
        Trust {
            keys: TrustedKeys::read(&keys).unwrap(),
            is_required: true,
        }
    }

    fn check(&self, trust: &Trust) -> Result<Signing, SignatureError> {
        trust.check(&self.package.path, SystemTime::now())
    }

    fn refused(&self, trust: &Trust, expected: &Expect) {
        let error = self.check(trust).unwrap_err();
        assert!(error.is_invalid(), "{error}");
        expected.assert_eq(&self.neutral(&error.to_string()));
    }

    /// Without what differs from run to run.
    fn neutral(&self, text: &str) -> String {
        let mut text = text.replace(self.fixture.path("").to_str().unwrap(), "/");
        for name in ["ours", "theirs"] {
            let key = fs::read_to_string(self.fixture.path(&format!("{name}.pub"))).unwrap();
            let id = key.lines().next().unwrap().rsplit(' ').next().unwrap();
            text = text.replace(id, &format!("<{name}>"));
        }
        text
    }
}

fn key_error(result: Result<impl Sized, KeyError>) -> String {
    result.err().expect("the key is refused").to_string()
}

#[test]
fn a_trusted_signature_is_accepted_with_what_it_says() {
    let signed = Signed::new();
    let checked = signed
        .check(&signed.trust(&["theirs.pub", "ours.pub"]))
        .unwrap();
    let Signing::Signed(by) = checked else {
        panic!("{checked:?}");
    };
    assert_eq!(by.key_file, signed.fixture.path("ours.pub"));
    assert_eq!(
        by.trusted_comment,
        "service:EchoCloud\tfile:EchoCloud.cspkg.tar.gz\thashed"
    );
    let opened = open(&signed.package.path).unwrap();
    opened.expect_digest(by.sha256).unwrap();

    let other = Fixture::empty().source_of(packager::RoleSource {
        name: "Other".to_owned(),
        binary: None,
        components: None,
        content_directory: None,
        contents: Vec::new(),
    });
    packager::build(&other, &signed.package.path).unwrap();
    let opened = open(&signed.package.path).unwrap();
    assert!(opened.expect_digest(by.sha256).is_err());
}

#[test]
fn the_same_key_and_package_make_the_same_bytes() {
    let signed = Signed::new();
    let first = fs::read(signed.signature()).unwrap();
    signed.sign("ours", None);
    assert_eq!(fs::read(signed.signature()).unwrap(), first);
    signed.sign("ours", Some(1_700_000_000));
    let text = fs::read_to_string(signed.signature()).unwrap();
    let comment = "\ntrusted comment: timestamp:1700000000\tservice:EchoCloud\t";
    assert!(text.contains(comment), "{text}");
}

#[test]
fn a_package_that_changed_is_not_signed() {
    let signed = Signed::new();
    fs::write(&signed.package.path, "another").unwrap();
    let key = LockedKey::read(&signed.fixture.path("ours.key")).unwrap();
    let error = sign(&signed.package, &key.unlock("").unwrap(), None).unwrap_err();
    assert!(matches!(error, SignatureError::Changed { .. }), "{error}");
}

#[test]
fn an_unsigned_package_is_accepted_only_where_it_may_be() {
    let signed = Signed::new();
    fs::remove_file(signed.signature()).unwrap();
    let mut trust = signed.trust(&["ours.pub"]);
    signed.refused(
        &trust,
        &expect!["the package is not signed, and a signature is required: /EchoCloud.cspkg.tar.gz"],
    );
    trust.is_required = false;
    assert_eq!(signed.check(&trust).unwrap(), Signing::Unsigned);
}

#[test]
fn without_keys_a_signature_is_only_seen() {
    let signed = Signed::new();
    let checked = signed.check(&Trust::default()).unwrap();
    assert!(matches!(checked, Signing::Unchecked { .. }), "{checked:?}");
    fs::write(signed.signature(), "x").unwrap();
    assert!(signed.check(&Trust::default()).unwrap_err().is_invalid());
}

#[test]
fn a_signature_by_nobody_trusted_is_refused() {
    let signed = Signed::new();
    let mut trust = signed.trust(&["theirs.pub"]);
    for is_required in [true, false] {
        trust.is_required = is_required;
        signed.refused(
            &trust,
            &expect![
                "the signature is by key <ours>, which is not among the trusted ones: /EchoCloud.cspkg.tar.gz.minisig"
            ],
        );
    }
}

#[test]
fn a_wrong_signature_is_refused() {
    let signed = Signed::new();
    let trust = signed.trust(&["ours.pub"]);
    let text = fs::read_to_string(signed.signature()).unwrap();
    // A comment that the signer did not write.
    fs::write(signed.signature(), text.replace("EchoCloud", "Echo")).unwrap();
    signed.refused(
        &trust,
        &expect!["the signature was changed, or is not by key <ours>, which it names: /EchoCloud.cspkg.tar.gz.minisig"],
    );
    // A package that the signer did not see.
    fs::write(signed.signature(), text).unwrap();
    let mut bytes = fs::read(&signed.package.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&signed.package.path, bytes).unwrap();
    signed.refused(
        &trust,
        &expect!["the package is not the one that was signed: /EchoCloud.cspkg.tar.gz"],
    );
}

#[test]
fn a_signature_of_another_file_is_named() {
    let signed = Signed::new();
    let fixture = Fixture::echo();
    fixture.write("scripts/more.txt", "more");
    let other = packager::build(&fixture.source(), &fixture.path("Other.cspkg.tar.gz")).unwrap();
    let key = LockedKey::read(&signed.fixture.path("ours.key")).unwrap();
    let theirs = sign(&other, &key.unlock("").unwrap(), None).unwrap();
    fs::copy(theirs, signed.signature()).unwrap();
    signed.refused(
        &signed.trust(&["ours.pub"]),
        &expect![
            "the signature is that of another file, `Other.cspkg.tar.gz`: /EchoCloud.cspkg.tar.gz"
        ],
    );
}

#[test]
fn trust_ends_with_the_day_in_the_comment() {
    let signed = Signed::new();
    let key = fs::read_to_string(signed.fixture.path("ours.pub")).unwrap();
    let until = |name: &str, day: &str| {
        let text = key.replacen('\n', &format!(" expires {day}\n"), 1);
        signed.fixture.write(name, &text);
    };
    until("keys/old.pub", "2001-09-09");
    until("keys/older.pub", "2000-01-01");
    signed.refused(
        &signed.trust(&["keys"]),
        &expect![
            "the signature is by key <ours>, which was trusted until 2001-09-09 (/keys/old.pub): /EchoCloud.cspkg.tar.gz.minisig"
        ],
    );
    let on_the_day = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let checked = signed
        .trust(&["keys"])
        .check(&signed.package.path, on_the_day);
    assert!(matches!(checked, Ok(Signing::Signed(_))), "{checked:?}");
    // The holder has renewed it.
    until("keys/renewed.pub", "9999-12-30");
    let checked = signed.check(&signed.trust(&["keys"]));
    assert!(matches!(checked, Ok(Signing::Signed(_))), "{checked:?}");
}

#[test]
fn what_minisign_would_not_write_is_malformed() {
    let signed = Signed::new();
    let trust = signed.trust(&["ours.pub"]);
    let text = fs::read_to_string(signed.signature()).unwrap();
    let long = format!("{text}{}", "x".repeat(20_000));
    // The algorithm `Ed` instead of `ED`.
    let legacy = text.replacen("\nRU", "\nRW", 1);
    let unknown = text.replacen("\nRU", "\nRX", 1);
    let faults = [
        "",
        "x",
        &text.replacen("untrusted", "trusted", 1),
        &text.replacen("minisign secret key", "my secret key", 1),
        &text.replace('\n', "\r\n"),
        &text.replace("==\n", "\n"),
        &text.replacen("trusted comment: service", "comment: service", 1),
        text.trim_end(),
        &format!("{text}\n"),
        &legacy,
        &unknown,
        &long,
    ];
    for fault in faults {
        assert_ne!(fault, text);
        fs::write(signed.signature(), fault).unwrap();
        let error = signed.check(&trust).unwrap_err();
        let is_malformed = matches!(error, SignatureError::Malformed { .. });
        assert!(is_malformed && error.is_invalid(), "{fault}: {error}");
    }
    fs::write(signed.signature(), legacy).unwrap();
    signed.refused(
        &trust,
        &expect![
            "not a valid signature, it is of minisign's old form, not made with a prehash: /EchoCloud.cspkg.tar.gz.minisig"
        ],
    );
    fs::remove_file(signed.signature()).unwrap();
    fs::create_dir(signed.signature()).unwrap();
    assert!(!signed.check(&trust).unwrap_err().is_invalid());
}

#[test]
fn any_bit_that_flips_in_a_signature_is_seen() {
    let signed = Signed::new();
    let trust = signed.trust(&["ours.pub"]);
    let mut bytes = fs::read(signed.signature()).unwrap();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(signed.signature(), &bytes).unwrap();
        let error = signed.check(&trust).unwrap_err();
        assert!(error.is_invalid(), "bit {bit}: {error}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn keys_that_are_none_are_named() {
    let signed = Signed::new();
    let fixture = &signed.fixture;
    let refused = |key: &str| {
        let trusted = TrustedKeys::read(&[fixture.path(key)]);
        signed.neutral(&key_error(trusted))
    };
    assert_eq!(
        refused("ours.key"),
        "not a public key of minisign: /ours.key"
    );
    assert_eq!(refused("gone.pub"), "cannot read `/gone.pub`");
    fixture.write("keys/readme.txt", "no key");
    assert_eq!(refused("keys"), "there is no `*.pub` in the folder /keys");
    fixture.write("keys/a.pub", "no key");
    assert_eq!(refused("keys"), "not a public key of minisign: /keys/a.pub");
    fixture.write("soon.pub", "untrusted comment: expires soon\n");
    assert_eq!(
        refused("soon.pub"),
        "the key's comment has no day such as 2027-03-31 after `expires`: /soon.pub"
    );
    let secret = key_error(LockedKey::read(&fixture.path("ours.pub")));
    assert_eq!(
        signed.neutral(&secret),
        "not a secret key of minisign: /ours.pub"
    );
    // Another half than belongs to the key.
    let text = fs::read_to_string(fixture.path("ours.key")).unwrap();
    let other = fs::read_to_string(fixture.path("other.key")).unwrap();
    let (ours, other) = (text.lines().nth(1).unwrap(), other.lines().nth(1).unwrap());
    let mixed = format!("{}{}", &ours[..120], &other[120..]);
    fixture.write("mixed.key", &format!("untrusted comment: x\n{mixed}\n"));
    let mixed = LockedKey::read(&fixture.path("mixed.key")).unwrap();
    assert_eq!(
        signed.neutral(&key_error(mixed.unlock(""))),
        "not a secret key of minisign: /mixed.key"
    );
}

/// Runs `minisign` in the fixture's folder with words on its standard input.
fn minisign(folder: &Path, arguments: &[&str], input: &str) -> bool {
    let mut child = Command::new("minisign")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait().unwrap().success()
}

const PACKAGE: &str = "EchoCloud.cspkg.tar.gz";

#[test]
fn minisign_verifies_ours_and_we_verify_its() {
    if !test_support::has_program("minisign") {
        return;
    }
    let signed = Signed::new();
    let folder = signed.fixture.path("");
    assert!(minisign(&folder, &["-Vm", PACKAGE, "-p", "ours.pub"], ""));
    assert!(!minisign(&folder, &["-Vm", PACKAGE, "-p", "other.pub"], ""));

    // A key of its own without a password; then the same words make the same bytes.
    let make = ["-G", "-W", "-p", "its.pub", "-s", "its.key"];
    assert!(minisign(&folder, &make, ""));
    let ours = fs::read(signed.sign("its", None)).unwrap();
    let comment = "service:EchoCloud\tfile:EchoCloud.cspkg.tar.gz\thashed";
    let with_ours = ["-Sm", PACKAGE, "-s", "its.key", "-t", comment];
    assert!(minisign(&folder, &with_ours, ""));
    assert_eq!(fs::read(signed.signature()).unwrap(), ours);

    // With its own words, a clock among them, and its key with an end.
    assert!(minisign(&folder, &["-Sm", PACKAGE, "-s", "its.key"], ""));
    let key = fs::read_to_string(signed.fixture.path("its.pub")).unwrap();
    let key = key.replacen('\n', " expires 9999-12-30\n", 1);
    signed.fixture.write("its.pub", &key);
    assert!(minisign(&folder, &["-Vm", PACKAGE, "-p", "its.pub"], ""));
    let checked = signed.check(&signed.trust(&["its.pub"]));
    assert!(matches!(checked, Ok(Signing::Signed(_))), "{checked:?}");

    let old_form = ["-Slm", PACKAGE, "-s", "its.key"];
    assert!(minisign(&folder, &old_form, ""));
    assert!(signed.check(&signed.trust(&["its.pub"])).is_err());
}

#[test]
fn a_key_with_a_password_of_minisign_signs() {
    if !test_support::has_program("minisign") {
        return;
    }
    let signed = Signed::new();
    let folder = signed.fixture.path("");
    let make = ["-G", "-p", "its.pub", "-s", "its.key"];
    assert!(minisign(&folder, &make, "pass word\npass word\n"));
    let read = || LockedKey::read(&signed.fixture.path("its.key")).unwrap();
    assert!(read().is_encrypted());
    let wrong = signed.neutral(&key_error(read().unlock("pass")));
    assert_eq!(wrong, "wrong password for the key /its.key");
    let key = read().unlock("pass word").unwrap();
    sign(&signed.package, &key, None).unwrap();
    assert!(minisign(&folder, &["-Vm", PACKAGE, "-p", "its.pub"], ""));
}
