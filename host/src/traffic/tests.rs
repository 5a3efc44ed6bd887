use super::*;
use crate::config::{Quota, Rate};
use crate::error::Code;
use std::sync::atomic::AtomicU64;
use uuid::Uuid;

/// 2026-11-21, 21:00 UTC: three hours before midnight.
const EVENING: u64 = 1_795_294_800;

/// A room with a clock of its own, and what a caller sees of it.
struct Room {
    traffic: Traffic,
    clock: Arc<AtomicU64>,
}

fn unlimited() -> config::Traffic {
    config::Traffic { principal: None, tenant: None, tool: None, ..config::Traffic::default() }
}

fn room(settings: config::Traffic, places: usize) -> Room {
    let clock = Arc::new(AtomicU64::new(EVENING * 1_000_000_000));
    let traffic = Traffic::open_at(Time::Set(Arc::clone(&clock)), settings, places, None).unwrap();
    Room { traffic, clock }
}

fn one(tenant: u128) -> Option<Uuid> {
    Some(Uuid::from_u128(tenant))
}

fn charge(sole: Option<Uuid>, who: &str, tool: &str) -> Charge {
    Charge::new(sole, "https://issuer", who, "sales", tool)
}

impl Room {
    async fn call(&self, sole: Option<Uuid>, who: &str, tool: &str) -> Result<Pass, Refusal> {
        // A quarter of it is waited for a place.
        let deadline = Instant::now() + Duration::from_millis(200);
        self.traffic.admit(&charge(sole, who, tool), deadline, &CancellationToken::new()).await
    }

    async fn passes(&self, sole: Option<Uuid>, who: &str, tool: &str) {
        self.call(sole, who, tool).await.map(drop).unwrap();
    }

    async fn refuses(&self, sole: Option<Uuid>, who: &str, tool: &str, code: Code, wait: f64, said: &str) -> &str {
        let Refusal { limit, error } = self.call(sole, who, tool).await.err().expect("it is refused");
        assert_eq!((error.code, error.message.as_str()), (code, said));
        assert_eq!(error.retry_after, Some(Duration::from_secs_f64(wait)), "{said}");
        limit.expect("it has a name")
    }

    async fn refused(&self, sole: Option<Uuid>, who: &str) -> Option<Code> {
        self.call(sole, who, "top").await.err().map(|refusal| refusal.error.code)
    }

    fn later(&self, seconds: f64) {
        self.clock.fetch_add(Duration::from_secs_f64(seconds).as_nanos() as u64, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn each_bucket_names_itself_and_the_wait() {
    let rate = Some(Rate { per_second: 0.5, burst: 1 });
    type Change = fn(&mut config::Traffic, Option<Rate>);
    let named: Change = |s, rate| s.tools = [("sales/top".to_owned(), rate)].into();
    let several = "by this principal, who sees several tenants";
    let buckets: [(&str, Change, Option<Uuid>, &str); 6] = [
        ("bucket.principal", |s, rate| s.principal = rate, one(1), "too many calls by this principal"),
        ("bucket.tenant", |s, rate| s.tenant = rate, one(1), "too many calls by this tenant"),
        ("bucket.tenant", |s, rate| s.tenant = rate, None, &format!("too many calls {several}")),
        ("bucket.tool", |s, rate| s.tool = rate, one(1), "too many calls of this tool by this tenant"),
        ("bucket.tool", |s, rate| s.tool = rate, None, "too many calls of this tool by this principal"),
        ("bucket.tool", named, one(1), "too many calls of this tool by this tenant"),
    ];
    for (limit, change, sole, said) in buckets {
        let mut settings = unlimited();
        change(&mut settings, rate);
        let room = room(settings, 8);
        room.passes(sole, "ann", "top").await;
        let said = format!("{said}: the limit is 0.5 a second, 1 at once after a rest; try again in 2.0 s");
        assert_eq!(room.refuses(sole, "ann", "top", Code::RateLimited, 2.0, &said).await, limit);
        room.later(1.75);
        let said = said.replace("2.0 s", "0.3 s");
        room.refuses(sole, "ann", "top", Code::RateLimited, 0.25, &said).await;
        room.later(0.25);
        room.passes(sole, "ann", "top").await;
    }
}

#[tokio::test]
async fn buckets_are_apart() {
    let rate = Some(Rate { per_second: 1.0, burst: 1 });
    let (a, b) = (one(1), one(2));
    let (named, spared) = (|name: &str, rate| (name.to_owned(), rate), None);
    // Who else may call, right after ann called `top` for tenant a.
    for (settings, others) in [
        (config::Traffic { principal: rate, ..unlimited() }, [("bob", a, "top"), ("cat", b, "top")]),
        (config::Traffic { tenant: rate, ..unlimited() }, [("ann", b, "top"), ("ann", None, "top")]),
        (config::Traffic { tool: rate, ..unlimited() }, [("ann", a, "flop"), ("ann", b, "top")]),
        // One that has a rate of its own, and one that has none although others do.
        (config::Traffic { tools: [named("sales/top", rate)].into(), ..unlimited() }, [("ann", a, "flop"); 2]),
        (
            config::Traffic { tool: rate, tools: [named("sales/flop", spared)].into(), ..unlimited() },
            [("ann", a, "flop"); 2],
        ),
    ] {
        let room = room(settings, 8);
        room.passes(a, "ann", "top").await;
        assert!(room.call(a, "ann", "top").await.is_err());
        for (who, sole, tool) in others {
            room.passes(sole, who, tool).await;
        }
    }
}

#[tokio::test]
async fn who_is_refused_by_one_limit_pays_no_other() {
    let settings = config::Traffic {
        principal: Some(Rate { per_second: 1.0, burst: 3 }),
        tenant: Some(Rate { per_second: 1.0, burst: 1 }),
        quota: Quota { calls: Some(3), ..Quota::default() },
        ..unlimited()
    };
    let room = room(settings, 8);
    room.passes(one(1), "ann", "top").await;
    for _ in 0..10 {
        assert_eq!(room.refused(one(1), "ann").await, Some(Code::RateLimited));
    }
    // Two of ann's three are left, in the bucket and in the day.
    room.passes(one(2), "ann", "top").await;
    room.passes(one(3), "ann", "top").await;
    for _ in 0..2 {
        room.later(1.0);
        room.passes(one(1), "ann", "top").await;
    }
    room.later(1.0);
    assert_eq!(room.refused(one(1), "ann").await, Some(Code::QuotaExceeded));
}

#[tokio::test]
async fn each_quota_names_itself_and_ends_at_midnight() {
    let none = Quota::default();
    let used = Usage { rows: 10, database: Duration::from_secs(3), embedding_tokens: 40, ..Usage::default() };
    let wait = 3.0 * 3_600.0;
    let (tenant, principal) = ("this tenant", "this principal, who sees several tenants,");
    for (limit, quota, sole, said) in [
        ("quota.calls", Quota { calls: Some(1), ..none }, one(1), format!("{tenant} is used up: 1 calls")),
        ("quota.rows", Quota { rows: Some(10), ..none }, one(1), format!("{tenant} is used up: 10 rows")),
        ("quota.rows", Quota { rows: Some(10), ..none }, None, format!("{principal} is used up: 10 rows")),
        (
            "quota.database_seconds",
            Quota { database_seconds: Some(3), ..none },
            one(1),
            format!("{tenant} is used up: 3 seconds of database time"),
        ),
        (
            "quota.embedding_tokens",
            Quota { embedding_tokens: Some(40), ..none },
            one(1),
            format!("{tenant} is used up: 40 embedding tokens"),
        ),
    ] {
        let room = room(config::Traffic { quota, ..unlimited() }, 8);
        let said = format!("the day's quota of {said}; it begins anew at 00:00 UTC, in 3 h 0 min");
        let pass = room.call(sole, "ann", "top").await.unwrap();
        let failing = pass.tally();
        drop(pass);
        // Told after the place was given back, as by a call that failed.
        failing.add(used);
        assert_eq!(room.refuses(sole, "ann", "top", Code::QuotaExceeded, wait, &said).await, limit);
        room.passes(one(2), "ann", "top").await;
        room.later(wait - 1.0);
        assert!(room.call(sole, "ann", "top").await.is_err());
        room.later(1.0);
        room.passes(sole, "ann", "top").await;
        // A call that began yesterday is yesterday's.
        failing.add(used);
        let next = room.call(sole, "bob", "top").await;
        assert_eq!(next.is_err(), quota.calls.is_some(), "{quota:?}");
    }
}

#[tokio::test]
async fn a_call_that_does_not_run_after_all_is_not_counted_in_the_day() {
    let room = room(config::Traffic { quota: Quota { calls: Some(1), ..Quota::default() }, ..unlimited() }, 8);
    for _ in 0..3 {
        room.call(one(1), "ann", "top").await.unwrap().give_back();
    }
    room.passes(one(1), "ann", "top").await;
    assert_eq!(room.refused(one(1), "ann").await, Some(Code::QuotaExceeded));
}

#[tokio::test]
async fn what_others_narrow_to_a_tenant_is_not_the_tenants() {
    let settings = config::Traffic {
        tenant: Some(Rate { per_second: 1.0, burst: 2 }),
        quota: Quota { calls: Some(2), ..Quota::default() },
        ..unlimited()
    };
    let room = room(settings, 8);
    // Its manager sees it and no other tenant; the regional manager, however narrowly it asks, sees several.
    for _ in 0..2 {
        room.passes(None, "regional manager", "top").await;
    }
    assert!(room.call(None, "regional manager", "top").await.is_err());
    for _ in 0..2 {
        room.passes(one(1), "manager", "top").await;
    }
}

#[tokio::test]
async fn a_full_house_says_whose_calls_fill_it() {
    let settings = config::Traffic {
        concurrent_per_tenant: Some(2),
        quota: Quota { calls: Some(3), ..Quota::default() },
        ..unlimited()
    };
    let room = room(settings, 3);
    let own = "too many calls of this tenant at once: 2 are running, which is all there may be; try again in 1.0 s";
    let all = "the host has as many calls as it can hold; try again in 1.0 s";
    let two = [room.call(one(1), "ann", "top").await.unwrap(), room.call(one(1), "bob", "top").await.unwrap()];
    // Twice: a call without a place is not counted in the day.
    for _ in 0..2 {
        assert_eq!(room.refuses(one(1), "ann", "top", Code::RateLimited, 1.0, own).await, "queue.own");
    }
    let third = room.call(one(2), "cat", "top").await.unwrap();
    assert_eq!(room.refuses(one(3), "dan", "top", Code::Overloaded, 1.0, all).await, "queue.all");
    third.settle(Usage::default());
    room.passes(one(3), "dan", "top").await;
    drop(two);
    room.passes(one(1), "ann", "top").await;
    assert_eq!(room.refused(one(1), "ann").await, Some(Code::QuotaExceeded));
}

#[tokio::test]
async fn who_leaves_is_not_served() {
    let room = room(unlimited(), 1);
    let _only = room.call(one(1), "ann", "top").await.unwrap();
    let gone = CancellationToken::new();
    gone.cancel();
    let deadline = Instant::now() + Duration::from_secs(600);
    let left = room.traffic.admit(&charge(one(2), "bob", "top"), deadline, &gone).await;
    // Nobody's limit: there is nothing to say about it in the trail.
    assert_eq!(left.err().map(|e| (e.limit, e.error.code)), Some((None, Code::Cancelled)));
}

#[tokio::test]
async fn over_what_limits_hold_is_said() {
    let quota = Quota { calls: Some(1), ..Quota::default() };
    let rate = Some(Rate { per_second: 1.0, burst: 1 });
    for (settings, said) in [
        (unlimited(), "on calls at once only"),
        (config::Traffic { tool: rate, ..unlimited() }, "each host for itself (no traffic.redis)"),
        (config::Traffic { quota, ..unlimited() }, "each host for itself (no traffic.redis)"),
    ] {
        let room = room(settings, 1);
        let terms = room.traffic.terms().await;
        assert!(terms.starts_with(said) && !room.traffic.is_shared(), "{terms}");
    }
}

#[tokio::test]
async fn settings_that_cannot_be_kept_are_refused_and_the_url_is_not_shown() {
    let rate = Some(Rate { per_second: 0.0, burst: 1 });
    let tools = |name: &str, rate| config::Traffic { tools: [(name.to_owned(), rate)].into(), ..unlimited() };
    for (settings, places, named) in [
        (config::Traffic { principal: rate, ..unlimited() }, 1, "traffic.principal: per_second"),
        (tools("sales/top", rate), 1, "traffic.tools.\"sales/top\": per_second"),
        (tools("top", None), 1, "traffic.tools: `top` names no tool"),
        (tools("/top", None), 1, "`/top`"),
        (tools("sales/", None), 1, "`sales/`"),
        (tools("sales/top/3", None), 1, "`sales/top/3`"),
        (config::Traffic { waiting: 0, ..unlimited() }, 1, "waiting"),
        (config::Traffic { waiting_per_tenant: 0, ..unlimited() }, 1, "waiting_per_tenant"),
        (config::Traffic { keep_days: 0, ..unlimited() }, 1, "keep_days"),
        (config::Traffic { concurrent_per_tenant: Some(0), ..unlimited() }, 1, "concurrent_per_tenant"),
        (config::Traffic { flush_seconds: 0, ..unlimited() }, 1, "flush_seconds"),
        (unlimited(), 0, "concurrent_calls"),
        (config::Traffic { redis: Some("http://:hunter2@x".to_owned().into()), ..unlimited() }, 1, "traffic.redis"),
        (config::Traffic { redis: Some("rediss://:hunter2@x".to_owned().into()), ..unlimited() }, 1, "no TLS"),
    ] {
        let error = Traffic::open(settings, places, None).err().expect("it is refused");
        let said = format!("{:#}", anyhow::Error::from(error));
        assert!(said.contains(named) && !said.contains("hunter2"), "{said}");
    }
}
