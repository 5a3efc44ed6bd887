//! Connections, one kind for each shape of scope.
//!
//! Each login role may see rows by one policy only, so a connection's role already says how wide it can ever reach.

use super::catalog::quote;
use super::fault::SqlError;
use super::frame::{Frames, Tap};
use super::link::Link;
use super::loss::Loss;
use super::patience::Patience;
use crate::config::Pool as Settings;
use crate::error::BoxError;
use crate::hosts::{Hosts, Place, Socket};
use crate::policy::Scope;
use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, OnceCell};
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// Where the database is, and how to log in to it.
#[derive(Clone)]
pub struct Target {
    /// Where an unqualified name is looked for, as the gate was told.
    pub search_path: Vec<String>,
    /// The administrator's. For the login roles hosts (or socket directories), ports and database name are taken from
    /// it; user, password, options and application name are set here.
    pub config: Config,
    /// The passwords of the three login roles.
    pub logins: Logins,
}

/// The password of each login role. Empty: the server asks for none.
#[derive(Clone)]
pub struct Logins {
    /// Of `rowhouse_one`.
    pub one: SecretString,
    /// Of `rowhouse_some`.
    pub some: SecretString,
    /// Of `rowhouse_all`.
    pub all: SecretString,
}

/// Which login role serves a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    One,
    Some,
    All,
}

impl Lane {
    pub(super) const ALL: [Lane; 3] = [Lane::One, Lane::Some, Lane::All];

    /// The lane a scope goes by.
    pub(super) fn of(scope: &Scope) -> Self {
        match scope {
            Scope::One(_) => Lane::One,
            Scope::Some(_) => Lane::Some,
            Scope::All => Lane::All,
        }
    }

    /// Its password.
    pub(super) fn password(self, logins: &Logins) -> &SecretString {
        match self {
            Lane::One => &logins.one,
            Lane::Some => &logins.some,
            Lane::All => &logins.all,
        }
    }

    /// The login role.
    pub(super) const fn role(self) -> &'static str {
        match self {
            Lane::One => "rowhouse_one",
            Lane::Some => "rowhouse_some",
            Lane::All => "rowhouse_all",
        }
    }
}

/// Why there is no connection. `Display` names the role and never a secret.
#[derive(Debug, thiserror::Error)]
#[error("connect to the database as {role}")]
pub(super) struct LinkError {
    role: &'static str,
    /// Whether it was being made, or was there and gave no sign of life.
    unmade: bool,
    #[source]
    cause: BoxError,
}

impl LinkError {
    /// Whether nothing answers at all, or something that said no.
    pub(super) fn lost(&self) -> Option<Loss> {
        Loss::unmade(&*self.cause)
    }
}

/// Makes and judges the connections of one lane.
pub(super) struct Manager {
    lane: Lane,
    /// With the password of the day.
    pub(super) config: Arc<ArcSwap<Config>>,
    max_message: usize,
    max_uses: u64,
    timeout: Duration,
    /// The type number of pgvector's `vector`, asked for once.
    vector: Arc<OnceCell<Option<u32>>>,
    hosts: Arc<Hosts>,
    patience: Arc<Patience>,
}

/// Connections that could not be made. Who waits for one is told at once, and why: the pool itself would let it wait
/// out its time.
#[derive(Debug, Default)]
pub(super) struct Failures {
    bell: Notify,
    last: Mutex<Option<Arc<LinkError>>>,
}

impl Failures {
    /// The next failure from now on: counted from this call, not from the first poll.
    pub(super) fn next(&self) -> impl Future<Output = SqlError> {
        let rung = self.bell.notified();
        async move {
            rung.await;
            match self.last.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                Some(error) => SqlError::unreached(error),
                None => SqlError::unavailable("no connection could be made"),
            }
        }
    }
}

/// Rings for one lane. The pool tells when it no longer counts on the connection; were it told any sooner, who comes in
/// between would wait for one that nobody makes.
#[derive(Debug)]
pub(super) struct Ringer(pub(super) Arc<Failures>);

impl bb8::ErrorSink<Arc<LinkError>> for Ringer {
    fn sink(&self, error: Arc<LinkError>) {
        if error.unmade {
            *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            self.0.bell.notify_waiters();
        }
    }

    fn boxed_clone(&self) -> Box<dyn bb8::ErrorSink<Arc<LinkError>>> {
        Box::new(Self(Arc::clone(&self.0)))
    }
}

impl Manager {
    /// The connections of this lane. The settings have been checked.
    pub(super) fn new(
        lane: Lane,
        target: &Target,
        settings: &Settings,
        vector: Arc<OnceCell<Option<u32>>>,
        hosts: Arc<Hosts>,
        patience: Arc<Patience>,
    ) -> Self {
        let password = lane.password(&target.logins);
        let mut config = target.config.clone();
        config.user(lane.role()).ssl_mode(SslMode::Disable).application_name(&settings.application_name);
        if !password.expose_secret().is_empty() {
            config.password(password.expose_secret());
        }
        // Dates and times come as ISO 8601 in UTC whatever the server's defaults. Compiling a query to machine code
        // costs more than a tool's queries gain by it. The gate reads strings as the standard does, so must the server.
        let path: Vec<String> = target.search_path.iter().map(|schema| quote(schema)).collect();
        config.options(format!(
            "-c statement_timeout={}s -c work_mem={} -c jit=off -c client_min_messages=error -c datestyle=ISO -c \
             search_path={} -c timezone=UTC -c intervalstyle=postgres -c bytea_output=hex -c extra_float_digits=1 -c standard_conforming_strings=on",
            settings.statement_timeout_seconds,
            settings.work_mem,
            escape(&path.join(","))
        ));
        Self {
            lane,
            config: Arc::new(ArcSwap::from_pointee(config)),
            max_message: settings.message_bytes,
            max_uses: settings.max_uses,
            timeout: settings.connect_timeout(),
            vector,
            hosts,
            patience,
        }
    }

    /// A connection to the first host that answers and is what the URL asks for.
    async fn link(&self) -> Result<Link, BoxError> {
        let mut failure: Option<BoxError> = None;
        for (i, place) in self.hosts.in_turn() {
            let made = timeout(self.hosts.patience(), self.reach(place)).await;
            let made = made.map_err(BoxError::from).flatten();
            self.hosts.note(i, made.is_ok());
            match made {
                Ok(link) => return Ok(link),
                // What a host that is there says counts for more than that another is away.
                Err(error) if failure.as_ref().is_none_or(|it| Loss::unmade(&**it).is_some()) => failure = Some(error),
                Err(_) => {}
            }
        }
        Err(failure.unwrap_or_else(|| "the database URL names no host".into()))
    }

    async fn reach(&self, place: &Place) -> Result<Link, BoxError> {
        match place.open().await? {
            Socket::Tcp(socket) => self.greet(place, socket).await,
            Socket::Unix(socket) => self.greet(place, socket).await,
        }
    }

    async fn greet<S>(&self, place: &Place, socket: S) -> Result<Link, BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Counted before it is made: what is lost meanwhile may have been this one's server.
        let (tap, config, stamp) = (Tap::new(), self.config.load_full(), self.patience.losses());
        let frames = Frames::new(socket, self.max_message, Arc::clone(&tap));
        let (client, connection) = config.connect_raw(frames, NoTls).await?;
        let server_version = connection.parameter("server_version").unwrap_or("unknown").to_owned();
        // Told by the server at every login. A role's own default, read-only, says nothing of the host.
        self.hosts.suits(place, connection.parameter("in_hot_standby") == Some("on"))?;
        let driver = tokio::spawn(async move {
            // Whoever waits for an answer is told by the driver; a connection that ends while idle is found closed.
            let _ = connection.await;
        })
        .abort_handle();
        let (hello, enter) = tokio::join!(
            client.simple_query("SELECT backend_pid, schema_version, powerless FROM rowhouse.hello()"),
            client.prepare("SELECT rowhouse.enter($1)"),
        );
        let (backend, schema_version) = greeting(&hello?)?;
        let vector = *self.vector.get_or_try_init(|| vector(&client, &tap)).await?;
        let enter = enter?;
        Ok(Link {
            client,
            enter,
            backend,
            role: self.lane.role(),
            schema_version,
            server_version,
            vector,
            tap,
            place: place.clone(),
            patience: Arc::clone(&self.patience),
            stamp,
            config,
            uses: 0,
            max_uses: self.max_uses,
            unclean: false,
            driver,
        })
    }
}

impl bb8::ManageConnection for Manager {
    type Connection = Link;
    type Error = Arc<LinkError>;

    async fn connect(&self) -> Result<Link, Arc<LinkError>> {
        let link = timeout(self.timeout, self.link()).await.map_err(BoxError::from).flatten();
        match link {
            Ok(link) => {
                self.patience.answered();
                Ok(link)
            }
            Err(cause) => {
                let error = LinkError { role: self.lane.role(), unmade: true, cause };
                if error.lost().is_some() {
                    self.patience.failed();
                }
                Err(Arc::new(error))
            }
        }
    }

    async fn is_valid(&self, link: &mut Link) -> Result<(), Arc<LinkError>> {
        // Mostly no round trip: the driver knows when the server has gone, and the next statement is the test of the rest.
        let dead = |cause| Arc::new(LinkError { role: self.lane.role(), unmade: false, cause });
        link.prove().await.map_err(dead)
    }

    fn has_broken(&self, link: &mut Link) -> bool {
        link.is_spent()
    }
}

/// A value as it stands among a connection's options, where a space would end it.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace(' ', "\\ ")
}

/// Where this is, without who logs in: hosts, ports and database.
pub(super) fn address(config: &Config) -> String {
    let (hosts, ports) = (config.get_hosts(), config.get_ports());
    format!("{hosts:?} {ports:?} {:?}", config.get_dbname())
}

/// The backend's process id and the version of the schema, of a session that can do no more than it should.
fn greeting(messages: &[SimpleQueryMessage]) -> Result<(i32, i32), BoxError> {
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let row = row.ok_or("rowhouse.hello() gave no row; run the migrations")?;
    let number = |i: usize| -> Result<i32, BoxError> { Ok(row.try_get(i)?.unwrap_or_default().parse()?) };
    // Whoever may pass over row security, or act as somebody else, is held by no policy.
    if row.try_get(2)? != Some("t") {
        return Err(
            "the login role has powers or belongs to a role, and no policy would hold it; see `rowhouse db check`"
                .into(),
        );
    }
    Ok((number(0)?, number(1)?))
}

/// The number of pgvector's type here. Read from the description of a query's column: this role may not read the
/// catalog. `None`: the extension is not installed.
async fn vector(client: &Client, tap: &Tap) -> Result<Option<u32>, BoxError> {
    tap.begin(usize::MAX);
    match client.simple_query("SELECT NULL::vector LIMIT 0").await {
        Ok(_) => Ok(tap.columns().and_then(|columns| columns.first().map(|(_, oid)| *oid))),
        Err(error) if error.as_db_error().is_some() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
