//! What is left of a call when it is over: its record, and what it is charged.

use crate::audit::{Arguments, Audit, CallRecord, Event, Reach, Reservation, Short, Statement, Statements, Who};
use crate::error::{CallError, Code};
use crate::plugin::{self, Answer, Body, Content, Ended, Filled, Loaded, Part, Spent, Values};
use crate::policy::Permit;
use crate::query::gate::Reason;
use crate::query::{Ran, SqlCode, TenantTx};
use crate::traffic::{Pass, Tally, Usage};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A place among the calls that run, charged for what the call used when it is given back.
pub(super) struct Held {
    pass: Option<Pass>,
    transaction: Arc<TenantTx>,
    spent: Spent,
}

impl Held {
    pub(super) fn new(pass: Pass, transaction: Arc<TenantTx>) -> Self {
        Self { pass: Some(pass), transaction, spent: Spent::default() }
    }
}

impl plugin::Held for Held {
    fn ended(&mut self, spent: Spent) {
        self.spent = spent;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            let ran = self.transaction.ran();
            pass.settle(Usage {
                rows: ran.iter().map(|ran| ran.rows).sum(),
                database: ran.iter().map(|ran| ran.time).sum(),
                cpu: self.spent.cpu,
                fuel: self.spent.fuel,
                // Tokens are told as they are spent, how it ended by its record.
                ..Usage::default()
            });
        }
    }
}

/// Tells once how a call ended. Dropped before it is told, the caller left.
struct End(Option<Tally>);

impl End {
    fn tell(&mut self, failed: bool, bytes_out: u64) {
        if let Some(tally) = self.0.take() {
            tally.add(Usage { failed, bytes_out, ..Usage::default() });
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.tell(true, 0);
    }
}

/// The same right, with answers that are kept, where the plugin may have them and what it makes of them says their age.
pub(super) fn cached<T: Weighed>(transaction: TenantTx, plugin: &Loaded, permit: &Permit) -> TenantTx {
    match plugin.cached && T::AGES {
        true => transaction.cached_for(&plugin.digest, permit.scope()),
        false => transaction,
    }
}

/// The record of a call under way. Dropped before it is closed, it says that the caller left.
pub(super) struct Record<'a> {
    audit: &'a Audit,
    place: Reservation,
    record: CallRecord,
    /// Whether the policy lets argument values be kept.
    plain: bool,
    began: Instant,
    end: End,
}

impl<'a> Record<'a> {
    /// Take a place in the trail.
    ///
    /// # Errors
    /// Where the trail must have the call and cannot.
    pub(super) async fn open(
        audit: &'a Audit,
        tally: Tally,
        permit: &Permit,
        plugin: &Loaded,
        request: &str,
        began: Instant,
        deadline: Instant,
    ) -> Result<Self, CallError> {
        let place = audit.reserve(deadline).await?;
        let record = CallRecord {
            request: Short::new(request),
            who: Who::from(&**permit.principal()),
            scope: Reach::from(permit.scope()),
            plugin: Short::new(&plugin.name),
            plugin_version: Short::new(&plugin.version),
            digest: Short::new(&plugin.digest),
            tool: Short::new(permit.tool()),
            arguments: Arguments::default(),
            statements: Statements::default(),
            rows: 0,
            answer_bytes: 0,
            database: Duration::ZERO,
            duration: Duration::ZERO,
            outcome: None,
        };
        Ok(Self { audit, place, record, plain: permit.may_record(), began, end: End(Some(tally)) })
    }

    /// Keep what the call was asked, as far as the policy allows.
    pub(super) fn keep_arguments(&mut self, known: impl Fn(&str) -> bool, arguments: &Map<String, Value>) {
        self.record.arguments = self.audit.hash_arguments(arguments, known, self.plain);
        self.place.draft(self.record.clone());
    }

    /// The call is over. What came of it, with the age of what was not read for it.
    pub(super) fn close<T: Weighed>(mut self, ran: &[Ran], mut outcome: Result<T, CallError>) -> Result<T, CallError> {
        let age = ran.iter().filter_map(|one| one.age).max();
        if let (Some(age), Ok(found)) = (age, &mut outcome) {
            found.aged(age);
        }
        for one in ran {
            self.record.rows += one.rows;
            self.record.database += one.time;
            self.record.statements.push(Statement {
                fingerprint: Short::new(one.fingerprint.as_deref().unwrap_or_default()),
                rows: one.rows,
                took: one.time,
                age: one.age,
                outcome: one.failed.map(Code::from),
            });
            if one.failed == Some(SqlCode::Rejected) {
                self.audit.event(Event::StatementRejected {
                    request: self.record.request.clone(),
                    who: self.record.who.clone(),
                    tool: self.record.tool.clone(),
                    reason: one.rule.map_or("database", Reason::as_str),
                });
            }
        }
        self.record.answer_bytes = outcome.as_ref().map_or(0, Weighed::bytes);
        self.record.outcome = outcome.as_ref().err().map(|error| error.code);
        self.record.duration = self.began.elapsed();
        self.end.tell(outcome.is_err(), self.record.answer_bytes);
        self.place.call(self.record);
        outcome
    }
}

/// The call's clock, in microseconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// What a call came to, as far as the record goes: how many bytes of it leave.
pub(super) trait Weighed {
    /// Whether it can say how old it is. What cannot is read anew each time.
    const AGES: bool = false;

    fn bytes(&self) -> u64;

    /// It is as old as this.
    fn aged(&mut self, _: Duration) {}
}

impl Weighed for Part {
    fn bytes(&self) -> u64 {
        let bytes = match self {
            Part::Text(text) => text.len(),
            Part::Image { data, .. } | Part::Audio { data, .. } => data.len(),
            Part::Resource { text, .. } => text.len(),
        };
        bytes as u64
    }
}

impl Weighed for Answer {
    const AGES: bool = true;

    fn aged(&mut self, age: Duration) {
        self.age = Some(age);
    }

    fn bytes(&self) -> u64 {
        self.parts.iter().map(Weighed::bytes).sum()
    }
}

impl Weighed for Filled {
    fn bytes(&self) -> u64 {
        self.messages.iter().map(|(_, part)| part.bytes()).sum()
    }
}

impl Weighed for Content {
    fn bytes(&self) -> u64 {
        let bytes = match &self.body {
            Body::Text(text) => text.len(),
            Body::Bytes(bytes) => bytes.len(),
        };
        bytes as u64
    }
}

impl Weighed for Values {
    fn bytes(&self) -> u64 {
        self.values.iter().map(|value| value.len() as u64).sum()
    }
}

impl<T: Weighed> Weighed for Ended<T> {
    const AGES: bool = T::AGES;

    fn aged(&mut self, age: Duration) {
        if let Self::Done(done) = self {
            done.aged(age);
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Done(done) => done.bytes(),
            // Questions are for the person, and the state comes back.
            Self::Asks(_) => 0,
        }
    }
}
