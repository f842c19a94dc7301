//! Files that OpenSSL made are read, and what comes out is what OpenSSL says of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use certificates::{Authority, Folder, Trouble};
use tempfile::TempDir;
use test_support::has_program;

/// Runs `openssl` in a folder; words are separated by spaces.
#[track_caller]
fn openssl(folder: &Path, words: &str) -> String {
    let output = Command::new("openssl")
        .args(words.split(' '))
        .current_dir(folder)
        .output()
        .expect("openssl starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {error}");
    String::from_utf8(output.stdout).expect("it prints text")
}

/// A folder of work with a root, an RSA certificate of it in `leaf.pem`, and a certificate of an elliptic
/// curve in `ec.pem`; keys in `.key`.
fn work() -> TempDir {
    let folder = tempfile::tempdir().expect("there is room");
    let run = |words: &str| openssl(folder.path(), words);
    let new = "req -x509 -nodes -days 30";
    run(&format!(
        "{new} -newkey rsa:2048 -subj /CN=root -keyout root.key -out root.pem"
    ));
    run("req -new -nodes -newkey rsa:2048 -subj /CN=leaf -keyout leaf.key -out leaf.csr");
    run("x509 -req -in leaf.csr -CA root.pem -CAkey root.key -days 20 -out leaf.pem");
    run(&format!(
        "{new} -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=ec -keyout ec.key -out ec.pem"
    ));
    folder
}

fn thumbprint(folder: &Path, certificate: &str) -> String {
    let said = openssl(
        folder,
        &format!("x509 -in {certificate} -noout -fingerprint -sha1"),
    );
    let (_, digits) = said.trim().split_once('=').expect("it is an assignment");
    digits.replace(':', "")
}

/// Whether OpenSSL takes key and certificate for a pair, and how many certificates the file holds.
#[track_caller]
fn is_pair(folder: &Path, found: &certificates::Certificate) -> usize {
    let key = found.key.as_ref().expect("the key was found");
    let (pem, key) = (found.pem(), key.pem());
    fs::write(folder.join("found.crt"), &pem).expect("there is room");
    fs::write(folder.join("found.key"), key).expect("there is room");
    let of_certificate = openssl(folder, "x509 -in found.crt -noout -pubkey");
    let of_key = openssl(folder, "pkey -in found.key -pubout");
    assert_eq!(of_certificate, of_key);
    pem.matches("BEGIN CERTIFICATE").count()
}

#[test]
fn pfx_files_of_every_encoding_are_read() {
    if !has_program("openssl") {
        return;
    }
    let work = work();
    let (leaf, ec) = (
        thumbprint(work.path(), "leaf.pem"),
        thumbprint(work.path(), "ec.pem"),
    );
    let of_leaf = "pkcs12 -export -in leaf.pem -inkey leaf.key";
    let old = "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1";
    for (name, words, password, thumbprint, chain) in [
        ("default", of_leaf.to_owned(), "pass", &leaf, 1),
        (
            "chain",
            format!("{of_leaf} -certfile root.pem"),
            "pass",
            &leaf,
            2,
        ),
        ("windows", format!("{of_leaf} {old}"), "pass", &leaf, 1),
        ("legacy", format!("{of_leaf} -legacy"), "pass", &leaf, 1),
        (
            "unicode",
            format!("{of_leaf} {old}"),
            "Pä\u{df}wort",
            &leaf,
            1,
        ),
        ("no-mac", format!("{of_leaf} -nomac"), "pass", &leaf, 1),
        ("no-password", of_leaf.to_owned(), "", &leaf, 1),
        (
            "ec",
            "pkcs12 -export -in ec.pem -inkey ec.key".to_owned(),
            "pass",
            &ec,
            1,
        ),
    ] {
        let folder = work.path().join(name);
        fs::create_dir(&folder).unwrap();
        let password_file = folder.join("a.PFX.password");
        fs::write(&password_file, format!("{password}\n")).unwrap();
        openssl(
            work.path(),
            &format!("{words} -passout file:{name}/a.PFX.password -out {name}/a.PFX"),
        );
        let read = Folder::read(&folder, Some("another"));
        let found = read
            .find(thumbprint)
            .unwrap_or_else(|| panic!("{name}: {:?}", read.problems()));
        assert_eq!(is_pair(work.path(), found), chain, "{name}");
        if name == "no-mac" {
            continue;
        }
        // Without a file of its own the password is the one given.
        fs::remove_file(password_file).unwrap();
        assert!(
            Folder::read(&folder, Some(password))
                .find(thumbprint)
                .is_some()
        );
        let refused = Folder::read(&folder, Some("wrong"));
        let trouble = &refused.problems()[0].trouble;
        assert!(matches!(trouble, Trouble::Password), "{name}: {trouble:?}");
    }
}

#[test]
fn a_pfx_without_keys_has_its_certificates_all_the_same() {
    if !has_program("openssl") {
        return;
    }
    let work = work();
    let folder = work.path().join("pfx");
    fs::create_dir(&folder).unwrap();
    openssl(
        work.path(),
        "pkcs12 -export -nokeys -in root.pem -passout pass:x -out pfx/root.p12",
    );
    let read = Folder::read(&folder, Some("x"));
    let found = read.find(&thumbprint(work.path(), "root.pem")).unwrap();
    assert!(found.key.is_none());
    assert_eq!(found.subject, "CN=root");
}

#[test]
fn pem_files_are_read_in_any_order_and_with_the_key_beside_them() {
    if !has_program("openssl") {
        return;
    }
    let work = work();
    let text = |name: &str| fs::read_to_string(work.path().join(name)).unwrap();
    openssl(work.path(), "rsa -in leaf.key -traditional -out leaf-1.key");
    openssl(work.path(), "ec -in ec.key -out ec-1.key");
    openssl(work.path(), "x509 -in ec.pem -outform der -out ec.der");
    let leaf = thumbprint(work.path(), "leaf.pem");
    let folder = work.path().join("pem");
    let check = |files: &[(&str, String)], thumbprint: &str, chain: usize| {
        fs::create_dir(&folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        let read = Folder::read(&folder, None);
        let found = read.find(thumbprint).unwrap();
        if found.key.is_some() {
            assert_eq!(is_pair(work.path(), found), chain);
        } else {
            assert_eq!(chain, 0);
        }
        fs::remove_dir_all(&folder).unwrap();
    };
    // The root first, and its key too: each certificate has its own.
    let all = text("root.key") + &text("root.pem") + &text("leaf.pem") + &text("leaf.key");
    check(&[("all.pem", all)], &leaf, 2);
    check(
        &[("a.pem", text("leaf.pem") + &text("leaf-1.key"))],
        &leaf,
        1,
    );
    check(
        &[("a.crt", text("leaf.pem")), ("a.key", text("leaf.key"))],
        &leaf,
        1,
    );
    check(&[("a.crt", text("leaf.pem"))], &leaf, 0);
    // A key that is another's is none.
    check(&[("a.pem", text("leaf.pem") + &text("root.key"))], &leaf, 0);
    let ec = thumbprint(work.path(), "ec.pem");
    check(&[("a.pem", text("ec-1.key") + &text("ec.pem"))], &ec, 1);
    fs::create_dir(&folder).unwrap();
    fs::copy(work.path().join("ec.der"), folder.join("a.crt")).unwrap();
    assert!(Folder::read(&folder, None).find(&ec).is_some());
}

#[test]
fn what_is_no_certificate_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("a.pfx", "x"),
        ("b.pem", "x"),
        ("c.txt", "x"),
        ("d.pem", "-----BEGIN X"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let read = Folder::read(folder.path(), None);
    let told: Vec<String> = read.problems().iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[1].ends_with("b.pem: there is no certificate in it"),
        "{told:?}"
    );
    assert!(
        Folder::read(Path::new("/nowhere"), None)
            .problems()
            .is_empty()
    );
}

#[test]
fn a_stand_in_is_issued_once_and_openssl_believes_it() {
    if !has_program("openssl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority");
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let thumbprint = "A".repeat(40);
    let first = Authority::open(&path).unwrap();
    let first = first.stand_in(&thumbprint, &names).unwrap();
    let again = Authority::open(&path).unwrap();
    assert_eq!(
        again.stand_in(&thumbprint, &names).unwrap().pem(),
        first.pem()
    );
    assert_eq!(is_pair(folder.path(), &first), 2);
    let verified = openssl(
        folder.path(),
        "verify -CAfile authority/authority.crt -verify_ip 127.0.0.1 found.crt",
    );
    assert_eq!(verified, "found.crt: OK\n");
    use std::os::unix::fs::PermissionsExt;
    let key = fs::metadata(path.join("authority.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}
