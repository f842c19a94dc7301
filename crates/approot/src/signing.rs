//! Keys and passwords from the command line, and what a signature means for a command.
//!
//! `packager` signs and judges; here is where passwords come from, what the time is, and which exit
//! status a refusal has: 3 where the package or its signature is to blame, 2 where a file that was
//! named as a key is none, 1 where something could not be read or a password is wrong.

use std::env;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, anyhow};
use packager::{
    KeyError, LockedKey, Opened, SignatureError, Signing, SigningKey, Trust, TrustedKeys,
};
use serde_json::{Value, json};

use crate::cli::{SignArguments, TrustArguments};
use crate::exit::{self, Failure};
use crate::{prompt, service};

/// Where a pipeline puts the password of the key.
const PASSWORD_VARIABLE: &str = "APPROOT_SIGN_PASSWORD";
/// What a password may have in bytes, as minisign limits it.
const PASSWORD_BYTES_MAX: u64 = 1024;

/// The key to sign with, ready; `None` where nothing is to be signed.
pub(crate) fn key(arguments: &SignArguments) -> Result<Option<SigningKey>, Failure> {
    let Some(path) = &arguments.sign else {
        return Ok(None);
    };
    let locked = LockedKey::read(path).map_err(key_failure)?;
    let password = if locked.is_encrypted() {
        password(arguments.password_file.as_deref(), path)?
    } else {
        String::new()
    };
    locked.unlock(&password).map(Some).map_err(key_failure)
}

/// From the file, else the environment, else whoever sits at the terminal.
fn password(file: Option<&Path>, key: &Path) -> Result<String, Failure> {
    if let Some(file) = file {
        return Ok(password_in(file)?);
    }
    if let Ok(password) = env::var(PASSWORD_VARIABLE) {
        return Ok(password);
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        let error = anyhow!(
            "the key needs a password, and there is no terminal to ask at: give it with \
             `--password-file` or ${PASSWORD_VARIABLE}: {}",
            key.display()
        );
        return Err(exit::with(exit::USAGE, error));
    }
    let prompt = format!("Password of {}: ", key.display());
    Ok(prompt::password(&prompt).context("cannot read the password")?)
}

/// The first line of a file.
fn password_in(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(PASSWORD_BYTES_MAX + 2).read_to_string(&mut text))
        .with_context(|| format!("cannot read the password in {}", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// The time that is to stand in a signature: that of `SOURCE_DATE_EPOCH`, or none.
pub(crate) fn signed_at() -> Result<Option<u64>, Failure> {
    let Ok(text) = env::var("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        let error = anyhow!("$SOURCE_DATE_EPOCH is not a number of seconds: {text}");
        exit::with(exit::USAGE, error)
    })
}

/// Decides by its signature whether a package may be opened.
pub(crate) fn check(package: &Path, arguments: &TrustArguments) -> Result<Signing, Failure> {
    let trust = Trust {
        keys: TrustedKeys::read(&arguments.trusted).map_err(key_failure)?,
        is_required: arguments.require_signature,
    };
    trust
        .check(package, SystemTime::now())
        .map_err(signature_failure)
}

/// Opens a package that is accepted by its signature.
pub(crate) fn open(
    package: &Path,
    arguments: &TrustArguments,
) -> Result<(Opened, Signing), Failure> {
    service::must_exist(package)?;
    let signing = check(package, arguments)?;
    let opened = service::open(package)?;
    service::expect_signed(&opened, &signing)?;
    Ok((opened, signing))
}

/// Refuses `--trusted` for what is no package.
pub(crate) fn no_package() -> Failure {
    let error = anyhow!("`--trusted` is for a package: a service folder has no signature");
    exit::with(exit::USAGE, error)
}

/// The exit status that goes with an error of a signature.
pub(crate) fn signature_failure(error: SignatureError) -> Failure {
    let status = if error.is_invalid() {
        exit::INVALID
    } else {
        exit::FAILED
    };
    exit::with(status, error)
}

fn key_failure(error: KeyError) -> Failure {
    let status = match error {
        KeyError::Read { .. } | KeyError::Password { .. } => exit::FAILED,
        _ => exit::USAGE,
    };
    exit::with(status, error)
}

/// What there is to say of a signature, for people.
pub(crate) fn words(signing: &Signing) -> String {
    match signing {
        Signing::Signed(signed) => format!(
            "signed by key {} ({}): {}",
            signed.key_id,
            signed.key_file.display(),
            signed.trusted_comment.escape_debug()
        ),
        Signing::Unchecked { key_id } => {
            format!("signed by key {key_id}, not checked: name that key with `--trusted`")
        }
        _ => "not signed".to_owned(),
    }
}

/// The same for programs; null where there is no signature.
pub(crate) fn json(signing: &Signing) -> Value {
    match signing {
        Signing::Signed(signed) => json!({
            "key": signed.key_id,
            "trusted": true,
            "key_file": signed.key_file,
            "trusted_comment": signed.trusted_comment,
        }),
        Signing::Unchecked { key_id } => json!({"key": key_id, "trusted": false}),
        Signing::Unsigned => Value::Null,
    }
}
