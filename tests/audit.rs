//! The audit trail against a real database: shipped in order and once, through outages and restarts, and every way to
//! tamper with it found out by name.

mod tampering;

use crate::harness::shared;
use crate::patience::soon;
use rowhouse::audit::{
    Arguments, Audit, CallRecord, Event, Fault, List, Reach, Statements, Status, Verdict, Which, Who, verify,
};
use rowhouse::clerk::Clerk;
use rowhouse::config;
use rowhouse::keys::Key;
use secrecy::SecretBox;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

fn key(byte: u8) -> Key {
    SecretBox::new(Box::new([byte; 32]))
}

/// A way to the database that can be closed and opened again.
struct Road {
    port: u16,
    open: Option<JoinHandle<()>>,
}

impl Road {
    /// A port nobody answers on yet.
    async fn closed() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self { port: listener.local_addr().expect("a bound listener").port(), open: None }
    }

    async fn open(&mut self) {
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
    async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.abort();
            let _ = open.await;
        }
    }
}

/// One host's trail: a state directory, and a way to the database.
struct Trail {
    state: TempDir,
    road: Road,
}

impl Trail {
    async fn new() -> Self {
        let mut trail = Self { state: tempfile::tempdir().expect("a directory"), road: Road::closed().await };
        trail.road.open().await;
        trail
    }

    /// Open the trail with rights of the clerk's, no more.
    async fn open(&self) -> (Audit, DropGuard) {
        let mut config: tokio_postgres::Config = format!(
            "postgres://postgres:{}@127.0.0.1:{}/{}",
            shared().await.password,
            self.road.port,
            rowhouse::embedded::DATABASE
        )
        .parse()
        .expect("a URL");
        config.options("-c role=rowhouse_clerk");
        let stop = CancellationToken::new();
        let clerk = Clerk::start(config, stop.clone());
        let audit = Audit::open(&config::Audit::default(), self.state.path(), &key(7), Some(clerk)).expect("a trail");
        (audit, stop.drop_guard())
    }

    fn spool(&self) -> PathBuf {
        self.state.path().join("audit")
    }
}

async fn admin() -> Client {
    shared().await.admin(rowhouse::embedded::DATABASE).await
}

fn call(request: &str) -> CallRecord {
    CallRecord {
        request: request.into(),
        who: Who { issuer: "i".into(), subject: "ann".into(), roles: List::default() },
        scope: Reach::All,
        plugin: "p".into(),
        plugin_version: "1".into(),
        digest: "d".into(),
        tool: "t".into(),
        arguments: Arguments::default(),
        statements: Statements::default(),
        rows: 0,
        answer_bytes: 0,
        database: Duration::ZERO,
        duration: Duration::ZERO,
        outcome: None,
    }
}

/// Calls with these numbers as their names.
async fn record(audit: &Audit, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let deadline = Instant::now() + Duration::from_secs(60);
        audit.reserve(deadline).await.expect("a place").call(call(&number.to_string()));
    }
}

fn status(audit: &Audit) -> Status {
    audit.status().expect("the trail is on")
}

/// Wait until the trail is like this.
async fn until(audit: &Audit, so: impl Fn(Status) -> bool) {
    let come = async {
        while !so(status(audit)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(come).await;
}

/// The calls of a node in the database, in order.
async fn told(admin: &Client, node: Uuid) -> Vec<u32> {
    let rows = admin
        .query("SELECT record FROM rowhouse.audit WHERE node = $1 AND event = 'call' ORDER BY seq", &[&node])
        .await
        .expect("the trail can be read");
    rows.iter()
        .map(|row| {
            serde_json::from_str::<Value>(row.get(0)).expect("JSON")["request"].as_str().expect("a name").parse()
        })
        .collect::<Result<_, _>>()
        .expect("numbers")
}

/// What `verify` says of one node.
async fn verdict(admin: &Client, spool: &Path, key: &Key, node: Uuid) -> Verdict {
    let which = Which { node: Some(node), after: None };
    let verdicts = verify(admin, key, spool, which, &mut |_, _| {}).await.expect("a walk");
    let [verdict] = &verdicts[..] else { panic!("{verdicts:?}") };
    verdict.clone()
}

#[tokio::test]
async fn records_reach_the_database_in_order_and_once() {
    let (trail, admin) = (Trail::new().await, admin().await);
    let (audit, _clerk) = trail.open().await;
    record(&audit, 0..1_500).await;
    audit.event(Event::HostStopped {});
    audit.close().await;
    let node = status(&audit).node;
    assert_eq!(told(&admin, node).await, (0..1_500).collect::<Vec<_>>());
    let verdict = verdict(&admin, &trail.spool(), &key(7), node).await;
    assert_eq!((verdict.sound, verdict.spooled, verdict.broken), (1_501, 0, None));
    let left = std::fs::read_dir(trail.spool().join(node.to_string())).expect("the spool").count();
    assert_eq!(left, 2, "`lock` and `head`: what was shipped is gone from the disk");
    assert_eq!((status(&audit).spooled, status(&audit).lost), (0, 0));
}

#[tokio::test]
async fn an_outage_is_waited_for_on_disk() {
    let (mut trail, admin) = (Trail::new().await, admin().await);
    trail.road.close().await;
    let (audit, _clerk) = trail.open().await;
    let node = status(&audit).node;
    record(&audit, 0..300).await;
    until(&audit, |status| status.spooled == 300).await;
    assert_eq!(told(&admin, node).await, [0; 0]);
    let waiting = verdict(&admin, &trail.spool(), &key(7), node).await;
    assert_eq!((waiting.sound, waiting.spooled, waiting.broken), (300, 300, None));
    trail.road.open().await;
    until(&audit, |status| status.shipped >= 300).await;
    // And again, in the middle of shipping.
    trail.road.close().await;
    record(&audit, 300..600).await;
    trail.road.open().await;
    record(&audit, 600..900).await;
    until(&audit, |status| status.shipped >= 900).await;
    audit.close().await;
    assert_eq!(told(&admin, node).await, (0..900).collect::<Vec<_>>());
    assert_eq!(verdict(&admin, &trail.spool(), &key(7), node).await.broken, None);
    assert_eq!(status(&audit).lost, 0);
}

#[tokio::test]
async fn what_a_stopped_host_left_is_shipped_by_the_next() {
    let (mut trail, admin) = (Trail::new().await, admin().await);
    trail.road.close().await;
    let (one, two) = (trail.open().await, trail.open().await);
    let nodes = [status(&one.0).node, status(&two.0).node];
    record(&one.0, 0..100).await;
    record(&two.0, 100..200).await;
    one.0.close().await;
    two.0.close().await;
    drop((one, two));
    trail.road.open().await;
    // One process now; it continues one chain and ships the other's.
    let (audit, _clerk) = trail.open().await;
    assert_eq!(status(&audit).spooled, 200);
    record(&audit, 200..300).await;
    audit.close().await;
    let mut all = Vec::new();
    for node in nodes {
        all.extend(told(&admin, node).await);
        assert_eq!(verdict(&admin, &trail.spool(), &key(7), node).await.broken, None);
    }
    all.sort_unstable();
    assert_eq!(all, (0..300).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_disk_that_fails_gives_way_to_the_database() {
    let (trail, admin) = (Trail::new().await, admin().await);
    let (audit, _clerk) = trail.open().await;
    let node = status(&audit).node;
    let spool = trail.spool().join(node.to_string());
    let away = trail.state.path().join("away");
    std::fs::rename(&spool, &away).expect("renamed");
    record(&audit, 0..10).await;
    until(&audit, |status| status.shipped >= 10).await;
    assert!(!status(&audit).stuck, "calls go on");
    std::fs::rename(&away, &spool).expect("renamed");
    record(&audit, 10..20).await;
    audit.close().await;
    let opened = "SELECT node FROM rowhouse.audit WHERE event = 'chain_opened' AND record::jsonb ->> 'after' = $1";
    let other: Uuid = admin.query_one(opened, &[&node.to_string()]).await.expect("one other chain").get(0);
    assert_eq!(told(&admin, other).await, (0..10).collect::<Vec<_>>());
    assert_eq!(told(&admin, node).await, (10..20).collect::<Vec<_>>());
    for node in [node, other] {
        assert_eq!(verdict(&admin, &trail.spool(), &key(7), node).await.broken, None);
    }
    let closed = "SELECT record::jsonb ->> 'chain' FROM rowhouse.audit WHERE node = $1 AND event = 'chain_closed'";
    assert_eq!(
        admin.query_one(closed, &[&node]).await.expect("its end is told").get::<_, String>(0),
        other.to_string()
    );
}

#[tokio::test]
async fn the_clerk_may_add_and_nothing_else() {
    let admin = admin().await;
    // The clerk has no right; the owner has, and is stopped by the table itself.
    for (role, state) in [("rowhouse_clerk", "42501"), ("rowhouse_owner", "55000")] {
        admin.batch_execute(&format!("SET ROLE {role}")).await.expect(role);
        for change in ["UPDATE rowhouse.audit SET record = ''", "DELETE FROM rowhouse.audit", "TRUNCATE rowhouse.audit"]
        {
            let refused = admin.batch_execute(change).await.expect_err(change);
            assert_eq!(refused.code().map(SqlState::code), Some(state), "{role}: {change}");
        }
    }
}
