//! PFX files (PKCS #12), as Windows and OpenSSL export them.

use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error;

use crate::certificate::Contents;
use crate::folder::Trouble;
use crate::key::Key;

/// Everything in the file. Read as an archive and not as a key store: that would leave out, without a word,
/// certificates that have no key.
pub(crate) fn read(data: &[u8], password: &str) -> Result<Contents, Trouble> {
    let archive = Pkcs12Archive::from_pkcs12(data, password).map_err(|error| match error {
        // What a wrong password leads to, with a digest over the file and without.
        Error::MacError(_) | Error::UnpadError | Error::Pkcs5Error(_) => Trouble::Password,
        other => Trouble::Damaged(other.to_string()),
    })?;
    let certificates = archive.certs.iter();
    let keys = archive.keys.iter();
    Ok(Contents {
        certificates: certificates.map(|bag| bag.cert.as_der().to_vec()).collect(),
        keys: keys
            .filter_map(|bag| Key::from_der(bag.key.as_der()))
            .collect(),
    })
}
