//! Proof that an attack got what is not its own, or none.

use crate::canary::{self, Canaries};
use crate::case::{Case, Goal};
use crate::server::Reply;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// A call ends within 30 seconds; five more for the machine.
pub(crate) const LONGEST: Duration = Duration::from_secs(35);

/// An answer has at most 16 MiB of rows, and carries them twice: as text and as structure.
pub(crate) const MOST_BYTES: usize = 48 << 20;

/// A backend may have 512 MiB; what it has before its first statement comes on top.
pub(crate) const MOST_MEMORY: u64 = 640 << 20;

/// Write-ahead log one call may leave. Reading leaves next to none; upkeep of the database's own leaves kilobytes.
pub(crate) const MOST_WAL: u64 = 16 << 20;

/// Transaction ids that may pass during one call. Reading takes none; upkeep takes a few.
pub(crate) const MOST_XIDS: u64 = 100;

/// What no error of any server should show.
const INSIDE: [&str; 16] = [
    "/tmp/",
    "/var/lib",
    "/home/",
    "/usr/",
    "/etc/",
    ".rs:",
    ".c:",
    ".py\"",
    "PL/pgSQL",
    "CONTEXT:",
    "DETAIL:",
    "panicked",
    "backtrace",
    "SCRAM-SHA",
    "pg_hba",
    "os error",
];

/// That an attack succeeded, and what shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Proof {
    /// The oracle that saw it.
    pub(crate) oracle: &'static str,
    /// What it saw.
    pub(crate) what: String,
}

impl Proof {
    /// What an oracle saw.
    pub(crate) fn new(goal: Goal, what: impl Into<String>) -> Self {
        Self { oracle: goal.name(), what: what.into().chars().take(300).collect() }
    }
}

/// How an attack ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum End {
    /// The gate refused the statement before PostgreSQL saw it.
    Gate,
    /// PostgreSQL refused it.
    Database,
    /// It broke a limit.
    Limits,
    /// The door refused the request, or its arguments.
    Door,
    /// It failed otherwise.
    Other,
    /// It was answered, and nothing in the answer is anybody else's.
    Own,
    /// There is proof.
    Success,
    /// The server does not offer the tool.
    NotOffered,
}

/// How a call ended that proved nothing.
pub(crate) fn end(reply: &Reply) -> End {
    if !reply.failed {
        return End::Own;
    }
    match reply.code.as_str() {
        // PostgreSQL's own code stands at the end of the text.
        "QUERY_REJECTED" | "QUERY_INVALID" if has_sqlstate(&reply.error) => End::Database,
        "QUERY_REJECTED" | "QUERY_INVALID" => End::Gate,
        "QUERY_TIMEOUT" | "QUERY_LIMIT" | "OVERLOADED" | "RATE_LIMITED" => End::Limits,
        code if code.starts_with("PLUGIN_") => End::Limits,
        "VALIDATION_ERROR" | "UNKNOWN_TOOL" | "NOT_FOUND" | "AUTHENTICATION_ERROR" | "AUTHORIZATION_ERROR" => End::Door,
        code if code.starts_with("-32") || (400..500).contains(&reply.status) => End::Door,
        _ => End::Other,
    }
}

fn has_sqlstate(text: &str) -> bool {
    let bracket = |part: &str| {
        part.split(']').next().is_some_and(|it| it.len() == 5 && it.chars().all(|c| c.is_ascii_alphanumeric()))
    };
    text.split('[').skip(1).any(bracket)
}

/// What one reply proves by itself. `question` is everything that was sent. Oracles that cannot read the answer are
/// put into `unchecked`.
pub(crate) fn reply(
    case: &Case,
    question: &str,
    reply: &Reply,
    canaries: &Canaries,
    inside: &[String],
    unchecked: &mut BTreeSet<&'static str>,
) -> Vec<Proof> {
    let mut proofs = Vec::new();
    let mut found = |goal: Goal, what: String| proofs.push(Proof::new(goal, what));
    if let Some(value) = canaries.seen(&reply.said, question, case.sql.is_some()) {
        found(Goal::Canary, format!("{value:?} belongs to another store"));
    }
    // Without an answer (status 0) the words are this program's own.
    if reply.failed && reply.status != 0 {
        let small = question.to_lowercase();
        let leak = INSIDE.iter().copied().chain(inside.iter().map(String::as_str));
        let leak = leak.filter(|it| !small.contains(&it.to_lowercase())).find(|it| reply.said.contains(it));
        if let Some(leak) = leak.or_else(|| canary::row_value(&reply.error, question)) {
            found(Goal::ErrorText, format!("an error shows {leak:?}: {}", reply.error));
        }
    }
    if reply.took > LONGEST {
        found(Goal::Time, format!("took {:.1} s", reply.took.as_secs_f64()));
    }
    if reply.bytes > MOST_BYTES {
        found(Goal::Bytes, format!("the answer has {} bytes", reply.bytes));
    }
    if case.success.contains(&Goal::Shows)
        && let Some(shown) = case.shows.iter().find(|text| !reply.failed && reply.said.contains(*text))
    {
        found(Goal::Shows, format!("the answer shows {shown:?}"));
    }
    if reply.failed {
        return proofs;
    }
    let rows = reply.rows.as_ref();
    for goal in [Goal::Answered, Goal::Foreign].into_iter().filter(|goal| case.success.contains(goal)) {
        let proof = match (goal, rows) {
            (Goal::Answered, _) if case.sql.is_none() => Some("it was answered".to_owned()),
            (_, None) => {
                unchecked.insert(goal.name());
                None
            }
            (Goal::Answered, Some(rows)) => rows.first().map(|row| format!("it was answered: {}", row.join(", "))),
            (_, Some(rows)) => {
                let something = rows.iter().find(|row| row.iter().any(|cell| !is_nothing(cell)));
                something.map(|row| format!("of another store's rows: {}", row.join(", ")))
            }
        };
        if let Some(what) = proof {
            found(goal, what);
        }
    }
    proofs
}

/// What a question about rows one cannot see is answered with.
fn is_nothing(cell: &str) -> bool {
    matches!(cell, "" | "0" | "0.0" | "false" | "f" | "{}" | "[]" | "null" | "NULL")
}

/// Whether two tables are the same, whoever wrote them.
pub(crate) fn same(a: &[Vec<String>], b: &[Vec<String>]) -> bool {
    let cell = |(a, b): (&String, &String)| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= f64::EPSILON * a.abs(),
        _ => a == b || (a == "true" && b == "t") || (a == "false" && b == "f"),
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(cell))
}

/// What the answer for a key somebody has, and the one for a key nobody has, prove together. The keys themselves
/// may stand in both.
pub(crate) fn differs(a: (&str, &Reply), b: (&str, &Reply)) -> Option<Proof> {
    let without = |(key, reply): (&str, &Reply)| {
        let rows = reply.rows.as_ref().map(|rows| format!("{rows:?}")).unwrap_or_default();
        (reply.failed, reply.code.clone(), format!("{} {rows}", reply.error).replace(key, "KEY"))
    };
    let (one, other) = (without(a), without(b));
    // The id of the request stands in a few texts.
    let said =
        |reply: &(bool, String, String)| format!("{} {}", reply.1, reply.2.split(" (request ").next().unwrap_or(""));
    let same = one.0 == other.0 && said(&one) == said(&other);
    (!same)
        .then(|| Proof::new(Goal::Differs, format!("another store's key: {}; nobody's: {}", said(&one), said(&other))))
}

/// What times prove: all of one set lie clearly above all of the other.
pub(crate) fn slower(there: &[Duration], absent: &[Duration]) -> Option<Proof> {
    let (least, most) = (there.iter().min()?, absent.iter().max()?);
    // Below five milliseconds, and below half as much again, a machine's own noise is as large.
    let clear = *least > *most + Duration::from_millis(5) && least.as_secs_f64() > 1.5 * most.as_secs_f64();
    clear.then(|| {
        Proof::new(Goal::Slower, format!("another store's key takes {least:?} at least, nobody's {most:?} at most"))
    })
}

#[cfg(test)]
mod tests;
