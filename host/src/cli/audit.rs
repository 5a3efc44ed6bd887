//! `rowhouse audit`: the trail for people.

mod line;

use super::progress::Progress;
use crate::audit::{self, Exported, Part, Tail, Verdict, Which};
use crate::disk;
use crate::keys::Key;
use anyhow::{Context, Result};
use chrono::DateTime;
use clap::Subcommand;
use futures_util::TryStreamExt;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use tokio_postgres::Client;
use uuid::Uuid;

/// How often `tail --follow` looks for more. The trail itself is a quarter of a second behind.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Print the last records, one a line.
    #[command(after_help = "Example:  rowhouse audit tail -n 50 --follow")]
    Tail {
        /// How many.
        #[arg(short = 'n', long = "lines", default_value_t = 20, value_name = "COUNT")]
        lines: u32,
        /// Go on printing what is added, until interrupted.
        #[arg(short, long)]
        follow: bool,
        /// As JSON lines, each with its place in the chain.
        #[arg(long)]
        json: bool,
    },
    /// Check every record's seal and place. Exit code 1 when a chain is broken.
    ///
    /// Records that wait in this machine's spool are checked as well. Each chain is walked to its first break.
    #[command(after_help = "Example:  rowhouse audit verify --json")]
    Verify {
        /// One node's chain only.
        #[arg(long, value_name = "UUID")]
        node: Option<Uuid>,
        /// Begin after this record of the node, and take its seal as given: for a trail whose beginning was archived.
        #[arg(long, requires = "node", value_name = "SEQ")]
        after: Option<u64>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write records as JSON lines, oldest first, each with its place in the chain.
    #[command(
        after_help = "Example:  rowhouse audit export --since 2026-01-01T00:00:00Z --event call --output calls.jsonl"
    )]
    Export {
        /// From this moment on (RFC 3339).
        #[arg(long, value_name = "TIME", value_parser = moment)]
        since: Option<SystemTime>,
        /// Until right before this moment (RFC 3339).
        #[arg(long, value_name = "TIME", value_parser = moment)]
        until: Option<SystemTime>,
        /// One kind only: `call`, `token_rejected`, ...
        #[arg(long, value_name = "KIND")]
        event: Option<String>,
        /// Where to. Unset: standard output. The file appears when it is complete.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

fn moment(text: &str) -> Result<SystemTime, String> {
    DateTime::parse_from_rfc3339(text)
        .map(SystemTime::from)
        .map_err(|e| format!("{e}; write it like 2026-01-31T00:00:00Z"))
}

/// Do what the command says. `admin` may read `rowhouse.audit`, `key` is the audit key, `spool` the directory of
/// spools.
pub(crate) async fn run(command: AuditCommand, admin: &Client, key: &Key, spool: &Path) -> Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout());
    let done = match command {
        AuditCommand::Tail { lines, follow, json } => tail(admin, lines, follow, json, &mut out).await,
        AuditCommand::Verify { node, after, json } => {
            let mut watch = Progress::new(json);
            let mut progress = |done, total| watch.count("verifying", "records", done, total);
            let verdicts = audit::verify(admin, key, spool, Which { node, after }, &mut progress).await?;
            drop(watch);
            report(&verdicts, json, &mut out)
        }
        AuditCommand::Export { since, until, event, output } => {
            export(admin, &Part { since, until, event }, output.as_deref(), &mut out).await
        }
    };
    let done = done.and_then(|code| Ok(out.flush().map(|()| code)?));
    match done {
        // `| head` has read enough.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            Ok(ExitCode::SUCCESS)
        }
        done => done,
    }
}

async fn tail(admin: &Client, lines: u32, follow: bool, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    let (mut tail, mut fresh) = Tail::open(admin, lines).await?;
    loop {
        for one in &fresh {
            if json {
                print(one, out)?;
            } else {
                writeln!(out, "{}", line::of(one))?;
            }
        }
        out.flush()?;
        if !follow {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                return Ok(ExitCode::SUCCESS);
            }
        }
        fresh = tail.more().await?;
    }
}

fn print(one: &Exported, out: &mut impl Write) -> Result<()> {
    serde_json::to_writer(&mut *out, one).map_err(io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}

fn report(verdicts: &[Verdict], json: bool, out: &mut impl Write) -> Result<ExitCode> {
    let broken = verdicts.iter().filter(|verdict| verdict.broken.is_some()).count();
    if json {
        writeln!(out, "{}", serde_json::json!({ "intact": broken == 0, "chains": verdicts }))?;
    } else if verdicts.is_empty() {
        writeln!(out, "there are no records")?;
    } else {
        for verdict in verdicts {
            let (node, sound, spooled) = (verdict.node, verdict.sound, verdict.spooled);
            let waiting =
                if spooled > 0 { format!(", {spooled} of them on their way to the database") } else { String::new() };
            match verdict.broken {
                None => writeln!(out, "intact   {node}  {sound} records{waiting}")?,
                Some((seq, fault)) => {
                    writeln!(out, "BROKEN   {node}  after {sound} records{waiting}: record {seq} {fault}")?;
                }
            }
        }
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn export(admin: &Client, part: &Part, output: Option<&Path>, out: &mut impl Write) -> Result<ExitCode> {
    let Some(path) = output else {
        write_all(admin, part, out).await?;
        return Ok(ExitCode::SUCCESS);
    };
    // Beside, then renamed: nobody takes half an export for a whole one. Readable by its owner only.
    let about = || format!("write {}", path.display());
    let mut file = BufWriter::new(tempfile::NamedTempFile::new_in(disk::above(path)).with_context(about)?);
    let count = write_all(admin, part, &mut file).await.with_context(about)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error).with_context(about)?;
    file.as_file().sync_all().with_context(about)?;
    file.persist(path).with_context(about)?;
    eprintln!("  {:<11} {count} records to {}", "exported", path.display());
    Ok(ExitCode::SUCCESS)
}

async fn write_all(admin: &Client, part: &Part, out: &mut impl Write) -> Result<u64> {
    let mut records = pin!(audit::export(admin, part).await?);
    let mut count = 0;
    while let Some(one) = records.try_next().await? {
        print(&one, out)?;
        count += 1;
    }
    Ok(count)
}
