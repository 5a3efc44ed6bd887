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
            Ok(ExitCode::SUCCESS)
        }
        Ok(Ok(_)) => bail!("the host at {address} does not answer calls at the moment{}", why(settings).await),
        Ok(Err(error)) => bail!("no host answers at {address}: {error}"),
        Err(_) => bail!("the host at {address} did not say within {} s", PATIENCE.as_secs()),
    }
}

async fn ask(address: SocketAddr) -> io::Result<String> {
    get(TcpStream::connect(address).await?, "/health/ready").await
}

/// Which components are why, where the admin socket tells.
async fn why(settings: &Settings) -> String {
    let Some(path) = &settings.http.admin else { return String::new() };
    let asked = async { get(UnixStream::connect(path).await?, "/health").await };
    let told = tokio::time::timeout(PATIENCE, asked).await;
    let Ok(Ok(answer)) = told else { return String::new() };
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    faults(&serde_json::from_str(body).unwrap_or_default())
}

/// What of a host's health is not well, in a few words.
fn faults(health: &Value) -> String {
    let mut told = Vec::new();
    for (name, part) in health.as_object().into_iter().flatten() {
        let Some(status) = part["status"].as_str().filter(|status| *status != "ok") else { continue };
        let away =
            part["away_ms"].as_u64().map(|ms| format!(", away for {:.1} s", Duration::from_millis(ms).as_secs_f64()));
        let breaker = part["breaker"].as_str().filter(|it| *it != "closed").map(|it| format!(", breaker {it}"));
        told.push(format!("{name} is {status}{}{}", breaker.unwrap_or_default(), away.unwrap_or_default()));
    }
    if told.is_empty() { String::new() } else { format!(": {}", told.join("; ")) }
}

/// What a server says of a path. It has a few kilobytes to say.
async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(64 << 10).read_to_string(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::faults;
    use serde_json::json;

    #[test]
    fn what_is_not_well_is_told() {
        let well = json!({ "status": "ok" });
        for (database, embedding, want) in [
            (well.clone(), well.clone(), ""),
            (
                json!({ "status": "down", "breaker": "open", "away_ms": 2_340 }),
                well.clone(),
                ": database is down, breaker open, away for 2.3 s",
            ),
            (
                json!({ "status": "down", "breaker": "closed", "away_ms": null }),
                json!({ "status": "degraded", "breaker": "half open" }),
                ": database is down; embedding is degraded, breaker half open",
            ),
        ] {
            let health = json!({ "status": "down", "version": "1", "database": database, "embedding": embedding });
            assert_eq!(faults(&health), want);
        }
    }
}
