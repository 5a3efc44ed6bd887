//! `rowhouse health`: whether a host answers calls, asked of itself.

use crate::config::Settings;
use anyhow::{Result, bail};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
        Ok(Ok(_)) => bail!("the host at {address} does not answer calls at the moment"),
        Ok(Err(error)) => bail!("no host answers at {address}: {error}"),
        Err(_) => bail!("the host at {address} did not say within {} s", PATIENCE.as_secs()),
    }
}

async fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.take(4_096).read_to_string(&mut answer).await?;
    Ok(answer)
}
