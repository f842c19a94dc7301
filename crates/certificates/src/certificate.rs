//! One certificate, with its chain and its key.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pem::{EncodeConfig, LineEnding, Pem};
use sha1::{Digest, Sha1};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use crate::key::Key;

/// A certificate that was found.
#[derive(Debug)]
pub struct Certificate {
    /// SHA-1 of its DER form, 40 hex digits in upper case.
    pub thumbprint: String,
    /// Whom it is for, as people read it.
    pub subject: String,
    /// When it begins to be valid.
    pub not_before: SystemTime,
    /// When it ends to be valid.
    pub not_after: SystemTime,
    /// The private key that belongs to it, where the file has one.
    pub key: Option<Key>,
    /// The file.
    pub file: PathBuf,
    /// It, then its issuer and so on as far as the file has them.
    chain: Vec<Vec<u8>>,
}

impl Certificate {
    /// The certificate and its chain as a PEM file.
    pub fn pem(&self) -> String {
        let all = self.chain.iter().map(|der| pem("CERTIFICATE", der));
        all.collect()
    }
}

/// What a file holds, in any order.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) keys: Vec<Key>,
}

impl Contents {
    /// Each certificate, with the key that is its and those of the others that issued it. What is no certificate
    /// of X.509 is left out.
    pub(crate) fn into_certificates(self, file: &Path) -> Vec<Certificate> {
        let Contents {
            certificates,
            mut keys,
        } = self;
        let parsed: Vec<_> = certificates
            .iter()
            .filter_map(|der| Some((der, X509Certificate::from_der(der).ok()?.1)))
            .collect();
        // A kind of key that cannot be compared goes with the only certificate there is.
        let is_only = parsed.len() == 1;
        let of = |(der, certificate): &(&Vec<u8>, X509Certificate<'_>)| {
            let public = &certificate.public_key().subject_public_key.data;
            let is_its = |key: &Key| {
                key.public()
                    .map_or(is_only, |known| known == public.as_ref())
            };
            let key = keys.iter().position(is_its).map(|at| keys.remove(at));
            Certificate {
                thumbprint: thumbprint(der),
                subject: certificate.subject().to_string(),
                not_before: time(certificate.validity().not_before),
                not_after: time(certificate.validity().not_after),
                key,
                file: file.to_owned(),
                chain: chain(der, certificate, &parsed),
            }
        };
        parsed.iter().map(of).collect()
    }
}

fn chain(
    der: &[u8],
    certificate: &X509Certificate<'_>,
    all: &[(&Vec<u8>, X509Certificate<'_>)],
) -> Vec<Vec<u8>> {
    let mut chain = vec![der.to_vec()];
    let mut last = certificate;
    loop {
        let issued = all
            .iter()
            .find(|(other, issuer)| issuer.subject() == last.issuer() && !chain.contains(*other));
        let Some((other, issuer)) = issued else {
            return chain;
        };
        chain.push(other.to_vec());
        last = issuer;
    }
}

fn thumbprint(der: &[u8]) -> String {
    let digest = Sha1::digest(der);
    digest.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Times before 1970 are all long ago.
fn time(time: ASN1Time) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or_default())
}

/// A block of a PEM file.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let lines = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new(label, der), lines)
}
