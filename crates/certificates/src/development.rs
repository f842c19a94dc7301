//! Certificates for development, by an authority that exists on one machine only.
//!
//! Nothing is put into any store of trust: whoever wants to trust the authority does so by its file.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::certificate::Certificate;
use crate::folder::Folder;

/// How long a certificate is valid; browsers refuse more than 825 days.
const VALID: Duration = Duration::from_secs(365 * 24 * 3600);

/// A certificate that ends sooner is made anew.
const LEFT_LEAST: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long the authority is valid: people trust it once.
const AUTHORITY_VALID: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// An authority and what it has issued, in a folder of their own.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// The authority could not do its work.
#[derive(Debug)]
pub enum AuthorityError {
    /// A file or folder could not be read or written.
    File {
        /// Its path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A certificate could not be made.
    Made {
        /// What the library said.
        source: rcgen::Error,
    },
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthorityError::File { path, .. } => {
                write!(
                    f,
                    "cannot keep development certificates in {}",
                    path.display()
                )
            }
            AuthorityError::Made { .. } => write!(f, "cannot make a development certificate"),
        }
    }
}

impl std::error::Error for AuthorityError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            AuthorityError::File { source, .. } => Some(source),
            AuthorityError::Made { source } => Some(source),
        }
    }
}

fn made(source: rcgen::Error) -> AuthorityError {
    AuthorityError::Made { source }
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> AuthorityError {
    let path = path.to_owned();
    move |source| AuthorityError::File { path, source }
}

impl Authority {
    /// The authority of this folder, which is made if it is not there.
    ///
    /// # Errors
    /// See [`AuthorityError`].
    pub fn open(folder: &Path) -> Result<Authority, AuthorityError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(file(folder))?;
        let (certificate, key) = (folder.join("authority.crt"), folder.join("authority.key"));
        if !certificate.exists() || !key.exists() {
            let pair = KeyPair::generate().map_err(made)?;
            let own = authority(SystemTime::now())?
                .self_signed(&pair)
                .map_err(made)?;
            write(&key, &pair.serialize_pem())?;
            write(&certificate, &own.pem())?;
        }
        let pair = fs::read_to_string(&key).map_err(file(&key))?;
        let pair = KeyPair::from_pem(&pair).map_err(made)?;
        let own = fs::read_to_string(&certificate).map_err(file(&certificate))?;
        Ok(Authority {
            folder: folder.to_owned(),
            issuer: Issuer::from_ca_cert_pem(&own, pair).map_err(made)?,
        })
    }

    /// The authority's own certificate, for those who want to trust it.
    pub fn path(&self) -> PathBuf {
        self.folder.join("authority.crt")
    }

    /// The certificate that stands for the one with this thumbprint, for servers of these names and addresses:
    /// the one that was issued before, unless it ends soon.
    ///
    /// # Errors
    /// See [`AuthorityError`].
    pub fn stand_in(
        &self,
        thumbprint: &str,
        names: &[String],
    ) -> Result<Certificate, AuthorityError> {
        let now = SystemTime::now();
        let folder = self.folder.join("issued").join(thumbprint);
        let found = || {
            let found = Folder::read(&folder, None).into_first();
            found.filter(|certificate| certificate.key.is_some())
        };
        if let Some(known) = found().filter(|known| known.not_after > now + LEFT_LEAST) {
            return Ok(known);
        }
        let pair = KeyPair::generate().map_err(made)?;
        let issued = server(names, now)?
            .signed_by(&pair, &self.issuer)
            .map_err(made)?;
        let authority = self.path();
        let authority = fs::read_to_string(&authority).map_err(file(&authority))?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(file(&folder))?;
        let path = folder.join("certificate.pem");
        write(&path, &(issued.pem() + &authority + &pair.serialize_pem()))?;
        found().ok_or_else(|| {
            let source = io::Error::other("what was written there is not there any more");
            AuthorityError::File { path, source }
        })
    }
}

fn authority(now: SystemTime) -> Result<CertificateParams, AuthorityError> {
    let mut own = CertificateParams::new(Vec::new()).map_err(made)?;
    own.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    own.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    own.distinguished_name
        .push(DnType::CommonName, "approot development authority");
    valid(&mut own, now, AUTHORITY_VALID);
    Ok(own)
}

fn server(names: &[String], now: SystemTime) -> Result<CertificateParams, AuthorityError> {
    let mut own = CertificateParams::new(names).map_err(made)?;
    own.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    own.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    own.use_authority_key_identifier_extension = true;
    let name = names.first().map_or("localhost", String::as_str);
    own.distinguished_name.push(DnType::CommonName, name);
    valid(&mut own, now, VALID);
    Ok(own)
}

fn valid(certificate: &mut CertificateParams, now: SystemTime, span: Duration) {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = date_time_ymd(1970, 1, 1);
    certificate.not_before = epoch + now;
    certificate.not_after = epoch + now + span;
}

/// Whole or not at all, and for this user alone.
fn write(path: &Path, text: &str) -> Result<(), AuthorityError> {
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut new| new.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(file(path))
}
