//! Private keys.

use std::fmt;

use rcgen::KeyPair;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

/// A private key of any kind that PEM and PFX files hold.
pub struct Key {
    der: PrivateKeyDer<'static>,
    /// The public key that it makes, as certificates have it; absent for a kind of key that is not known here.
    public: Option<Vec<u8>>,
}

impl Key {
    pub(crate) fn new(der: PrivateKeyDer<'static>) -> Key {
        let pair = KeyPair::try_from(&der).ok();
        Key {
            public: pair.map(|pair| pair.public_key_raw().to_vec()),
            der,
        }
    }

    pub(crate) fn from_der(der: &[u8]) -> Option<Key> {
        let der = PrivateKeyDer::try_from(der).ok()?;
        Some(Key::new(der.clone_key()))
    }

    /// The unencrypted keys of a PEM file.
    pub(crate) fn all_in(pem: &[u8]) -> Vec<Key> {
        let keys = PrivateKeyDer::pem_slice_iter(pem);
        keys.filter_map(Result::ok).map(Key::new).collect()
    }

    /// The public key that it makes, where its kind is known.
    pub(crate) fn public(&self) -> Option<&[u8]> {
        self.public.as_deref()
    }

    /// The key as a PEM file.
    pub fn pem(&self) -> String {
        let label = match &self.der {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        crate::certificate::pem(label, self.der.secret_der())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(secret)")
    }
}
