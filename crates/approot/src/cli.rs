//! The command line.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZero;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit::{self, Failure};

/// Run Azure Cloud Services worker roles, from their own .csdef and .cscfg files, on Linux.
#[derive(Debug, Parser)]
#[command(name = "approot", version, max_term_width = 100)]
#[command(
    after_help = "Exit status: 0 done, 1 failed, 2 wrong command line, 3 invalid definition, configuration or \
    package, 4 no fabric answers, 5 done but not every instance is Ready, 6 timed out, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print every finding about a service's files.
    Check(CheckArguments),
    /// Print what becomes of every element and attribute of a service's files.
    Ledger(LedgerArguments),
    /// Run a service, from its folder or its package, until it is stopped.
    Run(RunArguments),
    /// Print what runs and how it is.
    Status(OperateArguments),
    /// Print what instances and their hosts have printed, of earlier attempts too.
    Logs(LogsArguments),
    /// Stop an instance's program in an orderly way and start it again.
    Recycle(RecycleArguments),
    /// Start an instance anew, host and all: the approot is made again from the package, local stores and logs stay.
    ///
    /// Its program is not asked to stop: it gets SIGTERM, and SIGKILL five seconds later, as from a machine that goes
    /// down. Stores with cleanOnRoleRecycle are emptied, as at every recycle.
    Reboot(RecycleArguments),
    /// Start an instance anew from the package: as a reboot, and nothing stays but local stores and logs.
    Reimage(RecycleArguments),
    /// Give the deployment that runs a new configuration: settings and instance counts.
    ///
    /// Programs are told of new settings while they run, and recycle where they refuse them. Variables of a process
    /// that runs do not change. Returns when all of it is carried out and every instance is Ready.
    Configure(ConfigureArguments),
    /// Change the number of instances of a role.
    Scale(ScaleArguments),
    /// Print why an instance is not Ready, or why it recycles, with what that was taken from.
    Why(WhyArguments),
    /// Print what a code means and what helps.
    Explain(ExplainArguments),
    /// Stop the deployment and everything that runs for it.
    Stop(OperateArguments),
    /// Make and inspect packages.
    #[command(subcommand)]
    Package(PackageCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum PackageCommand {
    /// Make a service's package: the same inputs give the same bytes.
    Build(BuildArguments),
    /// Check everything about a package.
    Verify(VerifyArguments),
    /// Show the tree of a package, or what would be in the package of a service folder.
    Inspect(InspectArguments),
    /// Put the tree of a package into a folder, whole or not at all.
    Unpack(UnpackArguments),
    /// Show what tells two packages apart: files, roles, endpoints and settings.
    Diff(DiffArguments),
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, on standard error.
    Human,
    /// For programs, on standard output.
    Json,
}

/// What instances are kept apart by, besides their users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Isolation {
    /// Nothing.
    None,
    /// Each has a network namespace of its own.
    Netns,
}

/// How findings are printed: also for services and editors that show them at their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FindingsFormat {
    /// For people, on standard error.
    Human,
    /// For programs, on standard output.
    Json,
    /// A SARIF 2.1.0 log for code scanning, on standard output.
    Sarif,
    /// Annotations of GitHub Actions, on standard output.
    Github,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Service folders, .csdef files, .cscfg files or packages; the current folder if none is given.
    pub(crate) paths: Vec<PathBuf>,
    /// A configuration to check with each definition: a file, or NAME for ServiceConfiguration.NAME.cscfg.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) configuration: Vec<String>,
    /// How to print the findings.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: FindingsFormat,
}

#[derive(Debug, Args)]
pub(crate) struct LedgerArguments {
    /// A service folder, a .csdef file, a .cscfg file or a package; the current folder if it is not given.
    pub(crate) path: Option<PathBuf>,
    /// A configuration to list with the definition: a file, or NAME for ServiceConfiguration.NAME.cscfg.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) configuration: Vec<String>,
    /// How to print the list.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ServiceArguments {
    /// A service folder, a .csdef file or a package; the current folder if it is not given.
    pub(crate) path: Option<PathBuf>,
    /// The configuration: a file, or NAME for ServiceConfiguration.NAME.cscfg beside the definition.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) configuration: Option<String>,
    /// The built program of a role, for a service folder.
    #[arg(long = "binary", value_name = "ROLE=FILE", value_parser = assignment::<PathBuf>)]
    pub(crate) binaries: Vec<(String, PathBuf)>,
    /// What the service's files cannot say of its roles [default: approot.toml beside the definition or package,
    /// if there is one].
    #[arg(long, value_name = "FILE")]
    pub(crate) options: Option<PathBuf>,
}

/// Whose packages are accepted.
#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// A public key of minisign, or a folder of them (`*.pub`); may be given several times. A package that is
    /// signed must be signed by one of them.
    #[arg(long, value_name = "KEY|DIR")]
    pub(crate) trusted: Vec<PathBuf>,
    /// Refuse a package that is not signed.
    #[arg(long, requires = "trusted")]
    pub(crate) require_signature: bool,
}

/// Who signs a package.
#[derive(Debug, Args)]
pub(crate) struct SignArguments {
    /// Sign the package with this secret key of minisign. Its password is read from --password-file, else from
    /// $APPROOT_SIGN_PASSWORD, else from the terminal.
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) sign: Option<PathBuf>,
    /// The file whose first line is the password of the key.
    #[arg(long, value_name = "FILE", requires = "sign")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) service: ServiceArguments,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// Run N instances of a role, whatever the configuration says.
    #[arg(long, value_name = "ROLE=N", value_parser = assignment::<u32>)]
    pub(crate) instances: Vec<(String, u32)>,
    /// An address of this machine to listen on for input endpoints; may be given several times.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub(crate) listen: Vec<IpAddr>,
    /// Where the deployment keeps its state [default: /var/lib/approot/SERVICE as root, else
    /// $XDG_STATE_HOME/approot/SERVICE].
    #[arg(long, value_name = "DIR", env = "APPROOT_STATE")]
    pub(crate) state: Option<PathBuf>,
    /// The folder of the certificates that roles declare: .pfx, .p12, .pem and .crt files, found by thumbprint
    /// [default: `certificates` beside the configuration]. The password of a PFX file is read from FILE.password,
    /// else from $APPROOT_PFX_PASSWORD.
    #[arg(long, value_name = "DIR")]
    pub(crate) certificates: Option<PathBuf>,
    /// Make certificates that are not there, by an authority of this deployment's own: for development.
    #[arg(long)]
    pub(crate) dev_certificates: bool,
    /// Return as soon as every instance is Ready, and leave the deployment running.
    #[arg(long)]
    pub(crate) detach: bool,
    /// Tell the roles that they run in an emulator.
    #[arg(long)]
    pub(crate) emulated: bool,
    /// What instances are kept apart by, besides their users: nothing, or a network namespace each (not built yet).
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) isolation: Isolation,
    /// How to print the status once every instance is Ready.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct FabricArguments {
    /// The state directory of the deployment; not needed where only one runs.
    #[arg(long, value_name = "DIR", env = "APPROOT_STATE")]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct OperateArguments {
    #[command(flatten)]
    pub(crate) fabric: FabricArguments,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// The instance, for example EchoWorker_IN_0; all of them if it is not given.
    pub(crate) instance: Option<String>,
    /// Go on with what is printed from now on, until interrupted.
    #[arg(short, long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) operate: OperateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RecycleArguments {
    /// The instance, for example EchoWorker_IN_0.
    pub(crate) instance: String,
    #[command(flatten)]
    pub(crate) operate: OperateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigureArguments {
    /// The service configuration (.cscfg), for the definition that runs.
    pub(crate) file: PathBuf,
    /// Run N instances of a role, whatever the configuration says.
    #[arg(long, value_name = "ROLE=N", value_parser = assignment::<u32>)]
    pub(crate) instances: Vec<(String, u32)>,
    #[command(flatten)]
    pub(crate) operate: OperateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ScaleArguments {
    /// The role and how many instances of it there are to be.
    #[arg(required = true, value_name = "ROLE=N", value_parser = assignment::<u32>)]
    pub(crate) instances: Vec<(String, u32)>,
    #[command(flatten)]
    pub(crate) operate: OperateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    /// The instance, for example EchoWorker_IN_0.
    pub(crate) instance: String,
    #[command(flatten)]
    pub(crate) operate: OperateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// A code of `approot check` (AR0107) or of `approot why` (AW0101).
    pub(crate) code: String,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    #[command(flatten)]
    pub(crate) service: ServiceArguments,
    /// The folder for the package, its configuration and their digests; made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Hash and compress on at most N threads, which the package does not depend on [default: all].
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZero<usize>>,
    /// Read everything, and keep no cache beside the package.
    #[arg(long)]
    pub(crate) no_cache: bool,
    #[command(flatten)]
    pub(crate) signing: SignArguments,
    /// What the program of a role was built from, for the bill of materials: a CycloneDX document in JSON.
    #[arg(long, value_name = "ROLE=FILE", value_parser = assignment::<PathBuf>)]
    pub(crate) components: Vec<(String, PathBuf)>,
    /// Print nothing but errors, and the result where it is for programs.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// How to print the result: one line either way.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The package.
    pub(crate) package: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// A package, a service folder or a .csdef file; the current folder if it is not given.
    pub(crate) path: Option<PathBuf>,
    /// The built program of a role, for a service folder.
    #[arg(long = "binary", value_name = "ROLE=FILE", value_parser = assignment::<PathBuf>)]
    pub(crate) binaries: Vec<(String, PathBuf)>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct UnpackArguments {
    /// The package.
    pub(crate) package: PathBuf,
    /// The folder to make; an unpacked package that is there is replaced.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// The package to compare with.
    pub(crate) before: PathBuf,
    /// The package to compare.
    pub(crate) after: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// How to print the result; it exits with 0 whether there is a difference or not.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
}

/// Parses `NAME=VALUE`.
fn assignment<T: std::str::FromStr>(text: &str) -> Result<(String, T), String>
where
    T::Err: std::fmt::Display,
{
    let (name, value) = text
        .split_once('=')
        .ok_or("a role's name, `=` and a value are needed")?;
    let value = value.parse().map_err(|error: T::Err| error.to_string())?;
    Ok((name.to_owned(), value))
}

/// The values that `option` gives to roles.
///
/// # Errors
/// It gives one to a role twice.
pub(crate) fn by_role<T: Clone>(
    option: &str,
    given: &[(String, T)],
) -> Result<BTreeMap<String, T>, Failure> {
    let mut values = BTreeMap::new();
    for (role, value) in given {
        if values.insert(role.clone(), value.clone()).is_some() {
            let error = anyhow!("`{option}` is given more than once for role `{role}`");
            return Err(exit::with(exit::USAGE, error));
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn assignments_are_split_at_the_first_sign() {
        assert_eq!(
            assignment::<PathBuf>("A=/x=y").unwrap(),
            ("A".into(), PathBuf::from("/x=y"))
        );
        assert!(assignment::<u32>("A").is_err());
        assert!(assignment::<u32>("A=many").is_err());
    }

    #[test]
    fn a_role_gets_one_value() {
        let given = [("A".to_owned(), 1), ("B".to_owned(), 2)];
        assert_eq!(
            by_role("--instances", &given).unwrap(),
            BTreeMap::from(given.clone())
        );
        let twice = [given[0].clone(), given[1].clone(), ("A".to_owned(), 3)];
        let refused = by_role("--instances", &twice).unwrap_err();
        assert_eq!(
            (refused.status, refused.error.to_string().as_str()),
            (
                exit::USAGE,
                "`--instances` is given more than once for role `A`"
            )
        );
    }
}
