//! A way to the database that is slow, or ends in the middle of an answer.

use anyhow::{Context, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As it comes.
    Plain,
    /// Each piece this much later, in both directions.
    Slow(Duration),
    /// Each connection ends some bytes on, in the middle of what the server says.
    Cut,
}

/// Bytes a connection still carries to the client before it is cut, one after the other: within the greeting, within a
/// short answer, within a long one.
const CUTS: [usize; 6] = [1, 40, 300, 900, 2_500, 6_000];

/// Bytes moved at once.
const PIECE: usize = 16 << 10;

/// A proxy at a port of its own, before one socket.
pub(crate) struct Proxy {
    port: u16,
    manner: watch::Sender<Manner>,
    served: JoinHandle<()>,
}

impl Proxy {
    /// Stand before this socket.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) async fn before(socket: PathBuf) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("a port for the proxy")?;
        let port = listener.local_addr()?.port();
        let (manner, told) = watch::channel(Manner::Plain);
        let served = tokio::spawn(serve(listener, socket, told));
        Ok(Self { port, manner, served })
    }

    /// Where it is.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on carry like this, on connections that are open as well.
    pub(crate) fn set(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.served.abort();
    }
}

async fn serve(listener: TcpListener, socket: PathBuf, manner: watch::Receiver<Manner>) {
    let turn = Arc::new(AtomicUsize::new(0));
    // Its tasks end with it.
    let mut carried = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (socket, manner, turn) = (socket.clone(), manner.clone(), Arc::clone(&turn));
        carried.spawn(async move {
            // Nobody behind: the client finds its connection closed, as it would without a proxy.
            let Ok(server) = UnixStream::connect(socket).await else { return };
            let _ = client.set_nodelay(true);
            carry(client, server, manner, &turn).await;
        });
        while carried.try_join_next().is_some() {}
    }
}

/// Both directions, until one ends; what is still on its way in the other is lost, as on a line that breaks.
async fn carry(client: TcpStream, server: UnixStream, manner: watch::Receiver<Manner>, turn: &AtomicUsize) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(from_client, to_server, manner.clone(), None) => {}
        () = pump(from_server, to_client, manner, Some(turn)) => {}
    }
}

/// One direction; with a `turn`, one that is cut.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    manner: watch::Receiver<Manner>,
    turn: Option<&AtomicUsize>,
) {
    let mut piece = vec![0; PIECE];
    let mut left = None;
    loop {
        let Ok(read @ 1..) = from.read(&mut piece).await else { return };
        let now = *manner.borrow();
        let mut carried = &piece[..read];
        match (now, turn) {
            (Manner::Slow(by), _) => tokio::time::sleep(by).await,
            (Manner::Cut, Some(turn)) => {
                let left = left.get_or_insert_with(|| CUTS[turn.fetch_add(1, Ordering::Relaxed) % CUTS.len()]);
                carried = &carried[..read.min(*left)];
                *left -= carried.len();
            }
            _ => left = None,
        }
        let written = to.write_all(carried).await;
        if written.is_err() || carried.len() < read || left == Some(0) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;

    /// What comes back of `sent` through a proxy of this manner before a server that says everything again.
    async fn echoed(manner: Manner, sent: &[u8]) -> usize {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("s");
        let listener = UnixListener::bind(&socket).expect("a socket");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.into_split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        let proxy = Proxy::before(socket).await.expect("a proxy");
        proxy.set(manner);
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).await.expect("it listens");
        client.write_all(sent).await.expect("it reads");
        let mut heard = vec![0; sent.len()];
        let mut so_far = 0;
        while so_far < sent.len() {
            match client.read(&mut heard[so_far..]).await {
                Ok(read @ 1..) => so_far += read,
                _ => break,
            }
        }
        assert_eq!(heard[..so_far], sent[..so_far]);
        so_far
    }

    #[tokio::test]
    async fn it_carries_all_or_a_part() {
        let sent = [7; 500];
        assert_eq!(echoed(Manner::Plain, &sent).await, 500);
        assert_eq!(echoed(Manner::Slow(Duration::from_millis(1)), &sent).await, 500);
        assert_eq!(echoed(Manner::Cut, &sent).await, CUTS[0], "the first connection is cut within the greeting");
    }
}
