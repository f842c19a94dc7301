//! From the certificates that a service asks for to files that hosts can copy.
//!
//! They are read once, before the plan is committed, and put into a folder of the state directory that only the
//! fabric's user can enter. The plan names those files; a key is in no plan and no database.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use certificates::{Authority, Certificate, Folder};
use schema::{RoleConfiguration, RoleDefinition, Service};

use crate::error::{FabricError, MissingCertificate};

/// The password of PFX files that have none beside them.
const PASSWORD: &str = "APPROOT_PFX_PASSWORD";

/// Where certificates come from.
#[derive(Debug, Clone)]
pub struct CertificateSource {
    /// The folder of PFX and PEM files; it need not be there.
    pub folder: PathBuf,
    /// Whether a certificate that is not there is replaced by one of a local authority.
    pub stand_ins: bool,
    /// Names and addresses that stand-ins are for.
    pub names: Vec<String>,
}

/// The certificates of a service, found and not yet where hosts copy them from.
pub(crate) struct Gathered {
    files: Vec<Files>,
    /// What people should know about them.
    pub(crate) notes: Vec<String>,
}

/// What is kept of one certificate.
struct Files {
    thumbprint: String,
    certificate: String,
    key: Option<String>,
}

impl Files {
    fn of(thumbprint: &str, found: &Certificate) -> Files {
        Files {
            thumbprint: thumbprint.to_owned(),
            certificate: found.pem(),
            key: found.key.as_ref().map(|key| key.pem().to_string()),
        }
    }
}

impl Gathered {
    /// Puts them into `store`, as `<thumbprint>.crt` and `.key`.
    pub(crate) fn keep(&self, store: &Path) -> Result<(), FabricError> {
        if self.files.is_empty() {
            return Ok(());
        }
        make(store)?;
        self.files
            .iter()
            .try_for_each(|files| write(&store.join(&files.thumbprint), files))
    }

    /// Removes from `store` what an earlier deployment had and this one does not: a key is kept no longer than it is
    /// needed. Only while no host runs that may be copying one.
    pub(crate) fn forget_others(&self, store: &Path) -> Result<(), FabricError> {
        let Ok(entries) = fs::read_dir(store) else {
            return Ok(());
        };
        let is_wanted = |path: &Path| {
            let mut files = self.files.iter();
            files.any(|files| path.file_stem() == Some(files.thumbprint.as_ref()))
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_file() && !is_wanted(&path) {
                fs::remove_file(&path).map_err(FabricError::file("remove", &path))?;
            }
        }
        Ok(())
    }
}

fn make(store: &Path) -> Result<(), FabricError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(store)
        .map_err(FabricError::file("make the folder", store))
}

/// Finds every certificate that a role declares. `store` keeps the authority for development, if one is wanted, and is
/// not changed otherwise. Reads and decrypts files.
pub(crate) fn gather(
    service: &Service,
    source: &CertificateSource,
    store: &Path,
) -> Result<Gathered, FabricError> {
    let mut notes = Vec::new();
    let mut files = Vec::new();
    let mut wanted: BTreeMap<&str, Wanted> = BTreeMap::new();
    for (role, configuration) in service.definition.roles.iter().zip(&service.roles) {
        notes.extend(imported(role, configuration));
        for wish in wishes(role, configuration) {
            let known = wanted.entry(wish.thumbprint).or_insert(wish);
            known.needs_key |= wish.needs_key;
        }
    }
    if wanted.is_empty() {
        return Ok(Gathered { files, notes });
    }
    let password = std::env::var(PASSWORD).ok();
    let folder = Folder::read(&source.folder, password.as_deref());
    let mut authority = None;
    let mut missing = Vec::new();
    for wish in wanted.into_values() {
        if let Some(found) = folder.find(wish.thumbprint) {
            notes.extend(remarks(&wish, found));
            files.push(Files::of(wish.thumbprint, found));
        } else if source.stand_ins {
            let authority = match &mut authority {
                Some(opened) => opened,
                none => none.insert(open_authority(store)?),
            };
            let stand_in = authority
                .stand_in(wish.thumbprint, &source.names)
                .map_err(|source| FabricError::Authority { source })?;
            notes.push(format!(
                "role `{}`: certificate `{}` is a stand-in for development, by the authority {}",
                wish.role,
                wish.name,
                authority.path().display()
            ));
            files.push(Files::of(wish.thumbprint, &stand_in));
        } else {
            missing.push(MissingCertificate {
                role: wish.role.to_owned(),
                name: wish.name.to_owned(),
                thumbprint: wish.thumbprint.to_owned(),
            });
        }
    }
    if missing.is_empty() {
        return Ok(Gathered { files, notes });
    }
    let problems = folder.problems().iter().map(ToString::to_string).collect();
    Err(FabricError::Certificates {
        folder: source.folder.clone(),
        missing,
        problems,
    })
}

/// A certificate that a role declares.
#[derive(Debug, Clone, Copy)]
struct Wanted<'s> {
    role: &'s str,
    name: &'s str,
    thumbprint: &'s str,
    /// A program is to show it to others: it is an endpoint's, or in the store for that.
    needs_key: bool,
}

fn wishes<'s>(
    role: &'s RoleDefinition,
    configuration: &'s RoleConfiguration,
) -> impl Iterator<Item = Wanted<'s>> {
    role.certificates.iter().filter_map(|declared| {
        let mut configured = configuration.certificates.iter();
        let (_, thumbprint) = configured.find(|(name, _)| *name == declared.name)?;
        let shows = |name: &Option<String>| name.as_ref() == Some(&declared.name);
        let mut endpoints = role.input_endpoints.iter();
        Some(Wanted {
            role: &role.name,
            name: &declared.name,
            thumbprint,
            needs_key: declared.store_name.eq_ignore_ascii_case("my")
                || endpoints.any(|endpoint| shows(&endpoint.certificate)),
        })
    })
}

/// What the configuration has for imports alone.
fn imported(role: &RoleDefinition, configuration: &RoleConfiguration) -> Vec<String> {
    let is_declared = |name: &String| role.certificates.iter().any(|own| own.name == *name);
    let names = configuration.certificates.iter().map(|(name, _)| name);
    names
        .filter(|name| !is_declared(name))
        .map(|name| {
            format!(
                "role `{}`: certificate `{name}` is an import's, of which nothing runs; it is not looked for",
                role.name
            )
        })
        .collect()
}

fn remarks(wish: &Wanted<'_>, found: &Certificate) -> Vec<String> {
    let Wanted { role, name, .. } = wish;
    let now = SystemTime::now();
    let file = found.file.display();
    let mut remarks = Vec::new();
    if found.not_after < now {
        let end = humantime::format_rfc3339_seconds(found.not_after);
        remarks.push(format!(
            "role `{role}`: certificate `{name}` expired at {end}: {file}"
        ));
    } else if found.not_before > now {
        let begin = humantime::format_rfc3339_seconds(found.not_before);
        remarks.push(format!(
            "role `{role}`: certificate `{name}` is not valid before {begin}: {file}"
        ));
    }
    if wish.needs_key && found.key.is_none() {
        remarks.push(format!(
            "role `{role}`: there is no private key of certificate `{name}` in {file}"
        ));
    }
    remarks
}

fn open_authority(store: &Path) -> Result<Authority, FabricError> {
    make(store)?;
    Authority::open(&store.join("development")).map_err(|source| FabricError::Authority { source })
}

/// The key first: a certificate in the folder means that its key is there too, if there is one.
fn write(path: &Path, files: &Files) -> Result<(), FabricError> {
    let (own, key) = (path.with_extension("crt"), path.with_extension("key"));
    let written = match &files.key {
        Some(text) => replace(&key, text),
        None => match fs::remove_file(&key) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    };
    written.map_err(FabricError::file("keep the key", &key))?;
    replace(&own, &files.certificate).map_err(FabricError::file("keep the certificate", &own))
}

/// Beside and renamed: a host may be copying the file.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let mut new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    new.write_all(text.as_bytes())?;
    fs::rename(&beside, path)
}
