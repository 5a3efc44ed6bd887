use super::*;
use serde_json::{Value, json};

fn who() -> Who {
    Who { issuer: "https://id.example".into(), subject: "ann".into(), roles: List::texts(&["clerk"]) }
}

fn call() -> CallRecord {
    let mut statements = Statements::default();
    statements.push(Statement {
        fingerprint: "0123456789abcdef".into(),
        rows: 3,
        took: Duration::from_micros(1_250),
        age: None,
        outcome: Some(Code::QueryTimeout),
    });
    statements.push(Statement {
        fingerprint: "0123456789abcdef".into(),
        rows: 3,
        took: Duration::ZERO,
        age: Some(Duration::from_micros(2_500)),
        outcome: None,
    });
    CallRecord {
        request: "r1".into(),
        who: who(),
        scope: Reach::One(Uuid::from_u128(1)),
        plugin: "sales".into(),
        plugin_version: "1.0.0".into(),
        digest: "d".into(),
        tool: "top".into(),
        arguments: Arguments::default(),
        statements,
        rows: 3,
        answer_bytes: 120,
        database: Duration::from_millis(2),
        duration: Duration::from_millis(5),
        outcome: None,
    }
}

fn write(entry: Entry) -> Value {
    let at = DateTime::from_timestamp(1_795_237_200, 1_000).unwrap();
    serde_json::from_str(&Stamped { at, entry }.to_json(Uuid::nil()).unwrap()).unwrap()
}

#[test]
fn a_call_is_written_field_by_field() {
    assert_eq!(
        write(Entry::Call(Box::new(call()))),
        json!({
            "v": 1, "at": "2026-11-21T05:00:00.000001Z", "node": Uuid::nil(), "event": "call",
            "request": "r1", "issuer": "https://id.example", "subject": "ann", "roles": ["clerk"],
            "scope": "one:00000000-0000-0000-0000-000000000001",
            "plugin": "sales", "plugin_version": "1.0.0", "digest": "d", "tool": "top", "arguments": {},
            "statements": [
                { "fingerprint": "0123456789abcdef", "rows": 3, "ms": 1.25, "outcome": "QUERY_TIMEOUT" },
                { "fingerprint": "0123456789abcdef", "rows": 3, "ms": 0.0, "age_ms": 2.5, "outcome": "ok" },
            ],
            "rows": 3, "answer_bytes": 120, "database_ms": 2.0, "duration_ms": 5.0, "outcome": "ok",
        })
    );
}

#[test]
fn every_event_is_written_under_its_name() {
    let check = |event: Event, fields: Value| {
        let kind = event.kind();
        let mut written = write(Entry::Event(event));
        let map = written.as_object_mut().unwrap();
        assert_eq!(map.remove("event"), Some(json!(kind)));
        ["v", "at", "node"].iter().for_each(|common| assert!(map.remove(*common).is_some(), "{kind}: {common}"));
        assert_eq!(written, fields, "{kind}");
    };
    let (r, s) = (|| Short::new("r1"), Short::new);
    let ann = |more: Value| {
        let mut all = json!({ "issuer": "https://id.example", "subject": "ann", "roles": ["clerk"] });
        all.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        all
    };
    check(Event::TokenRejected { reason: "expired", remote: None }, json!({ "reason": "expired" }));
    check(
        Event::TokenRejected { reason: "expired", remote: Some([192, 0, 2, 1].into()) },
        json!({ "reason": "expired", "remote": "192.0.2.1" }),
    );
    check(
        Event::ToolForbidden { request: r(), who: who(), tool: s("t") },
        ann(json!({ "request": "r1", "tool": "t" })),
    );
    check(
        Event::StatementRejected { request: r(), who: who(), tool: s("t"), reason: "function" },
        ann(json!({ "request": "r1", "tool": "t", "reason": "function" })),
    );
    check(
        Event::LimitBreached { request: r(), who: who(), limit: s("tenant") },
        ann(json!({ "request": "r1", "limit": "tenant" })),
    );
    check(
        Event::TenantForbidden { request: r(), who: who(), tenant: Uuid::nil() },
        ann(json!({ "request": "r1", "tenant": Uuid::nil() })),
    );
    check(
        Event::UnsafeDatabase { rule: s("rls"), object: s("retail.orders") },
        json!({ "rule": "rls", "object": "retail.orders" }),
    );
    check(Event::DatabaseMended {}, json!({}));
    check(Event::PolicyReloaded { digest: s("d") }, json!({ "digest": "d" }));
    check(Event::PolicyRefused { digest: s("d") }, json!({ "digest": "d" }));
    check(Event::KeyRotated { key: s("ticket") }, json!({ "key": "ticket" }));
    check(Event::KeyRetired { key: s("ticket") }, json!({ "key": "ticket" }));
    check(Event::TokenRevoked { issuer: s("as"), token: s("1") }, json!({ "issuer": "as", "token": "1" }));
    check(Event::ApiKeyMade { key: s("id") }, json!({ "key": "id" }));
    check(Event::ApiKeyRevoked { key: s("id") }, json!({ "key": "id" }));
    check(
        Event::PluginPublished { plugin: s("p"), plugin_version: s("1"), digest: s("d"), by: s("ann") },
        json!({ "plugin": "p", "plugin_version": "1", "digest": "d", "by": "ann" }),
    );
    check(
        Event::PluginParked { plugin: s("p"), plugin_version: s("1"), digest: s("d") },
        json!({ "plugin": "p", "plugin_version": "1", "digest": "d" }),
    );
    check(
        Event::PluginTried { plugin: s("p"), plugin_version: s("1"), digest: s("d"), by: s("ann") },
        json!({ "plugin": "p", "plugin_version": "1", "digest": "d", "by": "ann" }),
    );
    check(
        Event::PluginHeld { plugin: s("p"), plugin_version: s("1"), digest: s("d"), by: s("ann"), why: s("w") },
        json!({ "plugin": "p", "plugin_version": "1", "digest": "d", "by": "ann", "why": "w" }),
    );
    check(
        Event::PluginRefused { plugin: s("p"), plugin_version: s(""), digest: s("d"), step: s("compile") },
        json!({ "plugin": "p", "plugin_version": "", "digest": "d", "step": "compile" }),
    );
    check(Event::HostStarted { version: "1.2.3" }, json!({ "version": "1.2.3" }));
    check(Event::HostStopped {}, json!({}));
    check(
        Event::ScopeLacking { request: Some(r()), who: who(), tool: Some(s("t")), needs: List::texts(&["a", "b"]) },
        ann(json!({ "request": "r1", "tool": "t", "needs": ["a", "b"] })),
    );
    check(
        Event::ScopeLacking { request: None, who: who(), tool: None, needs: List::texts(&["a"]) },
        ann(json!({ "needs": ["a"] })),
    );
    let suppressed = |of, more: Value| {
        let mut all = json!({ "kind": "token_rejected", "suppressed": 9 });
        all.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        check(Event::Suppressed { kind: "token_rejected", suppressed: 9, of }, all);
    };
    let remote = |remote| Event::TokenRejected { reason: "expired", remote: Some(remote) }.cause();
    suppressed(Cause::Account { issuer: s("i"), subject: s("ann") }, json!({ "issuer": "i", "subject": "ann" }));
    suppressed(remote([192, 0, 2, 1].into()), json!({ "remote": "192.0.2.1/32" }));
    suppressed(remote("2001:db8:1:2:3::4".parse().unwrap()), json!({ "remote": "2001:db8:1:2::/64" }));
    suppressed(remote("::ffff:192.0.2.1".parse().unwrap()), json!({ "remote": "192.0.2.1/32" }));
    suppressed(Cause::Others { sources: 3 }, json!({ "sources": 3 }));
    suppressed(Cause::Unknown {}, json!({}));
    check(Event::RecordsLost { lost: 2 }, json!({ "lost": 2 }));
    check(Event::ChainOpened { after: Uuid::nil() }, json!({ "after": Uuid::nil() }));
    check(
        Event::ChainClosed { chain: Uuid::nil(), seq: 7, mac: "00".to_owned() },
        json!({ "chain": Uuid::nil(), "seq": 7, "mac": "00" }),
    );
}

#[test]
fn scopes_have_three_shapes() {
    let check = |scope: Scope, written: Value| {
        let scope = Reach::from(&scope);
        assert_eq!(write(Entry::Call(Box::new(CallRecord { scope, ..call() })))["scope"], written)
    };
    let ids = |count: u128| (0..count).map(Uuid::from_u128).collect::<Vec<_>>();
    check(Scope::All, json!("all"));
    check(Scope::One(Uuid::nil()), json!("one:00000000-0000-0000-0000-000000000000"));
    check(Scope::Some(ids(2)), json!(ids(2)));
    let mut many: Vec<String> = ids(64).iter().map(Uuid::to_string).collect();
    many.push("+36".to_owned());
    check(Scope::Some(ids(100)), json!(many));
}

#[test]
fn the_largest_record_is_bounded() {
    // Control characters take six bytes each in JSON: the worst a caller can do.
    let long = || Short::from("\u{1}".repeat(100_000));
    let mut statements = Statements::default();
    for _ in 0..1_000 {
        statements.push(Statement {
            fingerprint: long(),
            rows: u64::MAX,
            took: Duration::MAX,
            age: Some(Duration::MAX),
            outcome: None,
        });
    }
    let arguments =
        (0..64).map(|n| (format!("{n:02}{}", "\u{1}".repeat(62)), json!(format!("hmac:{}", "0".repeat(32)))));
    let record = CallRecord {
        request: long(),
        who: Who { issuer: long(), subject: long(), roles: List::of(vec![long(); 1_000].into_iter()) },
        scope: Reach::from(&Scope::Some(vec![Uuid::nil(); 10_000])),
        plugin: long(),
        plugin_version: long(),
        digest: long(),
        tool: long(),
        arguments: Arguments { arguments: arguments.collect(), ..Arguments::default() },
        statements,
        ..call()
    };
    let written = write(Entry::Call(Box::new(record)));
    assert_eq!(written["statements"].as_array().map(Vec::len), Some(STATEMENTS));
    assert_eq!(written["statements_omitted"], 1_000 - STATEMENTS);
    let size = written.to_string().len();
    assert!(size < crate::audit::chain::MAX_LINE, "{size} bytes");
}
