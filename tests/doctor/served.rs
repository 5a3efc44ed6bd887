//! Keys that are replaced under a host that serves, and keys of the settings.

use super::{Desk, connect, end, server};
use crate::harness::{App, shared};
use crate::patience::soon;
use rowhouse::keys::Keys;
use rowhouse_migrations as shape;
use std::cell::Cell;
use std::time::Duration;

/// Between two looks at something that is bound to come.
const LOOK: Duration = Duration::from_millis(50);

const STORES: &str = "SELECT count(*) FROM retail.stores";

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_while_keys_are_replaced() {
    let shared = soon(shared()).await;
    let (server, url) = server(shared, "served").await;
    let state = tempfile::tempdir().expect("a directory");
    let desk = Desk { url: url.clone(), state: state.path().to_owned(), more: Vec::new() };
    for command in [&["db", "migrate"][..], &["db", "seed", "--scale", "0.02"]] {
        let (code, said) = desk.run(command).await;
        assert_eq!(code, Some(0), "{said}");
    }
    let first = Keys::open(&desk.state).expect("keys").ticket_name();
    let app = App::plan(|plan| {
        plan.settings.state = Some(desk.state.clone());
        plan.settings.database.url = Some(url.clone().into());
        plan.guests = vec!["sales"];
    })
    .await;
    let admin = connect(&url).await;
    let done = Cell::new(0_u32);
    let call = async || {
        app.rows("head-office", STORES).await;
        done.set(done.get() + 1);
    };
    let calls = async {
        loop {
            tokio::join!(call(), call(), call());
        }
    };
    let more = async || {
        let seen = done.get();
        while done.get() < seen + 30 {
            tokio::time::sleep(LOOK).await;
        }
    };
    // Said by the command and by the host, once that one signs with it.
    let told = async |key: &str, times: i64| {
        let count = "SELECT count(*) FROM rowhouse.audit WHERE event = 'key_rotated' AND strpos(record, $1) > 0";
        while admin.query_one(count, &[&key]).await.expect("the trail").get::<_, i64>(0) < times {
            tokio::time::sleep(LOOK).await;
        }
    };
    let work = async {
        more().await;
        desk.json(&["keys", "rotate", "ticket", "--grace-seconds", "600", "--json"]).await;
        let second = Keys::open(&desk.state).expect("keys").ticket_name();
        assert_ne!(second, first);
        told(&format!("ticket {second}"), 2).await;
        more().await;
        let (code, said) = desk.run(&["keys", "retire", &first]).await;
        assert_eq!(code, Some(0), "{said}");
        more().await;
        let said = desk.json(&["keys", "rotate", "context", "--json"]).await;
        told(&format!("context {}", said["name"].as_str().expect("a name")), 1).await;
        more().await;
        // A key of no use to the database: the event names that one.
        desk.json(&["keys", "rotate", "issuer", "--json"]).await;
        told("\"key\":\"issuer\"", 1).await;
        more().await;
    };
    tokio::select! {
        _ = calls => {}
        () = soon(work) => {}
    }
    app.stop().await;
    drop(admin);
    end(server).await;
}

/// A ticket key of the settings is replaced there: the old one gets its end at the next start, and may then be left out.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_key_of_the_settings_can_be_replaced_to_its_end() {
    let shared = soon(shared()).await;
    let (server, url) = server(shared, "given").await;
    let state = tempfile::tempdir().expect("a directory");
    let (old, new, login) = ("07".repeat(32), "08".repeat(32), "09".repeat(32));
    let desk = |more: &[(&'static str, &str)]| {
        let mut all = vec![("ROWHOUSE_KEYS__LOGIN".to_owned(), login.clone())];
        all.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let more = all.into_iter().map(|(name, value)| (&*name.leak(), &*value.leak())).collect();
        Desk { url: url.clone(), state: state.path().to_owned(), more }
    };
    let admin = connect(&url).await;
    let migrate = async |desk: Desk| desk.run(&["db", "migrate"]).await;
    let ends = async || -> Vec<_> {
        let all = shape::host_keys(&admin).await.expect("a list");
        all.into_iter().filter(|key| key.usage == "ticket").map(|key| key.ends).collect()
    };
    const TICKET: &str = "ROWHOUSE_KEYS__TICKET";
    const PREVIOUS: &str = "ROWHOUSE_KEYS__TICKET_PREVIOUS";
    const GRACE: &str = "ROWHOUSE_KEYS__PREVIOUS_GRACE_SECONDS";
    assert_eq!(migrate(desk(&[(TICKET, &old)])).await.0, Some(0));
    assert_eq!(ends().await, [None]);
    let (code, said) = migrate(desk(&[(TICKET, &new), (PREVIOUS, &old), (GRACE, "3600")])).await;
    assert_eq!(code, Some(0), "{said}");
    let once = ends().await;
    assert!(once.len() == 2 && once[0].is_some() && once[1].is_none(), "{once:?}");
    // Another start, with more grace: no later end.
    assert_eq!(migrate(desk(&[(TICKET, &new), (PREVIOUS, &old)])).await.0, Some(0));
    assert_eq!(ends().await, once);
    let (code, said) = migrate(desk(&[(TICKET, &new)])).await;
    assert_eq!(code, Some(0), "the old one is nobody's any more: {said}");
    assert_eq!(ends().await, once);
    drop(admin);
    end(server).await;
}
