//! Built for a target with WASI: tries what an operating system offers and reports what it got. A host that denies a
//! thing says so in an error; it never hands over anything of its own.

use std::{
    collections::hash_map::RandomState,
    env, fs,
    hash::{BuildHasher, Hasher},
    net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use guests::{Answer, PluginInfo, ToolError, sql};
use serde_json::{Value as Json, json};

fn describe() -> PluginInfo {
    let about = "Reports what of files, environment, network, clock and random numbers is to be had: `what` names one.";
    guests::plugin("wasi-probe", vec![guests::tool("wasi_probe", about, guests::ANYTHING)])
}

fn call(_: &str, arguments: Json) -> Result<Answer, ToolError> {
    let report = match guests::string(&arguments, "what", "all") {
        "files" => files(),
        "environment" => environment(),
        "network" => network(),
        "clock" => clock(),
        "random" => random(),
        "output" => output(),
        "sql" => statement(),
        "exit" => std::process::exit(3),
        _ => json!({
            "files": files(), "environment": environment(), "network": network(), "clock": clock(),
            "random": random(), "output": output(), "sql": statement(),
        }),
    };
    Ok(guests::json(&report))
}

/// What an attempt gave, or why not.
fn told<T: std::fmt::Debug, E: std::fmt::Display>(result: Result<T, E>) -> Json {
    match result {
        Ok(value) => json!({ "got": format!("{value:?}") }),
        Err(error) => json!({ "refused": error.to_string() }),
    }
}

fn files() -> Json {
    json!({
        "list /": told(fs::read_dir("/").map(Iterator::count)),
        "list .": told(fs::read_dir(".").map(Iterator::count)),
        "read": told(fs::read("/etc/passwd").map(|bytes| bytes.len())),
        "write": told(fs::write("/tmp/wasi_probe", b"was here")),
        "escape": told(fs::read("../../../../etc/passwd").map(|bytes| bytes.len())),
    })
}

fn environment() -> Json {
    json!({
        "variables": env::vars().count(),
        "arguments": env::args().count(),
        "directory": told(env::current_dir()),
    })
}

fn network() -> Json {
    json!({
        "tcp": told(TcpStream::connect("127.0.0.1:5432").map(drop)),
        "listen": told(TcpListener::bind("127.0.0.1:0").map(drop)),
        "udp": told(UdpSocket::bind("127.0.0.1:0").map(drop)),
        "names": told("localhost:80".to_socket_addrs().map(Iterator::count)),
    })
}

fn clock() -> Json {
    let begin = Instant::now();
    // Long enough to show, short enough for any deadline.
    std::thread::sleep(Duration::from_millis(5));
    json!({
        "wall": told(SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs())),
        "slept_at_least_5_ms": begin.elapsed() >= Duration::from_millis(5),
    })
}

fn random() -> Json {
    // Each is seeded from the host's random numbers.
    let one = RandomState::new().build_hasher().finish();
    let other = RandomState::new().build_hasher().finish();
    json!({ "differ": one != other })
}

fn output() -> Json {
    use std::io::Write as _;
    json!({
        "stdout": told(writeln!(std::io::stdout(), "wasi_probe on stdout")),
        "stderr": told(writeln!(std::io::stderr(), "wasi_probe on stderr")),
        "stdin": told(std::io::stdin().lines().next().transpose()),
    })
}

fn statement() -> Json {
    told(sql::query("SELECT 1", &[]).map(|rows| rows.count()).map_err(|error| error.message))
}

guests::serve!(describe, call);
