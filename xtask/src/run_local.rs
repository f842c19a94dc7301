//! `cargo xtask run-local`: a service of this workspace, built and running on this machine.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use xshell::Shell;

use crate::build::{Built, Progress, build};
use crate::handover::hand_over;
use crate::refusal::Refusal;
use crate::service::{Service, ServiceArguments};
use crate::workspace::Workspace;

/// Builds a service and runs it on this machine
///
/// Ends by becoming `approot run`: Ctrl-C stops the service, and the exit status is approot's.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    service: ServiceArguments,
    /// Run N instances of a role, whatever the configuration says
    #[arg(long, value_name = "ROLE=N", value_parser = role_count)]
    instances: Vec<String>,
    /// Address of this machine on which input endpoints listen
    #[arg(long, value_name = "IP")]
    listen: Option<IpAddr>,
    /// Folder of the deployment's state [default: approot/SERVICE below cargo's target directory]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Build again and upgrade when a source changes (not built yet)
    #[arg(long)]
    watch: bool,
}

pub(crate) fn run(sh: &Shell, arguments: Arguments) -> anyhow::Result<ExitCode> {
    Refusal::not_built_yet(&[("--watch", arguments.watch)])?;
    let workspace = Workspace::read(sh)?;
    let service = Service::find(&workspace, &arguments.service, "Local")?;
    let roles = workspace.roles_of(&service.canonical_dir)?;
    let state = match &arguments.state {
        Some(state) => state.clone(),
        None => workspace.target.join("approot").join(service.name()?),
    };
    let built = build(sh, &workspace, &roles, Progress::Shown)?;
    let command = approot_run(&built, &service, &arguments, state);
    Err(hand_over(command, &workspace.target))
}

/// `ROLE=N`, unchanged: which roles there are, and how many instances one may have, approot knows.
fn role_count(text: &str) -> Result<String, String> {
    let is_role_count = text
        .split_once('=')
        .is_some_and(|(role, count)| !role.is_empty() && count.parse::<u32>().is_ok());
    if is_role_count {
        Ok(text.to_owned())
    } else {
        Err("expected ROLE=N, such as EchoWorker=2".to_owned())
    }
}

fn approot_run(built: &Built, service: &Service, options: &Arguments, state: PathBuf) -> Command {
    let mut command = Command::new(&built.approot);
    command.arg("run").arg(&service.dir);
    command.arg("--configuration").arg(&service.configuration);
    for binary in &built.binaries {
        command.args(["--binary", binary]);
    }
    command.arg("--state").arg(state);
    // As the emulator did: a service that shows a certificate runs without anyone's.
    command.args(["--emulated", "--dev-certificates"]);
    for instances in &options.instances {
        command.args(["--instances", instances]);
    }
    if let Some(listen) = options.listen {
        command.args(["--listen", &listen.to_string()]);
    }
    command
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        let arguments = [&["run-local"], arguments].concat();
        CommandLine::try_parse_from(arguments).map(|line| line.arguments)
    }

    fn command_line(arguments: &[&str]) -> String {
        let built = Built {
            approot: "/t/release/approot".into(),
            binaries: vec!["EchoWorker=/t/release/echo-worker".to_owned()],
        };
        let service = Service {
            dir: "services/echo-cloud".into(),
            canonical_dir: "/w/services/echo-cloud".into(),
            configuration: "Local.cscfg".into(),
        };
        let command = approot_run(&built, &service, &parse(arguments).unwrap(), "/s".into());
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<&str> = words.map(|word| word.to_str().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn approot_gets_what_was_built_and_what_was_asked() {
        let shortest = "/t/release/approot run services/echo-cloud --configuration Local.cscfg \
            --binary EchoWorker=/t/release/echo-worker --state /s --emulated --dev-certificates";
        assert_eq!(command_line(&[]), shortest);
        let options = [
            "--instances",
            "A=1",
            "--instances",
            "B=2",
            "--listen",
            "::1",
        ];
        assert_eq!(
            command_line(&options),
            format!("{shortest} {}", options.join(" "))
        );
    }

    #[test]
    fn malformed_options_are_refused_before_the_build() {
        for instances in [
            "EchoWorker",
            "=2",
            "EchoWorker=",
            "EchoWorker=-1",
            "EchoWorker=two",
        ] {
            assert!(parse(&["--instances", instances]).is_err(), "{instances}");
        }
        assert!(parse(&["--listen", "localhost"]).is_err());
    }

    #[test]
    fn watch_is_not_built_yet() {
        let arguments = parse(&["--watch"]).unwrap();
        let error = run(&Shell::new().unwrap(), arguments).unwrap_err();
        assert_eq!(error.to_string(), "`--watch` is not built yet");
        let refusal = error.downcast::<Refusal>().unwrap();
        assert_eq!(refusal.status as u8, 2);
    }
}
