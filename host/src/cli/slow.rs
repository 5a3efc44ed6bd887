//! `rowhouse db slow`: the statements that were slow, as the host that runs remembers them.

use super::admin;
use crate::config::Settings;
use crate::telemetry::Slow;
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::fmt::Write as _;
use std::process::ExitCode;
use tokio_postgres::{Client, SimpleQueryMessage};

/// The role most calls run as: what it is held by (row security) is part of the plan.
const ROLE: &str = "rowhouse_one";

/// How long PostgreSQL may plan. What takes longer is itself the answer.
const PLANNING: &str = "10s";

/// Ask the host, and show what it says.
///
/// # Errors
/// No host answers.
pub(super) async fn run(settings: &Settings, json: bool) -> Result<ExitCode> {
    let slow: Vec<Slow> = admin::get(settings, "/slow").await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&slow)?);
    } else {
        print!("{}", table(&slow, settings.telemetry.slow_ms));
    }
    Ok(ExitCode::SUCCESS)
}

/// The text of one of them.
///
/// # Errors
/// No host answers, none has that fingerprint, or its text cannot be had.
pub(super) async fn statement(settings: &Settings, fingerprint: &str) -> Result<String> {
    let slow: Vec<Slow> = admin::get(settings, "/slow").await?;
    let Some(one) = slow.into_iter().find(|one| one.fingerprint == fingerprint) else {
        bail!("no slow statement has the fingerprint `{fingerprint}`; `rowhouse db slow` lists those there are");
    };
    one.statement.with_context(|| format!("the text of `{fingerprint}` cannot be had without its values"))
}

/// Take the caller's role for the rest of the transaction, and what the role's sessions have of settings: a plan with
/// other ones is none of theirs.
async fn become_caller(admin: &Client) -> Result<(), tokio_postgres::Error> {
    let settings = "SELECT set_config(p.name, substr(c, strpos(c, '=') + 1), true)
        FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole JOIN pg_database d ON d.oid = s.setdatabase
        CROSS JOIN unnest(s.setconfig) c JOIN pg_settings p ON p.name = split_part(c, '=', 1)
        WHERE r.rolname = $1 AND d.datname = current_database() AND p.context = 'user' AND p.name <> 'statement_timeout'";
    admin.batch_execute("SAVEPOINT here").await?;
    admin.query(settings, &[&ROLE]).await?;
    admin.batch_execute(&format!("SET LOCAL ROLE {ROLE}")).await
}

/// How PostgreSQL would run it, for any constants (`EXPLAIN (GENERIC_PLAN)`, PostgreSQL 16 and later).
///
/// # Errors
/// PostgreSQL cannot plan it without its constants.
pub(super) async fn plan(admin: &Client, schemas: &[String], statement: &str, json: bool) -> Result<ExitCode> {
    admin.batch_execute(&format!("BEGIN READ ONLY; SET LOCAL statement_timeout = '{PLANNING}'")).await?;
    let path = "SELECT set_config('search_path', concat_ws(', ', (SELECT string_agg(quote_ident(it), ', ') \
                FROM unnest($1::text[]) it), current_setting('search_path')), true)";
    admin.query(path, &[&schemas]).await?;
    // An administrator that is no superuser may not be allowed to.
    let as_caller = become_caller(admin).await.is_ok();
    if !as_caller {
        admin.batch_execute("ROLLBACK TO here").await?;
    }
    let said = admin.simple_query(&format!("EXPLAIN (GENERIC_PLAN) {statement}")).await;
    admin.batch_execute("ROLLBACK").await?;
    let said = said.context("PostgreSQL cannot plan it without its constants")?;
    let lines: Vec<String> = said
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .collect();
    let role = as_caller.then_some(ROLE);
    if json {
        println!("{}", serde_json::to_string_pretty(&json!({ "statement": statement, "role": role, "plan": lines }))?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("{statement}\n\n{}", lines.join("\n"));
    if role.is_none() {
        println!("\nAs the administrator, who may not act as {ROLE}: without row security.");
    }
    Ok(ExitCode::SUCCESS)
}

fn table(slow: &[Slow], threshold: u64) -> String {
    if slow.is_empty() {
        return format!("no statement was slow (telemetry.slow_ms = {threshold})\n");
    }
    let mut text = format!(
        "{:>7} {:>9} {:>9} {:>9} {:>9} {:>10}  {:<28} {}\n",
        "count", "mean ms", "p95 ms", "max ms", "wait ms", "rows", "tool", "fingerprint"
    );
    for one in slow {
        let tool = format!("{}/{}", one.plugin, one.tool);
        let _ = writeln!(
            text,
            "{:>7} {:>9.0} {:>9} {:>9} {:>9} {:>10}  {tool:<28} {}",
            one.count,
            one.mean_ms,
            one.p95_ms,
            one.max_ms,
            // On the average, so that it compares with the mean beside it.
            one.waited_ms / one.count.max(1),
            one.rows,
            one.fingerprint,
        );
        let statement = one.statement.as_deref().unwrap_or("(its text cannot be had without its values)");
        let _ = writeln!(text, "{:>8}{statement}\n{:>8}last: request {}", "", "", one.last_request);
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One, as a host tells of it.
    pub(in crate::cli) fn one() -> Slow {
        Slow {
            fingerprint: "0123456789abcdef".to_owned(),
            statement: Some("SELECT $1".to_owned()),
            plugin: "sales".to_owned(),
            tool: "top".to_owned(),
            count: 4,
            mean_ms: 1_250.4,
            p95_ms: 1_900,
            max_ms: 2_000,
            total_ms: 5_000,
            waited_ms: 40,
            rows: 12,
            last_request: "r-1".to_owned(),
        }
    }

    #[test]
    fn each_has_its_numbers_and_its_text() {
        let text = table(&[one()], 1_000);
        let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, ["4", "1250", "1900", "2000", "10", "12", "sales/top", "0123456789abcdef"]);
        assert!(text.contains("SELECT $1") && text.contains("request r-1"), "{text}");
        assert_eq!(table(&[], 7), "no statement was slow (telemetry.slow_ms = 7)\n");
    }
}
