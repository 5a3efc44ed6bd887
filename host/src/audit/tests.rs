//! The trail on disk, without a database.

use super::spool::Cursor;
use super::*;
use secrecy::SecretBox;
use serde_json::json;
use std::fs;
use tempfile::TempDir;

fn key() -> Key {
    SecretBox::new(Box::new([7; 32]))
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

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn open(dir: &TempDir, change: impl FnOnce(&mut config::Audit)) -> Audit {
    let mut settings = config::Audit::default();
    change(&mut settings);
    Audit::open(&settings, dir.path(), &key(), None).unwrap()
}

async fn record(audit: &Audit, requests: &[&str]) {
    for request in requests {
        audit.reserve(soon()).await.unwrap().call(call(request));
    }
}

/// The spool directories, by node.
fn spools(dir: &TempDir) -> Vec<PathBuf> {
    let root = dir.path().join("audit");
    spool::nodes(&root).unwrap().into_iter().map(|node| root.join(node.to_string())).collect()
}

/// The records of a spool, after its chain was checked.
fn records(dir: &Path) -> Vec<Value> {
    let node = dir.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let (mut chain, mut cursor, mut records) = (chain::Chain::begin(&key(), node), Cursor::after(dir, 0), Vec::new());
    loop {
        let links = cursor.read(u64::MAX).unwrap();
        if links.is_empty() {
            return records;
        }
        for link in links {
            assert!(chain.fits(&link), "record {} breaks the chain", link.seq);
            chain.pass(&link);
            records.push(serde_json::from_str(&link.record).unwrap());
        }
    }
}

/// Of each record its request, or its event.
fn told(dir: &Path) -> Vec<String> {
    let name = |record: &Value| record["request"].as_str().or(record["event"].as_str()).unwrap().to_owned();
    records(dir).iter().map(name).collect()
}

/// One field of each record of a spool.
fn values(dir: &Path, field: &str) -> Vec<Value> {
    records(dir).iter().map(|record| record[field].clone()).collect()
}

/// Wait until it is so. A test that waits in vain fails by the suite's own time limit, not by a clock of its own.
async fn until(mut so: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to be so");
}

#[tokio::test]
async fn a_restart_goes_on_with_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    for requests in [&["a", "b"][..], &[], &["c"]] {
        let audit = open(&dir, |_| {});
        record(&audit, requests).await;
        audit.close().await;
    }
    let [spool] = &spools(&dir)[..] else { panic!("one node") };
    assert_eq!(told(spool), ["a", "b", "c"]);
}

#[tokio::test]
async fn another_key_begins_another_chain() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(&dir, |_| {});
    record(&audit, &["a"]).await;
    audit.close().await;
    let node = audit.status().unwrap().node;
    let other = SecretBox::new(Box::new([8; 32]));
    let rotated = Audit::open(&config::Audit::default(), dir.path(), &other, None).unwrap();
    assert_ne!(rotated.status().unwrap().node, node);
    assert_eq!(rotated.status().unwrap().spooled, 1, "what waited is still to be shipped, and nothing was cut away");
    rotated.close().await;
    assert_eq!(told(&dir.path().join("audit").join(node.to_string())), ["a"]);
}

#[tokio::test]
async fn what_a_crash_tore_off_is_set_aside() {
    let check = async |tear: &dyn Fn(&mut Vec<u8>), kept: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let audit = open(&dir, |_| {});
        record(&audit, &["a", "b"]).await;
        audit.close().await;
        let spool = spools(&dir).remove(0);
        let segment = spool.join("00000000000000000001.jsonl");
        let mut bytes = fs::read(&segment).unwrap();
        let whole = bytes.len();
        tear(&mut bytes);
        fs::write(&segment, &bytes).unwrap();
        let audit = open(&dir, |_| {});
        record(&audit, &["after"]).await;
        audit.close().await;
        assert_eq!(told(&spool), [kept, &["after"]].concat());
        let aside = fs::read_dir(&spool)
            .unwrap()
            .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("torn-"));
        assert_eq!(aside.count(), usize::from(bytes.len() != whole || kept.len() < 2));
    };
    check(&|_| {}, &["a", "b"]).await;
    check(&|bytes| bytes.truncate(bytes.len() - 1), &["a"]).await;
    check(&|bytes| bytes.extend(b"{\"seq\":3,\"mac"), &["a", "b"]).await;
    check(&|bytes| bytes.extend([0; 4096]), &["a", "b"]).await;
    check(&|bytes| bytes.truncate(10), &[]).await;
    // A whole line that does not fit the chain was not written by this host.
    check(&|bytes| bytes.extend(bytes.clone()), &["a", "b"]).await;
}

#[tokio::test]
async fn processes_that_share_a_directory_have_chains_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (open(&dir, |_| {}), open(&dir, |_| {}));
    assert_ne!(one.status().unwrap().node, two.status().unwrap().node);
    record(&one, &["a"]).await;
    record(&two, &["b"]).await;
    one.close().await;
    two.close().await;
    let mut all: Vec<_> = spools(&dir).iter().map(|spool| told(spool)).collect();
    all.sort();
    assert_eq!(all, [["a"], ["b"]]);
    // Both are free again: no third is made.
    let third = open(&dir, |_| {});
    assert_eq!(third.status().unwrap().spooled, 2);
    assert_eq!(spools(&dir).len(), 2);
}

#[tokio::test]
async fn a_flood_is_kept_in_part_and_summed_up() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(&dir, |_| {});
    for _ in 0..5_000 {
        audit.event(Event::TokenRejected { reason: "expired", remote: None });
    }
    audit.event(Event::HostStopped {});
    audit.close().await;
    let spool = spools(&dir).remove(0);
    let told = told(&spool);
    let rejected = told.iter().filter(|event| *event == "token_rejected").count();
    let suppressed: u64 = values(&spool, "suppressed").iter().filter_map(Value::as_u64).sum();
    assert_eq!(rejected as u64 + suppressed, 5_000);
    assert!(rejected < 500, "{rejected} were kept");
    assert!(told.iter().any(|event| event == "host_stopped"), "other kinds are not touched");
    assert_eq!(audit.status().unwrap().lost, 0);
}

/// Fill the spool up to its bound; how many records went in.
async fn fill(audit: &Audit) -> usize {
    let long = "x".repeat(250);
    for sent in 0..10_000 {
        match audit.reserve(soon()).await {
            Ok(place) => place.call(call(&long)),
            Err(refused) => {
                assert_eq!(refused.code, Code::Overloaded);
                assert!(refused.to_string().contains("the audit trail cannot be written"), "{refused}");
                assert!(refused.retry_after.is_some());
                return sent;
            }
        }
        tokio::task::yield_now().await;
    }
    panic!("the spool has no bound");
}

#[tokio::test]
async fn a_full_spool_refuses_calls_and_loses_none() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(&dir, |settings| (settings.max_spool_bytes, settings.queue) = (256 << 10, 16));
    let accepted = fill(&audit).await;
    until(|| audit.status().unwrap().stuck).await;
    assert!(audit.reserve(soon()).await.is_err());
    // What fails at the end, with no way out, is counted.
    audit.close().await;
    let status = audit.status().unwrap();
    assert!(status.spool_bytes <= 256 << 10, "{status:?}");
    assert_eq!(told(&spools(&dir)[0]).len() + status.lost as usize, accepted);
}

#[tokio::test]
async fn a_small_spool_takes_records_again_once_it_is_shipped() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(&dir, |settings| (settings.max_spool_bytes, settings.queue) = (256 << 10, 16));
    let spool = spools(&dir).remove(0);
    for _ in 0..3 {
        fill(&audit).await;
        until(|| audit.status().unwrap().stuck).await;
        // What the shipper does once the database has everything.
        let (mut cursor, mut head) = (Cursor::after(&spool, 0), None);
        while let Some(link) = cursor.read(u64::MAX).unwrap().pop() {
            head = Some(chain::Head { seq: link.seq, mac: link.mac });
        }
        let freed = spool::release(&spool, head.unwrap(), false).unwrap();
        audit.0.as_ref().unwrap().shared.bytes.fetch_sub(freed, Ordering::Relaxed);
        until(|| !audit.status().unwrap().stuck).await;
    }
    audit.close().await;
    assert_eq!(audit.status().unwrap().lost, 0);
}

#[tokio::test]
async fn where_it_is_not_required_calls_go_on_and_the_trail_says_what_was_lost() {
    let dir = tempfile::tempdir().unwrap();
    let small = |settings: &mut config::Audit| {
        (settings.max_spool_bytes, settings.required) = (256 << 10, false);
    };
    let audit = open(&dir, small);
    let (long, mut sent) = ("x".repeat(250), 0);
    while audit.status().unwrap().lost < 100 {
        record(&audit, &[&long]).await;
        sent += 1;
        tokio::task::yield_now().await;
    }
    // Room again, as when the database has taken a segment.
    audit.0.as_ref().unwrap().shared.bytes.store(0, Ordering::Relaxed);
    while !told(&spools(&dir)[0]).contains(&"after".to_owned()) {
        record(&audit, &["after"]).await;
        sent += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    audit.close().await;
    let (spool, lost) = (spools(&dir).remove(0), audit.status().unwrap().lost);
    let told = told(&spool);
    let calls = told.iter().filter(|request| **request == long || *request == "after").count();
    assert_eq!(calls + lost as usize, sent);
    let said: u64 = values(&spool, "lost").iter().filter_map(Value::as_u64).sum();
    assert_eq!(said, lost);
}

#[tokio::test]
async fn a_disk_that_fails_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(&dir, |_| {});
    let spool = spools(&dir).remove(0);
    let away = dir.path().join("away");
    fs::rename(&spool, &away).unwrap();
    record(&audit, &["a", "b"]).await;
    until(|| audit.status().unwrap().stuck).await;
    assert!(audit.reserve(soon()).await.is_err(), "neither disk nor database: calls are refused");
    fs::rename(&away, &spool).unwrap();
    until(|| !audit.status().unwrap().stuck).await;
    record(&audit, &["c"]).await;
    audit.close().await;
    assert_eq!(told(&spool), ["a", "b", "c"]);
    assert_eq!(audit.status().unwrap().lost, 0);
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_its_draft() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(&dir, |_| {});
    let mut dropped = audit.reserve(soon()).await.unwrap();
    dropped.draft(call("dropped"));
    let mut ended = audit.reserve(soon()).await.unwrap();
    ended.draft(call("ended"));
    let never_begun = audit.reserve(soon()).await.unwrap();
    ended.call(call("ended"));
    drop(dropped);
    drop(never_begun);
    audit.close().await;
    let spool = spools(&dir).remove(0);
    assert_eq!(told(&spool), ["ended", "dropped"]);
    assert_eq!(values(&spool, "outcome"), [json!("ok"), json!("CANCELLED")]);
}

#[tokio::test]
async fn closing_waits_for_calls_that_run() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(&dir, |_| {});
    let running = audit.reserve(soon()).await.unwrap();
    let closing = tokio::spawn({
        let audit = audit.clone();
        async move { audit.close().await }
    });
    until(|| audit.0.as_ref().unwrap().queue.is_closed()).await;
    assert!(audit.reserve(soon()).await.is_err(), "no call begins any more");
    running.call(call("last"));
    closing.await.unwrap();
    assert_eq!(told(&spools(&dir)[0]), ["last"]);
}

#[tokio::test]
async fn what_cannot_be_kept_apart_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let open = |settings: &config::Audit| Audit::open(settings, dir.path(), &key(), None).err().map(|e| e.to_string());
    assert!(open(&config::Audit { queue: 0, ..Default::default() }).unwrap().contains("queue"));
    assert_eq!(open(&config::Audit { enabled: false, queue: 0, ..Default::default() }), None);
    let root = dir.path().join("audit");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    assert!(open(&config::Audit::default()).unwrap().contains("chmod 700"));
}

#[tokio::test]
async fn a_trail_that_is_off_takes_everything_and_keeps_nothing() {
    let audit = Audit::disabled();
    record(&audit, &["a"]).await;
    audit.event(Event::HostStopped {});
    assert_eq!(audit.status(), None);
    assert_eq!(
        audit.hash_arguments(&Map::from_iter([("a".to_owned(), json!(1))]), |_| true, true),
        Arguments::default()
    );
    audit.close().await;
}
