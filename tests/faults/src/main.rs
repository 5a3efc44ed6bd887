//! What a running host does while what it stands on breaks, and after.
//!
//! A real PostgreSQL, the real program as a process of its own, callers whose right answers are known, and one fault
//! after the other: for some seconds, and gone again. Each is a row of a table: what callers were told meanwhile, whether
//! an answer was wrong, how soon the host was itself again, and what it kept that it should have let go.

mod place; // Where things are.
mod cluster; // A PostgreSQL that can be killed.
mod proxy; // A way to it that is slow, or ends in mid-answer.
mod issuer; // An identity provider.
#[path = "../../embedding/endpoint.rs"]
#[expect(dead_code, unreachable_pub, reason = "the suite's own, which fails in more ways than are needed here")]
mod endpoint; // An embedding service.
mod redis; // A Redis.
mod disk; // A small disk.
mod host; // The program.
mod vitals; // What it holds.
mod caller; // What is asked, and what comes back.
mod stage; // What the faults of a run share.
mod load; // Callers at work.
mod trial; // One fault, from calm to calm.
mod row; // What came of it.
mod report; // What a person or a script reads of a run.
mod faults; // The faults.

use anyhow::{Context, Result, bail};
use clap::Parser;
use faults::Name;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Break what a host stands on, one thing after the other, and measure what callers notice.
#[derive(Parser)]
#[command(
    name = "cargo xtask faults",
    after_help = "Examples:\n  cargo xtask faults\n  cargo xtask faults --only killed --only paused --seconds 10\n  cargo \
                  xtask faults --skip disk --skip clock --json"
)]
pub(crate) struct Cli {
    /// Only this fault, or these.
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<Name>,
    /// Not this one, or these. What cannot be tried on this machine must be skipped by name, or the run fails.
    #[arg(long, value_name = "NAME")]
    pub(crate) skip: Vec<Name>,
    /// Seconds each fault lasts. More than the five a call may take, so that some meet their deadline.
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Print times and do not judge them: on a machine that is busy with other things.
    #[arg(long)]
    pub(crate) untimed: bool,
    /// The result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the faults, and do nothing.
    #[arg(long)]
    pub(crate) list: bool,
    /// The host to start. Unset: `debug/rowhouse` in cargo's target directory.
    #[arg(long, value_name = "FILE")]
    pub(crate) rowhouse: Option<PathBuf>,
    /// Its plugins. Unset: `target/plugins`.
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Option<PathBuf>,
}

impl Cli {
    /// The faults that are asked for, in the order they are tried in.
    fn wanted(&self) -> Vec<Name> {
        let wanted = |name: &Name| (self.only.is_empty() || self.only.contains(name)) && !self.skip.contains(name);
        Name::all().iter().copied().filter(wanted).collect()
    }

    /// How long each lasts.
    pub(crate) fn lasting(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime");
    match runtime.and_then(|runtime| runtime.block_on(interruptible(cli))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            // Not 1: nothing was measured.
            ExitCode::from(2)
        }
    }
}

/// What was started is ended, and what was mounted is unmounted, also when somebody has seen enough.
async fn interruptible(cli: Cli) -> Result<bool> {
    tokio::select! {
        done = run(cli) => done,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            bail!("interrupted")
        }
    }
}

/// True when every row is as it should be.
async fn run(cli: Cli) -> Result<bool> {
    if cli.list {
        Name::all().iter().for_each(|name| println!("{:<12} {}", name.word(), name.about()));
        return Ok(true);
    }
    let wanted = cli.wanted();
    if wanted.is_empty() {
        bail!("nothing is left to try: --skip takes away what --only asks for");
    }
    // The HTTP client is built without cryptography of its own. An error says that there is some already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let place = place::Place::find(&cli)?;
    let mut stage: Option<stage::Stage> = None;
    let mut rows = Vec::new();
    for name in wanted {
        eprintln!("  {:<12} {}", name.word(), name.about());
        let row = faults::run(name, &cli, &place, &mut stage).await;
        let row = row.unwrap_or_else(|error| {
            // What it stands on may be half broken: the next row begins anew.
            stage = None;
            row::Row::unmeasured(&name.word(), format!("{error:#}"))
        });
        eprintln!("  {:<12} {}", "", report::in_a_line(&row, !cli.untimed));
        rows.push(row);
    }
    if let Some(stage) = stage {
        stage.close().await?;
    }
    report::print(&rows, !cli.untimed, cli.json)?;
    Ok(rows.iter().all(|row| row.reds(!cli.untimed).is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arguments: &[&str], wanted: &[&str]) {
        let cli = Cli::try_parse_from(std::iter::once(&"faults").chain(arguments)).expect("a command line");
        assert_eq!(cli.wanted().iter().map(|name| name.word()).collect::<Vec<_>>(), wanted, "{arguments:?}");
    }

    #[test]
    fn faults_are_chosen_by_name() {
        check(&["--only", "redis", "--only", "killed"], &["killed", "redis"]);
        check(&["--only", "redis", "--skip", "redis"], &[]);
        let all: Vec<String> = Name::all().iter().map(|name| name.word()).collect();
        let but: Vec<&str> = all.iter().map(String::as_str).filter(|it| !["disk", "clock"].contains(it)).collect();
        check(&["--skip", "disk", "--skip", "clock"], &but);
        assert!(Cli::try_parse_from(["faults", "--only", "weather"]).is_err());
        assert!(Cli::try_parse_from(["faults", "--seconds", "0"]).is_err());
    }
}
