//! The folder that certificates are looked for in.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::certificate::{Certificate, Contents};
use crate::key::Key;
use crate::pfx;

/// Files that are looked at; a service has 199 certificates at most, and a folder may hold those of several.
const FILES_MAX: usize = 1000;

/// The largest file, in bytes; a certificate with chain and key takes a few thousand.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Folder {
    certificates: Vec<Certificate>,
    problems: Vec<Problem>,
}

/// A file that gave no certificate.
#[derive(Debug)]
pub struct Problem {
    /// The file, or the folder.
    pub file: PathBuf,
    /// Why.
    pub trouble: Trouble,
}

/// Why a file gave no certificate.
#[derive(Debug)]
pub enum Trouble {
    /// It could not be read.
    Unreadable(io::Error),
    /// It is larger than any certificate.
    TooLarge,
    /// The folder holds more files than are looked at.
    TooMany,
    /// The password does not open it.
    Password,
    /// It is not what its name says.
    Damaged(String),
    /// There is no certificate in it.
    Empty,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.trouble {
            Trouble::Unreadable(error) => write!(f, "{file}: {error}"),
            Trouble::TooLarge => write!(f, "{file}: it is larger than {FILE_BYTES_MAX} bytes"),
            Trouble::TooMany => write!(f, "{file}: it holds more than {FILES_MAX} files"),
            Trouble::Password => write!(
                f,
                "{file}: its password is another; put it into `{file}.password`"
            ),
            Trouble::Damaged(what) => write!(f, "{file}: {what}"),
            Trouble::Empty => write!(f, "{file}: there is no certificate in it"),
        }
    }
}

impl Folder {
    /// Reads every `.pfx`, `.p12`, `.pem` and `.crt` of a folder; one that is not there holds nothing. The
    /// password of a PFX file is the first line of the file beside it, `<file>.password`, else `password`, else
    /// none. The key of a PEM file may lie beside it, with the extension `.key`.
    pub fn read(folder: &Path, password: Option<&str>) -> Folder {
        let mut read = Folder::default();
        let mut files = match files(folder) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return read,
            Err(error) => {
                read.problem(folder, Trouble::Unreadable(error));
                return read;
            }
        };
        files.sort();
        if files.len() > FILES_MAX {
            files.truncate(FILES_MAX);
            read.problem(folder, Trouble::TooMany);
        }
        for file in files {
            match contents(&file, password) {
                Ok(None) => {}
                Ok(Some(contents)) => {
                    let found = contents.into_certificates(&file);
                    if found.is_empty() {
                        read.problem(&file, Trouble::Empty);
                    }
                    read.certificates.extend(found);
                }
                Err(trouble) => read.problem(&file, trouble),
            }
        }
        read
    }

    /// The certificate of this thumbprint, in upper case; of several, one that has its key.
    pub fn find(&self, thumbprint: &str) -> Option<&Certificate> {
        let of_it = || {
            self.certificates
                .iter()
                .filter(|certificate| certificate.thumbprint == thumbprint)
        };
        of_it()
            .find(|certificate| certificate.key.is_some())
            .or_else(|| of_it().next())
    }

    /// The first certificate of the folder's first file.
    pub(crate) fn into_first(self) -> Option<Certificate> {
        self.certificates.into_iter().next()
    }

    /// Files that gave nothing: what is missing may be in one of them.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn problem(&mut self, file: &Path, trouble: Trouble) {
        let file = file.to_owned();
        self.problems.push(Problem { file, trouble });
    }
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// `None` for a file of another kind.
fn contents(file: &Path, password: Option<&str>) -> Result<Option<Contents>, Trouble> {
    let extension = file.extension().unwrap_or_default().to_ascii_lowercase();
    let is = |known: &[&str]| known.iter().any(|known| extension == *known);
    if is(&["pfx", "p12"]) {
        let own = own_password(file)?;
        let password = own.as_deref().or(password).unwrap_or_default();
        return pfx::read(&bytes(file)?, password).map(Some);
    }
    if is(&["pem", "crt"]) {
        return text(file).map(Some);
    }
    Ok(None)
}

fn own_password(file: &Path) -> Result<Option<String>, Trouble> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".password");
    match fs::read_to_string(beside) {
        Ok(text) => Ok(Some(text.lines().next().unwrap_or_default().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Trouble::Unreadable(error)),
    }
}

fn bytes(file: &Path) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(Trouble::Unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Trouble::TooLarge);
    }
    Ok(bytes)
}

/// A PEM file, or a single certificate in DER as Windows exports it.
fn text(file: &Path) -> Result<Contents, Trouble> {
    const BEGIN: &[u8] = b"-----BEGIN";
    let bytes = bytes(file)?;
    if !bytes.windows(BEGIN.len()).any(|window| window == BEGIN) {
        return Ok(Contents {
            certificates: vec![bytes],
            keys: keys_beside(file),
        });
    }
    let certificates = CertificateDer::pem_slice_iter(&bytes)
        .map(|certificate| certificate.map(|der| der.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| Trouble::Damaged(error.to_string()))?;
    let mut keys = Key::all_in(&bytes);
    if keys.is_empty() {
        keys = keys_beside(file);
    }
    Ok(Contents { certificates, keys })
}

fn keys_beside(file: &Path) -> Vec<Key> {
    let bytes = bytes(&file.with_extension("key"));
    bytes.map_or_else(|_| Vec::new(), |bytes| Key::all_in(&bytes))
}
