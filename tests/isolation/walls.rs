//! The database's own walls, with nothing before them: a session that logged in as an agent role and writes what it
//! likes. What the gate would have stopped, these stop too.

use crate::harness::{Shared, shared};
use crate::patience::soon;
use futures_util::TryStreamExt as _;
use hmac::{Hmac, Mac};
use rowhouse::embedded::DATABASE;
use rowhouse::keys::Keys;
use rowhouse_migrations::retail::STORES;
use secrecy::ExposeSecret;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// Log in as an agent role, with the password only the host's key gives.
async fn login(shared: &Shared, role: &str) -> Client {
    let keys = Keys::open(&shared.state).expect("keys");
    let mut config = Config::new();
    config.host_path(&shared.socket).dbname(DATABASE).user(role).password(keys.password(role).expose_secret());
    let (client, connection) = soon(config.connect(NoTls)).await.expect("a login");
    tokio::spawn(connection);
    client
}

/// How a text of statements ends: an SQLSTATE, or else `ok` and the cells of its rows.
async fn ends(client: &Client, text: &str) -> String {
    let outcome = soon(client.simple_query(text)).await;
    // Whatever transaction it left open is none of the next one's business.
    soon(client.batch_execute("ROLLBACK; RESET ALL")).await.expect("a rollback");
    match outcome {
        Err(error) => error.code().map_or_else(|| error.to_string(), |state| state.code().to_owned()),
        Ok(messages) => {
            let rows = messages.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            let cells: Vec<&str> = rows.flat_map(|row| (0..row.len()).map(|i| row.get(i).unwrap_or("null"))).collect();
            format!("ok {}", cells.join(" ")).trim_end().to_owned()
        }
    }
}

/// The table, whole: every line that ends otherwise is shown.
async fn check(role: &str, client: &Client, cases: &[(&str, &str)]) {
    let mut otherwise = Vec::new();
    for (text, expect) in cases {
        let got = ends(client, text).await;
        if got != *expect {
            otherwise.push(format!("{text}: {got}, not {expect}"));
        }
    }
    assert!(otherwise.is_empty(), "{role}: {otherwise:#?}");
}

#[tokio::test]
async fn without_a_ticket_there_is_nothing() {
    let shared = soon(shared()).await;
    for role in ["rowhouse_one", "rowhouse_some", "rowhouse_all"] {
        let client = login(shared, role).await;
        check(role, &client, NOTHING).await;
        // The server opens the stream before it asks the policies: the error comes where the first row would.
        let stream = soon(client.copy_out("COPY retail.stores TO STDOUT")).await.expect("a stream");
        let error = soon(stream.try_collect::<Vec<_>>()).await.expect_err("no row comes of it");
        assert_eq!(error.code().map(SqlState::code), Some("42501"), "{role}: {error}");
    }
}

#[rustfmt::skip]
const NOTHING: &[(&str, &str)] = &[
    // No context, and contexts nobody signed: an error, never an empty answer.
    ("SELECT store_name FROM retail.stores", "42501"),
    ("SELECT count(*) FROM retail.orders", "42501"),
    ("SELECT count(*) FROM retail.products", "42501"),
    ("SET rowhouse.ctx = ''; SELECT store_name FROM retail.stores", "42501"),
    ("SET rowhouse.ctx = 'all'; SELECT store_name FROM retail.stores", "42501"),
    ("SET rowhouse.ctx = 'c1|all|p|1|1|m'; SELECT store_name FROM retail.stores", "42501"),
    ("SET rowhouse.ctx = '|||||'; SELECT store_name FROM retail.stores", "42501"),
    ("SET rowhouse.context = 'all'; SELECT store_name FROM retail.stores", "42501"),
    ("SET row_security = off; SELECT store_name FROM retail.stores", "42501"),
    ("SELECT rowhouse.tenant()", "42501"),
    ("SELECT rowhouse.every_tenant()", "42501"),
    // Tickets nobody signed.
    ("SELECT rowhouse.enter('')", "28000"),
    ("SELECT rowhouse.enter('junk')", "28000"),
    ("SELECT rowhouse.enter('v1|k|all|p|9999999999|0|n|m')", "28000"),
    ("SELECT rowhouse.enter('||||||||')", "28000"),
    // Settings, by function.
    ("SELECT set_config('rowhouse.ctx', 'x', true)", "42501"),
    ("SELECT current_setting('rowhouse.ctx', true)", "42501"),
    ("DO $$ BEGIN PERFORM set_config('rowhouse.ctx', 'x', true); END $$", "42501"),
    // Another role.
    ("SET ROLE rowhouse_owner", "42501"),
    ("SET ROLE rowhouse_keeper", "42501"),
    ("SET ROLE rowhouse_trusted", "42501"),
    ("SET ROLE retail_owner", "42501"),
    ("SET ROLE postgres", "42501"),
    ("SET SESSION AUTHORIZATION postgres", "42501"),
    // The keys, and what checks them.
    ("SELECT * FROM rowhouse_private.key", "42501"),
    ("SELECT rowhouse_private.scope()", "42501"),
    ("SELECT rowhouse_private.mac('', '', 'x')", "42501"),
    ("SELECT * FROM rowhouse.tenants_directory", "42501"),
    ("SELECT * FROM rowhouse.tenant_tables", "42501"),
    // PostgreSQL's catalogs and its views of other sessions.
    ("SELECT count(*) FROM pg_catalog.pg_class", "42501"),
    ("SELECT count(*) FROM pg_catalog.pg_proc", "42501"),
    ("SELECT count(*) FROM pg_catalog.pg_authid", "42501"),
    ("SELECT count(*) FROM pg_catalog.pg_stats", "42501"),
    ("SELECT count(*) FROM pg_catalog.pg_settings", "42501"),
    ("SELECT count(*) FROM pg_catalog.pg_stat_activity", "42501"),
    ("SELECT count(*) FROM information_schema.tables", "42501"),
    // Functions that reach out, wait or look around.
    ("SELECT pg_read_file('PG_VERSION')", "42501"),
    ("SELECT pg_ls_dir('.')", "42501"),
    ("SELECT lo_create(0)", "42501"),
    ("SELECT regclass('retail.stores'::text)", "42501"),
    ("SELECT lower('retail.stores')::regclass", "42501"),
    ("SELECT pg_sleep(0)", "42501"),
    ("SELECT pg_terminate_backend(0)", "42501"),
    ("SELECT pg_advisory_lock(1)", "42501"),
    ("SELECT pg_notify('a', 'b')", "42501"),
    ("SELECT query_to_xml('SELECT 1', true, true, '')", "42501"),
    ("SELECT table_to_xml('retail.stores', true, true, '')", "42501"),
    ("COPY (SELECT 1) TO PROGRAM 'true'", "42501"),
    ("COPY (SELECT 1) TO '/tmp/out'", "42501"),
    // Writing: the session is read-only unless it says otherwise, and then it may still not.
    ("CREATE TABLE public.t (a int)", "25006"),
    ("BEGIN READ WRITE; CREATE TABLE public.t (a int)", "42501"),
    ("BEGIN READ WRITE; CREATE TABLE retail.t (a int)", "42501"),
    ("BEGIN READ WRITE; CREATE TEMP TABLE t (a int)", "42501"),
    ("BEGIN READ WRITE; CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "42501"),
    ("BEGIN READ WRITE; CREATE SCHEMA s", "42501"),
    ("BEGIN READ WRITE; INSERT INTO retail.stores SELECT * FROM retail.stores", "42501"),
    ("BEGIN READ WRITE; UPDATE retail.stores SET store_name = 'x'", "42501"),
    ("BEGIN READ WRITE; DELETE FROM retail.orders", "42501"),
    ("BEGIN READ WRITE; TRUNCATE retail.orders", "42501"),
    ("BEGIN READ WRITE; ALTER TABLE retail.stores DISABLE ROW LEVEL SECURITY", "42501"),
    ("BEGIN READ WRITE; DROP POLICY rowhouse_one ON retail.stores", "42501"),
    ("BEGIN READ WRITE; GRANT SELECT ON rowhouse_private.key TO PUBLIC", "42501"),
    ("BEGIN READ WRITE; ALTER ROLE rowhouse_one BYPASSRLS", "42501"),
    ("BEGIN READ WRITE; CREATE ROLE r", "42501"),
    ("LOAD 'auto_explain'", "42501"),
];

/// A ticket as the host signs it, but for what the test wants otherwise.
struct Ticket<'a> {
    scope: &'a str,
    seconds: i64,
    backend: &'a str,
}

impl Ticket<'_> {
    fn sign(&self, keys: &Keys) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        let expiry = now.cast_signed() + self.seconds;
        let body = format!("v1|{}|{}|ab|{expiry}|{}|n", keys.ticket_name(), self.scope, self.backend);
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(keys.ticket.expose_secret()).expect("a key of any length");
        mac.update(body.as_bytes());
        format!("{body}|{}", hex::encode(mac.finalize().into_bytes()))
    }
}

#[tokio::test]
async fn a_ticket_is_good_for_its_scope_its_backend_its_time_and_one_transaction() {
    let shared = soon(shared()).await;
    let keys = Keys::open(&shared.state).expect("keys");
    let client = login(shared, "rowhouse_one").await;
    let pid = ends(&client, "SELECT backend_pid FROM rowhouse.hello()").await;
    let pid = pid.strip_prefix("ok ").expect("a process id");
    let [seattle, spokane] = ["seattle", "spokane"].map(|key| {
        let store = STORES.iter().find(|store| store.key == key).expect("a store");
        format!("one:{}", store.id())
    });
    let sign = |scope: &str, seconds: i64, backend: &str| Ticket { scope, seconds, backend }.sign(&keys);
    let good = sign(&seattle, 30, pid);
    let other = sign(&spokane, 30, pid);
    let look = "SELECT store_name FROM retail.stores";
    let enter = |ticket: &str| format!("SELECT FROM rowhouse.enter('{ticket}')");
    let altered = good.replace(&seattle, &spokane);
    for (what, text, expect) in [
        ("good", format!("BEGIN; {}; {look}", enter(&good)), "ok Seattle"),
        ("good, for whichever backend", format!("BEGIN; {}; {look}", enter(&sign(&seattle, 30, "0"))), "ok Seattle"),
        ("another scope under the same signature", format!("BEGIN; {}; {look}", enter(&altered)), "28000"),
        ("signed twice over", enter(&format!("{good}|x")), "28000"),
        ("expired", enter(&sign(&seattle, -1, pid)), "28000"),
        ("lives too long", enter(&sign(&seattle, 3_600, pid)), "28000"),
        ("for another backend", enter(&sign(&seattle, 30, "1")), "28000"),
        ("of no scope", enter(&sign("none", 30, pid)), "28000"),
        ("of a scope that is SQL", enter(&sign("one:'' OR true", 30, pid)), "28000"),
        ("for another role: all", format!("BEGIN; {}; {look}", enter(&sign("all", 30, pid))), "42501"),
        (
            "for another role: some",
            format!("BEGIN; {}; {look}", enter(&sign(&seattle.replace("one", "some"), 30, pid))),
            "42501",
        ),
        ("a second one", format!("BEGIN; {}; {}; {look}", enter(&good), enter(&other)), "25001"),
        (
            "over a context that is junk",
            format!("BEGIN; SET LOCAL rowhouse.ctx = 'x'; {}; {look}", enter(&good)),
            "25001",
        ),
        ("where one may write", format!("BEGIN READ WRITE; {}", enter(&good)), "25000"),
        ("writing after all", format!("BEGIN; {}; SET TRANSACTION READ WRITE; {look}", enter(&good)), "25001"),
        ("after a commit", format!("BEGIN; {}; COMMIT; {look}", enter(&good)), "42501"),
        ("after a rollback", format!("BEGIN; {}; ROLLBACK; {look}", enter(&good)), "42501"),
    ] {
        assert_eq!(ends(&client, &text).await, expect, "{what}");
    }
    // A context may be read, and is worth nothing in another transaction or another session.
    let context = ends(&client, &format!("BEGIN; {}; SHOW rowhouse.ctx", enter(&good))).await;
    let context = context.strip_prefix("ok ").expect("SHOW is not a function that can be taken away").to_owned();
    assert!(context.contains(&seattle), "{context}");
    let replay = |context: &str| format!("BEGIN; SET LOCAL rowhouse.ctx = '{context}'; {look}");
    let neighbour = login(shared, "rowhouse_one").await;
    for (session, context) in [
        (&client, context.clone()),
        (&neighbour, context.clone()),
        (&client, context.replace(&seattle, &spokane)),
        (&client, context.replace(&seattle, "all")),
    ] {
        assert_eq!(ends(session, &replay(&context)).await, "42501", "{context}");
    }
    // Changed within the very transaction it is good for.
    let text =
        format!("BEGIN; {}; SET LOCAL rowhouse.ctx = '{}'; {look}", enter(&good), context.replace(&seattle, &spokane));
    assert_eq!(ends(&client, &text).await, "42501");
}
