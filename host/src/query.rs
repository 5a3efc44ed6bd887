//! The door to the rows.
//!
//! Only this room takes a connection from the pool, and only for a [`Permit`]. A [`TenantTx`] is the right to run
//! statements over one scope until a deadline: a value, not a connection. Each statement passes the gate, borrows a
//! connection of the login role its scope's shape belongs to, and is over in one round trip (`query/trip.rs`).

mod admit;
mod budget;
mod cache;
pub mod catalog;
mod courtesy;
#[cfg(feature = "demolition")]
pub mod demolition;
mod decode;
mod fault;
mod frame;
pub mod gate;
mod json;
mod lane;
mod link;
mod looks;
mod loss;
mod packed;
mod patience;
mod pool;
mod rows;
mod straggler;
mod tally;
mod ticket;
mod tries;
mod trip;
mod value;
mod wording;

pub use cache::{Answers, Counted, Status as CacheStatus};
pub use fault::{SqlCode, SqlError};
pub use lane::{Logins, Target};
pub use packed::{Batch, Packed, PackedData};
pub use pool::{LaneStatus, Status};
pub use rows::{Column, Rows};
pub use tally::Ran;
pub use ticket::TicketKey;
pub use value::{Kind, Value};
pub use wording::Wording;

use crate::policy::{Permit, Readable};
use crate::telemetry::Breaker;
use crate::traffic::Account;
use arc_swap::ArcSwap;
use gate::{Checked, Gate};
use lane::Lane;
use patience::Patience;
use pool::Pool;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use straggler::Warden;
use tally::{Begun, Tally};
use ticket::{Claims, Signer};
use tokio::time::Instant;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::config::SslMode;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;
use trip::Order;

/// Why there is no way to the database. For the operator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings cannot work.
    #[error("database settings: {0}")]
    Settings(String),
    /// The database URL asks for encryption.
    #[error(
        "the database URL asks for TLS (sslmode=require), which Rowhouse does not speak yet; \
         connect through a Unix socket, the loopback address or a tunnel, with sslmode=disable"
    )]
    Tls,
    /// The database did not answer, or not as Rowhouse's own.
    #[error("reach the database; check its address, that it runs, and that `rowhouse db migrate` has been run")]
    Unreachable(#[source] SqlError),
    /// The catalog could not be read.
    #[error("read the database's catalog")]
    Catalog(#[source] tokio_postgres::Error),
}

/// What a call may use of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Rows an answer may have; more are cut off, and the answer says so.
    pub rows: u32,
    /// Bytes an answer may have as it crosses the wire; more is an error.
    pub bytes: usize,
    /// How long from now statements may run, waiting for a connection included.
    pub time: Duration,
    /// How long statements may hold connections, all of them together.
    pub database: Duration,
}

/// The database as it was when it last answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// PostgreSQL's version, as `18.1`.
    pub server_version: String,
    /// The last migration of schema `rowhouse`.
    pub schema_version: i32,
    /// The process id of the backend that answered.
    pub backend: i32,
    /// Which of the URL's hosts it belongs to.
    pub host: String,
}

/// The pool and what every call shares. One for the whole process; cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Shared>);

struct Shared {
    settings: crate::config::Pool,
    signer: ArcSwap<Signer>,
    gate: ArcSwap<Gate>,
    pool: Pool,
    patience: Arc<Patience>,
    /// Ends who looks whether the database is back.
    _looks: DropGuard,
    /// The database has a hole in its walls: nothing is asked of it, and nothing it answers is handed on.
    refused: AtomicBool,
    warden: Warden,
    /// Where the database is, for people and for keys of answers. No secret is in it.
    address: String,
    answers: OnceLock<Answers>,
    #[cfg(feature = "demolition")]
    lowered: demolition::Lowered,
}

impl Database {
    /// Open the pool and make sure that the database answers. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Settings`] and [`Error::Tls`] for a configuration that cannot work, [`Error::Unreachable`] when the
    /// database does not answer in time.
    pub async fn connect(
        target: Target,
        key: TicketKey,
        gate: Arc<Gate>,
        settings: crate::config::Pool,
    ) -> Result<Self, Error> {
        if let Some(fault) = settings.fault() {
            return Err(Error::Settings(fault));
        }
        if target.config.get_ssl_mode() == SslMode::Require {
            return Err(Error::Tls);
        }
        let signer = ArcSwap::from_pointee(Signer::new(&key, settings.ticket_ttl()));
        let (patience, looks) = (Patience::new(settings.tries), CancellationToken::new());
        let pool = Pool::new(&target, &settings, &patience);
        let database = Self(Arc::new(Shared {
            settings,
            signer,
            gate: ArcSwap::new(gate),
            pool,
            patience: Arc::clone(&patience),
            _looks: looks.clone().drop_guard(),
            refused: AtomicBool::new(false),
            address: lane::address(&target.config),
            warden: Warden::new(target.config),
            answers: OnceLock::new(),
            #[cfg(feature = "demolition")]
            lowered: demolition::Lowered::default(),
        }));
        database.ready().await.map_err(Error::Unreachable)?;
        let look = patience::look(patience, Arc::downgrade(&database.0));
        drop(tokio::spawn(looks.run_until_cancelled_owned(look)));
        Ok(database)
    }

    /// The right to run statements over the permit's scope. Takes no connection and waits for nothing.
    ///
    /// Firing `cancel` stops the statements under way, in the database too.
    ///
    /// # Errors
    /// [`SqlCode::Unavailable`] while the database is refused.
    pub fn open(&self, permit: &Permit, bounds: Bounds, cancel: CancellationToken) -> Result<TenantTx, SqlError> {
        self.sound()?;
        let settings = &self.0.settings;
        Ok(TenantTx {
            lane: Lane::of(permit.scope()),
            account: Account::of_permit(permit),
            claims: self.0.signer.load().claims(permit),
            readable: permit.readable(self.0.gate.load().tables()),
            tally: Tally::default(),
            asking: None,
            rows: bounds.rows.min(settings.rows),
            bytes: bounds.bytes.min(settings.answer_bytes),
            deadline: Instant::now() + bounds.time,
            database_time: bounds.database,
            cancel,
            database: self.clone(),
        })
    }

    /// Ask nothing of this database from now on, and hand on nothing it answers: its walls have a hole. With `false`, go
    /// on.
    pub fn refuse(&self, refused: bool) {
        #[cfg(feature = "demolition")]
        let refused = refused && !self.0.lowered.watch();
        self.0.refused.store(refused, Ordering::Release);
        // What was read through the hole is not given again once it is mended.
        if let Some(answers) = self.answers().filter(|_| refused) {
            answers.forget();
        }
    }

    /// Whether nothing is asked of it because its walls have a hole.
    pub fn is_refused(&self) -> bool {
        self.0.refused.load(Ordering::Acquire)
    }

    /// Whether it may be asked at all.
    fn sound(&self) -> Result<(), SqlError> {
        match self.is_refused() {
            false => Ok(()),
            true => {
                let message = "the database is not served from at the moment; its operator has been told";
                Err(SqlError::new(SqlCode::Unavailable, message))
            }
        }
    }

    /// Sign tickets with another key from now on. The database must know it already.
    pub fn set_ticket_key(&self, key: &TicketKey) {
        self.0.signer.store(Arc::new(Signer::new(key, self.0.settings.ticket_ttl())));
    }

    /// Log in with other passwords from now on. Connections that are open stay open.
    pub fn set_logins(&self, logins: &Logins) {
        self.0.pool.set_logins(logins);
    }

    /// Hold statements against another gate from now on: the readable relations changed.
    pub fn set_gate(&self, gate: Arc<Gate>) {
        self.0.gate.store(gate);
    }

    /// How the breaker before the database stands, and for how long it has been away.
    pub fn standing(&self) -> (Breaker, Option<Duration>) {
        (self.0.patience.standing(), self.0.patience.away())
    }

    /// Ask the database, over the pool, whether it is there.
    ///
    /// # Errors
    /// [`SqlCode::Unavailable`] when it does not answer in time, at once where that is known.
    pub async fn ready(&self) -> Result<Ready, SqlError> {
        self.0.patience.permit()?;
        let limit = self.0.settings.acquire_timeout();
        let mut link = self.0.pool.connect(Lane::One, Instant::now() + limit).await?;
        link.depart();
        let answer = tokio::time::timeout(limit, link.client.simple_query("SELECT FROM rowhouse.hello()")).await;
        let answer = answer.map_err(SqlError::unavailable)?.map_err(SqlError::unavailable)?;
        link.landed();
        if !answer.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_))) {
            return Err(SqlError::unavailable("rowhouse.hello() gave no row"));
        }
        let (schema_version, backend, host) = (link.schema_version, link.backend, link.place.to_string());
        Ok(Ready { server_version: link.server_version.clone(), schema_version, backend, host })
    }

    /// Connections, for metrics and `doctor`.
    pub fn status(&self) -> Status {
        self.0.pool.status()
    }

    /// Refuse new statements, wait for those under way (at most as long as a statement may run) and close every
    /// connection.
    pub async fn close(&self) {
        self.0.pool.close(self.0.settings.statement_timeout()).await;
    }
}

/// The right to run statements as one permit's tenants, until a deadline. Only [`Database::open`] makes one.
pub struct TenantTx {
    database: Database,
    lane: Lane,
    /// Whose turn it is when connections are short.
    account: Account,
    claims: Claims,
    readable: Arc<Readable>,
    tally: Tally,
    /// None: its answers are never kept ones.
    asking: Option<cache::Asking>,
    rows: u32,
    bytes: usize,
    deadline: Instant,
    database_time: Duration,
    cancel: CancellationToken,
}

impl TenantTx {
    /// Run one SELECT with its parameters (`$1` is the first) in a transaction of its own. Several may run at once.
    ///
    /// Dropping the future cancels the statement in the database.
    ///
    /// # Errors
    /// Every [`SqlCode`]; see there.
    pub async fn run(self: &Arc<Self>, statement: &str, parameters: &[Value]) -> Result<Rows, SqlError> {
        self.start(statement.to_owned(), parameters.to_vec()).await.await
    }

    /// The same, for a task of its own: the statement is let through, and is among those that ran, once this has given
    /// the future of its rows.
    pub async fn start(
        self: &Arc<Self>,
        statement: String,
        parameters: Vec<Value>,
    ) -> impl Future<Output = Result<Rows, SqlError>> + Send + 'static {
        let transaction = Arc::clone(self);
        // The gate follows a statement as deep as it nests, and a guest asks on its own small stack, however much of it
        // is left: a task has its thread's, which is what the gate goes by.
        let begun = async move {
            let begun = transaction.begin(&statement, &parameters);
            begun.map(|(checked, begun)| (transaction, statement, parameters, checked, begun))
        };
        let begun = tokio::spawn(begun.in_current_span());
        let begun = begun.await;
        async move {
            let (transaction, statement, parameters, checked, begun) = begun.map_err(SqlError::unavailable)??;
            transaction.answer(statement, parameters, checked, begun).await
        }
    }

    /// Let a statement through, or not; either way it is in the tally.
    fn begin(&self, statement: &str, parameters: &[Value]) -> Result<(Checked, Begun), SqlError> {
        let checked = self.admit(statement, parameters).inspect_err(|refused| self.tally.refused(refused))?;
        let begun = self.tally.begin(checked.fingerprint.clone(), Wording::new(statement));
        Ok((checked, begun))
    }

    /// Run a statement that was let through.
    async fn travel(
        &self,
        statement: String,
        parameters: Vec<Value>,
        fingerprint: String,
        begun: Begun,
    ) -> Result<Rows, SqlError> {
        self.database.sound()?;
        if let Some(most) = self.overdrawn() {
            let outcome = Err(budget::overdrawn(most));
            begun.end(&outcome);
            return outcome;
        }
        let shared = &self.database.0;
        let order = Order {
            brackets: trip::READ_ONLY,
            statement,
            parameters,
            fingerprint,
            rows: self.rows,
            bytes: self.bytes,
            deadline: self.deadline,
            statement_timeout: shared.settings.statement_timeout(),
        };
        #[cfg(feature = "demolition")]
        let order = shared.lowered.rebracket(order);
        self.tries(Arc::new(order), begun).await
    }

    /// Who is charged for it.
    pub fn account(&self) -> Account {
        self.account
    }

    /// Whether the database answers nobody at the moment, this call included.
    pub fn is_unheard(&self) -> bool {
        self.database.0.patience.is_silent()
    }

    /// The statements that were run until now, those that were refused, let go of or are still under way included.
    pub fn ran(&self) -> Vec<Ran> {
        self.tally.all()
    }

    /// How long its statements may hold connections together, once they have held them for so long.
    pub fn overdrawn(&self) -> Option<Duration> {
        (self.tally.spent().0 >= self.database_time).then_some(self.database_time)
    }
}
