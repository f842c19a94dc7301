//! A role for tests, on the SDK: answers each connection with its id, and does what a line tells it.
//!
//! `busy` takes the instance out of rotation until `ready`, `exit N` ends the process, `recycle` asks for a
//! recycle. Every other line is answered with the id again.

use std::sync::OnceLock;

use runtime::{BoxError, Expiration, RoleEntryPoint, RoleEnvironment};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

fn main() -> std::process::ExitCode {
    runtime::start(Fixture::default())
}

#[derive(Default)]
struct Fixture {
    listener: OnceLock<TcpListener>,
}

impl RoleEntryPoint for Fixture {
    async fn on_start(&mut self, environment: &RoleEnvironment) -> Result<bool, BoxError> {
        let listener = environment.listen("In")?;
        Ok(self.listener.set(listener).is_ok())
    }

    async fn run(&self, environment: &RoleEnvironment) -> Result<(), BoxError> {
        let listener = self.listener.get().ok_or("run before on_start")?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(serve(stream, environment.clone()));
        }
    }
}

async fn serve(stream: TcpStream, environment: RoleEnvironment) -> Result<(), BoxError> {
    let id = environment
        .current_instance()
        .map(|instance| instance.id)
        .unwrap_or_default();
    let (reader, mut writer) = stream.into_split();
    writer.write_all(format!("{id}\n").as_bytes()).await?;
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("busy", _) => environment.set_busy(Expiration::Never).await?,
            ("ready", _) => environment.clear_busy().await?,
            ("recycle", _) => environment.request_recycle().await?,
            ("exit", status) => std::process::exit(status.parse()?),
            _ => {}
        }
        writer.write_all(format!("{id}\n").as_bytes()).await?;
    }
    Ok(())
}
