//! The role's entry point: binds in `on_start`, lets visitors in in `run`, sees them out in `on_stop`.
//!
//! It listens before it is Ready, so that no visitor finds a closed door, and takes a new greeting
//! while running; any other change recycles it, as the worker of the article did.

use std::{
    env,
    error::Error,
    fmt, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use runtime::{BoxError, Change, Response, RoleEntryPoint, RoleEnvironment};
use tokio::net::TcpListener;

use crate::{
    dialogue::with_crlf,
    lobby::{Lobby, Sign, warn},
    settings::{self, GREETING, Settings},
};

/// The role. Empty until `on_start`.
#[derive(Default)]
pub(crate) struct EchoWorker {
    lobby: Option<Arc<Lobby>>,
    listener: Mutex<Option<TcpListener>>,
}

impl RoleEntryPoint for EchoWorker {
    async fn on_start(&mut self, environment: &RoleEnvironment) -> Result<bool, BoxError> {
        let settings = Settings::read(|name| environment.setting(name))?;
        let sign = Sign {
            menu: with_crlf(&read_menu(
                Path::new(MENU_PATH),
                environment.is_available(),
            )?),
            role_id: role_id(environment),
            trace: env::var("ECHO_TRACE").is_ok_and(|level| level == "Information"),
        };
        self.listener = Mutex::new(Some(listen(environment)?));
        self.lobby = Some(Lobby::new(settings, sign, environment.clone()));
        Ok(true)
    }

    async fn run(&self, environment: &RoleEnvironment) -> Result<(), BoxError> {
        let listener = self
            .listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let (Some(lobby), Some(listener)) = (&self.lobby, listener) {
            lobby.open(listener).await;
        }
        // Returning would ask for a recycle, and the stop is under way already.
        environment.stopping().await;
        Ok(())
    }

    async fn on_stop(&self, _environment: &RoleEnvironment) {
        let Some(lobby) = &self.lobby else { return };
        lobby.close(LEAVE_LIMIT).await;
        if let Some(scratch) = env::var_os("ECHO_SCRATCH") {
            let path = PathBuf::from(scratch).join("served.txt");
            let text = format!("{} connections were served\n", lobby.served());
            if let Err(error) = fs::write(&path, text) {
                warn(&format!("cannot write {}: {error}", path.display()));
            }
        }
    }

    fn changing(&self, changes: &[Change], _environment: &RoleEnvironment) -> Response {
        let can_take = |change: &Change| match change {
            Change::ConfigurationSetting { name } => name == GREETING,
            Change::Topology { .. } => true,
        };
        if changes.iter().all(can_take) {
            Response::Accept
        } else {
            Response::Cancel
        }
    }

    fn changed(&self, _changes: &[Change], environment: &RoleEnvironment) {
        if let Some(lobby) = &self.lobby {
            lobby.greet_with(settings::greeting(environment.setting(GREETING).as_deref()));
        }
    }
}

fn listen(environment: &RoleEnvironment) -> Result<TcpListener, BoxError> {
    if environment.is_available() {
        return Ok(environment.listen("EchoEndpoint")?);
    }
    let text = env::var("ECHO_LISTEN").unwrap_or_else(|_| DEFAULT_LISTEN.to_owned());
    let address = text.parse::<SocketAddr>();
    let address = address.map_err(|source| StartError::Listen { text, source })?;
    let listener = RoleEnvironment::listen_at(address)?;
    // Said, because port 0 lets the system choose.
    warn(&format!("listening on {}", listener.local_addr()?));
    Ok(listener)
}

/// The menu that was packaged with the role. Outside any fabric there is no package, hence a copy.
fn read_menu(path: &Path, packaged: bool) -> Result<String, StartError> {
    match fs::read_to_string(path) {
        Ok(menu) if menu.len() <= MAX_MENU_BYTES => Ok(menu),
        Ok(_) => Err(StartError::MenuTooLarge {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !packaged => {
            Ok(include_str!("../../content/menu.txt").to_owned())
        }
        Err(source) => Err(StartError::Menu {
            path: path.to_owned(),
            source,
        }),
    }
}

/// The id of the instance; as a plain program what `ECHO_INSTANCE` says, if anything.
fn role_id(environment: &RoleEnvironment) -> String {
    let instance = environment.current_instance().map(|instance| instance.id);
    let named = || env::var("ECHO_INSTANCE").ok();
    instance
        .or_else(named)
        .unwrap_or_else(|| "none, outside any fabric".to_owned())
}

/// Why the worker cannot start.
#[derive(Debug)]
enum StartError {
    Listen {
        text: String,
        source: std::net::AddrParseError,
    },
    Menu {
        path: PathBuf,
        source: io::Error,
    },
    MenuTooLarge {
        path: PathBuf,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { text, .. } => {
                write!(
                    formatter,
                    "`ECHO_LISTEN` is no address with a port: `{text}`"
                )
            }
            Self::Menu { path, .. } => {
                write!(formatter, "cannot read the menu: {}", path.display())
            }
            Self::MenuTooLarge { path } => write!(
                formatter,
                "the menu is larger than {MAX_MENU_BYTES} bytes: {}",
                path.display()
            ),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Listen { source, .. } => Some(source),
            Self::Menu { source, .. } => Some(source),
            Self::MenuTooLarge { .. } => None,
        }
    }
}

/// Below the working directory, which is the approot; `Contents` puts it there.
const MENU_PATH: &str = "content/menu.txt";
/// A screenful, many times over; it is sent whole to every visitor.
const MAX_MENU_BYTES: usize = 16 * 1024;
const DEFAULT_LISTEN: &str = "127.0.0.1:1234";
/// Visitors who are still there when the instance stops were drained by the load balancer before; this
/// is for those who came another way, and a person at a terminal waits for it after Ctrl-C.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str) -> Change {
        Change::ConfigurationSetting {
            name: name.to_owned(),
        }
    }

    fn topology() -> Change {
        Change::Topology {
            role: "EchoWorker".to_owned(),
        }
    }

    #[test]
    fn only_the_greeting_and_the_topology_are_taken_while_running() {
        let response = |changes: &[Change]| {
            EchoWorker::default().changing(changes, &RoleEnvironment::unavailable())
        };
        assert_eq!(
            response(&[setting("Greeting"), topology()]),
            Response::Accept
        );
        assert_eq!(response(&[setting("ConnectionLimit")]), Response::Cancel);
        assert_eq!(response(&[setting("IdleLimitSeconds")]), Response::Cancel);
        assert_eq!(
            response(&[setting("Greeting"), setting("Unheard")]),
            Response::Cancel
        );
    }

    #[test]
    fn a_menu_that_was_packaged_must_be_there() {
        let nowhere = Path::new("/nowhere/menu.txt");
        let built_in = read_menu(nowhere, false).expect("the copy");
        assert!(built_in.contains("1  Show the current date"), "{built_in}");
        let error = read_menu(nowhere, true).expect_err("missing");
        assert_eq!(error.to_string(), "cannot read the menu: /nowhere/menu.txt");
    }

    #[test]
    fn a_menu_has_a_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("menu.txt");
        fs::write(&path, "x".repeat(MAX_MENU_BYTES + 1)).unwrap();
        let read = read_menu(&path, true).map_err(|error| error.to_string());
        let error = format!("the menu is larger than 16384 bytes: {}", path.display());
        assert_eq!(read, Err(error));
    }
}
