//! `rowhouse doctor` and `rowhouse db check`: what is found, and what to run.

use super::progress::Progress;
use crate::config::Settings;
use crate::doctor::{Finding, Level, Report, examine};
use crate::house::Ground;
use anyhow::Result;
use rowhouse_migrations as shape;
use std::path::PathBuf;
use std::process::ExitCode;

/// Look at everything and print it.
///
/// # Errors
/// Where the database, if it was started for this, does not stop.
pub(super) async fn run(settings: &Settings, compiler: PathBuf, json: bool, strict: bool) -> Result<ExitCode> {
    let mut watch = Progress::new(json);
    let ground = Ground::find(settings, true, &mut watch).await;
    drop(watch);
    let report = match &ground {
        Ok(ground) => examine(settings, compiler, Ok(ground)).await,
        Err(error) => examine(settings, compiler, Err(anyhow::anyhow!("{error:#}"))).await,
    };
    if json {
        let findings: Vec<_> = report.findings.iter().map(as_json).collect();
        let unchecked: Vec<_> =
            report.unchecked.iter().map(|it| serde_json::json!({ "area": it.area, "why": it.why })).collect();
        println!("{}", serde_json::json!({ "findings": findings, "unchecked": unchecked }));
    } else {
        print(&report);
    }
    if let Ok(ground) = ground {
        ground.leave().await?;
    }
    Ok(ExitCode::from(report.exit(strict)))
}

/// The database alone, as `rowhouse db check` prints it.
///
/// # Errors
/// Where it cannot be looked at.
pub(super) async fn database(ground: &Ground, settings: &Settings, json: bool) -> Result<ExitCode> {
    let findings = shape::lint(&ground.admin().await?, &settings.functions()).await?;
    let mut report = Report::default();
    report.add("database", Ok(findings.into_iter().map(Finding::from).collect()));
    report.accept(&settings.doctor);
    if json {
        let one = |f: &Finding| {
            serde_json::json!({ "level": f.level.as_str(), "rule": f.what, "object": f.object, "mend": f.mend,
                                "accepted": f.accepted })
        };
        println!("{}", serde_json::json!({ "findings": report.findings.iter().map(one).collect::<Vec<_>>() }));
    } else if report.findings.is_empty() {
        println!("nothing to mend");
    } else {
        for f in &report.findings {
            println!("{}  {}: {}\n    {}", label(f), f.what, f.object, f.mend);
        }
    }
    Ok(ExitCode::from(report.exit(false)))
}

fn as_json(found: &Finding) -> serde_json::Value {
    serde_json::json!({
        "level": found.level.as_str(),
        "area": found.area,
        "what": found.what,
        "object": found.object,
        "mend": found.mend,
        "accepted": found.accepted,
    })
}

fn print(report: &Report) {
    for found in &report.findings {
        println!("{}  {:<9} {}: {}", label(found), found.area, found.what, found.object);
        for line in found.mend.lines() {
            println!("    {line}");
        }
    }
    for left in &report.unchecked {
        println!("NOT SEEN  {:<8} {}", left.area, left.why);
    }
    let count = |level| report.findings.iter().filter(|found| found.level == level && !found.accepted).count();
    match (report.findings.len(), report.unchecked.len()) {
        (0, 0) => println!("nothing to mend"),
        (_, unseen) => println!(
            "{} unsafe, {} weak, {} to note, {unseen} not seen",
            count(Level::Unsafe),
            count(Level::Weak),
            count(Level::Note)
        ),
    }
}

fn label(found: &Finding) -> &'static str {
    match found.level {
        _ if found.accepted => "accepted",
        Level::Unsafe => "UNSAFE",
        Level::Weak => "weak  ",
        Level::Note => "note  ",
    }
}
