//! The host's own way to its own tables: revocations, API keys, usage, audit, the directory of tenants.
//!
//! One connection as `rowhouse_clerk`, a role that reaches those tables and no tenant's. It is apart from the pool, so
//! that callers can neither exhaust it nor wait behind it, and it heals itself. PostgreSQL tells it of changes (NOTIFY);
//! whatever was missed while the connection was down is made up for by a tick after each connection.

use crate::error::BoxError;
use crate::hosts;
use secrecy::{ExposeSecret, SecretString};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Client, Config};
use tokio_util::sync::CancellationToken;

/// What one may wait to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Tokens that were taken back.
    Revocations,
    /// API keys that were made or taken back.
    ApiKeys,
    /// The directory of tenants.
    Tenants,
    /// Which texts have which vectors.
    Embeddings,
}

impl Topic {
    const ALL: [Topic; 4] = [Topic::Revocations, Topic::ApiKeys, Topic::Tenants, Topic::Embeddings];

    /// The channel PostgreSQL notifies on.
    const fn channel(self) -> &'static str {
        match self {
            Topic::Revocations => "rowhouse_revocations",
            Topic::ApiKeys => "rowhouse_api_keys",
            Topic::Tenants => "rowhouse_tenants",
            Topic::Embeddings => "rowhouse_embeddings",
        }
    }
}

/// The channel on which tables tell of changes, each by its number.
const CHANGES: &str = "rowhouse_changes";

/// Who hears of changes to tables the moment they are told, and of not hearing. Called on the connection's own task: what
/// takes longer than a lock belongs elsewhere.
pub trait Ear: Send + Sync {
    /// From now on every change is told.
    fn hears(&self);
    /// Changes may go untold from now on.
    fn deaf(&self);
    /// A table changed, by its number in the database; or, where the text is no number, what is known of tables did.
    fn changed(&self, table: &str);
}

#[derive(Default)]
struct Listener {
    hears: bool,
    ear: Option<Arc<dyn Ear>>,
}

/// The host's own tables cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("the host's own tables cannot be reached")]
pub struct Gone;

/// After a connection broke: the first wait, and the longest. A restart of PostgreSQL takes about a second.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long connecting may take, over all hosts of the URL, before it is tried again.
const CONNECTING: Duration = Duration::from_secs(5);

/// A word that got lost (a proxy that drops notifications) is made up for this often.
const ROUND: Duration = Duration::from_secs(60);

/// The host's own connection. Cheap to clone.
#[derive(Clone)]
pub struct Clerk(Arc<Shared>);

struct Shared {
    /// With the password of the day.
    config: Mutex<Config>,
    client: watch::Receiver<Option<Arc<Client>>>,
    ticks: [watch::Sender<u64>; Topic::ALL.len()],
    listener: Mutex<Listener>,
}

impl Shared {
    fn hears(&self, hears: bool) {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        listener.hears = hears;
        if let Some(ear) = &listener.ear {
            if hears { ear.hears() } else { ear.deaf() }
        }
    }

    fn changed(&self, table: &str) {
        if let Some(ear) = &self.listener.lock().unwrap_or_else(PoisonError::into_inner).ear {
            ear.changed(table);
        }
    }

    fn tick(&self, topic: Topic) {
        self.ticks[topic as usize].send_modify(|ticks| *ticks = ticks.wrapping_add(1));
    }

    fn tick_all(&self) {
        Topic::ALL.into_iter().for_each(|topic| self.tick(topic));
    }
}

impl Clerk {
    /// Start connecting as `config` says, and go on doing so until `stop`. Must be called inside a tokio runtime.
    pub fn start(config: Config, stop: CancellationToken) -> Self {
        let (sender, client) = watch::channel(None);
        let ticks = Topic::ALL.map(|_| watch::channel(0).0);
        let shared = Arc::new(Shared { config: Mutex::new(config), client, ticks, listener: Mutex::default() });
        let heal = heal(sender, Arc::clone(&shared));
        tokio::spawn(stop.run_until_cancelled_owned(heal));
        Self(shared)
    }

    /// The connection, once there is one.
    ///
    /// # Errors
    /// [`Gone`] when there is none within `patience`.
    pub async fn client(&self, patience: Duration) -> Result<Arc<Client>, Gone> {
        let mut client = self.0.client.clone();
        let open = client.wait_for(|client| client.as_ref().is_some_and(|client| !client.is_closed()));
        let found = tokio::time::timeout(patience, open).await.map_err(|_| Gone)?.map_err(|_| Gone)?;
        found.clone().ok_or(Gone)
    }

    /// Log in with another password from now on. A connection that is open stays open.
    pub fn set_password(&self, password: &SecretString) {
        self.0.config.lock().unwrap_or_else(PoisonError::into_inner).password(password.expose_secret());
    }

    /// Ticks after every connection, whenever PostgreSQL tells of a change, and once a minute.
    pub fn changes(&self, topic: Topic) -> watch::Receiver<u64> {
        self.0.ticks[topic as usize].subscribe()
    }
}

impl Clerk {
    /// Tell this ear of changes to tables from now on, in place of any other.
    pub fn tell(&self, ear: Arc<dyn Ear>) {
        let mut listener = self.0.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if listener.hears {
            ear.hears();
        }
        listener.ear = Some(ear);
    }
}

/// Connect, serve, and again. Ends with the process.
async fn heal(client: watch::Sender<Option<Arc<Client>>>, shared: Arc<Shared>) {
    let mut wait = FIRST_WAIT;
    loop {
        let config = shared.config.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match serve(&config, &client, &shared, &mut wait).await {
            Ok(()) => tracing::info!("the connection to the host's own tables ended; connecting again"),
            Err(error) => tracing::warn!(error = %error, "the host's own tables cannot be reached; trying again"),
        }
        shared.hears(false);
        client.send_replace(None);
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// One connection, from its beginning to its end.
async fn serve(
    config: &Config,
    slot: &watch::Sender<Option<Arc<Client>>>,
    shared: &Shared,
    wait: &mut Duration,
) -> Result<(), BoxError> {
    let (client, mut connection) = hosts::connect(config, CONNECTING).await?;
    // The connection only moves while it is polled: listening needs the loop below to run beside it.
    let client = Arc::new(client);
    let listen: String = Topic::ALL.map(|topic| format!("LISTEN {};", topic.channel())).concat();
    let ready = async {
        client.batch_execute(&format!("{listen} LISTEN {CHANGES}")).await?;
        shared.hears(true);
        slot.send_replace(Some(Arc::clone(&client)));
        // What changed before LISTEN took hold is read again.
        shared.tick_all();
        Ok::<(), tokio_postgres::Error>(())
    };
    let messages = async {
        let mut round = tokio::time::interval(ROUND);
        round.tick().await;
        loop {
            tokio::select! {
                message = std::future::poll_fn(|cx| connection.poll_message(cx)) => match message {
                    Some(Ok(AsyncMessage::Notification(note))) if note.channel() == CHANGES => {
                        shared.changed(note.payload());
                    }
                    Some(Ok(AsyncMessage::Notification(note))) => {
                        let told = Topic::ALL.into_iter().find(|topic| topic.channel() == note.channel());
                        told.into_iter().for_each(|topic| shared.tick(topic));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok(()),
                },
                _ = round.tick() => shared.tick_all(),
            }
        }
    };
    let begun = async {
        ready.await?;
        *wait = FIRST_WAIT;
        // Whoever holds the client keeps the connection: it ends when the other side does.
        std::future::pending::<Result<(), tokio_postgres::Error>>().await
    };
    tokio::select! {
        ended = messages => Ok(ended?),
        failed = begun => Ok(failed?),
    }
}
