//! `approot package`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use packager::{
    BuildError, BuildOptions, Components, ComponentsError, Package, ServiceSource, SigningKey,
};
use serde_json::json;

use crate::cli::{BuildArguments, Format, VerifyArguments, by_role};
use crate::exit::{self, Failure, Outcome};
use crate::progress::Shown;
use crate::service::{self, Location, Words};
use crate::{options_file, show, signing, staging};

/// Makes the package, and puts its configuration, its options and the digests of all of them beside it.
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
            anyhow!("a package is made from a service folder, not from a package"),
        ));
    };
    let mut source = service::source(
        &loaded.service.definition,
        path,
        &arguments.service.binaries,
    )?;
    add_components(&mut source, &arguments.components)?;
    // Before the long work, which is for nothing without the password.
    let key = signing::key(&arguments.signing)?;
    let out = &arguments.out;
    fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let package_name = format!("{}{}", source.service, packager::PACKAGE_SUFFIX);
    let built = write(&source, path, &out.join(&package_name), arguments)?;
    let signature = sign(&built, key.as_ref())?;
    let configuration = copy_configuration(&loaded.configuration, out)?;
    let options = options_file::copy(loaded.options.file.as_deref(), out)?;
    let name = configuration
        .file_name()
        .and_then(|name| name.to_str())
        .context("the configuration's name is not UTF-8")?;
    let signature_name = format!("{package_name}{}", packager::SIGNATURE_SUFFIX);
    let mut names = vec![package_name.as_str(), name];
    names.extend(signature.is_some().then_some(signature_name.as_str()));
    names.extend(options);
    let known = [(package_name.as_str(), built.sha256)];
    packager::write_sums_knowing(out, &names, &known).context("cannot write the digests")?;
    summarise(&built, &configuration, signature.as_deref(), arguments)?;
    Ok(exit::DONE)
}

fn write(
    source: &ServiceSource,
    definition: &Path,
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
    packager::build_with(source, path, options).map_err(|error| match error {
        BuildError::Source(error) => staging::invalid(definition, error),
        error if error.is_invalid() => exit::with(exit::INVALID, error),
        error => exit::with(exit::FAILED, error),
    })
}

/// Puts the configuration beside the package, as a file of its own: a copy would carry the mode of
/// the original along.
fn copy_configuration(configuration: &Path, out: &Path) -> anyhow::Result<PathBuf> {
    let name = configuration
        .file_name()
        .context("the configuration has no name")?;
    let target = out.join(name);
    let text = service::read_file(configuration)
        .with_context(|| format!("cannot read {}", configuration.display()))?;
    packager::replace_file(&target, &text)
        .with_context(|| format!("cannot write {}", target.display()))?;
    Ok(target)
}

/// Says in one line what was made.
fn summarise(
    built: &Package,
    configuration: &Path,
    signature: Option<&Path>,
    arguments: &BuildArguments,
) -> anyhow::Result<()> {
    let manifest = &built.manifest;
    match arguments.format {
        Format::Human if arguments.quiet => {}
        Format::Human => show::line(&format!(
            "{}: service {} with role {}, {} files, {} bytes, {}, sha256 {}",
            built.path.display(),
            manifest.service,
            manifest.roles.join(", "),
            manifest.files.len(),
            built.bytes,
            if signature.is_some() {
                "signed"
            } else {
                "not signed"
            },
            built.sha256
        )),
        Format::Json => show::json(&json!({
            "path": built.path,
            "bytes": built.bytes,
            "sha256": built.sha256.to_string(),
            "service": manifest.service,
            "roles": manifest.roles,
            "files": manifest.files.len(),
            "signed": signature.is_some(),
            "configuration": configuration,
            "signature": signature,
        }))?,
    }
    Ok(())
}

/// Tells the packager what the programs were built from.
fn add_components(
    source: &mut ServiceSource,
    components: &[(String, PathBuf)],
) -> Result<(), Failure> {
    for (name, file) in by_role("--components", components)? {
        let mut roles = source.roles.iter_mut();
        let role = roles.find(|role| role.name == name && role.binary.is_some());
        let role = role.ok_or_else(|| {
            let error = anyhow!("`--components` names a role without a `--binary`: {name}");
            exit::with(exit::USAGE, error)
        })?;
        let components = Components::read(&file).map_err(|error| {
            let status = match error {
                ComponentsError::Read { .. } => exit::FAILED,
                _ => exit::INVALID,
            };
            exit::with(status, error)
        })?;
        role.components = Some(components);
    }
    Ok(())
}

/// Signs what was built; without a key, takes an earlier signature away, which would be that of
/// another package.
fn sign(built: &Package, key: Option<&SigningKey>) -> Result<Option<PathBuf>, Failure> {
    if let Some(key) = key {
        let signed_at = signing::signed_at()?;
        let signed = packager::sign(built, key, signed_at);
        return signed.map(Some).map_err(signing::signature_failure);
    }
    let stale = packager::signature_path(&built.path);
    match fs::remove_file(&stale) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            let context = format!("cannot remove the earlier signature {}", stale.display());
            Err(anyhow::Error::new(error).context(context).into())
        }
        _ => Ok(None),
    }
}

/// Checks every digest and rule of a package.
pub(crate) fn verify(arguments: &VerifyArguments) -> Outcome {
    let (opened, signing) = signing::open(&arguments.package, &arguments.trust)?;
    let report = opened.report();
    match arguments.format {
        Format::Human => show::line(&format!(
            "{}: the package of service {} with role {}, {} files of {} bytes, is whole and unchanged\n{}\nsha256 {}",
            report.path.display(),
            report.service,
            report.roles.join(", "),
            report.n_files,
            report.content_bytes,
            signing::words(&signing),
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
            "signature": signing::json(&signing),
        }))?,
    }
    Ok::<u8, Failure>(exit::DONE)
}
