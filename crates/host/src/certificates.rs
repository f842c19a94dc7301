//! Certificates as files of the role.
//!
//! Each attempt places them anew, so that nothing of an earlier configuration, and nothing that a program has
//! changed there, stays.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

use plan::{CertificatePlan, InstancePlan};

use crate::prepare::{PrepareError, failed, make, remove};

/// Places every certificate of the instance.
pub(crate) fn place(plan: &InstancePlan) -> Result<(), PrepareError> {
    let folder = plan.paths.root.join("certificates");
    remove(&folder)?;
    for certificate in &plan.certificates {
        if let Some(store) = certificate.path.parent() {
            make(store, 0o755)?;
        }
        place_certificate(certificate, plan.sandbox.identity)?;
    }
    Ok(())
}

fn place_certificate(
    certificate: &CertificatePlan,
    identity: Option<u32>,
) -> Result<(), PrepareError> {
    let own = with(&certificate.source, "crt");
    let placed = with(&certificate.path, "crt");
    fs::copy(&own, &placed)
        .and_then(|_| fs::set_permissions(&placed, fs::Permissions::from_mode(0o644)))
        .map_err(failed("place the certificate", &own))?;
    let own = with(&certificate.source, "key");
    let placed = with(&certificate.path, "key");
    match copy_key(&own, &placed) {
        // A certificate of others has none.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        copied => copied
            .and_then(|()| give(&placed, certificate, identity))
            .map_err(failed("place the key", &own)),
    }
}

/// At no moment can anyone read it but this user.
fn copy_key(from: &Path, to: &Path) -> io::Result<()> {
    let mut key = File::open(from)?;
    let mut placed = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    io::copy(&mut key, &mut placed).map(drop)
}

/// Lets those read a key who may: of an elevated one the fabric's user alone, of others the instance's user too, where
/// it has one of its own.
fn give(key: &Path, certificate: &CertificatePlan, identity: Option<u32>) -> io::Result<()> {
    if certificate.is_elevated {
        return fs::set_permissions(key, fs::Permissions::from_mode(0o400));
    }
    chown(key, identity, identity)
}

/// A path with an extension more: names of certificates have dots.
fn with(path: &Path, extension: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}
