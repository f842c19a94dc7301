//! The client's side, for the operator's commands.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Bytes;
use causes::Explanation;
use fabric::{ConfigureRequest, Configured, Renewal, Status};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// A document of the API is refused beyond this size, in bytes. 2,500 instances' status is about 1 MiB.
const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// How long a fabric may take to answer. The keeper, which holds its socket, starts a lost one again after at
/// most 8 s; a fabric that is there answers within milliseconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Speaks with the fabric behind one control socket.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
    answer_limit: Duration,
}

/// A request failed.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody answers there.
    NoFabric {
        /// The control socket.
        socket: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The socket is held, but no answer came in time.
    Silent {
        /// The control socket.
        socket: PathBuf,
    },
    /// The fabric went away in the middle of a request.
    Broken {
        /// How.
        source: hyper::Error,
    },
    /// The fabric has refused the request.
    Refused {
        /// What it said.
        message: String,
    },
    /// What was sent does not fit the service.
    Invalid {
        /// What the fabric said.
        message: String,
    },
    /// The fabric's answer is not what this version expects.
    Document {
        /// What the JSON reader said.
        source: serde_json::Error,
    },
    /// The fabric's answer is larger than any should be.
    TooLarge,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::NoFabric { socket, .. } => {
                write!(f, "no fabric answers at {}", socket.display())
            }
            ClientError::Silent { socket } => write!(
                f,
                "no fabric has answered within {} s at {}",
                ANSWER_LIMIT.as_secs(),
                socket.display()
            ),
            ClientError::Broken { .. } => write!(f, "the fabric went away"),
            ClientError::Refused { message } | ClientError::Invalid { message } => {
                write!(f, "{message}")
            }
            ClientError::Document { .. } => write!(f, "the fabric's answer cannot be read"),
            ClientError::TooLarge => {
                write!(f, "the fabric's answer is over {DOCUMENT_BYTES_MAX} bytes")
            }
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ClientError::NoFabric { source, .. } => Some(source),
            ClientError::Broken { source } => Some(source),
            ClientError::Document { source } => Some(source),
            ClientError::Silent { .. }
            | ClientError::Refused { .. }
            | ClientError::Invalid { .. }
            | ClientError::TooLarge => None,
        }
    }
}

impl Client {
    /// A client for the fabric at `socket`; connects at each request.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Client {
            socket: socket.into(),
            answer_limit: ANSWER_LIMIT,
        }
    }

    /// The control socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What runs, and how it is.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        let answer = async { collect(self.request(Method::GET, "/v1/status").await?).await };
        let document = self.in_time(answer).await?;
        serde_json::from_slice(&document).map_err(|source| ClientError::Document { source })
    }

    /// Why an instance is as it is.
    ///
    /// # Errors
    /// See [`ClientError`]; [`ClientError::Refused`] when there is no such instance.
    pub async fn why(&self, instance: &str) -> Result<Explanation, ClientError> {
        let path = format!("/v1/instances/{}/why", encode(instance));
        let answer = async { collect(self.request(Method::GET, &path).await?).await };
        let document = self.in_time(answer).await?;
        serde_json::from_slice(&document).map_err(|source| ClientError::Document { source })
    }

    /// Orders a recycle, without waiting for it. May be repeated.
    ///
    /// # Errors
    /// See [`ClientError`]; [`ClientError::Refused`] when there is no such instance.
    pub async fn recycle(&self, instance: &str) -> Result<(), ClientError> {
        let path = format!("/v1/instances/{}/recycle", encode(instance));
        self.in_time(self.request(Method::POST, &path))
            .await
            .map(drop)
    }

    /// Orders that the instance is started anew, without waiting for it. May be repeated.
    ///
    /// # Errors
    /// See [`ClientError`]; [`ClientError::Refused`] when there is no such instance.
    pub async fn renew(&self, instance: &str, renewal: Renewal) -> Result<(), ClientError> {
        let what = match renewal {
            Renewal::Reboot => "reboot",
            Renewal::Reimage => "reimage",
        };
        let path = format!("/v1/instances/{}/{what}", encode(instance));
        self.in_time(self.request(Method::POST, &path))
            .await
            .map(drop)
    }

    /// The service definition that runs, as it was written.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn definition(&self) -> Result<Vec<u8>, ClientError> {
        let answer = async { collect(self.request(Method::GET, "/v1/definition").await?).await };
        self.in_time(answer).await
    }

    /// Has a new configuration committed, without waiting for what it asks of the instances. May be repeated.
    ///
    /// # Errors
    /// See [`ClientError`]; [`ClientError::Invalid`] when it does not fit the service, [`ClientError::Refused`] when
    /// it cannot be taken now.
    pub async fn configure(&self, request: &ConfigureRequest) -> Result<Configured, ClientError> {
        let body = serde_json::to_vec(request).expect("a request is text and numbers");
        let answer = async {
            let sent = self
                .send(Method::POST, "/v1/configure", body.into())
                .await?;
            collect(sent).await
        };
        let document = self.in_time(answer).await?;
        serde_json::from_slice(&document).map_err(|source| ClientError::Document { source })
    }

    /// Orders the stop of the whole, without waiting for it. May be repeated.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn stop(&self) -> Result<(), ClientError> {
        self.in_time(self.request(Method::POST, "/v1/stop"))
            .await
            .map(drop)
    }

    /// Hands the lines of one instance's log, or of all, to `take` in whole or part lines; with `follow` until
    /// the fabric ends or `take` returns `false`. Only the beginning of the answer has a time limit.
    ///
    /// # Errors
    /// See [`ClientError`]; [`ClientError::Refused`] when there is no such instance.
    pub async fn logs(
        &self,
        instance: Option<&str>,
        follow: bool,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), ClientError> {
        let instance = instance
            .map(|instance| format!("&instance={}", encode(instance)))
            .unwrap_or_default();
        let path = format!("/v1/logs?follow={}{instance}", u8::from(follow));
        let response = self.in_time(self.request(Method::GET, &path)).await?;
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => {
                    if let Some(data) = frame.data_ref()
                        && !take(data)
                    {
                        break;
                    }
                }
                // A followed log ends with its fabric.
                Err(_) if follow => break,
                Err(source) => return Err(ClientError::Broken { source }),
            }
        }
        Ok(())
    }

    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        timeout(self.answer_limit, answer)
            .await
            .unwrap_or_else(|_| {
                Err(ClientError::Silent {
                    socket: self.socket.clone(),
                })
            })
    }

    /// Sends a request without a body.
    async fn request(&self, method: Method, path: &str) -> Result<Response<Incoming>, ClientError> {
        self.send(method, path, Bytes::new()).await
    }

    /// Sends a request and waits for the head of its answer, or for the whole of a refusal.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let broken = |source| ClientError::Broken { source };
        let stream =
            UnixStream::connect(&self.socket)
                .await
                .map_err(|source| ClientError::NoFabric {
                    socket: self.socket.clone(),
                    source,
                })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "approot")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .expect("the path is made of encoded parts");
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status: StatusCode = response.status();
        let body = collect(response).await?;
        let mut message = String::from_utf8_lossy(&body).into_owned();
        if message.is_empty() {
            message = status.to_string();
        }
        Err(if status == StatusCode::UNPROCESSABLE_ENTITY {
            ClientError::Invalid { message }
        } else {
            ClientError::Refused { message }
        })
    }
}

async fn collect(response: Response<Incoming>) -> Result<Vec<u8>, ClientError> {
    let mut body = response.into_body();
    let mut document = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|source| ClientError::Broken { source })?;
        document.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if document.len() > DOCUMENT_BYTES_MAX {
            return Err(ClientError::TooLarge);
        }
    }
    Ok(document)
}

/// Percent-encodes a part of a path or query: role names may hold spaces and most other characters.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixListener;

    use super::*;

    #[test]
    fn names_with_spaces_can_be_asked_for() {
        assert_eq!(encode("My Role_IN_0"), "My%20Role_IN_0");
        assert_eq!(encode("a/b?c&d=ä"), "a%2Fb%3Fc%26d%3D%C3%A4");
    }

    #[tokio::test]
    async fn a_socket_that_nobody_serves_names_itself() {
        let folder = tempfile::tempdir().unwrap();
        let error = Client::new(folder.path().join("control.sock"))
            .status()
            .await
            .unwrap_err();
        assert!(
            matches!(error, ClientError::NoFabric { .. })
                && error.to_string().contains("control.sock"),
            "{error}"
        );
    }

    /// A socket that is listened on; `answer` is all that whoever connects gets, and then the line stays open.
    fn silent(folder: &Path, answer: &'static str) -> Client {
        let socket = folder.join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(answer.as_bytes()).await.unwrap();
                held.push(stream);
            }
        });
        Client {
            socket,
            answer_limit: Duration::from_millis(50),
        }
    }

    #[tokio::test]
    async fn a_socket_that_is_held_but_not_served_is_silent() {
        let folder = tempfile::tempdir().unwrap();
        let client = silent(folder.path(), "");
        let answers = [
            client.status().await.map(drop),
            client.recycle("A_IN_0").await,
            client.stop().await,
            client.logs(None, true, |_| true).await,
        ];
        for answer in answers {
            let error = answer.unwrap_err();
            assert!(matches!(error, ClientError::Silent { .. }), "{error:?}");
            assert!(error.to_string().contains("control.sock"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_document_that_never_ends_is_silence_too() {
        let folder = tempfile::tempdir().unwrap();
        for head in [
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nno",
        ] {
            let error = silent(folder.path(), head).status().await.unwrap_err();
            assert!(matches!(error, ClientError::Silent { .. }), "{error:?}");
            std::fs::remove_file(folder.path().join("control.sock")).unwrap();
        }
    }
}
