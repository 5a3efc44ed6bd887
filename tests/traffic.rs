//! Limits over several hosts: exact with Redis, meeting in PostgreSQL without; and what holds while either is away.

use crate::harness::shared;
use crate::patience::soon;
use crate::redis::RedisServer;
use rowhouse::clerk::Clerk;
use rowhouse::config::{self, Quota, Rate};
use rowhouse::error::Code;
use rowhouse::traffic::{Charge, Pass, Refusal, Traffic, Usage};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// Slow enough that no test sees a bucket fill: burst is all there is.
fn only(burst: u32) -> Option<Rate> {
    Some(Rate { per_second: 0.001, burst })
}

/// No limit, but what a test sets; written as often as may be.
pub fn unlimited() -> config::Traffic {
    config::Traffic { principal: None, tenant: None, tool: None, flush_seconds: 1, ..config::Traffic::default() }
}

fn rows(quota: u64) -> config::Traffic {
    config::Traffic { quota: Quota { rows: Some(quota), ..Quota::default() }, ..unlimited() }
}

fn with(redis: &RedisServer, settings: &config::Traffic) -> Traffic {
    let settings = config::Traffic { redis: Some(redis.url().into()), ..settings.clone() };
    Traffic::open(settings, 64, None).expect("limits")
}

async fn call(host: &Traffic, tenant: Uuid, who: &str) -> Result<Pass, Refusal> {
    let charge = Charge::new(Some(tenant), "https://issuer", who, "sales", "top");
    host.admit(&charge, Instant::now() + Duration::from_secs(60), &CancellationToken::new()).await
}

pub async fn passes(host: &Traffic, tenant: Uuid, who: &str) -> Pass {
    call(host, tenant, who).await.expect("it is let in")
}

async fn refuses(host: &Traffic, tenant: Uuid, who: &str, code: Code, said: &str) {
    let error = call(host, tenant, who).await.err().expect("it is refused").error;
    assert_eq!(error.code, code, "{error}");
    assert!(error.message.starts_with(said), "{error}");
    assert!(error.retry_after.is_some_and(|wait| !wait.is_zero()), "{error}");
}

/// Until this host, too, knows that the quota is used up.
async fn runs_out(host: &Traffic, tenant: Uuid) {
    soon(async {
        while call(host, tenant, "ann").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    refuses(host, tenant, "ann", Code::QuotaExceeded, "the day's quota of this tenant is used up: ").await;
}

pub fn read(rows: u64) -> Usage {
    Usage { rows, database: Duration::from_micros(1_500), embedding_tokens: 1, ..Usage::default() }
}

#[tokio::test]
async fn redis_keeps_buckets_over_all_hosts() {
    let redis = RedisServer::start().await;
    let (a, b) = (Uuid::new_v4(), Uuid::new_v4());
    let settings = config::Traffic { principal: only(5), tenant: only(3), ..unlimited() };
    let (one, other) = (with(&redis, &settings), with(&redis, &settings));
    passes(&one, a, "ann").await;
    passes(&other, a, "ann").await;
    passes(&other, a, "ann").await;
    let tenant = "too many calls by this tenant: the limit is 0.001 a second, 3 at once after a rest; try again in ";
    for host in [&one, &other, &one, &other] {
        refuses(host, a, "ann", Code::RateLimited, tenant).await;
    }
    // Refused by the second bucket, and the first paid nothing: two of ann's five are left.
    passes(&one, b, "ann").await;
    passes(&other, b, "ann").await;
    refuses(&one, b, "ann", Code::RateLimited, "too many calls by this principal: ").await;
    passes(&one, b, "bob").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_lets_in_exactly_as_many_as_may() {
    let redis = RedisServer::start().await;
    for (settings, most) in [
        (config::Traffic { tenant: only(40), ..unlimited() }, 40),
        (config::Traffic { quota: Quota { calls: Some(30), ..Quota::default() }, ..unlimited() }, 30),
    ] {
        let tenant = Uuid::new_v4();
        let hosts: Vec<Arc<Traffic>> = (0..4).map(|_| Arc::new(with(&redis, &settings))).collect();
        let mut calls = JoinSet::new();
        for n in 0..120 {
            let host = Arc::clone(&hosts[n % hosts.len()]);
            calls.spawn(async move { call(&host, tenant, &n.to_string()).await.is_ok() });
        }
        let let_in = soon(calls.join_all()).await.into_iter().filter(|let_in| *let_in).count();
        assert_eq!(let_in, most);
    }
}

#[tokio::test]
async fn redis_keeps_quotas_over_all_hosts() {
    let redis = RedisServer::start().await;
    let (one, other) = (with(&redis, &rows(100)), with(&redis, &rows(100)));
    let (tenant, neighbour) = (Uuid::new_v4(), Uuid::new_v4());
    passes(&one, tenant, "ann").await.settle(read(60));
    passes(&other, tenant, "bob").await.settle(read(60));
    runs_out(&one, tenant).await;
    runs_out(&other, tenant).await;
    passes(&one, neighbour, "ann").await;
}

#[tokio::test]
async fn without_redis_each_host_limits_for_itself() {
    let mut redis = RedisServer::start().await;
    let tenant = Uuid::new_v4();
    let settings = config::Traffic { principal: only(5), ..unlimited() };
    let (one, other) = (with(&redis, &settings), with(&redis, &settings));
    for _ in 0..3 {
        passes(&one, tenant, "ann").await;
    }
    passes(&other, tenant, "ann").await;
    redis.crash().await;
    // No call fails for it, none goes without a limit, and what a host let in before counts.
    let limit = "too many calls by this principal: the limit is 0.001 a second, 5 at once after a rest; ";
    for (host, left) in [(&one, 2), (&other, 4)] {
        for _ in 0..left {
            passes(host, tenant, "ann").await;
        }
        refuses(host, tenant, "ann", Code::RateLimited, limit).await;
    }
}

#[tokio::test]
async fn a_redis_that_is_silent_is_done_without_and_told_later() {
    let redis = RedisServer::start().await;
    let (one, other) = (with(&redis, &rows(100)), with(&redis, &rows(100)));
    let tenant = Uuid::new_v4();
    passes(&one, tenant, "ann").await.settle(read(50));
    redis.freeze();
    let silent = passes(&one, tenant, "ann").await;
    passes(&other, tenant, "ann").await;
    silent.settle(read(50));
    runs_out(&one, tenant).await;
    redis.thaw();
    // Found out by itself, and told what it missed: the other host hears of it.
    runs_out(&other, tenant).await;
}

#[tokio::test]
async fn a_redis_that_was_never_there_stops_nobody() {
    let mut redis = RedisServer::start().await;
    redis.crash().await;
    let settings = config::Traffic { principal: only(1), ..rows(100) };
    let (one, other) = (with(&redis, &settings), with(&redis, &settings));
    let tenant = Uuid::new_v4();
    passes(&one, tenant, "bob").await.settle(read(100));
    refuses(&one, tenant, "bob", Code::RateLimited, "too many calls by this principal: ").await;
    refuses(&one, tenant, "cat", Code::QuotaExceeded, "the day's quota ").await;
    redis.restart().await;
    let asked = async {
        for n in 0.. {
            if call(&other, tenant, &n.to_string()).await.is_err_and(|e| e.error.code == Code::QuotaExceeded) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(asked).await;
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_is_done_without() {
    let redis = RedisServer::start().await;
    let host = with(&redis, &config::Traffic { principal: only(3), ..unlimited() });
    let tenant = Uuid::new_v4();
    assert_eq!(host.terms().await, "over all hosts that share this Redis");
    passes(&host, tenant, "ann").await;
    redis.say("REPLICAOF 127.0.0.1 1").await;
    passes(&host, tenant, "ann").await;
    passes(&host, tenant, "ann").await;
    refuses(&host, tenant, "ann", Code::RateLimited, "too many calls by this principal: ").await;
    // It answers PING all the while; asked again and again as a call would ask, it is never taken for back.
    let refused = async {
        let count = |info: String| {
            let (_, rest) = info.split_once("errorstat_READONLY:count=")?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
        };
        while count(redis.say("INFO errorstats").await).is_none_or(|count| count < 4) {
            assert!(!host.is_shared());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(refused).await;
    assert_eq!(host.terms().await, "each host for itself, since Redis does not answer as it must");
    redis.say("REPLICAOF NO ONE").await;
    soon(async {
        while !host.is_shared() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// A way to the shared database that can be closed and opened again.
pub struct Road {
    port: u16,
    open: Option<JoinHandle<()>>,
}

impl Road {
    /// A port nobody answers on yet.
    async fn closed() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self { port: listener.local_addr().expect("a bound listener").port(), open: None }
    }

    pub async fn open() -> Self {
        let mut road = Self::closed().await;
        road.reopen().await;
        road
    }

    pub async fn reopen(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.expect("the port is still free");
        let socket = shared().await.socket.join(".s.PGSQL.5432");
        self.open = Some(tokio::spawn(async move {
            let mut travellers = JoinSet::new();
            while let Ok((mut here, _)) = listener.accept().await {
                let mut there = UnixStream::connect(&socket).await.expect("the shared server answers");
                travellers.spawn(async move { copy_bidirectional(&mut here, &mut there).await });
            }
        }));
    }

    /// Break every connection and answer nobody.
    pub async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.abort();
            let _ = open.await;
        }
    }

    /// A host on this road, with rights of the clerk's and no more.
    async fn host(&self, settings: &config::Traffic) -> (Traffic, DropGuard) {
        self.host_in(rowhouse::embedded::DATABASE, settings).await
    }

    /// The same, on another database of the server.
    pub async fn host_in(&self, database: &str, settings: &config::Traffic) -> (Traffic, DropGuard) {
        let password = &shared().await.password;
        let url = format!("postgres://postgres:{password}@127.0.0.1:{}/{database}", self.port);
        let mut way: tokio_postgres::Config = url.parse().expect("a URL");
        way.options("-c role=rowhouse_clerk");
        let stop = CancellationToken::new();
        let clerk = Clerk::start(way, stop.clone());
        (Traffic::open(settings.clone(), 64, Some(clerk)).expect("limits"), stop.drop_guard())
    }
}

/// What the table holds for a tenant, on whatever day: calls, rows, milliseconds, tokens.
async fn written(tenant: Uuid) -> Option<[i64; 4]> {
    let admin = shared().await.admin(rowhouse::embedded::DATABASE).await;
    let text = "SELECT calls, rows, database_ms, embedding_tokens FROM rowhouse.usage \
                WHERE account = $1 AND day BETWEEN current_date - 1 AND current_date + 1";
    let row = admin.query_opt(text, &[&format!("tenant:{tenant}")]).await.expect("the table")?;
    Some([row.get(0), row.get(1), row.get(2), row.get(3)])
}

#[tokio::test]
async fn hosts_without_redis_meet_in_postgresql() {
    let road = Road::open().await;
    let (tenant, settings) = (Uuid::new_v4(), rows(100));
    let ((one, _one), (other, _other)) = (road.host(&settings).await, road.host(&settings).await);
    passes(&one, tenant, "ann").await.settle(read(60));
    passes(&other, tenant, "bob").await.settle(read(60));
    runs_out(&one, tenant).await;
    runs_out(&other, tenant).await;
    one.close().await;
    other.close().await;
    let [calls, rows, ms, tokens] = written(tenant).await.expect("a row");
    assert_eq!((rows, ms, tokens), (120, 2, 2), "each host keeps the half millisecond it cannot write");
    assert!(calls >= 2);
    // One that starts later knows at the first call.
    let (late, _late) = road.host(&settings).await;
    refuses(&late, tenant, "ann", Code::QuotaExceeded, "the day's quota of this tenant is used up: 100 rows; ").await;
}

#[tokio::test]
async fn closing_writes_what_is_unwritten_and_only_calls_that_ran() {
    let road = Road::open().await;
    let tenant = Uuid::new_v4();
    let settings = config::Traffic { flush_seconds: 3_600, concurrent_per_tenant: Some(2), ..unlimited() };
    let (host, _clerk) = road.host(&settings).await;
    let running = [passes(&host, tenant, "ann").await, passes(&host, tenant, "ann").await];
    let gone = CancellationToken::new();
    gone.cancel();
    let charge = Charge::new(Some(tenant), "https://issuer", "ann", "sales", "top");
    let left = host.admit(&charge, Instant::now() + Duration::from_secs(60), &gone).await;
    assert_eq!(left.err().map(|refusal| refusal.error.code), Some(Code::Cancelled));
    let tallies = running.each_ref().map(Pass::tally);
    drop(running);
    // Told in parts, after the places were given back.
    tallies.iter().for_each(|tally| tally.add(read(4)));
    tallies[0].add(read(1));
    assert_eq!(written(tenant).await, None);
    host.close().await;
    assert_eq!(written(tenant).await, Some([2, 9, 4, 3]));
}

#[tokio::test]
async fn usage_is_deleted_when_it_was_kept_long_enough() {
    let admin = shared().await.admin(rowhouse::embedded::DATABASE).await;
    let account = format!("tenant:{}", Uuid::new_v4());
    let text = "INSERT INTO rowhouse.usage (day, account, calls)
                SELECT current_date - age, $1, age FROM unnest('{30, 20, 10}'::int[]) AS ages (age)";
    admin.execute(text, &[&account]).await.expect("three days");
    let road = Road::open().await;
    let (_host, _clerk) = road.host(&config::Traffic { keep_days: 15, ..unlimited() }).await;
    let text = "SELECT array_agg(calls) FROM rowhouse.usage WHERE account = $1";
    soon(async {
        while admin.query_one(text, &[&account]).await.expect("the table").get::<_, Vec<i64>>(0) != [10] {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn without_postgresql_usage_is_counted_on_and_written_later() {
    let mut road = Road::closed().await;
    let tenant = Uuid::new_v4();
    let (host, _clerk) = road.host(&rows(100)).await;
    passes(&host, tenant, "ann").await.settle(read(60));
    passes(&host, tenant, "ann").await.settle(read(39));
    passes(&host, tenant, "ann").await;
    let arrived = |rows: i64| async move {
        soon(async {
            while written(tenant).await.is_none_or(|written| written[1] != rows) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    };
    road.reopen().await;
    arrived(99).await;
    road.close().await;
    passes(&host, tenant, "ann").await.settle(read(1));
    refuses(&host, tenant, "ann", Code::QuotaExceeded, "the day's quota of this tenant is used up: 100 rows; ").await;
    road.reopen().await;
    arrived(100).await;
}
