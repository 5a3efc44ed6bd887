//! Laps: so many calls by so many callers, and what they cost.

use rustix::time::{ClockId, clock_gettime};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one lap cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lap {
    /// Median time from question to answer, in microseconds.
    pub(crate) wall_us: f64,
    /// The host's CPU for one call, in microseconds.
    pub(crate) cpu_us: f64,
}

/// CPU used so far by this thread, or by the whole process.
fn cpu(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    // A CPU clock starts at zero and cannot be negative.
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

fn lap(mut walls: Vec<Duration>, used: Duration) -> Lap {
    walls.sort_unstable();
    let calls = u32::try_from(walls.len()).expect("a lap's calls are counted in a u32");
    let median = walls[walls.len() / 2];
    Lap { wall_us: median.as_secs_f64() * 1e6, cpu_us: used.as_secs_f64() * 1e6 / f64::from(calls) }
}

/// Calls inside this process: `callers` tasks, each asking again as soon as it is answered.
pub(crate) async fn within<F, A>(callers: usize, calls: usize, call: F) -> Lap
where
    F: Fn(usize) -> A + Clone + Send + 'static,
    A: Future<Output = ()> + Send,
{
    let before = cpu(ClockId::ProcessCPUTime);
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let call = call.clone();
            tokio::spawn(async move {
                let mut walls = Vec::with_capacity(calls / callers);
                for _ in 0..calls / callers {
                    let began = Instant::now();
                    call(caller).await;
                    walls.push(began.elapsed());
                }
                walls
            })
        })
        .collect();
    let mut walls = Vec::with_capacity(calls);
    for task in tasks {
        walls.extend(task.await.expect("no call panics"));
    }
    lap(walls, cpu(ClockId::ProcessCPUTime) - before)
}

/// Calls over HTTP: `callers` threads, each with one connection it keeps. What the threads use is not the host's.
pub(crate) async fn over_http(callers: usize, calls: usize, server: SocketAddr, request: &Arc<[u8]>) -> Lap {
    let before = cpu(ClockId::ProcessCPUTime);
    let threads: Vec<_> = (0..callers)
        .map(|_| {
            let request = Arc::clone(request);
            tokio::task::spawn_blocking(move || {
                let before = cpu(ClockId::ThreadCPUTime);
                let mut line = Line::open(server);
                let mut walls = Vec::with_capacity(calls / callers);
                for _ in 0..calls / callers {
                    let began = Instant::now();
                    let answer = line.ask(&request);
                    walls.push(began.elapsed());
                    assert!(contains(answer, b"\"isError\":false"), "{}", String::from_utf8_lossy(answer));
                }
                drop(line);
                (walls, cpu(ClockId::ThreadCPUTime) - before)
            })
        })
        .collect();
    let (mut walls, mut clients) = (Vec::with_capacity(calls), Duration::ZERO);
    for thread in threads {
        let (these, used) = thread.await.expect("no caller panics");
        walls.extend(these);
        clients += used;
    }
    lap(walls, (cpu(ClockId::ProcessCPUTime) - before).saturating_sub(clients))
}

/// One answer, to look at.
pub(crate) async fn ask(server: SocketAddr, request: &Arc<[u8]>) -> String {
    let request = Arc::clone(request);
    let asked = tokio::task::spawn_blocking(move || String::from_utf8(Line::open(server).ask(&request).to_vec()));
    asked.await.expect("no caller panics").expect("an answer in UTF-8")
}

/// A connection as a plain HTTP client keeps it. Written out, so that the load generator costs next to nothing.
struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Line {
    fn open(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).expect("the server listens");
        stream.set_nodelay(true).expect("an open socket");
        // The longest answer asked for here has some 300 KiB.
        Self { stream, buffer: vec![0; 1 << 20] }
    }

    /// Send a request and read its answer: head and body.
    fn ask(&mut self, request: &[u8]) -> &[u8] {
        self.stream.write_all(request).expect("an open connection");
        let (mut filled, mut whole) = (0, None);
        while whole.is_none_or(|whole| filled < whole) {
            let more = self.stream.read(&mut self.buffer[filled..]).expect("an open connection");
            assert!(more > 0, "the server hung up: {}", String::from_utf8_lossy(&self.buffer[..filled]));
            filled += more;
            if whole.is_none() {
                whole = length(&self.buffer[..filled]);
            }
        }
        &self.buffer[..filled]
    }
}

/// Bytes of head and body, once the head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).expect("a head in ASCII");
    let body = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some(end + body.unwrap_or_else(|| panic!("an answer of known length: {head}")))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
