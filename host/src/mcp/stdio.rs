//! MCP over standard input and output: one client, which started this process, and one principal, whom the operator
//! named. Nothing else may write to standard output; the log goes to standard error.

use super::Listing;
use super::handler::{Handler, Shared};
use crate::call::Host;
use crate::identity::Principal;
use rmcp::ServiceExt;
use rmcp::service::{QuitReason, ServerInitializeError};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// How long an open subscription may take to say its last word. It is one line into a pipe.
const LAST_WORD: Duration = Duration::from_millis(200);

/// Why a client on standard input could not be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client's first message is not one a session can start with.
    #[error("the client on standard input does not speak MCP")]
    Handshake(#[source] Option<Box<ServerInitializeError>>),
    /// The task that serves the client panicked.
    #[error("the task that serves standard input stopped")]
    Task(#[source] tokio::task::JoinError),
}

/// Serve the client on standard input until it closes it or `shutdown` is cancelled.
///
/// # Errors
/// [`Error`] when the client does not speak MCP.
pub async fn run(host: Arc<Host>, principal: Arc<Principal>, shutdown: CancellationToken) -> Result<(), Error> {
    let (input, output) = rmcp::transport::stdio_pipes();
    serve(host, principal, shutdown, input, output).await
}

/// [`run`] over any pair of streams, a message a line.
///
/// # Errors
/// See [`run`].
pub async fn serve<R, W>(
    host: Arc<Host>,
    who: Arc<Principal>,
    shutdown: CancellationToken,
    input: R,
    output: W,
) -> Result<(), Error>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let shared = Arc::new(Shared {
        host,
        who,
        listing: Listing::default(),
        tenant_header: String::new(),
        drain: shutdown.clone(),
    });
    let stop = CancellationToken::new();
    let start = Handler::new(&shared).serve_with_ct((input, output), stop.clone());
    let service = tokio::select! {
        service = start => service,
        // Nobody shook hands yet: nothing to say goodbye to.
        () = shutdown.cancelled() => return Ok(()),
    };
    let service = match service {
        Ok(service) => service,
        // The client left before it said a word. That is its right.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        // This one quotes the message it got, arguments and all: not for a log.
        Err(ServerInitializeError::ExpectedInitializeRequest(_)) => return Err(Error::Handshake(None)),
        Err(error) => return Err(Error::Handshake(Some(Box::new(error)))),
    };
    let mut served = std::pin::pin!(service.waiting());
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = shutdown.cancelled() => {
            tokio::time::sleep(LAST_WORD).await;
            stop.cancel();
            served.await
        }
    };
    match ended {
        Ok(QuitReason::JoinError(error)) | Err(error) => Err(Error::Task(error)),
        Ok(_) => Ok(()),
    }
}
