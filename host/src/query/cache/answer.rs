//! A statement's answer: one that is kept, one that is under way, or the database's.

use super::super::fault::{SqlCode, SqlError};
use super::super::gate::{Checked, tells_the_time};
use super::super::tally::Begun;
use super::super::trip::out_of_time;
use super::super::value::Value;
use super::super::{Rows, TenantTx};
use super::changes::Stamp;
use super::count::add;
use super::flight::{Boarding, Follow, Outcome};
use super::kept::Kept;
use super::key::{Asker, Facts};
use super::{Asking, Entry, Question, WAITS};
use crate::policy::Scope;
use std::sync::Arc;
use std::time::Instant;

impl TenantTx {
    /// The same right, whose answers may be given again and may be ones that are kept, to this component: its SHA-256.
    #[must_use]
    pub fn cached_for(mut self, plugin: &str, scope: &Scope) -> Self {
        let Some(answers) = self.database.answers() else { return self };
        let (role, readable) = (self.lane.role(), &*self.readable);
        let asker = Asker::new(&Facts { plugin, role, scope, readable, rows: self.rows, bytes: self.bytes });
        self.asking = Some(Asking { answers: answers.clone(), asker });
        self
    }

    /// The statement's answer: one that is kept, one that is under way, or the database's.
    pub(in crate::query) async fn answer(
        &self,
        statement: String,
        parameters: Vec<Value>,
        checked: Checked,
        begun: Begun,
    ) -> Result<Rows, SqlError> {
        let asked = self.asking.as_ref().and_then(|it| Some((it, it.question(&statement, &parameters, &checked)?)));
        let Some((asking, question)) = asked else {
            return self.travel(statement, parameters, checked.fingerprint, begun).await;
        };
        let answers = &asking.answers;
        let counts = &answers.0.counts;
        for _ in 0..WAITS {
            self.database.sound()?;
            if let Some(entry) = answers.find(&question) {
                add(&counts.hits);
                return self.give(&entry, begun);
            }
            let lead = match answers.0.flights.board(question.key) {
                Boarding::Lead(lead) => lead,
                Boarding::Follow(follow) => match self.wait(follow).await? {
                    Outcome::Landed(entry) if answers.holds(&entry) => {
                        add(&counts.joined);
                        return self.give(&entry, begun);
                    }
                    Outcome::Failed => break,
                    // It left, or what it read was out of date before it was here.
                    Outcome::Left | Outcome::Landed(_) => continue,
                },
            };
            // Anew, and before Redis is asked: what changed while others were waited for is in this one.
            let Some(question) = asking.question(&statement, &parameters, &checked) else { break };
            let found = answers.look(&question).await;
            if let Some((kept, age)) = found.answer
                && let Some(began) = Instant::now().checked_sub(age)
            {
                let Stamp { tick, tables, .. } = question.stamp.clone();
                let entry = Arc::new(Entry { kept: Arc::new(kept), began, tick, tables });
                if answers.holds(&entry) {
                    answers.0.memory.insert(question.key, Arc::clone(&entry));
                    add(&counts.shared_hits);
                    lead.land(Outcome::Landed(Arc::clone(&entry)));
                    return self.give(&entry, begun);
                }
            }
            add(&counts.misses);
            let began = Instant::now();
            let outcome = self.travel(statement, parameters, checked.fingerprint, begun).await;
            let rows = match outcome {
                Ok(rows) => rows,
                Err(error) => {
                    // A call that ended says nothing of the statement.
                    let left = error.code == SqlCode::Cancelled;
                    lead.land(if left { Outcome::Left } else { Outcome::Failed });
                    return Err(error);
                }
            };
            let small = rows.bytes() <= answers.0.settings.answer_bytes;
            let kept = (small || lead.has_company()).then(|| Kept::of(&rows)).flatten();
            let Some(kept) = kept else {
                add(&counts.oversized);
                lead.land(Outcome::Failed);
                return Ok(rows);
            };
            let Stamp { tick, tables, .. } = question.stamp.clone();
            let entry = Arc::new(Entry { kept: Arc::new(kept), began, tick, tables });
            if answers.keep(&question, &entry)
                && let (Some(shared), Some(marks)) = (&answers.0.shared, &found.marks)
            {
                shared.keep(question.key, &entry.kept, marks, entry.began.elapsed());
            }
            lead.land(Outcome::Landed(entry));
            return Ok(rows);
        }
        add(&counts.misses);
        self.travel(statement, parameters, checked.fingerprint, begun).await
    }

    /// Hand on an answer that is there.
    fn give(&self, entry: &Entry, begun: Begun) -> Result<Rows, SqlError> {
        // Rows that were read before a hole was found.
        self.database.sound()?;
        let rows = Rows::kept(Arc::clone(&entry.kept));
        begun.found(&rows, entry.began.elapsed());
        Ok(rows)
    }

    /// Wait for an equal statement, as long as this call lasts.
    async fn wait(&self, follow: Follow) -> Result<Outcome, SqlError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(SqlError::new(SqlCode::Cancelled, "the call was cancelled")),
            outcome = follow.outcome() => Ok(outcome),
            () = tokio::time::sleep_until(self.deadline) => Err(out_of_time()),
        }
    }
}

impl Asking {
    /// None for a statement whose answer is never kept.
    fn question(&self, statement: &str, parameters: &[Value], checked: &Checked) -> Option<Question> {
        let settled = checked.settled && !parameters.iter().any(may_tell_the_time);
        let stamp = settled.then(|| self.answers.0.changes.stamp(&checked.relations)).flatten();
        let Some(stamp) = stamp else {
            add(&self.answers.0.counts.passed);
            return None;
        };
        Some(Question { key: self.asker.key(&stamp.sources.shape, statement, parameters), stamp })
    }
}

/// Whether a parameter may be read as a time that passes.
pub(super) fn may_tell_the_time(value: &Value) -> bool {
    match value {
        Value::Numeric(text)
        | Value::Text(text)
        | Value::Timestamp(text)
        | Value::Date(text)
        | Value::Uuid(text)
        | Value::Json(text) => tells_the_time(text),
        Value::TextArray(all) | Value::UuidArray(all) => all.iter().any(|text| tells_the_time(text)),
        _ => false,
    }
}
