//! One attack: send it, read the answer, and look at what it left.

use super::{BETWEEN_TRIES, Fate, PROBE, Suite, TRIES};
use crate::admin::{KILLED, State, difference};
use crate::case::{Case, Goal};
use crate::judge::{self, End, MOST_MEMORY, MOST_WAL, MOST_XIDS, Proof};
use crate::server::{Call, Reply, Server};
use crate::truth::Truth;
use crate::words::Words;
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// How often each key is tried when times are compared.
const TIMED: usize = 7;

/// An answer that a statement ran too long and that came this late: the statement did not stop when it was told to. A
/// server does well to end such a backend, later, and that is no session killed for somebody else. Statements of the
/// demo of our own may run for three seconds, and are answered at once where they stop.
const STRAGGLES: Duration = Duration::from_secs(5);

impl Suite {
    /// The call a case stands for.
    pub(super) fn call(&self, case: &Case, words: &Words) -> Call {
        let http = case.http.clone().map(|mut http| {
            for (_, value) in &mut http.headers {
                *value = words.fill(value);
            }
            http.params = words.fill_json(&http.params);
            http.body = http.body.map(|body| words.fill(&body));
            http.path = http.path.map(|path| words.fill(&path));
            http
        });
        match (&case.tool, &case.sql) {
            (Some(tool), _) => Call { tool: words.fill(tool), arguments: words.fill_json(&case.arguments), http },
            (None, sql) => {
                let arguments = self.adapter.statement(&words.fill(sql.as_deref().unwrap_or("SELECT 1")));
                Call { tool: self.adapter.tool.clone(), arguments, http }
            }
        }
    }

    /// Whether the server has what the case needs.
    pub(super) fn offered(&self, case: &Case) -> bool {
        // A tool that is no tool anywhere is an attack of its own, and says so by having something under `http`.
        let has_tool = case.tool.as_ref().is_none_or(|tool| case.http.is_some() || self.tools.contains(tool));
        let text = format!("{:?}", case.http);
        has_tool && !(text.contains("{oracle_session}") && self.words.get("oracle_session").is_empty())
    }

    /// Send one attack and look for proof.
    ///
    /// # Errors
    /// When the administrator's own session breaks: then nothing is proved any more.
    pub(super) async fn attack(&mut self, case: &Case) -> Result<Fate> {
        let mut unchecked = BTreeSet::new();
        if !self.offered(case) {
            return Ok(not_sent(case));
        }
        let before = match &self.admin {
            Some(admin) => {
                if admin.state().await.is_err() {
                    // What the attack before left may still be on its way out.
                    admin.end_sessions().await;
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
                admin.memory();
                Some((admin.state().await?, admin.growth().await?))
            }
            None => None,
        };
        let mut words = self.words.clone();
        let probe = words.get(case.probe.as_deref().unwrap_or("other_customer")).to_owned();
        words.set("probe", probe.clone());
        let call = self.call(case, &words);
        let question = format!("{} {} {:?} {}", call.tool, strings(&call.arguments), call.http, case.then.join(" "));
        let question = words.fill(&question);
        let first = self.attacker.call(&call).await;
        self.stragglers += u32::from(first.code == "QUERY_TIMEOUT" && first.took >= STRAGGLES);
        let mut proofs = judge::reply(case, &question, &first, &self.canaries, &self.adapter.inside, &mut unchecked);
        for sql in &case.then {
            let reply = self.attacker.sql(&words.fill(sql)).await;
            proofs.extend(judge::reply(case, &question, &reply, &self.canaries, &self.adapter.inside, &mut unchecked));
        }
        proofs.extend(self.compare(case, &words, &probe, &first, &mut unchecked).await?);
        proofs.extend(self.left(before).await?);
        if proofs.iter().any(|proof| proof.oracle == Goal::State.name() || proof.oracle == Goal::Victim.name()) {
            self.mend().await;
        }
        let end = if proofs.is_empty() { judge::end(&first) } else { End::Success };
        Ok(fate(case, end, first, proofs, unchecked))
    }

    /// After an attack that left something: end the sessions it may stand in, and take what is now for usual, so that
    /// the next attack answers for itself only.
    async fn mend(&mut self) {
        if let Some(admin) = &self.admin {
            admin.end_sessions().await;
        }
        for (caller, usual) in [Some(&self.attacker), self.oracle.as_ref()].into_iter().zip(&mut self.usual) {
            if let (Some(caller), Some(usual)) = (caller, usual.as_mut())
                && let Some(rows) = caller.sql(PROBE).await.rows
            {
                *usual = rows;
            }
        }
    }

    /// Oracles that ask somebody else, or ask again.
    async fn compare(
        &self,
        case: &Case,
        words: &Words,
        probe: &str,
        first: &Reply,
        unchecked: &mut BTreeSet<&'static str>,
    ) -> Result<Vec<Proof>> {
        let mut proofs = Vec::new();
        if let (Some(sql), false) = (&case.truth, first.failed) {
            let truth = match (&self.admin, &self.oracle) {
                (Some(admin), _) => Truth::Admin(admin.client()),
                (None, Some(oracle)) => Truth::Caller(oracle),
                (None, None) => return Ok(proofs),
            };
            let right = truth.rows(&words.fill(sql)).await?;
            match &first.rows {
                None => drop(unchecked.insert(Goal::Truth.name())),
                Some(rows) if judge::same(rows, &right) => {}
                Some(rows) => {
                    let what = format!("answered {:?}; its own rows give {:?}", rows.first(), right.first());
                    proofs.push(Proof::new(Goal::Truth, what));
                }
            }
        }
        let absent = match probe.contains('@') {
            true => "nobody.at.all0@example.com".to_owned(),
            // As other keys here: version 5. Nobody has it.
            false => "5eed0000-0000-5000-8000-000000000000".to_owned(),
        };
        let mut nobody = words.clone();
        nobody.set("probe", absent.clone());
        let control = self.call(case, &nobody);
        if case.success.contains(&Goal::Differs) {
            let reply = self.attacker.call(&control).await;
            proofs.extend(judge::differs((probe, first), (&absent, &reply)));
        }
        if case.success.contains(&Goal::Slower) {
            let call = self.call(case, words);
            let (mut there, mut gone) = (Vec::new(), Vec::new());
            // In turns, so that whatever else the machine does meets both.
            for _ in 0..TIMED {
                there.push(self.attacker.call(&call).await.took);
                gone.push(self.attacker.call(&control).await.took);
            }
            proofs.extend(judge::slower(&there, &gone));
        }
        Ok(proofs)
    }

    /// What the attack left behind.
    async fn left(&mut self, before: Option<(crate::admin::State, (u64, u64))>) -> Result<Vec<Proof>> {
        let mut proofs = Vec::new();
        let callers = [Some(&self.attacker), self.oracle.as_ref()];
        for ((caller, usual), who) in callers.into_iter().zip(&self.usual).zip(["the attacker", "who sees everything"])
        {
            if let (Some(caller), Some(usual)) = (caller, usual)
                && let Some(what) = changed(caller, usual).await
            {
                proofs.push(Proof::new(Goal::State, format!("afterwards {who} {what}")));
            }
        }
        let (Some(admin), Some((mut state, (wal, xid)))) = (&self.admin, before) else { return Ok(proofs) };
        let now = match admin.state().await {
            Ok(now) if self.stragglers > 0 => {
                self.stragglers -= excuse(&mut state, &now, self.stragglers);
                now
            }
            Ok(now) => now,
            Err(error) => {
                proofs.push(Proof::new(Goal::Victim, format!("afterwards the database serves nobody: {error:#}")));
                return Ok(proofs);
            }
        };
        if let Some(what) = difference(&state, &now) {
            let goal = if what.starts_with(KILLED) { Goal::Victim } else { Goal::State };
            proofs.push(Proof::new(goal, what));
        }
        if let Some(what) = admin.victim().await {
            proofs.push(Proof::new(Goal::Victim, what));
        }
        let (wal_now, xid_now) = admin.growth().await?;
        if wal_now.saturating_sub(wal) > MOST_WAL || xid_now.saturating_sub(xid) > MOST_XIDS {
            let what = format!("{} bytes of write-ahead log, {} transaction ids", wal_now - wal, xid_now - xid);
            proofs.push(Proof::new(Goal::Wal, what));
        }
        if let Some(most) = admin.memory().filter(|most| *most > MOST_MEMORY) {
            proofs.push(Proof::new(Goal::Memory, format!("one process had {} MiB", most >> 20)));
        }
        Ok(proofs)
    }
}

/// Takes sessions that were killed meanwhile for stragglers that were seen off, as far as there are any; how many.
fn excuse(before: &mut State, now: &State, stragglers: u32) -> u32 {
    let count = |state: &State| state.get(KILLED).and_then(|count| count.parse::<u32>().ok()).unwrap_or_default();
    let excused = count(now).saturating_sub(count(before)).min(stragglers);
    before.insert(KILLED.to_owned(), (count(before) + excused).to_string());
    excused
}

/// How a caller is answered otherwise than before; none when it is not.
async fn changed(caller: &Server, usual: &[Vec<String>]) -> Option<String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        let reply = caller.sql(PROBE).await;
        match reply.rows {
            Some(rows) if judge::same(&rows, usual) => return None,
            Some(rows) => {
                return Some(format!("sees {} stores' orders, not the {} of before", rows.len(), usual.len()));
            }
            None => last = reply.said,
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    Some(format!("is not answered any more: {last}"))
}

/// What comes of a case the server has no tool for.
pub(super) fn not_sent(case: &Case) -> Fate {
    fate(case, End::NotOffered, Reply::default(), Vec::new(), BTreeSet::new())
}

fn fate(case: &Case, end: End, reply: Reply, proofs: Vec<Proof>, unchecked: BTreeSet<&'static str>) -> Fate {
    Fate { case: case.clone(), end, code: reply.code, error: reply.error, took: reply.took, proofs, unchecked }
}

/// Every text of a JSON value, as it is without JSON's own escapes.
fn strings(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(strings).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| format!("{key} {}", strings(value))).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_killed_sessions_are_excused_as_there_were_stragglers() {
        let state = |killed: u32| State::from([(KILLED.to_owned(), killed.to_string())]);
        for (before, now, stragglers, excused) in [(1, 1, 2, 0), (1, 2, 2, 1), (1, 4, 2, 2), (0, 1, 0, 0)] {
            let mut state = (state(before), state(now));
            assert_eq!(excuse(&mut state.0, &state.1, stragglers), excused);
            assert_eq!(difference(&state.0, &state.1).is_none(), before + excused == now);
        }
    }
}
