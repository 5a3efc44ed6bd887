//! `rowhouse health`: whether a host answers calls, and how it is doing, asked of itself; and whether its alerts arrive.

use super::admin;
use crate::alerts;
use crate::config::Settings;
use crate::plugin::printable;
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// Less than any engine waits for a health check.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long the whole look may take: the database and the machine have two seconds each.
const LOOKING: Duration = Duration::from_secs(10);

/// What else is asked.
#[derive(Subcommand)]
pub(crate) enum HealthCommand {
    /// The webhooks of `[alerts]`.
    #[command(subcommand)]
    Alerts(AlertsCommand),
}

/// What is done with webhooks.
#[derive(Subcommand)]
pub(crate) enum AlertsCommand {
    /// Post a message that says it is a test to every webhook. No host has to run.
    ///
    /// Exit code 0: each took it. 1: one did not, or there is none.
    #[command(after_help = "Example:  rowhouse health alerts test --json")]
    Test {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Ask the host of these settings: whether it is ready, or with `whole` how each component is doing.
///
/// # Errors
/// It does not answer calls, or there is none.
pub(super) async fn run(
    settings: &Settings,
    command: Option<HealthCommand>,
    whole: bool,
    json: bool,
) -> Result<ExitCode> {
    match command {
        Some(HealthCommand::Alerts(AlertsCommand::Test { json })) => test(settings, json).await,
        None if whole || json => components(settings, json).await,
        None => ready(settings).await,
    }
}

async fn ready(settings: &Settings) -> Result<ExitCode> {
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
    admin::request(TcpStream::connect(address).await?, "/health/ready").await
}

/// How each component is doing, by the admin socket: the open door tells nobody.
async fn components(settings: &Settings, json: bool) -> Result<ExitCode> {
    let socket = settings.http.admin.as_deref().context(
        "only the admin socket says how components are doing: set http.admin = \"/run/rowhouse/admin.sock\" and start the \
         host again",
    )?;
    let told = tokio::time::timeout(LOOKING, looked(socket)).await;
    let told = told.with_context(|| format!("the host at {} did not say in time", socket.display()))??;
    if json {
        println!("{told:#}");
    } else {
        lines(&told).iter().for_each(|line| println!("{line}"));
    }
    // Degraded is answered: a script that asks whether to act looks into the JSON.
    Ok(if told["status"] == "down" { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is wrong, where the admin socket tells.
async fn why(settings: &Settings) -> String {
    let Some(socket) = settings.http.admin.as_deref() else { return String::new() };
    match tokio::time::timeout(PATIENCE, looked(socket)).await {
        Ok(Ok(told)) => faults(&told),
        _ => String::new(),
    }
}

/// Of each component that is not well, its first problem.
fn faults(told: &Value) -> String {
    let ill = told.as_object().into_iter().flatten().filter_map(|(name, it)| {
        let status = it["status"].as_str().filter(|status| *status != "ok")?;
        let what = it["problems"][0]["what"].as_str().map(|what| format!(": {}", printable(what))).unwrap_or_default();
        let away = it["away_ms"].as_u64().map(Duration::from_millis);
        let away = away.map(|away| format!(", away for {:.1} s", away.as_secs_f64())).unwrap_or_default();
        let breaker = it["breaker"].as_str().filter(|it| *it != "closed");
        let breaker = breaker.map(|it| format!(", breaker {it}")).unwrap_or_default();
        Some(format!("\n  {name} is {status}{breaker}{away}{what}"))
    });
    ill.collect()
}

async fn looked(socket: &Path) -> Result<Value> {
    let stream = UnixStream::connect(socket).await;
    let stream = stream.with_context(|| format!("no host answers at {}", socket.display()))?;
    let answer = admin::request(stream, "/health").await.context("read the host's answer")?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    serde_json::from_str(body).context("the host's answer is not what a host says")
}

/// A line for each component, and one for each of its problems.
fn lines(told: &Value) -> Vec<String> {
    let text = |value: &Value| printable(value.as_str().unwrap_or_default()).replace('\n', " ");
    let mut lines = Vec::new();
    let components = told.as_object().into_iter().flatten().filter(|(_, it)| it["status"].is_string());
    for (name, component) in components {
        let took = component["ms"].as_u64().map(|ms| format!("  {ms} ms")).unwrap_or_default();
        lines.push(format!("{name:<10}  {:<8}{took}", text(&component["status"])).trim_end().to_owned());
        for problem in component["problems"].as_array().into_iter().flatten() {
            let (severity, code, what) = (text(&problem["severity"]), text(&problem["code"]), text(&problem["what"]));
            lines.push(format!("    {severity}  {code} since {}: {what}", text(&problem["since"])));
        }
    }
    lines
}

async fn test(settings: &Settings, json: bool) -> Result<ExitCode> {
    let taken = alerts::test(&settings.alerts).await.context("[alerts]")?;
    if taken.is_empty() {
        bail!("there is no [[alerts.webhook]] in the settings");
    }
    if json {
        let one = |(at, taken): (usize, &Result<(), String>)| json!({ "webhook": at, "taken": taken.is_ok(), "trouble": taken.as_ref().err() });
        println!("{:#}", taken.iter().enumerate().map(one).collect::<Value>());
    } else {
        for (at, taken) in taken.iter().enumerate() {
            match taken {
                Ok(()) => println!("webhook {at}: took the test"),
                Err(why) => println!("webhook {at}: {why}"),
            }
        }
    }
    Ok(if taken.iter().all(Result::is_ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_well_is_told() {
        let well = json!({ "status": "ok" });
        let away = json!([{ "what": "it does not answer" }]);
        for (database, embedding, want) in [
            (well.clone(), well.clone(), ""),
            (
                json!({ "status": "down", "breaker": "open", "away_ms": 2_340, "problems": away }),
                well.clone(),
                "\n  database is down, breaker open, away for 2.3 s: it does not answer",
            ),
            (
                json!({ "status": "down", "breaker": "closed", "away_ms": null }),
                json!({ "status": "degraded", "breaker": "half open" }),
                "\n  database is down\n  embedding is degraded, breaker half open",
            ),
        ] {
            let health = json!({ "status": "down", "version": "1", "database": database, "embedding": embedding });
            assert_eq!(faults(&health), want);
        }
    }

    #[test]
    fn components_are_lines_and_nothing_moves_the_cursor() {
        let told = json!({
            "status": "degraded", "version": "0.1.0",
            "database": { "status": "ok", "problems": [], "ms": 3 },
            "plugins": { "status": "degraded", "problems": [
                { "severity": "warning", "code": "plugins.refused", "what": "bad\u{1b}[2J\nworse", "since": "now" } ] },
        });
        assert_eq!(
            lines(&told),
            [
                "database    ok        3 ms",
                "plugins     degraded",
                "    warning  plugins.refused since now: bad\\u{1b}[2J worse",
            ]
        );
    }
}
