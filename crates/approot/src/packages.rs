//! `approot package`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use packager::{BuildOptions, Package, ServiceSource};
use serde_json::json;

use crate::cli::{BuildArguments, Format, VerifyArguments};
use crate::exit::{self, Failure, Outcome};
use crate::progress::Shown;
use crate::service::{self, Location, Words};
use crate::show;

/// Makes the package, and puts its configuration and the digests of both beside it.
///
/// The digests come last, so a folder whose digests are right is complete.
pub(crate) fn build(arguments: &BuildArguments) -> Outcome {
    let words = if arguments.quiet {
        Words::Errors
    } else {
        Words::Warnings
    };
    let loaded = service::load(&arguments.service, words)?;
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
    let built = write(&source, &out.join(&package_name), arguments)?;
    let configuration = copy_configuration(&loaded.configuration, out)?;
    let name = configuration
        .file_name()
        .and_then(|name| name.to_str())
        .context("the configuration's name is not UTF-8")?;
    let known = [(package_name.as_str(), built.sha256)];
    packager::write_sums_knowing(out, &[&package_name, name], &known)
        .context("cannot write the digests")?;
    summarise(&built, &configuration, arguments)?;
    Ok(exit::DONE)
}

fn write(
    source: &ServiceSource,
    path: &Path,
    arguments: &BuildArguments,
) -> Result<Package, Failure> {
    let progress = Shown::new(arguments.quiet);
    let mut options = BuildOptions {
        cache: !arguments.no_cache,
        progress: &progress,
        ..BuildOptions::default()
    };
    if let Some(n_threads) = arguments.threads {
        options.n_threads = n_threads;
    }
    packager::build_with(source, path, options).map_err(|error| {
        let status = if error.is_invalid() {
            exit::INVALID
        } else {
            exit::FAILED
        };
        exit::with(status, error)
    })
}

/// Puts the configuration beside the package, as a file of its own: a copy would carry the mode of
/// the original along.
fn copy_configuration(configuration: &Path, out: &Path) -> anyhow::Result<PathBuf> {
    let name = configuration
        .file_name()
        .context("the configuration has no name")?;
    let target = out.join(name);
    let text = fs::read(configuration)
        .with_context(|| format!("cannot read {}", configuration.display()))?;
    packager::replace_file(&target, &text)
        .with_context(|| format!("cannot write {}", target.display()))?;
    Ok(target)
}

/// Says in one line what was made.
fn summarise(
    built: &Package,
    configuration: &Path,
    arguments: &BuildArguments,
) -> anyhow::Result<()> {
    let manifest = &built.manifest;
    match arguments.format {
        Format::Human if arguments.quiet => {}
        Format::Human => show::line(&format!(
            "{}: service {} with role {}, {} files, {} bytes, not signed, sha256 {}",
            built.path.display(),
            manifest.service,
            manifest.roles.join(", "),
            manifest.files.len(),
            built.bytes,
            built.sha256
        )),
        Format::Json => show::json(&json!({
            "path": built.path,
            "bytes": built.bytes,
            "sha256": built.sha256.to_string(),
            "service": manifest.service,
            "roles": manifest.roles,
            "files": manifest.files.len(),
            "signed": false,
            "configuration": configuration,
        }))?,
    }
    Ok(())
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
