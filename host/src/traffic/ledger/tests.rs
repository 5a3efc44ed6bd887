use super::*;
use std::time::Duration;
use uuid::Uuid;

const TODAY: i32 = 20_000;

fn key(n: u128) -> Key {
    (TODAY, Account::Tenant(Uuid::from_u128(n)))
}

fn calls(n: i64) -> Amounts {
    Amounts { calls: n, ..Amounts::default() }
}

fn limited(calls: u64) -> Ledger {
    Ledger::new(Quota { calls: Some(calls), ..Quota::default() }, true, false)
}

impl Ledger {
    fn exhausted(&self, key: Key) -> Option<Measure> {
        over(&self.quota(), self.lock().get(key).map(|sheet| sheet.used()).unwrap_or_default())
    }
}

fn count(ledger: &Ledger, key: Key, times: usize) {
    (0..times).for_each(|_| ledger.add(key, Amounts::ONE_CALL, false).unwrap());
}

#[test]
fn each_quota_is_used_up_by_its_own_kind() {
    let usage = |rows, millis, embedding_tokens| Usage {
        rows,
        database: Duration::from_millis(millis),
        embedding_tokens,
        ..Usage::default()
    };
    let none = Quota::default();
    for (quota, used, expected) in [
        (none, usage(u64::MAX, u64::MAX, u64::MAX), None),
        (Quota { rows: Some(10), ..none }, usage(9, 0, 0), None),
        (Quota { rows: Some(10), ..none }, usage(10, 0, 0), Some(Measure::Rows)),
        (Quota { database_seconds: Some(2), ..none }, usage(10, 1_999, 10), None),
        (Quota { database_seconds: Some(2), ..none }, usage(10, 2_000, 10), Some(Measure::DatabaseSeconds)),
        (Quota { embedding_tokens: Some(5), ..none }, usage(10, 10, 5), Some(Measure::EmbeddingTokens)),
        (Quota { calls: Some(0), ..none }, usage(0, 0, 0), Some(Measure::Calls)),
        (Quota { calls: Some(1), ..none }, usage(9, 9, 9), None),
    ] {
        let ledger = Ledger::new(quota, true, false);
        ledger.add(key(1), used.into(), false).unwrap();
        assert_eq!(ledger.exhausted(key(1)), expected, "{quota:?} {used:?}");
        assert_eq!(ledger.is_limited(), quota != none);
    }
}

#[test]
fn the_last_call_of_a_day_is_given_once() {
    const QUOTA: u64 = 30;
    let ledger = limited(QUOTA);
    let admitted = std::thread::scope(|scope| {
        let knocks = || (0..QUOTA).filter(|_| ledger.admit(key(1)).is_ok()).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(knocks)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert_eq!(admitted as u64, QUOTA);
    assert_eq!(ledger.admit(key(1)), Err(Stopped::Exhausted(Measure::Calls)));
    ledger.add(key(1), Amounts::CALL_BACK, true).unwrap();
    assert_eq!((ledger.admit(key(1)), ledger.admit(key(2))), (Ok(()), Ok(())));
}

#[test]
fn nothing_is_lost_or_counted_twice_on_the_way_to_the_table() {
    let ledger = limited(10);
    count(&ledger, key(1), 6);
    assert_eq!(ledger.take_unwritten(10), [(key(1), calls(6))]);
    // On its way, and more meanwhile.
    count(&ledger, key(1), 3);
    assert_eq!(ledger.exhausted(key(1)), None);
    // The way was closed: all of it goes the next time.
    ledger.unwrite([key(1)]);
    assert_eq!(ledger.take_unwritten(10), [(key(1), calls(9))]);
    // Another host wrote one, too: the total comes back with the answer.
    ledger.wrote(&[(key(1), calls(10))]);
    assert_eq!(ledger.exhausted(key(1)), Some(Measure::Calls));
    assert_eq!(ledger.take_unwritten(10), []);
    // Taken back before it was written: there is nothing to write.
    count(&ledger, key(2), 1);
    ledger.add(key(2), Amounts::CALL_BACK, false).unwrap();
    assert_eq!(ledger.take_unwritten(10), []);
}

#[test]
fn what_other_hosts_used_is_read_once_a_day_and_account() {
    let ledger = limited(10);
    assert!(ledger.is_unread(key(1)));
    count(&ledger, key(1), 4);
    ledger.learn(key(1), calls(6));
    assert!(!ledger.is_unread(key(1)) && ledger.is_unread(key(2)));
    assert_eq!(ledger.exhausted(key(1)), Some(Measure::Calls));
    // A read that was overtaken by a write does not turn it back.
    ledger.take_unwritten(10);
    ledger.wrote(&[(key(1), calls(10))]);
    ledger.learn(key(1), calls(6));
    assert_eq!(ledger.exhausted(key(1)), Some(Measure::Calls));
    let (tomorrow, account) = (TODAY + 1, key(1).1);
    assert!(ledger.is_unread((tomorrow, account)));
    assert_eq!(ledger.exhausted((tomorrow, account)), None);
}

#[test]
fn short_statements_add_up_to_whole_milliseconds() {
    let ledger = limited(10);
    let short = |micros| Amounts { database_us: micros, ..Amounts::default() };
    ledger.add(key(1), short(700), false).unwrap();
    assert_eq!(ledger.take_unwritten(10), []);
    ledger.add(key(1), short(1_500), false).unwrap();
    assert_eq!(ledger.take_unwritten(10), [(key(1), short(2_000))]);
    ledger.unwrite([key(1)]);
    ledger.add(key(1), short(800), false).unwrap();
    assert_eq!(ledger.take_unwritten(10), [(key(1), short(3_000))]);
}

#[test]
fn yesterday_goes_once_it_is_written() {
    let ledger = limited(10);
    count(&ledger, key(1), 1);
    count(&ledger, key(2), 1);
    let written = ledger.take_unwritten(1);
    ledger.turn_page(TODAY + 1);
    assert_eq!(ledger.lock().sheets, 2);
    ledger.wrote(&written);
    ledger.turn_page(TODAY + 1);
    assert_eq!(ledger.lock().sheets, 1);
    // Without a table to write to, nothing is kept for one.
    let alone = Ledger::new(Quota::default(), false, false);
    count(&alone, key(1), 1);
    assert_eq!(alone.take_unwritten(10), []);
    alone.turn_page(TODAY);
    assert_eq!(alone.lock().sheets, 1);
    alone.turn_page(TODAY + 1);
    assert_eq!(alone.lock().sheets, 0);
}

#[test]
fn the_ledger_has_an_end_and_never_forgets_what_stands_nowhere_else() {
    let ledger = limited(1);
    let fill = |day: i32, from: u128, to: u128| {
        (from..to).all(|n| ledger.add((day, key(n).1), Amounts::ONE_CALL, false).is_ok())
    };
    let all = SHEETS as u128;
    assert!(fill(TODAY, 0, all));
    // Nothing is written: no room for one more, and those that are there go on.
    assert_eq!(ledger.add(key(all), Amounts::ONE_CALL, false), Err(Full));
    assert_eq!(ledger.admit(key(all)), Err(Stopped::Full));
    assert!(ledger.add(key(0), Amounts::ONE_CALL, false).is_ok());
    // Some are written: they make room, and are read again when they come back.
    let written = ledger.take_unwritten(10);
    ledger.wrote(&written);
    assert!(fill(TODAY, all, all + 10));
    assert!(ledger.is_unread(written[0].0));
    // A new day: the old one, which could not be written, has to go.
    assert!(fill(TODAY + 1, 0, 1));
    assert_eq!(ledger.lock().sheets, 1);
    assert_eq!(ledger.take_unwritten(usize::MAX), [((TODAY + 1, key(0).1), calls(1))]);
}

#[test]
fn redis_is_told_what_it_has_not_counted_itself() {
    let ledger = Ledger::new(Quota::default(), true, true);
    ledger.admit(key(1)).unwrap();
    assert_eq!(ledger.take_unshared(10), []);
    ledger.owe(key(1));
    assert_eq!(ledger.take_unshared(10), [(key(1), calls(1))]);
    assert_eq!(ledger.take_unwritten(10), [(key(1), calls(1))], "owed to Redis only");
    let rows = Amounts { rows: 7, ..Amounts::default() };
    ledger.add(key(1), rows, false).unwrap();
    let told = ledger.take_unshared(10);
    assert_eq!(told, [(key(1), rows)]);
    ledger.unshare(told);
    ledger.add(key(1), rows, false).unwrap();
    assert_eq!(ledger.take_unshared(10), [(key(1), rows + rows)]);
}
