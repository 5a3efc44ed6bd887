//! A line to the shared database that can be cut: for a statement at a chosen moment, or altogether.

use crate::harness::Shared;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// What a statement says that is counted, and may be cut.
pub const MARK: &str = "cut_me";

/// What its rows say: with them its answer has begun.
pub const ROW: &str = "row_of_the_line";

/// When a statement's connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before a byte of its answer.
    Before,
    /// Between two bytes of its rows.
    Mid,
}

/// How the line is.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Weather {
    /// Nothing gets through, and who comes is sent away.
    down: bool,
    /// Connections made before these many are closed.
    closed: usize,
    /// Of those made before these many nothing is heard any more.
    forgotten: usize,
}

struct State {
    socket: PathBuf,
    made: AtomicUsize,
    marked: AtomicUsize,
    cuts: Mutex<VecDeque<Cut>>,
    weather: watch::Sender<Weather>,
}

/// A line to the database, on a port of this machine.
pub struct Line {
    port: u16,
    state: Arc<State>,
}

impl Line {
    /// Lay one to the shared database. It ends with the process.
    pub async fn lay(shared: &Shared) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let state = Arc::new(State {
            socket: shared.socket.join(".s.PGSQL.5432"),
            made: AtomicUsize::new(0),
            marked: AtomicUsize::new(0),
            cuts: Mutex::default(),
            weather: watch::Sender::new(Weather { down: false, closed: 0, forgotten: 0 }),
        });
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = serving.made.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(Arc::clone(&serving), client, number));
            }
        });
        Self { port, state }
    }

    /// The superuser's way into the shared database over this line.
    pub fn url(&self, shared: &Shared) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/{}", shared.password, self.port, rowhouse::embedded::DATABASE)
    }

    /// Cut the next statements that are marked, one after another.
    pub fn cut(&self, cuts: &[Cut]) {
        *self.state.cuts.lock().expect("no panic") = cuts.iter().copied().collect();
    }

    /// Marked statements that came by.
    pub fn marked(&self) -> usize {
        self.state.marked.load(Ordering::SeqCst)
    }

    /// Nothing gets through any more.
    pub fn down(&self) {
        self.state.weather.send_modify(|weather| weather.down = true);
    }

    /// It does again.
    pub fn up(&self) {
        self.state.weather.send_modify(|weather| weather.down = false);
    }

    /// Close every connection there is.
    pub fn reset(&self) {
        let made = self.state.made.load(Ordering::SeqCst);
        self.state.weather.send_modify(|weather| weather.closed = made);
    }

    /// Let nothing be heard of any connection there is. New ones are as ever.
    pub fn forget(&self) {
        let made = self.state.made.load(Ordering::SeqCst);
        self.state.weather.send_modify(|weather| weather.forgotten = made);
    }
}

/// One connection. Both ends are closed when this returns.
async fn carry(state: Arc<State>, mut client: TcpStream, number: usize) {
    let mut weather = state.weather.subscribe();
    let Ok(mut server) = UnixStream::connect(&state.socket).await else { return };
    let _ = client.set_nodelay(true);
    let (mut asked, mut answered) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut cut = None;
    loop {
        let now = *weather.borrow_and_update();
        if now.down || number < now.closed {
            return;
        }
        if number < now.forgotten {
            // Neither end hears that the other is gone.
            std::future::pending::<()>().await;
        }
        tokio::select! {
            changed = weather.changed() => if changed.is_err() { return },
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                if holds(&asked[..length], MARK) {
                    state.marked.fetch_add(1, Ordering::SeqCst);
                    cut = state.cuts.lock().expect("no panic").pop_front();
                }
                if server.write_all(&asked[..length]).await.is_err() { return }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                let length = match cut {
                    Some(Cut::Before) => return,
                    Some(Cut::Mid) if holds(&answered[..length], ROW) => length / 2,
                    _ => length,
                };
                let begun = cut == Some(Cut::Mid) && holds(&answered[..length], ROW);
                if client.write_all(&answered[..length]).await.is_err() || begun { return }
            }
        }
    }
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|at| at == word.as_bytes())
}
