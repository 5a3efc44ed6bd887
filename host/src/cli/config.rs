//! `rowhouse config`: what the settings come to, and what is wrong with them.

use crate::config::{Problem, Profile, Settings, Sources};
use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Every setting, its value and where it comes from. Secrets have no value.
    #[command(after_help = "Example:  rowhouse config show --changed")]
    Show {
        /// Only what is not the built-in default.
        #[arg(long)]
        changed: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Everything that is wrong, at once: what, where it was set, and in production what would do.
    ///
    /// Exit code 0: a host would start with these. 1: it would not. Neither the database nor an issuer is asked:
    /// `rowhouse doctor` does that.
    #[command(after_help = "Example:  rowhouse config check --profile production")]
    Check {
        /// Hold against this profile in place of the settings' own.
        #[arg(long)]
        profile: Option<Which>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// A profile, as it is typed.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Which {
    Development,
    Production,
}

/// Do it. `settings` are those of `sources`, with what the command line says on top, where they could be read.
///
/// # Errors
/// Settings that cannot be shown because they cannot be read.
pub(crate) fn run(command: ConfigCommand, sources: &Sources, settings: Option<&Settings>) -> Result<ExitCode> {
    match command {
        ConfigCommand::Show { changed, json } => show(sources, changed, json),
        ConfigCommand::Check { profile, json } => Ok(check(sources, settings, profile, json)),
    }
}

fn show(sources: &Sources, changed: bool, json: bool) -> Result<ExitCode> {
    let mut shown = sources.shown()?;
    shown.retain(|one| !changed || one.origin != "default");
    if json {
        let one = |it: &crate::config::Shown| json!({ "key": it.key, "value": it.value, "secret": it.value.is_none(), "origin": it.origin });
        println!("{:#}", json!(shown.iter().map(one).collect::<Vec<_>>()));
        return Ok(ExitCode::SUCCESS);
    }
    let wide = shown.iter().map(|it| it.key.len()).max().unwrap_or_default();
    for it in &shown {
        let value = it.value.as_deref().unwrap_or("(a secret)");
        println!("{:<wide$} = {value}  # {}", it.key, it.origin);
    }
    Ok(ExitCode::SUCCESS)
}

fn check(sources: &Sources, settings: Option<&Settings>, profile: Option<Which>, json: bool) -> ExitCode {
    let problems = sources.problems();
    let wanted = match profile {
        Some(Which::Production) => Profile::Production,
        Some(Which::Development) => Profile::Development,
        None => settings.map(|settings| settings.profile).unwrap_or_default(),
    };
    let gaps = match settings {
        Some(settings) if wanted == Profile::Production => settings.gaps(),
        _ => Vec::new(),
    };
    let fine = problems.is_empty() && gaps.is_empty();
    let code = if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if json {
        let problem = |it: &Problem| json!({ "key": it.key, "what": it.what, "origin": it.origin });
        let gap = |it: &crate::config::Gap| json!({ "key": it.key, "what": it.what, "example": it.example });
        let (problems, gaps): (Vec<_>, Vec<_>) =
            (problems.iter().map(problem).collect(), gaps.iter().map(gap).collect());
        println!("{:#}", json!({ "fine": fine, "problems": problems, "production": gaps }));
        return code;
    }
    for line in lines(&problems, &gaps) {
        println!("{line}");
    }
    if fine {
        println!("a host would start with these settings");
    }
    code
}

/// A problem a line, a gap two.
pub(crate) fn lines(problems: &[Problem], gaps: &[crate::config::Gap]) -> Vec<String> {
    let problem = |it: &Problem| match (it.key.is_empty(), it.origin.is_empty()) {
        (true, _) => it.what.clone(),
        (false, true) => format!("{}: {}", it.key, it.what),
        (false, false) => format!("{}: {} ({})", it.key, it.what, it.origin),
    };
    let gap = |it: &crate::config::Gap| format!("{}: {}\n    {}", it.key, it.what, it.example);
    problems.iter().map(problem).chain(gaps.iter().map(gap)).collect()
}
