//! What came of one fault, and what of it is not as it should be.

use crate::host::DEADLINE;
use crate::load::{Call, End};
use crate::stage::IDENTITIES;
use crate::vitals::Vitals;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Longer than this a host needs to be itself again only if something holds it up: a restart of what it stands on is
/// noticed at the next attempt, and attempts are a second apart at most.
pub(crate) const RECOVERY: Duration = Duration::from_secs(2);

/// How far past its deadline a call may be answered: the answer is made and sent, on a busy machine.
pub(crate) const LATE: Duration = Duration::from_secs(1);

/// Wrong answers that are quoted; all are counted.
const QUOTED: usize = 3;

/// Something that holds for one fault beside what holds for all.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// The sentence.
    pub(crate) what: &'static str,
    /// Whether it holds.
    pub(crate) holds: bool,
    /// Whether that depends on the machine's speed.
    pub(crate) timed: bool,
    /// What was measured.
    pub(crate) seen: String,
}

/// One row of the table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// The fault.
    pub(crate) fault: String,
    /// Why there is nothing else in it.
    pub(crate) unmeasured: Option<String>,
    /// Calls.
    pub(crate) calls: usize,
    /// Of these, answered rightly.
    pub(crate) right: usize,
    /// The others that had no wrong answer, by code.
    pub(crate) errors: BTreeMap<String, usize>,
    /// Wrong answers.
    pub(crate) wrong: usize,
    /// The first of them.
    pub(crate) quoted: Vec<String>,
    /// From when all was whole again to the last identity's first right answer. None: never.
    pub(crate) recovery: Option<Duration>,
    /// The longest call.
    pub(crate) longest: Duration,
    /// What the host held before, and holds after.
    pub(crate) held: (Vitals, Vitals),
    /// Sentences that hold for this fault.
    pub(crate) checks: Vec<Check>,
    /// Identities that had a right answer while it lasted.
    answered: usize,
    /// Calls that failed while it lasted, and began in it.
    failed: usize,
}

impl Row {
    /// A row about this fault.
    pub(crate) fn new(fault: &str, held: (Vitals, Vitals)) -> Self {
        Self { fault: fault.to_owned(), held, ..Self::default() }
    }

    /// A fault that could not be tried, or whose end was not seen. Never a good row: what was not measured did not hold.
    pub(crate) fn unmeasured(fault: &str, why: String) -> Self {
        Self { fault: fault.to_owned(), unmeasured: Some(why), ..Self::default() }
    }

    /// Take in the calls around a fault of this beginning and end.
    pub(crate) fn calls(&mut self, calls: &[Call], struck: Instant, mended: Instant, recovery: Option<Duration>) {
        (self.calls, self.recovery) = (calls.len(), recovery);
        self.longest = calls.iter().map(|call| call.took).max().unwrap_or_default();
        for call in calls {
            match &call.end {
                End::Right(_) => self.right += 1,
                End::Failed(code) => *self.errors.entry(code.clone()).or_default() += 1,
                End::Wrong(answer) => {
                    self.wrong += 1;
                    if self.quoted.len() < QUOTED {
                        self.quoted.push(answer.clone());
                    }
                }
            }
        }
        let meanwhile = || calls.iter().filter(|call| call.began >= struck && call.ended() <= mended);
        let heard = |who: &str| meanwhile().any(|call| call.who == who && call.is_right());
        self.answered = IDENTITIES.iter().filter(|(who, _)| heard(who)).count();
        self.failed = meanwhile().filter(|call| !call.is_right()).count();
    }

    /// A sentence, whether it holds, and what was seen.
    pub(crate) fn check(&mut self, what: &'static str, holds: bool, seen: &str) {
        self.checks.push(Check { what, holds, timed: false, seen: seen.to_owned() });
    }

    /// The same about a time.
    pub(crate) fn check_time(&mut self, what: &'static str, took: Option<Duration>, most: Duration) {
        let seen = took.map_or_else(|| "never".to_owned(), |took| format!("{} s", seconds(took)));
        // Never is no matter of speed.
        let timed = took.is_some();
        self.checks.push(Check { what, holds: took.is_some_and(|took| took <= most), timed, seen });
    }

    /// Calls are answered while the fault lasts.
    pub(crate) fn goes_on(&mut self) {
        let (answered, all) = (self.answered, IDENTITIES.len());
        self.check("calls are answered meanwhile", answered == all, &format!("{answered} of {all} identities"));
    }

    /// And none fails for it.
    pub(crate) fn fails_nobody(&mut self) {
        let failed = self.failed;
        self.check("no call fails for it", failed == 0, &format!("{failed} did"));
    }

    /// What is not as it should be. With `timed`, times count.
    pub(crate) fn reds(&self, timed: bool) -> Vec<String> {
        if let Some(why) = &self.unmeasured {
            return vec![format!("NOT MEASURED: {why}")];
        }
        let mut reds = Vec::new();
        let mut red = |is: bool, what: String| {
            if is {
                reds.push(what);
            }
        };
        red(self.right == 0, "no call was answered at all".to_owned());
        red(self.wrong > 0, format!("{} wrong answers: {}", self.wrong, self.quoted.join("; ")));
        match self.recovery {
            None => red(true, "not everybody was answered again".to_owned()),
            Some(took) => red(timed && took >= RECOVERY, format!("the first answer took {} s", seconds(took))),
        }
        let most = DEADLINE + LATE;
        let late = format!("the longest call took {} s, and may take {} s", seconds(self.longest), seconds(most));
        red(timed && self.longest > most, late);
        let (before, after) = self.held;
        after.beyond(before).into_iter().for_each(|what| red(true, format!("left behind: {what}")));
        for check in self.checks.iter().filter(|check| !check.holds) {
            red(timed || !check.timed, format!("{}: {}", check.what, check.seen));
        }
        reds
    }

    /// As JSON.
    pub(crate) fn json(&self, timed: bool) -> Value {
        let reds = self.reds(timed);
        if let Some(why) = &self.unmeasured {
            return json!({ "fault": self.fault, "good": false, "unmeasured": why, "reds": reds });
        }
        let (before, after) = self.held;
        let checks = self.checks.iter().map(|it| json!({ "what": it.what, "holds": it.holds, "seen": it.seen }));
        let held = |it: Vitals| {
            json!({
                "connections": it.connections, "transactions": it.transactions, "places": it.places,
                "handles": it.handles, "tasks": it.tasks, "threads": it.threads,
            })
        };
        json!({
            "fault": self.fault, "good": reds.is_empty(), "reds": reds,
            "calls": self.calls, "right": self.right, "wrong": self.wrong, "errors": self.errors,
            "recovery_ms": self.recovery.map(milliseconds), "longest_ms": milliseconds(self.longest),
            "deadline_ms": milliseconds(DEADLINE),
            "held_before": held(before), "held_after": held(after),
            "checks": checks.collect::<Vec<_>>(),
        })
    }
}

/// For people: with two digits after the point.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64())
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Row {
        let held = Vitals { connections: 5, handles: 40, threads: 9, ..Vitals::default() };
        let mut row = Row::new("killed", (held, held));
        (row.calls, row.right, row.recovery) = (9, 9, Some(Duration::from_millis(300)));
        row
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Row), timed: &[&str], untimed: &[&str]) {
        let mut row = good();
        change(&mut row);
        for (judged, named) in [(row.reds(true), timed), (row.reds(false), untimed)] {
            let as_named = judged.len() == named.len() && judged.iter().zip(named).all(|(red, it)| red.contains(it));
            assert!(as_named, "{judged:?}, and not {named:?}");
            assert_eq!(row.json(true)["good"], row.reds(true).is_empty());
        }
    }

    #[test]
    fn every_zero_that_is_not_zero_is_named() {
        check(|_| {}, &[], &[]);
        check(|row| row.right = 0, &["at all"], &["at all"]);
        check(|row| row.wrong = 1, &["wrong answers"], &["wrong answers"]);
        check(|row| row.recovery = None, &["again"], &["again"]);
        check(|row| row.recovery = Some(RECOVERY), &["first answer took 2.00 s"], &[]);
        check(|row| row.longest = DEADLINE + LATE, &[], &[]);
        check(|row| row.longest = DEADLINE + LATE + LATE, &["longest call took 7.00 s"], &[]);
        check(|row| row.held.1.places = 1, &["left behind: places"], &["left behind: places"]);
        check(|row| row.check("it rains", false, "no"), &["it rains: no"], &["it rains: no"]);
        check(|row| row.check("it rains", true, "yes"), &[], &[]);
        let second = Duration::from_secs(1);
        check(|row| row.check_time("soon", Some(2 * second), second), &["soon: 2.00 s"], &[]);
        check(|row| row.check_time("soon", None, second), &["soon: never"], &["soon: never"]);
        check(|row| row.goes_on(), &["meanwhile: 0 of 3"], &["meanwhile: 0 of 3"]);
        check(|row| row.fails_nobody(), &[], &[]);
        let none = Row::unmeasured("disk", "no mount".to_owned());
        assert_eq!(none.reds(false), ["NOT MEASURED: no mount"], "what was not tried is not good");
    }

    #[test]
    fn calls_are_counted_by_how_they_ended_and_when() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let call = |who, began, end| Call { who, began: at(began), took: Duration::from_secs(2), end };
        let failed = |code: &str| End::Failed(code.to_owned());
        let calls = [
            call("seattle", 0, End::Right(false)),
            call("seattle", 11, End::Right(true)),
            call("spokane", 9, failed("DATABASE_ERROR")),
            call("spokane", 12, failed("DATABASE_ERROR")),
            call("spokane", 13, failed("OVERLOADED")),
            call("head-office", 19, End::Right(false)),
            call("head-office", 21, End::Wrong("other".to_owned())),
        ];
        let mut row = Row::default();
        row.calls(&calls, at(10), at(20), Some(Duration::ZERO));
        assert_eq!((row.calls, row.right, row.wrong, row.quoted.len()), (7, 3, 1, 1));
        let errors = BTreeMap::from([("DATABASE_ERROR".to_owned(), 2), ("OVERLOADED".to_owned(), 1)]);
        assert_eq!((row.errors.clone(), row.longest), (errors, Duration::from_secs(2)));
        // Head office's answer came after the fault, Spokane's first failure began before it.
        assert_eq!((row.answered, row.failed), (1, 2));
        row.fails_nobody();
        assert_eq!(row.checks[0].seen, "2 did");
    }
}
