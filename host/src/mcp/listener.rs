#![expect(deprecated, reason = "MCP deprecates logging but keeps it for a year, and clients of every revision use it")]
//! What a call says while it runs, on its way to the caller.
//!
//! A guest must never wait for a slow reader, so the listener only drops notes into a bounded queue; the call's own
//! task carries them out, in order, and all of them before the result.

use crate::plugin::{Listener, LogLevel};
use rmcp::RoleServer;
use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext};
use serde_json::Value;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;

/// Notes that may wait for the reader; later ones are dropped. Enough for a burst, small enough that a thousand stuck
/// calls hold little.
const QUEUE: usize = 64;

/// How loud a line must be to be sent to the clients of one session. Before they say, as MCP lets the server choose:
/// `info`.
#[derive(Debug)]
pub(super) struct Threshold(AtomicU8);

impl Default for Threshold {
    fn default() -> Self {
        Self(AtomicU8::new(LoggingLevel::Info as u8))
    }
}

impl Threshold {
    /// From now on only lines this loud.
    pub(super) fn set(&self, level: LoggingLevel) {
        self.0.store(level as u8, Ordering::Relaxed);
    }
}

enum Note {
    Progress(ProgressNotificationParam),
    Log(LoggingMessageNotificationParam),
}

/// The ear a call is given.
pub(super) struct Ear {
    notes: Sender<Note>,
    token: Option<ProgressToken>,
    /// The quietest level wanted; `None`: no lines at all.
    wanted: Option<u8>,
    /// The last progress sent: MCP asks that it only ever grows.
    last: Mutex<f64>,
}

/// The other end: carries what the ear heard to the caller.
pub(super) struct Mouth {
    notes: Receiver<Note>,
    peer: Peer<RoleServer>,
    left: CancellationToken,
}

/// An ear for this request and the mouth that goes with it, or neither when the caller asked for nothing.
pub(super) fn pair(cx: &RequestContext<RoleServer>, modern: bool, session: &Threshold) -> Option<(Arc<Ear>, Mouth)> {
    let token = cx.meta.get_progress_token();
    let wanted = match modern {
        // From 2026-07-28 every request says for itself, and one that does not say wants none.
        true => cx.meta.log_level().map(|level| level as u8),
        false => Some(session.0.load(Ordering::Relaxed)),
    };
    if token.is_none() && wanted.is_none() {
        return None;
    }
    let (sender, receiver) = channel(QUEUE);
    let ear = Ear { notes: sender, token, wanted, last: Mutex::new(f64::NEG_INFINITY) };
    Some((Arc::new(ear), Mouth { notes: receiver, peer: cx.peer.clone(), left: cx.ct.clone() }))
}

impl Listener for Ear {
    fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>) {
        let Some(token) = &self.token else { return };
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            // JSON has no word for infinity, and a token that moves backwards breaks the caller's contract, not ours.
            if !done.is_finite() || done <= *last {
                return;
            }
            *last = done;
        }
        let mut note = ProgressNotificationParam::new(token.clone(), done);
        note.total = total.filter(|total| total.is_finite());
        note.message = message.map(str::to_owned);
        // A full queue means a reader slower than the guest: it loses a step, not the call.
        let _ = self.notes.try_send(Note::Progress(note));
    }

    fn log(&self, level: LogLevel, logger: &str, message: &str) {
        let level = match level {
            LogLevel::Debug => LoggingLevel::Debug,
            LogLevel::Info => LoggingLevel::Info,
            LogLevel::Warn => LoggingLevel::Warning,
            LogLevel::Error => LoggingLevel::Error,
        };
        if self.wanted.is_some_and(|wanted| level as u8 >= wanted) {
            let note = LoggingMessageNotificationParam::new(level, Value::from(message)).with_logger(logger);
            let _ = self.notes.try_send(Note::Log(note));
        }
    }
}

impl Mouth {
    /// Run the call and carry its notes meanwhile. What is still queued when the call ends goes out first.
    pub(super) async fn during<T>(mut self, call: impl Future<Output = T>) -> T {
        let over = CancellationToken::new();
        let carry = async {
            loop {
                tokio::select! {
                    // In this order: the end counts only once the queue is dry.
                    biased;
                    Some(note) = self.notes.recv() => self.say(note).await,
                    () = over.cancelled() => return,
                }
            }
        };
        let call = async {
            let outcome = call.await;
            over.cancel();
            outcome
        };
        tokio::join!(call, carry).0
    }

    /// Send one note, unless the caller has left: then nobody reads and the send would wait for ever.
    async fn say(&self, note: Note) {
        let send = async {
            match note {
                Note::Progress(note) => self.peer.notify_progress(note).await,
                Note::Log(note) => self.peer.notify_logging_message(note).await,
            }
        };
        tokio::select! {
            // A failure to send is the caller's absence, which ends the call by its own path.
            _ = send => {}
            () = self.left.cancelled() => {}
        }
    }
}
