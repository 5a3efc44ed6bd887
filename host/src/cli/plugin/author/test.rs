//! Whether the tools answer what they must.

use super::cases::{self, Case, Wanted};
use super::subject::Subject;
use super::workshop::Workshop;
use crate::cli::progress::Progress;
use crate::config::Settings;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What `plugin test` is told.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory of the sources, which are built first; or a component, with the cases beside it.
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    subject: PathBuf,
    /// Write the snapshots anew, in place of holding answers against them.
    #[arg(long)]
    update: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What became of a case.
enum Outcome {
    Passed,
    /// Its snapshot was written.
    Written,
    Failed(String),
}

pub(super) async fn run(settings: &Settings, compiler: PathBuf, args: &Args) -> Result<ExitCode> {
    let subject = Subject::find(&args.subject).await?;
    let cases = cases::read(&subject.directory)?;
    let cases = cases.with_context(|| format!("there is no {} in {}", cases::FILE, subject.directory.display()))?;
    if cases.is_empty() {
        bail!("{} has no [[case]]: nothing was tested", cases::FILE);
    }
    let bytes = fs::read(&subject.component).with_context(|| format!("read {}", subject.component.display()))?;
    let mut watch = Progress::new(args.json);
    let components = [(subject.name.as_str(), bytes.as_slice())];
    let workshop = Workshop::open(settings, compiler, &components, None, &mut watch).await?;
    drop(watch);
    let asked = match workshop.plugin(&subject.name) {
        Ok(_) => ask(&workshop, &cases, args.update).await,
        Err(refused) => Err(refused),
    };
    workshop.close().await?;
    let results = asked?;
    let failed = results.iter().filter(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_))).count();
    if args.json {
        print_json(&results);
    } else {
        print(&results, failed);
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

type Asked<'a> = (&'a Case, Outcome, Duration);

async fn ask<'a>(workshop: &Workshop, cases: &'a [Case], update: bool) -> Result<Vec<Asked<'a>>> {
    let mut results = Vec::with_capacity(cases.len());
    for case in cases {
        let who = workshop.principal(&case.who).with_context(|| format!("the case {:?}", case.name))?;
        let began = Instant::now();
        let came = workshop.call(&who, &case.tool, case.arguments.clone()).await;
        let took = began.elapsed();
        let came = match came {
            Ok(answer) => Ok(cases::shown(&answer)),
            Err(error) => Err((error.code.as_str(), error.to_string())),
        };
        results.push((case, judge(case, came, update)?, took));
    }
    Ok(results)
}

/// Hold what came against what was wanted.
///
/// # Errors
/// A snapshot that cannot be read or written.
fn judge(case: &Case, came: Result<Value, (&str, String)>, update: bool) -> Result<Outcome> {
    Ok(match (&case.wanted, came) {
        (Wanted::Error(wanted), Err((code, _))) if wanted == code => Outcome::Passed,
        (Wanted::Error(wanted), Err((code, text))) => Outcome::Failed(format!("wanted {wanted}, came {code}: {text}")),
        (Wanted::Error(wanted), Ok(answer)) => Outcome::Failed(format!("wanted {wanted}, came an answer:\n{answer:#}")),
        (_, Err((code, text))) => Outcome::Failed(format!("wanted an answer, came {code}: {text}")),
        (Wanted::Answer(wanted), Ok(answer)) => compare(wanted, &answer),
        (Wanted::Snapshot(path), Ok(answer)) if update => write(path, &answer)?,
        (Wanted::Snapshot(path), Ok(answer)) => match read(path)? {
            Some(wanted) => compare(&wanted, &answer),
            None => Outcome::Failed(format!(
                "there is no snapshot {}; --update writes it. What came:\n{answer:#}",
                path.display()
            )),
        },
    })
}

fn compare(wanted: &Value, came: &Value) -> Outcome {
    if wanted == came { Outcome::Passed } else { Outcome::Failed(cases::difference(wanted, came)) }
}

fn read(path: &Path) -> Result<Option<Value>> {
    match fs::read(path) {
        Ok(bytes) => {
            let value = serde_json::from_slice(&bytes);
            value.map(Some).with_context(|| format!("{} is no JSON; --update writes it anew", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// Written only where it says something else: what version control shows is what changed.
fn write(path: &Path, answer: &Value) -> Result<Outcome> {
    if fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()).as_ref() == Some(answer) {
        return Ok(Outcome::Passed);
    }
    let place = path.parent().context("a snapshot lies in a directory")?;
    fs::create_dir_all(place).with_context(|| format!("make {}", place.display()))?;
    fs::write(path, format!("{answer:#}\n")).with_context(|| format!("write {}", path.display()))?;
    Ok(Outcome::Written)
}

fn print(results: &[Asked<'_>], failed: usize) {
    for (case, outcome, took) in results {
        let word = match outcome {
            Outcome::Passed => "ok",
            Outcome::Written => "written",
            Outcome::Failed(_) => "FAILED",
        };
        println!("{word:<8} {:<32} {:>6.1} ms  {} as {}", case.name, millis(*took), case.tool, case.who);
        if let Outcome::Failed(why) = outcome {
            why.lines().for_each(|line| println!("         {line}"));
        }
    }
    println!("\n{} of {} passed", results.len() - failed, results.len());
}

fn print_json(results: &[Asked<'_>]) {
    let cases: Vec<Value> = results
        .iter()
        .map(|(case, outcome, took)| {
            let (word, why) = match outcome {
                Outcome::Passed => ("passed", None),
                Outcome::Written => ("written", None),
                Outcome::Failed(why) => ("failed", Some(why)),
            };
            json!({
                "name": case.name, "tool": case.tool, "as": case.who,
                "outcome": word, "why": why, "milliseconds": millis(*took),
            })
        })
        .collect();
    println!("{}", json!({ "cases": cases }));
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(wanted: Wanted) -> Case {
        let (name, tool, who) = ("a".to_owned(), "t".to_owned(), "seattle".to_owned());
        Case { name, tool, who, arguments: serde_json::Map::new(), wanted }
    }

    /// The outcome as a word, with a part of why.
    fn word(outcome: &Outcome) -> (&str, &str) {
        match outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::Written => ("written", ""),
            Outcome::Failed(why) => ("failed", why),
        }
    }

    #[test]
    fn what_came_is_held_against_what_was_wanted() {
        let answer = || Ok(json!({ "n": 1 }));
        let error = || Err(("NOT_FOUND", "no such store".to_owned()));
        for (wanted, came, want, part) in [
            (Wanted::Answer(json!({ "n": 1 })), answer(), "passed", ""),
            (Wanted::Answer(json!({ "n": 2 })), answer(), "failed", "+  \"n\": 1"),
            (Wanted::Answer(json!({ "n": 1 })), error(), "failed", "NOT_FOUND: no such store"),
            (Wanted::Error("NOT_FOUND".into()), error(), "passed", ""),
            (Wanted::Error("TOOL_FAILED".into()), error(), "failed", "wanted TOOL_FAILED, came NOT_FOUND"),
            (Wanted::Error("NOT_FOUND".into()), answer(), "failed", "came an answer"),
        ] {
            let outcome = judge(&case(wanted), came, false).expect("no file is read");
            let (got, why) = word(&outcome);
            assert!(got == want && why.contains(part), "{got}: {why}");
        }
    }

    #[test]
    fn a_snapshot_is_written_when_asked_and_held_to_otherwise() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("tests/snapshots/a.json");
        let case = case(Wanted::Snapshot(path.clone()));
        for (n, update, want) in [
            (1, false, "failed"),
            (1, true, "written"),
            (1, true, "passed"),
            (1, false, "passed"),
            (2, false, "failed"),
            (2, true, "written"),
        ] {
            let outcome = judge(&case, Ok(json!({ "n": n })), update).expect("a file that can be written");
            assert_eq!(word(&outcome).0, want, "{n}, update: {update}");
        }
        fs::write(&path, "no JSON").expect("written");
        assert!(judge(&case, Ok(json!({})), false).is_err());
    }
}
