//! The same statement in the same transaction, by tokio-postgres and nothing else.
//!
//! One connection of the login role, a ticket signed with the host's key, and the six messages of a call's
//! transaction, pipelined: what any client in Rust would pay that speaks to a database with these walls.

use hmac::{Hmac, Mac};
use rowhouse::keys::Keys;
use secrecy::ExposeSecret;
use sha2::Sha256;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, Statement};
use uuid::Uuid;

/// The login role of calls for one tenant.
const ROLE: &str = "rowhouse_one";

/// A bare connection.
pub(crate) struct Bare {
    client: Client,
    enter: Statement,
    backend: i32,
    keyed: Hmac<Sha256>,
    /// Key name and scope: the start of every ticket.
    start: String,
}

impl Bare {
    /// Connect to the database `config` names, for the rows of `tenant`.
    pub(crate) async fn open(config: &Config, keys: &Keys, tenant: Uuid) -> Self {
        let mut config = config.clone();
        config.user(ROLE).password(keys.password(ROLE).expose_secret()).options("-c jit=off -c timezone=UTC");
        let (client, connection) = config.connect(NoTls).await.expect("the shared server answers");
        tokio::spawn(connection);
        let enter = client.prepare("SELECT rowhouse.enter($1)").await.expect("the context's function");
        let hello = client.simple_query("SELECT backend_pid FROM rowhouse.hello()").await.expect("its greeting");
        let backend = hello.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        });
        let keyed = Hmac::new_from_slice(keys.ticket.expose_secret()).expect("HMAC takes a key of any length");
        let start = format!("v1|{}|one:{tenant}", keys.ticket_name());
        Self { client, enter, backend: backend.expect("the backend's number"), keyed, start }
    }

    /// Run a statement; the number of its rows.
    pub(crate) async fn run(&self, statement: &str) -> usize {
        let ticket = self.ticket();
        let declare = format!("DECLARE c NO SCROLL CURSOR FOR {statement}");
        let entering: [&(dyn ToSql + Sync); 1] = [&ticket];
        let client = &self.client;
        let (begin, enter, declare, fetch, rollback) = tokio::join!(
            // In this order: each sends its message when it is first polled.
            biased;
            client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
            client.execute(&self.enter, &entering),
            client.execute_typed(&declare, &[]),
            client.simple_query("FETCH FORWARD 1001 FROM c"),
            client.batch_execute("ROLLBACK"),
        );
        begin.and(rollback).expect("a transaction");
        enter.and(declare).expect("a statement the walls let through");
        let rows = fetch.expect("its rows");
        rows.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).count()
    }

    fn ticket(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let expiry = (now + Duration::from_secs(20)).as_secs();
        let body = format!("{}|62656e6368|{expiry}|{}|{}", self.start, self.backend, Uuid::new_v4().simple());
        let mut keyed = self.keyed.clone();
        keyed.update(body.as_bytes());
        format!("{body}|{}", hex::encode(keyed.finalize().into_bytes()))
    }
}
