//! The doctor on live databases, and keys that are replaced under hosts that serve.

mod holes; // What is done to a database, and what is said of it.
mod served; // Keys under hosts that serve.

use self::holes::HOLES;
use crate::harness::{Shared, Silent, binary, settings, shared};
use crate::patience::soon;
use hmac::{Hmac, Mac};
use rowhouse::config::Settings;
use rowhouse::embedded;
use rowhouse::house::Ground;
use rowhouse::keys::{Key, Keys, ticket_name};
use rowhouse_migrations as shape;
use secrecy::ExposeSecret;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::process::Command;
use tokio_postgres::{Client, Config, NoTls};

/// The command line of a host: its database, its state, no plugins, and nobody's environment.
struct Desk {
    url: String,
    state: PathBuf,
    /// Settings of the environment, as `ROWHOUSE_…`.
    more: Vec<(&'static str, &'static str)>,
}

impl Desk {
    /// What it printed, and how it ended.
    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(binary());
        command.args(arguments).env_clear().env("DATABASE_URL", &self.url).env("ROWHOUSE_STATE", &self.state);
        command.env("ROWHOUSE_PLUGINS__DIRECTORY", self.state.join("no-plugins")).envs(self.more.iter().copied());
        command.current_dir(&self.state).stdin(Stdio::null()).kill_on_drop(true);
        let output = soon(command.output()).await.expect("the host runs");
        let text = |bytes| String::from_utf8(bytes).expect("words in UTF-8");
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert!(!out.contains(&self.url) && !err.contains(&self.url), "{out}{err}");
        (output.status.code(), if output.status.code() == Some(0) { out } else { out + &err })
    }

    /// The same, as JSON, from a command that must succeed.
    async fn json(&self, arguments: &[&str]) -> Value {
        let (code, out) = self.run(arguments).await;
        assert_eq!(code, Some(0), "{arguments:?}: {out}");
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {out}"))
    }

    /// What the doctor says of the database: exit code, and level, rule and object of each finding.
    async fn doctor(&self) -> (Option<i32>, Vec<(String, String, String)>) {
        let (code, out) = self.run(&["doctor", "--json"]).await;
        let said: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"));
        assert_eq!(said["unchecked"], serde_json::json!([]), "{out}");
        let word = |it: &Value, key: &str| it[key].as_str().expect("a word").to_owned();
        let found = said["findings"].as_array().expect("a list").iter().filter(|it| it["area"] == "database");
        (code, found.map(|it| (word(it, "level"), word(it, "what"), word(it, "object"))).collect())
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = soon(tokio_postgres::connect(url, NoTls)).await.expect("a connection");
    tokio::spawn(connection);
    client
}

/// A new database on the shared server, and the desk of a host that shares the server's login key.
async fn desk(shared: &Shared, name: &str, state: &Path) -> Desk {
    let admin = shared.admin("postgres").await;
    admin.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a new database");
    let ours = Keys::open(&shared.state).expect("keys");
    Keys::open(state).expect("a directory of keys");
    // Passwords belong to the whole server.
    for (name, key) in [("login", &ours.login), ("ticket", &ours.ticket)] {
        std::fs::write(state.join(format!("keys/{name}.key")), key.expose_secret()).expect("a copy of the key");
    }
    Desk { url: shared.url_of(name), state: state.to_owned(), more: Vec::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn holes_are_told_by_their_level_and_what_is_printed_mends_them() {
    let shared = soon(shared()).await;
    let state = tempfile::tempdir().expect("a directory");
    let desk = desk(shared, "doctored", state.path()).await;
    let (code, said) = desk.run(&["db", "migrate"]).await;
    assert_eq!(code, Some(0), "{said}");
    // Not hardened, by somebody who could: set_config is the first thing a statement would reach for.
    let (code, found) = desk.doctor().await;
    for rule in ["set_config may be called", "functions that reach beyond a statement's rows"] {
        assert!(found.iter().any(|(level, what, _)| level == "weak" && what == rule), "{rule}: {found:?}");
    }
    assert_eq!(code, Some(1), "{found:?}");
    assert_eq!(desk.run(&["db", "check"]).await.0, Some(1));
    let (code, said) = desk.run(&["db", "migrate", "--harden"]).await;
    assert_eq!(code, Some(0), "{said}");
    let whole = desk.doctor().await;
    assert_eq!(whole, (Some(0), Vec::new()));
    let (code, said) = desk.run(&["db", "check"]).await;
    assert_eq!((code, said.as_str()), (Some(0), "nothing to mend\n"));
    // A plugin directory that is not there is worth a note, and notes count where one is strict.
    assert_eq!(desk.run(&["doctor", "--strict"]).await.0, Some(1));

    let admin = shared.admin("doctored").await;
    for (hole, level, what) in HOLES {
        admin.batch_execute(&hole.replace("{}", "doctored")).await.unwrap_or_else(|e| panic!("{hole}: {e:?}"));
        let found = shape::lint(&admin, &[]).await.expect("a look");
        let ours: Vec<_> = found.iter().filter(|found| found.rule.contains(what)).collect();
        assert!(!ours.is_empty() && ours.iter().all(|found| found.level == *level), "{hole}: {found:#?}");
        for found in &found {
            admin.batch_execute(&found.mend).await.unwrap_or_else(|e| panic!("{hole}: {}: {e:?}", found.mend));
        }
        let left = shape::lint(&admin, &[]).await.expect("a look");
        assert_eq!(left, [], "{hole} is still there after its own mend");
    }
}

/// The exit codes at the command line, and that the serving path refuses what is unsafe and nothing less.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_unsafe_is_not_served() {
    let shared = soon(shared()).await;
    let state = tempfile::tempdir().expect("a directory");
    let desk = desk(shared, "guarded", state.path()).await;
    assert_eq!(desk.run(&["db", "migrate", "--harden"]).await.0, Some(0));
    let mut mine = Settings { state: Some(desk.state.clone()), ..settings(shared) };
    mine.database.url = Some(desk.url.clone().into());
    mine.database.harden = Some(false);
    let keys = Keys::open(&desk.state).expect("keys");
    let ground = soon(Ground::find(&mine, false, &mut Silent)).await.expect("the database");
    let admin = shared.admin("guarded").await;
    let cases = [
        ("CREATE INDEX by_customer ON retail.orders (customer_id)", "DROP INDEX retail.by_customer", 1, true),
        ("DROP POLICY rowhouse_one ON retail.orders", "CALL rowhouse.protect('retail.orders', 'store_id')", 1, true),
        (
            "ALTER TABLE retail.orders NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE retail.orders FORCE ROW LEVEL SECURITY",
            1,
            false,
        ),
    ];
    for (hole, mend, exit, served) in cases {
        admin.batch_execute(hole).await.expect("a hole");
        assert_eq!(desk.doctor().await.0, Some(exit), "{hole}");
        assert_eq!(desk.run(&["db", "check"]).await.0, Some(exit), "{hole}");
        let prepared = soon(ground.prepare(&mine, &keys, &mut Silent)).await;
        assert_eq!(prepared.is_ok(), served, "{hole}: {prepared:?}");
        admin.batch_execute(mend).await.expect("mended");
    }
    // Where there is nothing to look at, that is no clean bill.
    let nowhere = Desk { url: shared.url_of("no_such_database"), state: desk.state.clone(), more: Vec::new() };
    let (code, said) = nowhere.run(&["doctor", "--json"]).await;
    assert_eq!(code, Some(2), "{said}");
}

/// A server of nobody else: what follows belongs to all databases of one.
async fn server(shared: &Shared, name: &str) -> (embedded::Server, String) {
    let options = embedded::Options {
        state_dir: Some(shared.state.clone()),
        cluster: format!("{name}-{}", std::process::id()),
        bin_dir: std::env::var_os("ROWHOUSE_PG_BIN_DIR").map(PathBuf::from),
        durable: false,
        ..embedded::Options::default()
    };
    let server = soon(embedded::Server::start(&options, &mut |_| {})).await.expect("a PostgreSQL of its own");
    let password = String::from_utf8(server.admin().get_password().expect("one").to_vec()).expect("in ASCII");
    let socket = server.socket_dir().display().to_string().replace('/', "%2F");
    (server, format!("postgres://postgres:{password}@{socket}/{}", embedded::DATABASE))
}

async fn end(server: embedded::Server) {
    let data = server.data_dir().to_owned();
    server.stop().await.expect("an end");
    std::fs::remove_dir_all(data).expect("a directory of ours");
}

/// An administrator who is no superuser cannot raise the third wall: that is worth knowing, and nothing to fail for.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_mended_is_a_note() {
    let shared = soon(shared()).await;
    let (server, url) = server(shared, "managed").await;
    let admin = connect(&url).await;
    for statement in
        ["CREATE ROLE steward LOGIN CREATEROLE CREATEDB PASSWORD 'steward'", "CREATE DATABASE managed OWNER steward"]
    {
        admin.batch_execute(statement).await.expect("a managed server");
    }
    let state = tempfile::tempdir().expect("a directory");
    let socket = server.socket_dir().display().to_string().replace('/', "%2F");
    let desk = Desk {
        url: format!("postgres://steward:steward@{socket}/managed"),
        state: state.path().to_owned(),
        more: vec![("ROWHOUSE_DATABASE__SCHEMAS", "[\"shop\"]")],
    };
    let (code, said) = desk.run(&["db", "migrate"]).await;
    assert_eq!(code, Some(0), "{said}");
    // But for set_config, which has to be accepted by name, and is printed all the same.
    assert_eq!(desk.doctor().await.0, Some(1));
    let mut desk = desk;
    desk.more.push(("ROWHOUSE_DOCTOR__ACCEPT", "[\"set_config may be called\"]"));
    let (code, found) = desk.doctor().await;
    assert_eq!(code, Some(0), "{found:?}");
    assert!(found.iter().any(|(level, what, _)| level == "weak" && what == "set_config may be called"), "{found:?}");
    let (code, said) = desk.run(&["db", "check"]).await;
    assert!(code == Some(0) && said.contains("accepted  set_config may be called"), "{said}");
    let rules: Vec<_> = found.iter().filter(|(level, ..)| level == "note").map(|(_, what, _)| what.as_str()).collect();
    assert_eq!(rules, ["catalogs readable", "functions that reach beyond a statement's rows"], "{found:?}");
    drop(admin);
    end(server).await;
}

/// A ticket for everything, as a host with this key writes it.
fn ticket(key: &Key, backend: i32) -> String {
    let expiry = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() + 30;
    let body = format!("v1|{}|all|00|{expiry}|{backend}|{}", ticket_name(key), uuid::Uuid::new_v4().simple());
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.expose_secret()).expect("a key of any length");
    mac.update(body.as_bytes());
    format!("{body}|{}", hex::encode(mac.finalize().into_bytes()))
}

/// Whether the database takes this key's word. `client` is logged in as `rowhouse_all`.
async fn opens(client: &Client, key: &Key) -> bool {
    let row = client.query_one("SELECT backend_pid FROM rowhouse.hello()", &[]).await.expect("hello");
    let ticket = ticket(key, row.get(0));
    client.batch_execute("BEGIN READ ONLY").await.expect("a transaction");
    let entered = client.execute("SELECT rowhouse.enter($1)", &[&ticket]).await;
    let read = match entered {
        Ok(_) => client.query("SELECT FROM retail.stores", &[]).await.is_ok(),
        Err(_) => false,
    };
    client.batch_execute("ROLLBACK").await.expect("rolled back");
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_replaced_ends_when_it_was_told_to() {
    let shared = soon(shared()).await;
    let (server, url) = server(shared, "rotated").await;
    let state = tempfile::tempdir().expect("a directory");
    let desk = Desk { url: url.clone(), state: state.path().to_owned(), more: Vec::new() };
    let admin = connect(&url).await;
    let refused = desk.run(&["keys", "rotate", "ticket"]).await;
    assert_eq!(refused.0, Some(1), "before there is a schema: {refused:?}");
    assert_eq!(desk.run(&["db", "migrate"]).await.0, Some(0));
    let first = Keys::open(&desk.state).expect("keys");
    let log_in = async |keys: &Keys| {
        let mut config: Config = url.parse().expect("a URL");
        config.user("rowhouse_all").password(keys.password("rowhouse_all").expose_secret());
        let (client, connection) = soon(config.connect(NoTls)).await?;
        tokio::spawn(connection);
        Ok::<_, tokio_postgres::Error>(client)
    };
    let open = log_in(&first).await.expect("a login");
    assert!(opens(&open, &first.ticket).await);

    // The ticket key: both are good, then only the new one, and passwords stay.
    let said = desk.json(&["keys", "rotate", "ticket", "--grace-seconds", "600", "--json"]).await;
    let second = Keys::open(&desk.state).expect("keys");
    assert_eq!(
        (said["name"].as_str(), said["previous"].as_str()),
        (Some(&*second.ticket_name()), Some(&*first.ticket_name()))
    );
    assert!(opens(&open, &first.ticket).await && opens(&open, &second.ticket).await);
    log_in(&second).await.expect("passwords do not follow from the ticket key");
    let others = |keys: &Keys| {
        let names = keys.ticket_names();
        let admin = &admin;
        async move { shape::other_ticket_keys(admin, &names).await.expect("a list") }
    };
    assert_eq!(others(&second).await, Vec::<String>::new(), "a key on its way out is nobody's");
    assert_eq!(others(&first).await, [second.ticket_name()], "who has the old file only is told");
    let (code, found) = desk.doctor().await;
    assert!(code == Some(1) && found.iter().all(|(level, ..)| level != "unsafe"), "{found:?}");
    // A start meanwhile changes nothing of that.
    assert_eq!(desk.run(&["db", "migrate", "--harden"]).await.0, Some(0));
    assert!(opens(&open, &first.ticket).await && opens(&open, &second.ticket).await);
    assert_eq!(desk.doctor().await, (Some(0), Vec::new()));
    // At once, and not only the last one: the one before may be what was stolen.
    desk.json(&["keys", "rotate", "ticket", "--grace-seconds", "0", "--json"]).await;
    let third = Keys::open(&desk.state).expect("keys");
    assert!(!opens(&open, &second.ticket).await && opens(&open, &third.ticket).await);
    assert!(!opens(&open, &first.ticket).await && third.ticket_previous.is_none());
    let live = shape::host_keys(&admin).await.expect("a list");
    let tickets: Vec<_> = live.iter().filter(|key| key.usage == "ticket").map(|key| key.kid.as_str()).collect();
    assert_eq!(tickets, [third.ticket_name()]);
    // Stopped between the file and the database: the next start knows both, and gives the old one its end.
    let next = rowhouse::keys::fresh();
    let minutes = std::time::Duration::from_secs(600);
    rowhouse::keys::replace(&desk.state, &Default::default(), rowhouse::keys::Name::Ticket, &next, minutes)
        .expect("a file");
    let (code, said) = desk.run(&["db", "migrate"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(opens(&open, &third.ticket).await && opens(&open, &next).await);
    // One alone, by its name; not the one in use, and not one that is not there.
    let in_use = ticket_name(&next);
    for (name, word) in [(in_use.as_str(), "keys rotate ticket"), ("k000000000000", "no ticket key")] {
        let (code, said) = desk.run(&["keys", "retire", name]).await;
        assert!(code == Some(1) && said.contains(word), "{name}: {said}");
    }
    let (code, said) = desk.run(&["keys", "retire", &third.ticket_name()]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(!opens(&open, &third.ticket).await && opens(&open, &next).await);
    let third = Keys::open(&desk.state).expect("keys");
    assert!(third.ticket_previous.is_none(), "the file is gone, too");

    // The context key: a transaction that began with the old one ends with it.
    open.batch_execute("BEGIN READ ONLY").await.expect("a transaction");
    let pid = open.query_one("SELECT backend_pid FROM rowhouse.hello()", &[]).await.expect("hello").get(0);
    open.execute("SELECT rowhouse.enter($1)", &[&ticket(&third.ticket, pid)]).await.expect("entered");
    let said = desk.json(&["keys", "rotate", "context", "--json"]).await;
    open.query("SELECT FROM retail.stores", &[]).await.expect("still good");
    open.batch_execute("ROLLBACK").await.expect("rolled back");
    assert!(opens(&open, &third.ticket).await);
    let contexts: Vec<_> =
        shape::host_keys(&admin).await.expect("a list").into_iter().filter(|key| key.usage == "ctx").collect();
    let now: Vec<_> = contexts.iter().filter(|key| key.ends.is_none()).map(|key| key.kid.clone()).collect();
    assert_eq!((contexts.len(), now), (2, vec![said["name"].as_str().expect("a name").to_owned()]));
    for role in ["rowhouse_all", "rowhouse_clerk"] {
        let asked = format!("SET ROLE {role}; SELECT rowhouse_private.rotate_context()");
        let refused = admin.batch_execute(&asked).await.expect_err(role);
        admin.batch_execute("RESET ROLE").await.expect("itself again");
        assert_eq!(refused.code().map(|state| state.code()), Some("42501"), "{role}");
    }

    // The login key: open connections stay, new ones need the new password.
    desk.json(&["keys", "rotate", "login", "--json"]).await;
    let fourth = Keys::open(&desk.state).expect("keys");
    assert!(opens(&open, &third.ticket).await);
    assert!(log_in(&third).await.is_err());
    log_in(&fourth).await.expect("the new password");
    // Stopped between file and passwords: the next start knows the server for its own, and sets them.
    let next = rowhouse::keys::fresh();
    let hour = std::time::Duration::from_secs(3600);
    rowhouse::keys::replace(&desk.state, &Default::default(), rowhouse::keys::Name::Login, &next, hour)
        .expect("a file");
    let (code, said) = desk.run(&["db", "migrate"]).await;
    assert_eq!(code, Some(0), "{said}");
    log_in(&Keys::open(&desk.state).expect("keys")).await.expect("the password of the file");

    // The issuer key needs no database.
    desk.json(&["keys", "rotate", "issuer", "--json"]).await;
    let fifth = Keys::open(&desk.state).expect("keys");
    assert_eq!(fifth.issuer_previous.as_ref().map(|key| *key.expose_secret()), Some(*fourth.issuer.expose_secret()));
    let listed = desk.json(&["keys", "list", "--json"]).await;
    assert_eq!(listed["keys"].as_array().map(Vec::len), Some(4), "{listed}");
    let text = desk.run(&["keys", "list"]).await.1;
    for key in [&fifth.ticket, &fifth.issuer, &fifth.login, &fifth.audit] {
        assert!(!text.contains(&hex::encode(key.expose_secret())), "{text}");
    }
    drop((admin, open));
    end(server).await;
}
