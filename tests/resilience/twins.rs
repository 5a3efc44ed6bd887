//! Two PostgreSQL, one the other's replica, and a house that is told of both.

use super::restart::{end, options, prepared, start, url};
use super::{LOOK, rows, until};
use crate::harness::{App, Silent, shared};
use crate::patience::soon;
use rowhouse::clerk::Clerk;
use rowhouse::embedded::{Options, Server};
use rowhouse::house::Ground;
use rowhouse::keys::Keys;
use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

/// Have a copy follow its original from now on.
async fn replica(name: &str, primary: &Server) -> Options {
    let copy = options(name).await;
    let state = shared().await.state.clone();
    let data = state.join(&copy.cluster).join("data");
    std::fs::write(data.join("standby.signal"), "").expect("a file");
    let admin = primary.admin();
    let password = String::from_utf8(admin.get_password().expect("one").to_vec()).expect("in ASCII");
    let socket = primary.socket_dir();
    let mut conf = OpenOptions::new().append(true).open(data.join("postgresql.auto.conf")).expect("its settings");
    writeln!(conf, "primary_conninfo = 'host={} user=postgres password={password}'", socket.display()).expect("a line");
    copy
}

/// Copy a cluster that nobody runs, with its owners.
async fn copy(of: &Options, name: &str) {
    let state = shared().await.state.clone();
    let to = state.join(options(name).await.cluster);
    let mut command = tokio::process::Command::new("cp");
    let copied = command.arg("-a").arg(state.join(&of.cluster)).arg(&to).status();
    assert!(soon(copied).await.expect("cp runs").success());
}

async fn connect(server: &Server) -> Client {
    let (client, connection) = soon(server.admin().connect(tokio_postgres::NoTls)).await.expect("it answers");
    tokio::spawn(connection);
    client
}

/// Whether the server is a replica. A setting, which every role may be shown.
async fn recovers(client: &Client) -> bool {
    let shown: String = client.query_one("SHOW in_hot_standby", &[]).await.expect("an answer").get(0);
    shown == "on"
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_and_books_follow_to_the_host_that_took_over() {
    let (one, state) = (options("one").await, tempfile::tempdir().expect("a directory"));
    let primary = start(&one).await;
    prepared(&url(&[&primary], ""), &state).await;
    soon(primary.stop()).await.expect("an end");
    copy(&one, "two").await;
    let primary = start(&one).await;
    let two = replica("two", &primary).await;
    let standby = start(&two).await;
    let admin = connect(&standby).await;
    assert!(recovers(&admin).await, "it is a replica");

    // The replica first in the URL: statements go there, the host's own tables to the one that takes writes.
    let both = url(&[&standby, &primary], "");
    let settings = prepared(&both, &state).await;
    let app = soon(App::plan(|plan| (plan.settings, plan.guests) = (settings.clone(), vec!["sales"]))).await;
    let served = soon(app.host.database.ready()).await.expect("it is there").host;
    assert!(served.starts_with(&standby.socket_dir().display().to_string()), "{served}");
    assert_eq!(rows(&app, "SELECT 1 FROM retail.stores LIMIT 1").await, 1);
    let ground = soon(Ground::find(&settings, false, &mut Silent)).await.expect("the database");
    assert!(!recovers(&soon(ground.admin()).await.expect("an administrator")).await);
    let (keys, stop) = (Keys::open(state.path()).expect("keys"), CancellationToken::new());
    let clerk = Clerk::start(ground.clerk(&keys), stop.clone());
    let books = soon(clerk.client(Duration::from_secs(60))).await.expect("the host's own tables");
    assert!(!recovers(&books).await);
    drop(books);
    // A house that wants no replica has none.
    let mut strict = settings.clone();
    strict.database.url = Some(url(&[&standby, &primary], "?target_session_attrs=read-write").into());
    let strict = soon(App::plan(|plan| (plan.settings, plan.guests) = (strict, vec!["sales"]))).await;
    let served = soon(strict.host.database.ready()).await.expect("it is there").host;
    assert!(served.starts_with(&primary.socket_dir().display().to_string()), "{served}");

    // The primary goes. Statements of who takes replicas go on; who does not is told, until the other one takes over.
    soon(primary.stop()).await.expect("an end");
    for _ in 0..8 {
        assert_eq!(rows(&app, "SELECT 1").await, 1);
    }
    let waiting = {
        let transaction = super::open(&strict, CancellationToken::new());
        tokio::spawn(transaction.start("SELECT 1".to_owned(), Vec::new()).await)
    };
    let promoted: bool = soon(admin.query_one("SELECT pg_promote(true, 60)", &[])).await.expect("it can").get(0);
    assert!(promoted && !recovers(&admin).await);
    let back = std::time::Instant::now();
    until(|| strict.host.database.standing().1.is_none()).await;
    assert_eq!(soon(waiting).await.expect("no panic").expect("its rows").len(), 1, "a failover is waited out");
    println!("served again {} ms after the replica took over", back.elapsed().as_millis());
    for house in [&app, &strict] {
        assert_eq!(rows(house, "SELECT 1 FROM retail.stores LIMIT 1").await, 1);
    }
    // The books, too: what calls did is written there.
    let books = soon(async {
        loop {
            if let Ok(client) = clerk.client(Duration::from_secs(5)).await {
                return client;
            }
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
    assert!(!recovers(&books).await);
    let mark = "SELECT 4711 AS after_the_failover";
    soon(app.rows("seattle", mark)).await;
    let calls = "SELECT count(*) FROM rowhouse.audit WHERE event = 'call'";
    let seen: i64 = admin.query_one(calls, &[]).await.expect("the trail").get(0);
    soon(app.rows("seattle", mark)).await;
    soon(async {
        while admin.query_one(calls, &[]).await.expect("the trail").get::<_, i64>(0) <= seen {
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
    stop.cancel();
    app.stop().await;
    strict.stop().await;
    end(standby).await;
    std::fs::remove_dir_all(shared().await.state.join(one.cluster)).expect("a directory of ours");
}
