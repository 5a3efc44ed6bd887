//! A database whose walls have a hole is not served from, and the statement that mends it is printed.

use super::process::{Home, LOOK, ended};
use crate::harness::{App, SCALE, Silent, settings, shared};
use crate::patience::soon;
use rowhouse::embedded;
use rowhouse::house::Ground;
use rowhouse::keys::Keys;
use tokio_postgres::NoTls;

/// What opens a hole, and a word of the rule that finds it.
const HOLES: &[(&str, &str)] = &[
    ("ALTER ROLE rowhouse_one BYPASSRLS", "agent role has powers"),
    ("ALTER ROLE rowhouse_some SUPERUSER", "agent role has powers"),
    ("ALTER ROLE rowhouse_all CREATEROLE", "agent role has powers"),
    ("GRANT retail_owner TO rowhouse_some", "agent role is a member of a role"),
    ("GRANT rowhouse_trusted TO rowhouse_one", "agent role is a member of a role"),
    ("ALTER ROLE rowhouse_keeper LOGIN", "owner role has powers"),
    ("ALTER TABLE retail.inventory OWNER TO rowhouse_one", "agent role owns something"),
    ("ALTER TABLE retail.orders NO FORCE ROW LEVEL SECURITY", "row security not forced"),
    ("ALTER TABLE retail.customers DISABLE ROW LEVEL SECURITY", "row security not forced"),
    ("GRANT INSERT ON retail.orders TO rowhouse_one", "agent role may write"),
    ("GRANT UPDATE (email) ON retail.customers TO rowhouse_all", "agent role may write"),
    ("GRANT TRUNCATE ON retail.orders TO PUBLIC", "agent role may write"),
    ("CREATE POLICY open ON retail.orders FOR SELECT TO rowhouse_one USING (true)", "policy does not ask the verifier"),
    ("ALTER POLICY rowhouse_one ON retail.orders USING (store_id IS NOT NULL)", "policy does not ask the verifier"),
    ("CREATE TABLE retail.loose (x int); GRANT SELECT ON retail.loose TO rowhouse_some", "readable and not protected"),
    (
        "CREATE VIEW retail.peek AS SELECT * FROM retail.orders; GRANT SELECT ON retail.peek TO rowhouse_one",
        "view reads as its owner",
    ),
    (
        "CREATE MATERIALIZED VIEW retail.copy AS SELECT * FROM retail.orders; GRANT SELECT ON retail.copy TO PUBLIC",
        "readable and cannot be protected",
    ),
    (
        "CREATE SEQUENCE retail.counter; GRANT USAGE ON SEQUENCE retail.counter TO rowhouse_all",
        "agent role may use a sequence",
    ),
    ("GRANT CREATE ON SCHEMA retail TO rowhouse_one", "agent role may create in a schema"),
    ("GRANT TEMPORARY ON DATABASE rowhouse TO rowhouse_one", "agent role may create in the database"),
    ("GRANT USAGE ON SCHEMA rowhouse_private TO rowhouse_one", "agent role reaches the keys"),
];

/// A PostgreSQL of the home's own, its administrator's way in, and the password in it.
async fn server(home: &Home) -> (embedded::Server, String, String) {
    let options = embedded::Options {
        state_dir: Some(home.state()),
        bin_dir: Some(home.bin().to_owned()),
        durable: false,
        ..embedded::Options::default()
    };
    let server = soon(embedded::Server::start(&options, &mut |_| {})).await.expect("a PostgreSQL of its own");
    let password = String::from_utf8(server.admin().get_password().expect("a password").to_vec()).expect("in ASCII");
    let socket = server.socket_dir().display().to_string().replace('/', "%2F");
    let url = format!("postgres://postgres:{password}@{socket}/{}", embedded::DATABASE);
    (server, url, password)
}

#[tokio::test(flavor = "multi_thread")]
async fn holes_are_refused_and_what_is_printed_mends_them() {
    // Roles belong to a cluster: this one is of nobody else.
    let home = Home::new(&[]).await;
    let (server, url, password) = server(&home).await;
    let mut mine = settings(shared().await);
    mine.state = Some(home.state());
    mine.database.url = Some(url.clone().into());
    let keys = Keys::open(&home.state()).expect("keys");
    let ground = Ground::find(&mine, false, &mut Silent).await.expect("the database");
    soon(ground.prepare(&mine, &keys, &mut Silent)).await.expect("a safe database");
    // Hardened once; a start that hardens again would take some holes away before anybody looks.
    mine.database.harden = Some(false);
    let (admin, connection) = server.admin().connect(NoTls).await.expect("a connection");
    tokio::spawn(connection);
    for (i, (hole, rule)) in HOLES.iter().enumerate() {
        admin.batch_execute(hole).await.unwrap_or_else(|e| panic!("{hole}: {e:?}"));
        let refused = soon(ground.prepare(&mine, &keys, &mut Silent)).await;
        let text = format!("{:#}", refused.err().unwrap_or_else(|| panic!("served in spite of: {hole}")));
        assert!(text.contains("not safe to serve") && text.contains(rule), "{hole}: {text}");
        if i == 0 {
            // The same from outside, for people and for scripts.
            for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["db", "check"], &["db", "check", "--json"]] {
                let ended = ended(home.command(arguments).env("DATABASE_URL", &url)).await;
                let said = format!("{}{}", ended.out, ended.err);
                assert_eq!(ended.code, Some(1), "{arguments:?}: {said}");
                assert!(said.contains(rule) && said.contains("NOBYPASSRLS"), "{arguments:?}: {said}");
                assert!(!said.contains(&password), "{arguments:?}: {said}");
            }
            // There was no house, and the trail on disk has it all the same.
            let waiting = rowhouse::audit::backlog(&mine.audit.directory(&home.state())).expect("a spool");
            assert!(waiting.records >= 1, "{waiting:?}");
        }
        let mends: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("mend it with: ")).collect();
        assert!(!mends.is_empty(), "{hole}: {text}");
        for mend in mends {
            admin.batch_execute(mend).await.unwrap_or_else(|e| panic!("{hole}: {mend}: {e:?}"));
        }
        let mended = soon(ground.prepare(&mine, &keys, &mut Silent)).await;
        mended.unwrap_or_else(|e| panic!("{hole} is still there after its own mend: {e:#}"));
    }
    let check = ended(home.command(["db", "check"]).env("DATABASE_URL", &url)).await;
    assert_eq!(check.code, Some(0), "{}{}", check.out, check.err);
    server.stop().await.expect("an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_unsafe_while_it_is_served_is_refused_until_it_is_mended() {
    let home = Home::new(&[]).await;
    let (server, url, _) = server(&home).await;
    let shared = shared().await;
    let mut mine = settings(shared);
    mine.database.url = Some(url.into());
    mine.database.pool.max = Some(4);
    mine.database.check_seconds = 1;
    let keys = Keys::open(&shared.state).expect("keys");
    let ground = Ground::find(&mine, false, &mut Silent).await.expect("the database");
    soon(ground.prepare(&mine, &keys, &mut Silent)).await.expect("a safe database");
    soon(ground.seed(SCALE, &mut Silent)).await.expect("a seeded database");
    let app = App::plan(|plan| plan.settings = mine).await;
    let (admin, connection) = server.admin().connect(NoTls).await.expect("a connection");
    tokio::spawn(connection);
    let question = || serde_json::json!({ "query": "SELECT count(*) FROM retail.stores" });
    let until = async |failed: bool| loop {
        let reply = app.post("seattle", "execute_sales_query", question()).await;
        if reply["result"]["isError"] == failed {
            return reply;
        }
        tokio::time::sleep(LOOK).await;
    };
    for (hole, mend, rule) in [
        ("ALTER ROLE rowhouse_one BYPASSRLS", "ALTER ROLE rowhouse_one NOBYPASSRLS", "agent role has powers"),
        (
            "ALTER TABLE retail.stores NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE retail.stores FORCE ROW LEVEL SECURITY",
            "row security not forced",
        ),
    ] {
        soon(until(false)).await;
        admin.batch_execute(hole).await.expect(hole);
        let reply = soon(until(true)).await;
        assert_eq!(reply["result"]["_meta"]["rowhouse/error"]["code"], "DATABASE_ERROR", "{hole}: {reply}");
        assert!(!reply.to_string().contains("rowhouse_one"), "{hole}: {reply}");
        let trail = "SELECT count(*) FROM rowhouse.audit WHERE event = 'unsafe_database' AND strpos(record, $1) > 0";
        soon(async {
            while admin.query_one(trail, &[&rule]).await.expect("a count").get::<_, i64>(0) == 0 {
                tokio::time::sleep(LOOK).await;
            }
        })
        .await;
        admin.batch_execute(mend).await.expect(mend);
        soon(until(false)).await;
    }
    soon(app.stop()).await;
    server.stop().await.expect("an end");
}
