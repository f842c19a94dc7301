//! `approot package`.

use std::fs;

use anyhow::Context;
use packager::BuildError;
use serde_json::json;

use crate::cli::{BuildArguments, Format, VerifyArguments};
use crate::exit::{self, Failure, Outcome};
use crate::service::{self, Location};
use crate::{show, staging};

/// Makes the package, and puts its configuration and the digests of both beside it.
pub(crate) fn build(arguments: &BuildArguments) -> Outcome {
    let loaded = service::load(&arguments.service)?;
    let Location::Definition(path) = &loaded.location else {
        return Err(exit::with(
            exit::USAGE,
            anyhow::anyhow!("a package is made from a service folder, not from a package"),
        ));
    };
    let source = service::source(
        &loaded.service.definition,
        path,
        &arguments.service.binaries,
    )?;
    let out = &arguments.out;
    fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let package_name = format!("{}{}", source.service, packager::PACKAGE_SUFFIX);
    let built =
        packager::build(&source, &out.join(&package_name)).map_err(|error| match error {
            BuildError::Source(error) => staging::invalid(path, error),
            error if error.is_invalid() => exit::with(exit::INVALID, error),
            error => exit::with(exit::FAILED, error),
        })?;
    let configuration = &loaded.configuration;
    let name = configuration
        .file_name()
        .and_then(|name| name.to_str())
        .context("the configuration's name is not UTF-8")?;
    let target = out.join(name);
    // Read and written, not copied: a copy would carry the mode of the original along.
    let text = fs::read(configuration)
        .with_context(|| format!("cannot read {}", configuration.display()))?;
    fs::write(&target, text).with_context(|| format!("cannot write {}", target.display()))?;
    packager::write_sums(out, &[&package_name, name]).context("cannot write the digests")?;
    match arguments.format {
        Format::Human => show::line(&format!(
            "{}: {} files, {} bytes\nsha256 {}",
            built.path.display(),
            built.manifest.files.len(),
            built.bytes,
            built.sha256
        )),
        Format::Json => show::json(&json!({
            "package": built.path,
            "bytes": built.bytes,
            "sha256": built.sha256.to_string(),
            "files": built.manifest.files.len(),
            "configuration": target,
        }))?,
    }
    Ok(exit::DONE)
}

/// Checks every digest and rule of a package.
pub(crate) fn verify(arguments: &VerifyArguments) -> Outcome {
    let opened = service::open(&arguments.package)?;
    let report = opened.report();
    match arguments.format {
        Format::Human => show::line(&format!(
            "{}: the package of service {} with role {}, {} files of {} bytes, is whole and unchanged\nsha256 {}",
            report.path.display(),
            report.service,
            report.roles.join(", "),
            report.n_files,
            report.content_bytes,
            report.sha256
        )),
        Format::Json => show::json(&json!({
            "package": report.path,
            "service": report.service,
            "roles": report.roles,
            "files": report.n_files,
            "bytes": report.bytes,
            "content_bytes": report.content_bytes,
            "sha256": report.sha256.to_string(),
            "packager": report.packager_version,
        }))?,
    }
    Ok::<u8, Failure>(exit::DONE)
}
