//! What a person or a script reads of a run.

use crate::judge::{End, Proof};
use crate::suite::{Fate, Outcome};
use crate::walls::Wall;
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;

/// Columns of the table, in order.
const COLUMNS: [(End, &str); 8] = [
    (End::Gate, "gate"),
    (End::Database, "database"),
    (End::Limits, "limits"),
    (End::Door, "door"),
    (End::Other, "other"),
    (End::Own, "own rows"),
    (End::NotOffered, "not sent"),
    (End::Success, "SUCCESS"),
];

/// Characters of a statement or a message that a line shows.
const SHOWN: usize = 240;

/// The report of one run of the corpus.
struct One<'a>(&'a Outcome);

/// The report of all of them: one for each attacker and each wall that was down.
pub(crate) struct Report(Vec<Outcome>);

impl Report {
    /// The report of these outcomes.
    pub(crate) fn new(outcomes: Vec<Outcome>) -> Self {
        Self(outcomes)
    }

    /// Every run was.
    pub(crate) fn clean(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|outcome| One(outcome).clean())
    }

    /// Print it on standard output.
    ///
    /// # Errors
    /// When nobody reads it.
    pub(crate) fn print(&self, as_json: bool) -> Result<()> {
        let mut out = std::io::stdout().lock();
        let runs = self.0.iter().map(One);
        if as_json {
            let runs: Vec<Value> = runs.map(|run| run.json()).collect();
            serde_json::to_writer_pretty(&mut out, &json!({ "clean": self.clean(), "runs": runs }))?;
            writeln!(out)?;
            return Ok(());
        }
        for run in runs {
            run.heading(&mut out)?;
            run.table(&mut out)?;
            run.lists(&mut out)?;
        }
        Ok(())
    }
}

impl One<'_> {
    /// The corpus was sent to its end, no attack succeeded that the walls left should stop, and no honest question was
    /// refused.
    fn clean(&self) -> bool {
        self.0.stopped.is_none()
            && self.successes().all(|fate| fate.proofs.iter().all(|proof| self.expected(proof)))
            && self.0.changes.iter().all(|(_, proof)| self.expected(proof))
            && self.refused().next().is_none()
    }

    /// Whether a proof is of a kind that only the wall that is down keeps.
    fn expected(&self, proof: &Proof) -> bool {
        self.0.without.is_some_and(|wall| wall.alone_keeps().iter().any(|goal| goal.name() == proof.oracle))
    }

    fn successes(&self) -> impl Iterator<Item = &Fate> {
        self.0.attacks.iter().filter(|fate| fate.end == End::Success)
    }

    fn refused(&self) -> impl Iterator<Item = &Fate> {
        self.0.benign.iter().filter(|fate| !matches!(fate.end, End::Own | End::NotOffered))
    }

    fn heading(&self, out: &mut impl Write) -> Result<()> {
        let wall = self.0.without.map(|wall| format!(", without the wall `{}`", wall.name())).unwrap_or_default();
        Ok(writeln!(out, "\nas {}{wall}\n", self.0.attacker)?)
    }

    fn table(&self, out: &mut impl Write) -> Result<()> {
        let mut categories: BTreeMap<&str, Vec<End>> = BTreeMap::new();
        for fate in &self.0.attacks {
            categories.entry(&fate.case.category).or_default().push(fate.end);
        }
        write!(out, "{:<18} {:>8}", "attacks", "sent")?;
        COLUMNS.iter().try_for_each(|(_, name)| write!(out, " {name:>9}"))?;
        writeln!(out)?;
        let all: Vec<End> = self.0.attacks.iter().map(|fate| fate.end).collect();
        for (name, ends) in categories.into_iter().chain([("total", all)]) {
            write!(out, "{name:<18} {:>8}", ends.len())?;
            for (end, _) in COLUMNS {
                match ends.iter().filter(|it| **it == end).count() {
                    0 => write!(out, " {:>9}", "-")?,
                    count => write!(out, " {count:>9}")?,
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn lists(&self, out: &mut impl Write) -> Result<()> {
        let sent = self.0.benign.iter().filter(|fate| fate.end != End::NotOffered).count();
        writeln!(out, "\nhonest questions: {} of {sent} answered", sent - self.refused().count())?;
        for fate in self.refused() {
            writeln!(out, "  REFUSED {}: {}\n    {}", fate.case.id, shown(&fate.error), shown(&question(fate)))?;
        }
        writeln!(out, "values of other stores held against every answer: {}", self.0.canaries)?;
        for (oracle, why) in &self.0.blind {
            writeln!(out, "NOT CHECKED: {oracle} ({why})")?;
        }
        let unread: Vec<_> = self.0.attacks.iter().filter(|fate| !fate.unchecked.is_empty()).collect();
        if !unread.is_empty() {
            let ids: Vec<_> = unread.iter().map(|fate| fate.case.id.as_str()).collect();
            writeln!(out, "NOT CHECKED: rows of {} answers could not be read: {}", ids.len(), shown(&ids.join(", ")))?;
        }
        if let Some(why) = &self.0.stopped {
            writeln!(out, "STOPPED after {} attacks: {}", self.0.attacks.len(), shown(why))?;
        }
        let count = self.successes().count() + self.0.changes.len();
        writeln!(out, "\nsuccessful attacks: {count}")?;
        if let Some(wall) = self.0.without
            && !wall.alone_keeps().is_empty()
        {
            let kinds: Vec<_> = wall.alone_keeps().iter().map(|goal| goal.name()).collect();
            writeln!(out, "  (of the kinds {}, that this wall keeps alone, any number)", kinds.join(", "))?;
        }
        for fate in self.successes() {
            writeln!(out, "  {}: {}", fate.case.id, shown(&question(fate)))?;
            for proof in &fate.proofs {
                writeln!(out, "    {}: {}", proof.oracle, shown(&proof.what))?;
            }
        }
        for (category, proof) in &self.0.changes {
            writeln!(out, "  somewhere in {category}: {}: {}", proof.oracle, shown(&proof.what))?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let case = |fate: &Fate| {
            json!({
                "id": fate.case.id, "category": fate.case.category, "end": fate.end, "code": fate.code,
                "error": fate.error, "milliseconds": fate.took.as_millis() as u64,
                "proofs": fate.proofs, "unchecked": fate.unchecked,
            })
        };
        let changes: Vec<Value> =
            self.0.changes.iter().map(|(category, proof)| json!({ "category": category, "proof": proof })).collect();
        json!({
            "url": self.0.url,
            "attacker": self.0.attacker,
            "without": self.0.without.map(Wall::name),
            "clean": self.clean(),
            "stopped": self.0.stopped,
            "canaries": self.0.canaries,
            "not_checked": self.0.blind,
            "successes": self.successes().map(case).collect::<Vec<_>>(),
            "changes": changes,
            "refused": self.refused().map(case).collect::<Vec<_>>(),
            "attacks": self.0.attacks.iter().map(case).collect::<Vec<_>>(),
            "benign": self.0.benign.iter().map(case).collect::<Vec<_>>(),
        })
    }
}

fn question(fate: &Fate) -> String {
    let case = &fate.case;
    match (&case.sql, &case.tool) {
        (Some(sql), _) => sql.clone(),
        (None, Some(tool)) => format!("{tool} {}", case.arguments),
        (None, None) => format!("{:?}", case.http),
    }
}

fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}
