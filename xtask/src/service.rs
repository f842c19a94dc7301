//! Which service, and which of its configurations, a command line means.
//!
//! Looks whether the files are there, so that a misspelt name costs no build; does not read them.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::refusal::Refusal;
use crate::workspace::Workspace;

/// The service of a command line without `SERVICE_DIR`, below the workspace's root.
const SERVICE_DIR_DEFAULT: &str = "services/echo-cloud";

/// What `run-local` and `package` both take.
#[derive(clap::Args)]
pub(crate) struct ServiceArguments {
    /// Folder of the service definition [default: the workspace's services/echo-cloud]
    service_dir: Option<PathBuf>,
    /// NAME of a ServiceConfiguration.NAME.cscfg beside the definition, or a file
    #[arg(long, value_name = "NAME|FILE")]
    configuration: Option<String>,
}

/// A service folder and the configuration to use with it.
#[derive(Debug)]
pub(crate) struct Service {
    /// As the user would write it from the current directory.
    pub(crate) dir: PathBuf,
    /// The same folder, absolute and without links.
    pub(crate) canonical_dir: PathBuf,
    /// The `.cscfg`, which exists.
    pub(crate) configuration: PathBuf,
}

impl Service {
    /// # Errors
    ///
    /// The folder or the configuration is not there.
    pub(crate) fn find(
        workspace: &Workspace,
        arguments: &ServiceArguments,
        configuration_default: &str,
    ) -> anyhow::Result<Service> {
        let dir = match &arguments.service_dir {
            Some(dir) => dir.clone(),
            None => from_here(&workspace.root.join(SERVICE_DIR_DEFAULT))?,
        };
        if !dir.is_dir() {
            let message = format!("SERVICE_DIR is no folder: {}", dir.display());
            return Err(Refusal::usage(message).into());
        }
        let name = arguments.configuration.as_deref();
        let configuration = configuration_path(&dir, name.unwrap_or(configuration_default));
        if !configuration.is_file() {
            return Err(no_configuration(&dir, &configuration).into());
        }
        Ok(Service {
            canonical_dir: dir.canonicalize()?,
            dir,
            configuration,
        })
    }

    /// The folder's own name.
    pub(crate) fn name(&self) -> anyhow::Result<&Path> {
        let name = self.canonical_dir.file_name();
        Ok(name.context("SERVICE_DIR is the root folder")?.as_ref())
    }
}

/// A path as one would write it from the current directory, where it lies below.
fn from_here(path: &Path) -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir().context("the current directory")?;
    Ok(match path.strip_prefix(here) {
        Ok(below) if below.as_os_str().is_empty() => ".".into(),
        Ok(below) => below.to_owned(),
        Err(_) => path.to_owned(),
    })
}

/// The file that `--configuration` means: a plain word is a name, all else a path.
fn configuration_path(service_dir: &Path, name_or_file: &str) -> PathBuf {
    let is_file = name_or_file.contains('/') || name_or_file.ends_with(".cscfg");
    if is_file {
        return name_or_file.into();
    }
    service_dir.join(format!("ServiceConfiguration.{name_or_file}.cscfg"))
}

fn no_configuration(service_dir: &Path, wanted: &Path) -> Refusal {
    let mut message = format!("there is no configuration {}", wanted.display());
    let names = configuration_names(service_dir);
    if !names.is_empty() {
        message += &format!("; beside the definition are: {}", names.join(", "));
    }
    Refusal::invalid(message)
}

/// The NAMEs that `--configuration` takes for this service, sorted; none where the folder cannot
/// be listed, since this only adds to a message.
fn configuration_names(service_dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(service_dir).into_iter().flatten();
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let file_name = entry.file_name().into_string().ok()?;
            let name = file_name.strip_prefix("ServiceConfiguration.")?;
            Some(name.strip_suffix(".cscfg")?.to_owned())
        })
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(dir: Option<&str>, configuration: Option<&str>) -> anyhow::Result<Service> {
        let workspace = Workspace::read(&xshell::Shell::new().unwrap()).unwrap();
        let arguments = ServiceArguments {
            service_dir: dir.map(PathBuf::from),
            configuration: configuration.map(str::to_owned),
        };
        Service::find(&workspace, &arguments, "Local")
    }

    fn refused(dir: Option<&str>, configuration: Option<&str>) -> (u8, String) {
        let error = find(dir, configuration).unwrap_err();
        let refusal = error.downcast::<Refusal>().unwrap();
        (refusal.status as u8, refusal.to_string())
    }

    #[test]
    fn a_word_is_a_name_and_all_else_a_path() {
        let path = |text| configuration_path(Path::new("s"), text);
        assert_eq!(
            path("Local"),
            Path::new("s/ServiceConfiguration.Local.cscfg")
        );
        assert_eq!(path("v1.2"), Path::new("s/ServiceConfiguration.v1.2.cscfg"));
        assert_eq!(path("mine.cscfg"), Path::new("mine.cscfg"));
        assert_eq!(path("../mine"), Path::new("../mine"));
    }

    #[test]
    fn the_sample_service_is_the_default() {
        let service = find(None, None).unwrap();
        assert_eq!(service.name().unwrap(), Path::new("echo-cloud"));
        assert!(
            service
                .configuration
                .ends_with("ServiceConfiguration.Local.cscfg")
        );
        let other = find(None, Some("Cloud")).unwrap();
        assert!(
            other
                .configuration
                .ends_with("ServiceConfiguration.Cloud.cscfg")
        );
    }

    #[test]
    fn what_is_not_there_is_named() {
        let (status, message) = refused(Some("nowhere"), None);
        assert_eq!(
            (status, &message[..]),
            (2, "SERVICE_DIR is no folder: nowhere")
        );
        let (status, message) = refused(Some("../services/echo-cloud"), Some("Lokal"));
        assert_eq!(status, 3);
        assert_eq!(
            message,
            "there is no configuration \
             ../services/echo-cloud/ServiceConfiguration.Lokal.cscfg; \
             beside the definition are: Cloud, Local"
        );
        let (_, message) = refused(Some("src"), None);
        assert_eq!(
            message,
            "there is no configuration src/ServiceConfiguration.Local.cscfg"
        );
    }
}
