//! Where a role finds its certificates.
//!
//! The host places them as PEM files and says where in `APPROOT_CERTIFICATE_<NAME>`. Nothing here reads them.

use std::{env, error::Error, ffi::OsString, fmt, path::PathBuf};

use crate::environment::RoleEnvironment;

/// The files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and those that lead to its issuer, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// There is no certificate of that name: it is not declared, or no fabric runs this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCertificate {
    /// Its name.
    pub name: String,
}

impl fmt::Display for UnknownCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "this role has no certificate of this name: `{}`",
            self.name
        )
    }
}

impl Error for UnknownCertificate {}

impl RoleEnvironment {
    /// The files of the certificate that the definition declares as `name`. Those of a name that is spelled in
    /// another case, or has `_` where a variable's name can have nothing else, are found too.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn certificate(&self, name: &str) -> Result<CertificateFiles, UnknownCertificate> {
        find(name, env::vars_os()).ok_or_else(|| UnknownCertificate {
            name: name.to_owned(),
        })
    }
}

fn find(
    name: &str,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Option<CertificateFiles> {
    let wanted = plain(name);
    let (_, stem) = variables
        .filter_map(|(variable, value)| Some((variable.into_string().ok()?, value)))
        .find(|(variable, _)| {
            variable
                .strip_prefix(PREFIX)
                .is_some_and(|end| plain(end) == wanted)
        })?;
    let with = |extension: &str| {
        // Not `with_extension`, which would cut a name that has a dot.
        let mut path = stem.clone();
        path.push(extension);
        PathBuf::from(path)
    };
    Some(CertificateFiles {
        certificate: with(".crt"),
        key: with(".key"),
    })
}

/// A name as variables spell it.
fn plain(name: &str) -> String {
    let plain = |character: char| {
        if character.is_ascii_alphanumeric() {
            character.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    name.chars().map(plain).collect()
}

const PREFIX: &str = "APPROOT_CERTIFICATE_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_found_by_its_name_in_any_spelling() {
        let variables = || {
            [
                ("PATH", "/bin"),
                (
                    "APPROOT_CERTIFICATE_CONTOSO_TLS",
                    "/i/certificates/LocalMachine/My/Contoso.Tls",
                ),
            ]
            .map(|(name, value)| (name.into(), value.into()))
            .into_iter()
        };
        let files = find("Contoso.Tls", variables()).unwrap();
        let stem = "/i/certificates/LocalMachine/My/Contoso.Tls";
        assert_eq!(files.certificate, PathBuf::from(format!("{stem}.crt")));
        assert_eq!(files.key, PathBuf::from(format!("{stem}.key")));
        assert_eq!(find("Contoso", variables()), None);
        let error = RoleEnvironment::unavailable()
            .certificate("Tls")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "this role has no certificate of this name: `Tls`"
        );
    }
}
