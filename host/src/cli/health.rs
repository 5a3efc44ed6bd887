//! `rowhouse health`: whether a host answers calls, asked of itself.

use crate::config::Settings;
use anyhow::{Result, bail};
use serde_json::Value;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// Less than any engine waits for a health check.
const PATIENCE: Duration = Duration::from_secs(4);

/// Bytes of an answer that are read. A host with a hundred plugins says some ten thousand about itself.
const LONGEST: u64 = 64 << 10;

/// Ask the host of these settings.
///
/// # Errors
/// It does not answer calls, or there is none.
pub(super) async fn run(settings: &Settings) -> Result<ExitCode> {
    let mut address = settings.http.listen;
    // Listened on everywhere is listened on here.
    if address.ip().is_unspecified() {
        let own: IpAddr = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        address.set_ip(own);
    }
    match tokio::time::timeout(PATIENCE, ask(address)).await {
        Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200 ") => {
            println!("ready");
            if let Some(line) = cache(settings).await {
                println!("{line}");
            }
            Ok(ExitCode::SUCCESS)
        }
        Ok(Ok(_)) => bail!("the host at {address} does not answer calls at the moment"),
        Ok(Err(error)) => bail!("no host answers at {address}: {error}"),
        Err(_) => bail!("the host at {address} did not say within {} s", PATIENCE.as_secs()),
    }
}

async fn ask(address: SocketAddr) -> io::Result<String> {
    get(TcpStream::connect(address).await?, "/health/ready").await
}

/// What the host answers to one question, head and body.
async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer).await?;
    Ok(answer)
}

/// How the cache of answers does, where this user may ask the admin socket.
async fn cache(settings: &Settings) -> Option<String> {
    let socket = UnixStream::connect(settings.http.admin.as_ref()?).await.ok()?;
    let answer = tokio::time::timeout(PATIENCE, get(socket, "/health")).await.ok()?.ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some(cache_line(&serde_json::from_str(body).ok()?))
}

fn cache_line(health: &Value) -> String {
    let cache = &health["cache"];
    if cache["enabled"] != true {
        return "cache: off".to_owned();
    }
    let of = |name: &str| cache["counts"][name].as_u64().unwrap_or_default();
    let given = of("hits") + of("shared_hits") + of("joined");
    let why = cache["why_not"].as_str().map_or(String::new(), |why| format!("; keeps nothing: {why}"));
    format!(
        "cache: {given} answers given again, {} asked, {} never kept; {} there, {} invalidated, {} evicted{why}",
        of("misses"),
        of("passed"),
        cache["answers"],
        of("invalidated"),
        of("evicted"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_cache_is_said_in_one_line() {
        let counts = json!({ "hits": 5, "shared_hits": 2, "joined": 1, "misses": 4, "passed": 3, "invalidated": 6 });
        for (cache, line) in [
            (json!({ "enabled": false }), "cache: off"),
            (
                json!({ "enabled": true, "answers": 9, "counts": counts }),
                "cache: 8 answers given again, 4 asked, 3 never kept; 9 there, 6 invalidated, 0 evicted",
            ),
            (
                json!({ "enabled": true, "answers": 0, "counts": {}, "why_not": "deaf" }),
                "cache: 0 answers given again, 0 asked, 0 never kept; 0 there, 0 invalidated, 0 evicted; keeps nothing: deaf",
            ),
        ] {
            assert_eq!(cache_line(&json!({ "cache": cache })), line);
        }
    }
}
