//! `rowhouse top`: what a host is doing, seen from a terminal.

mod view; // What it looks like.

use super::admin;
use crate::config::Settings;
use crate::telemetry::Snapshot;
use anyhow::Result;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

/// Between two looks. A second is as often as a person reads, and costs the host a millisecond.
const EVERY: Duration = Duration::from_secs(1);

/// How it is shown.
#[derive(clap::Args)]
pub(crate) struct Top {
    /// Look once, print, and leave. So it is where standard output is no terminal.
    #[arg(long)]
    once: bool,
    /// Once, as JSON.
    #[arg(long)]
    json: bool,
}

/// Look until somebody presses `q`.
///
/// # Errors
/// No host answers, or the terminal cannot be drawn on.
pub(super) async fn run(settings: &Settings, how: Top) -> Result<ExitCode> {
    let look = || admin::get::<Snapshot>(settings, "/top");
    let first = look().await?;
    if how.json {
        println!("{}", serde_json::to_string_pretty(&first)?);
    } else if how.once || !std::io::stdout().is_terminal() {
        print!("{}", view::plain(&first));
    } else {
        // Restored however this ends: a terminal in raw mode is no terminal to read an error at.
        let mut terminal = ratatui::try_init()?;
        let _restored = Restored;
        let mut seen = first;
        loop {
            terminal.draw(|frame| view::draw(frame, &seen))?;
            if tokio::task::spawn_blocking(leaves).await?? {
                break;
            }
            seen = look().await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Wait for the next look. True: somebody wants to leave.
fn leaves() -> std::io::Result<bool> {
    if !event::poll(EVERY)? {
        return Ok(false);
    }
    let Event::Key(key) = event::read()? else { return Ok(false) };
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    let leave = matches!(key.code, KeyCode::Char('q') | KeyCode::Esc);
    Ok(key.kind == KeyEventKind::Press && (leave || interrupt))
}
