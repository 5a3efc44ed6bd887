//! The socket, watched.
//!
//! The driver buffers whole messages before anybody can look at them, and PostgreSQL will send a gigabyte in one.
//! [`Frames`] reads the length of every message as it arrives and breaks the connection before the driver has buffered
//! one that is too long, or more of an answer than the call may have. It also notes the last description of columns:
//! the driver hides their types in the one protocol that gives every type as text.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Type byte and length.
const HEADER: usize = 5;
const ROW_DESCRIPTION: u8 = b'T';

/// Which bound broke the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breach {
    /// One message, which is one row, was too long.
    Message,
    /// The whole answer was too long.
    Answer,
}

/// What the host and the socket tell each other. One for each connection.
#[derive(Debug)]
pub(super) struct Tap {
    /// Bytes the answer under way may still have.
    left: AtomicUsize,
    breach: AtomicU8,
    description: Mutex<Vec<u8>>,
}

impl Tap {
    /// Nothing bounded but the length of a message, nothing broken.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(usize::MAX),
            breach: AtomicU8::new(0),
            description: Mutex::new(Vec::new()),
        })
    }

    /// Begin an answer that may have this many bytes.
    pub(super) fn begin(&self, bytes: usize) {
        self.left.store(bytes, Ordering::Release);
        self.description.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Which bound broke the connection, if one did.
    pub(super) fn breach(&self) -> Option<Breach> {
        match self.breach.load(Ordering::Acquire) {
            1 => Some(Breach::Message),
            2 => Some(Breach::Answer),
            _ => None,
        }
    }

    /// Name and type number of each column of the answer. `None` where there was no description, or not a whole one.
    pub(super) fn columns(&self) -> Option<Vec<(String, u32)>> {
        let description = std::mem::take(&mut *self.description.lock().unwrap_or_else(PoisonError::into_inner));
        columns(&description)
    }

    fn broken(&self, breach: Breach) -> io::Error {
        self.breach.store(if breach == Breach::Message { 1 } else { 2 }, Ordering::Release);
        io::Error::other("the answer is longer than a call may have")
    }
}

/// Read the body of a RowDescription message (PostgreSQL manual, "Message Formats").
fn columns(mut body: &[u8]) -> Option<Vec<(String, u32)>> {
    let (count, rest) = body.split_first_chunk::<2>()?;
    body = rest;
    (0..u16::from_be_bytes(*count))
        .map(|_| {
            let end = body.iter().position(|b| *b == 0)?;
            let name = String::from_utf8_lossy(&body[..end]).into_owned();
            // After the name: table (4 bytes), its column (2), type (4), length (2), modifier (4), format (2).
            let fixed = body.get(end + 1..end + 19)?;
            body = &body[end + 19..];
            Some((name, u32::from_be_bytes(fixed[6..10].try_into().ok()?)))
        })
        .collect()
}

/// A socket whose incoming messages are bounded.
#[derive(Debug)]
pub(super) struct Frames<S> {
    socket: S,
    watch: Watch,
}

#[derive(Debug)]
struct Watch {
    header: [u8; HEADER],
    have: usize,
    /// Bytes of the message under way that are still to come.
    left: usize,
    noting: bool,
    max_message: usize,
    tap: Arc<Tap>,
}

impl<S> Frames<S> {
    /// Refuse messages of more than `max_message` bytes; tell `tap`.
    pub(super) fn new(socket: S, max_message: usize, tap: Arc<Tap>) -> Self {
        Self { socket, watch: Watch { header: [0; HEADER], have: 0, left: 0, noting: false, max_message, tap } }
    }
}

impl Watch {
    fn see(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let left = self.tap.left.load(Ordering::Acquire);
        if left != usize::MAX {
            let left = left.checked_sub(bytes.len()).ok_or_else(|| self.tap.broken(Breach::Answer))?;
            self.tap.left.store(left, Ordering::Release);
        }
        while !bytes.is_empty() {
            if self.left > 0 {
                let (body, rest) = bytes.split_at(self.left.min(bytes.len()));
                if self.noting {
                    self.tap.description.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(body);
                }
                self.left -= body.len();
                bytes = rest;
                continue;
            }
            let (part, rest) = bytes.split_at((HEADER - self.have).min(bytes.len()));
            self.header[self.have..self.have + part.len()].copy_from_slice(part);
            self.have += part.len();
            bytes = rest;
            if self.have == HEADER {
                self.message()?;
            }
        }
        Ok(())
    }

    /// A whole header is there.
    fn message(&mut self) -> io::Result<()> {
        let [kind, length @ ..] = self.header;
        let length = u32::from_be_bytes(length) as usize;
        if length > self.max_message {
            return Err(self.tap.broken(Breach::Message));
        }
        self.have = 0;
        // The length counts its own four bytes.
        self.left = length.saturating_sub(4);
        self.noting = kind == ROW_DESCRIPTION;
        if self.noting {
            self.tap.description.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Frames<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.socket).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => Poll::Ready(this.watch.see(&buf.filled()[before..])),
            other => other,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Frames<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
