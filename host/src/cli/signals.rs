//! What the operating system tells the host.

use anyhow::{Context, Result};
use std::io::IsTerminal;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How the process ends that was told twice: as a shell has it for a program that was interrupted.
const TOLD_TWICE: i32 = 130;

/// First signal: finish what is under way. Second: leave at once, with a code that says so.
pub(super) fn on_signal(shutdown: CancellationToken) {
    tokio::spawn(async move {
        wait_for_signal().await;
        shutdown.cancel();
        wait_for_signal().await;
        tracing::warn!("told twice to stop: leaving at once, calls under way are lost");
        // The embedded database sees its parent end and shuts itself down.
        std::process::exit(TOLD_TWICE);
    });
}

async fn wait_for_signal() {
    // A terminal that goes takes its host along; without one the same signal asks to read the settings again.
    let mut gone = std::io::stderr().is_terminal().then(|| signal(SignalKind::hangup()).ok()).flatten();
    let gone = async {
        match &mut gone {
            Some(gone) => gone.recv().await,
            None => std::future::pending().await,
        }
    };
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
            _ = gone => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

/// Ask to read the settings again (SIGHUP). From here on one that comes is kept until somebody waits for it. Nobody asks a
/// host in a terminal.
pub(super) struct Again(Option<Signal>);

impl Again {
    /// Begin to listen.
    ///
    /// # Errors
    /// Where the system gives no signals.
    pub(super) fn listen() -> Result<Self> {
        if std::io::stderr().is_terminal() {
            return Ok(Self(None));
        }
        Ok(Self(Some(signal(SignalKind::hangup()).context("listen for SIGHUP")?)))
    }

    /// The next one.
    pub(super) async fn asked(&mut self) {
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
