//! `cargo xtask package`: a service of this workspace as one file, ready for another machine.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context;
use xshell::Shell;

use crate::build::{APPROOT, Built, Progress, build, host};
use crate::components;
use crate::handover::{hand_over, without_cargo};
use crate::refusal::Refusal;
use crate::service::{Service, ServiceArguments};
use crate::verify::verify;
use crate::workspace::Workspace;

/// Builds a service and packages it
///
/// Ends by becoming `approot package build`, whose exit status it has; with `--verify` it runs that
/// program, and its own status says whether the packages are the same.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    service: ServiceArguments,
    /// Folder for the package [default: package below cargo's target directory]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Build twice, in two folders under two homes, and compare the bytes
    #[arg(long)]
    verify: bool,
    /// Print nothing but errors, and the result where it is for programs
    #[arg(short, long)]
    quiet: bool,
    /// How to print the result: one line either way
    #[arg(long, default_value = "human", value_parser = ["human", "json"])]
    format: String,
    /// Sign the package with this secret key of minisign
    ///
    /// Its password is read from --password-file, else from $APPROOT_SIGN_PASSWORD, else from the
    /// terminal.
    #[arg(long, value_name = "KEYFILE")]
    sign: Option<PathBuf>,
    /// File whose first line is the password of the key
    #[arg(long, value_name = "FILE", requires = "sign")]
    password_file: Option<PathBuf>,
    /// Make an OCI image as well (not built yet)
    #[arg(long)]
    oci: bool,
}

pub(crate) fn run(sh: &Shell, arguments: Arguments) -> anyhow::Result<ExitCode> {
    Refusal::not_built_yet(&[("--oci", arguments.oci)])?;
    let workspace = Workspace::read(sh)?;
    let service = Service::find(&workspace, &arguments.service, "Cloud")?;
    let roles = workspace.roles_of(&service.canonical_dir)?;
    let progress = if arguments.quiet {
        Progress::Hidden
    } else {
        Progress::Shown
    };
    let built = build(sh, &workspace, &roles, progress)?;
    let host = host(sh, &workspace)?;
    let components = components::write(sh, &workspace, &roles, &host, &[APPROOT])?;
    let default_out = || workspace.target.join("package");
    let out = arguments.out.clone().unwrap_or_else(default_out);
    let mut command = approot_package(&built, &service, &out, &arguments);
    for components in &components {
        command.args(["--components", components]);
    }
    sign(&mut command, arguments.sign, arguments.password_file);
    if arguments.verify {
        return verified(sh, &workspace, &service, &out, command, arguments.quiet);
    }
    Err(hand_over(command, &workspace.target))
}

fn sign(command: &mut Command, key: Option<PathBuf>, password_file: Option<PathBuf>) {
    let files = [("--sign", key), ("--password-file", password_file)];
    for (option, file) in files {
        if let Some(file) = file {
            command.arg(option).arg(file);
        }
    }
}

/// Packages, packages again elsewhere, and only then passes the result on.
fn verified(
    sh: &Shell,
    workspace: &Workspace,
    service: &Service,
    out: &Path,
    mut command: Command,
    quiet: bool,
) -> anyhow::Result<ExitCode> {
    without_cargo(&mut command, &workspace.target);
    let output = command
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output();
    let output = output.context("start approot")?;
    if !output.status.success() {
        let code = output
            .status
            .code()
            .and_then(|code| u8::try_from(code).ok());
        return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
    }
    verify(sh, workspace, service, out)?;
    if !quiet {
        eprintln!("built twice, in two folders under two homes: the same bytes");
    }
    io::stdout()
        .write_all(&output.stdout)
        .context("print the result")?;
    Ok(ExitCode::SUCCESS)
}

fn approot_package(built: &Built, service: &Service, out: &Path, arguments: &Arguments) -> Command {
    let mut command = Command::new(&built.approot);
    command.args(["package", "build"]).arg(&service.dir);
    command.arg("--configuration").arg(&service.configuration);
    for binary in &built.binaries {
        command.args(["--binary", binary]);
    }
    command.arg("--out").arg(out);
    command.args(["--format", &arguments.format]);
    if arguments.quiet {
        command.arg("--quiet");
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments() -> Arguments {
        use clap::{Args, FromArgMatches};
        let matches =
            Arguments::augment_args(clap::Command::new("package")).get_matches_from(["package"]);
        Arguments::from_arg_matches(&matches).unwrap()
    }

    fn refused(arguments: Arguments) -> String {
        let error = run(&Shell::new().unwrap(), arguments).unwrap_err();
        let refusal = error.downcast::<Refusal>().unwrap();
        assert_eq!(refusal.status as u8, 2);
        refusal.to_string()
    }

    #[test]
    fn approot_gets_what_was_built_and_where_to_put_it() {
        let built = Built {
            approot: "approot".into(),
            binaries: vec!["A=/t/a".to_owned(), "B=/t/b".to_owned()],
        };
        let service = Service {
            dir: "s".into(),
            canonical_dir: "/w/s".into(),
            configuration: "s/ServiceConfiguration.Cloud.cscfg".into(),
        };
        let mut arguments = arguments();
        arguments.quiet = true;
        let command = approot_package(&built, &service, Path::new("/out"), &arguments);
        let words: Vec<&str> = command
            .get_args()
            .map(|word| word.to_str().unwrap())
            .collect();
        assert_eq!(
            words.join(" "),
            "package build s --configuration s/ServiceConfiguration.Cloud.cscfg \
             --binary A=/t/a --binary B=/t/b --out /out --format human --quiet"
        );
    }

    #[test]
    fn approot_gets_the_key_and_where_its_password_is() {
        let mut command = Command::new("approot");
        sign(&mut command, None, None);
        assert_eq!(command.get_args().count(), 0);
        sign(&mut command, Some("k".into()), Some("p".into()));
        let words: Vec<_> = command.get_args().collect();
        assert_eq!(words, ["--sign", "k", "--password-file", "p"]);
    }

    #[test]
    fn oci_is_not_built_yet() {
        let mut oci = arguments();
        oci.oci = true;
        assert_eq!(refused(oci), "`--oci` is not built yet");
    }
}
