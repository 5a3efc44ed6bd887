//! Where the database is. A URL may name several hosts, of which one answers at a time: one takes over from another, or
//! replicas answer beside it.
//!
//! They are tried in the URL's order (in any, with `load_balance_hosts=random`), those that failed a moment ago last, and
//! each within a time of its own, so that one that says nothing does not keep the next from being asked. Host, port,
//! `hostaddr`, `connect_timeout` and `target_session_attrs` mean what they mean to libpq.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_postgres::config::{Host, LoadBalanceHosts, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Config, Connection, NoTls};

/// Where PostgreSQL listens when nothing else is said.
const PORT: u16 = 5432;

/// How long a host that failed is tried after the others. Long enough that connections do not wait for it one by one while
/// it is away, short enough that it has its turn again soon after it is back.
const SHUNNED: Duration = Duration::from_secs(30);

/// Of the time there is for all hosts, what one may take at the least: the way to another continent and back, three times.
const LEAST: Duration = Duration::from_secs(1);

/// A socket to a host.
pub enum Socket {
    /// Over a network.
    Tcp(TcpStream),
    /// On this machine.
    Unix(UnixStream),
}

/// One host of the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    host: Host,
    /// Where it is, if the URL says so and spares us asking for the name.
    address: Option<IpAddr>,
    port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Tcp(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            Host::Tcp(name) => write!(f, "{name}:{}", self.port),
            Host::Unix(directory) => write!(f, "{}:{}", directory.display(), self.port),
        }
    }
}

impl Place {
    /// The hosts of a URL, in its order.
    pub fn all(config: &Config) -> Vec<Self> {
        let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
        let place = |i: usize| {
            let address = addresses.get(i).copied();
            let host = hosts.get(i).cloned().or_else(|| address.map(|it| Host::Tcp(it.to_string())))?;
            // One port for all hosts, or one for each.
            let port = ports.get(i).or(ports.first()).copied().unwrap_or(PORT);
            Some(Self { host, address, port })
        };
        (0..hosts.len().max(addresses.len())).filter_map(place).collect()
    }

    /// Whether it is a socket file: what listens there is mostly on this machine.
    pub fn is_socket_file(&self) -> bool {
        matches!(self.host, Host::Unix(_))
    }

    /// A socket to it.
    ///
    /// # Errors
    /// Nobody listens there, or it cannot be reached.
    pub async fn open(&self) -> io::Result<Socket> {
        match (&self.host, self.address) {
            (Host::Unix(directory), _) => {
                UnixStream::connect(directory.join(format!(".s.PGSQL.{}", self.port))).await.map(Socket::Unix)
            }
            (_, Some(address)) => tcp(TcpStream::connect((address, self.port)).await),
            (Host::Tcp(name), None) => tcp(TcpStream::connect((name.as_str(), self.port)).await),
        }
    }

    /// The same login at this host alone, whatever it is.
    pub fn alone(&self, config: &Config) -> Config {
        let mut one = Config::new();
        one.ssl_mode(config.get_ssl_mode()).channel_binding(config.get_channel_binding());
        one.keepalives(config.get_keepalives()).keepalives_idle(config.get_keepalives_idle()).port(self.port);
        // Given one by one: a default is none.
        config.get_user().map(|user| one.user(user));
        config.get_password().map(|password| one.password(password));
        config.get_dbname().map(|name| one.dbname(name));
        config.get_options().map(|options| one.options(options));
        config.get_application_name().map(|name| one.application_name(name));
        config.get_connect_timeout().map(|time| one.connect_timeout(*time));
        config.get_tcp_user_timeout().map(|time| one.tcp_user_timeout(*time));
        config.get_keepalives_interval().map(|time| one.keepalives_interval(time));
        config.get_keepalives_retries().map(|times| one.keepalives_retries(times));
        match &self.host {
            Host::Tcp(name) => one.host(name),
            Host::Unix(directory) => one.host_path(directory),
        };
        self.address.map(|address| one.hostaddr(address));
        one
    }
}

fn tcp(opened: io::Result<TcpStream>) -> io::Result<Socket> {
    let socket = opened?;
    // A statement is a handful of short messages; waiting to fill a packet would double its time.
    socket.set_nodelay(true)?;
    Ok(Socket::Tcp(socket))
}

/// The hosts of the database, and which of them failed.
pub struct Hosts {
    places: Vec<Place>,
    failed: Vec<Mutex<Option<Instant>>>,
    wanted: TargetSessionAttrs,
    random: bool,
    each: Duration,
}

/// The host that answered is not one of those that were asked for.
#[derive(Debug, thiserror::Error)]
#[error("{place} is {is}, and target_session_attrs asks for {asked}")]
pub struct Unwanted {
    place: Place,
    is: &'static str,
    asked: &'static str,
}

impl Hosts {
    /// The hosts of a URL, all of them together to be asked within `patience`.
    pub fn new(config: &Config, patience: Duration) -> Self {
        let places = Place::all(config);
        Self {
            failed: places.iter().map(|_| Mutex::default()).collect(),
            wanted: config.get_target_session_attrs(),
            random: config.get_load_balance_hosts() == LoadBalanceHosts::Random,
            each: share(config, patience, places.len()),
            places,
        }
    }

    /// How long one of them is asked.
    pub fn patience(&self) -> Duration {
        self.each
    }

    /// All of them, in the order they are to be tried now.
    pub fn in_turn(&self) -> Vec<(usize, &Place)> {
        let mut turn: Vec<_> = self.places.iter().enumerate().collect();
        if self.random && turn.len() > 1 {
            // Evenly enough for so few: every order of going round has its turn.
            turn.rotate_left(usize::try_from(rand::random::<u32>()).unwrap_or_default() % self.places.len());
        }
        turn.sort_by_key(|(i, _)| self.is_shunned(*i));
        turn
    }

    /// Whether a host that is a replica, or is not, is what was asked for.
    ///
    /// # Errors
    /// It is not.
    pub fn suits(&self, place: &Place, replica: bool) -> Result<(), Unwanted> {
        let (is, asked) = match (&self.wanted, replica) {
            (TargetSessionAttrs::ReadWrite, true) => ("a read-only replica", "read-write"),
            (TargetSessionAttrs::ReadOnly, false) => ("no replica", "read-only"),
            _ => return Ok(()),
        };
        Err(Unwanted { place: place.clone(), is, asked })
    }

    /// What came of trying this one.
    pub fn note(&self, place: usize, good: bool) {
        if let Some(failed) = self.failed.get(place) {
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = (!good).then(Instant::now);
        }
    }

    fn is_shunned(&self, place: usize) -> bool {
        let failed = self.failed.get(place).map(|failed| *failed.lock().unwrap_or_else(PoisonError::into_inner));
        failed.flatten().is_some_and(|at| at.elapsed() < SHUNNED)
    }
}

/// What one of so many hosts may take.
fn share(config: &Config, patience: Duration, hosts: usize) -> Duration {
    let even = patience / u32::try_from(hosts.max(1)).unwrap_or(u32::MAX);
    config.get_connect_timeout().copied().unwrap_or(even).clamp(LEAST.min(patience), patience.max(LEAST))
}

/// Why no host let us in: what the last of them said.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL says nothing of where.
    #[error("the database URL names no host")]
    Nowhere,
    /// It did not answer in time.
    #[error("{0} did not answer within {1:?}")]
    Late(Place, Duration),
    /// It said no, or is not there.
    #[error("connect to {0}")]
    Refused(Place, #[source] tokio_postgres::Error),
}

impl Error {
    /// PostgreSQL's own word for it, where it was PostgreSQL that said no.
    pub fn code(&self) -> Option<&SqlState> {
        match self {
            Error::Refused(_, error) => error.code(),
            Error::Nowhere | Error::Late(..) => None,
        }
    }
}

/// The same login where statements may write: at the one host that is no replica, where a URL names several.
pub fn writing(config: &Config) -> Config {
    let mut config = config.clone();
    if Place::all(&config).len() > 1 {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    config
}

/// A connection of the host's own (not one statements of callers run on), at the first host that answers and is what the
/// URL asks for. The connection has to be driven.
///
/// # Errors
/// What the last host said, within `patience` for all of them together.
pub async fn connect(
    config: &Config,
    patience: Duration,
) -> Result<(Client, Connection<tokio_postgres::Socket, NoTlsStream>), Error> {
    let places = Place::all(config);
    let each = share(config, patience, places.len());
    let mut failure = Error::Nowhere;
    for place in places {
        let mut alone = place.alone(config);
        alone.target_session_attrs(config.get_target_session_attrs());
        failure = match timeout(each, alone.connect(NoTls)).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => Error::Refused(place, error),
            Err(_) => Error::Late(place, each),
        };
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Config {
        url.parse().unwrap()
    }

    #[test]
    fn a_url_names_hosts_with_a_port_for_all_or_one_for_each() {
        let check = |url: &str, want: &[&str]| {
            let told: Vec<String> = Place::all(&config(url)).iter().map(Place::to_string).collect();
            assert_eq!(told, want, "{url}");
        };
        check("postgres://u@a/d", &["a:5432"]);
        check("postgres://u@a:1,b:2/d", &["a:1", "b:2"]);
        check("postgres://u@[::1]:7/d", &["[::1]:7"]);
        check("postgres://u@%2Frun%2Fone,%2Frun%2Ftwo/d", &["/run/one:5432", "/run/two:5432"]);
        check("host=a,b port=6 user=u", &["a:6", "b:6"]);
        check("host=a hostaddr=127.0.0.1 user=u", &["a:5432"]);
        check("hostaddr=127.0.0.1,127.0.0.2 user=u", &["127.0.0.1:5432", "127.0.0.2:5432"]);
        check("user=u", &[]);
    }

    #[test]
    fn who_failed_is_tried_last_and_what_was_not_asked_for_is_refused() {
        let order = |hosts: &Hosts| hosts.in_turn().iter().map(|(i, _)| *i).collect::<Vec<_>>();
        let hosts = Hosts::new(&config("postgres://u@a,b,c/d"), Duration::from_secs(6));
        assert_eq!((order(&hosts), hosts.patience()), (vec![0, 1, 2], Duration::from_secs(2)));
        hosts.note(0, false);
        assert_eq!(order(&hosts), [1, 2, 0]);
        hosts.note(1, false);
        assert_eq!(order(&hosts), [2, 0, 1]);
        hosts.note(0, true);
        assert_eq!(order(&hosts), [0, 2, 1]);
        let random = Hosts::new(&config("postgres://u@a,b/d?load_balance_hosts=random"), Duration::from_secs(6));
        let firsts: std::collections::BTreeSet<usize> = (0..100).map(|_| order(&random)[0]).collect();
        assert_eq!(firsts.len(), 2, "a hundred throws of a coin");
        for (wanted, replica, good) in [
            ("any", true, true),
            ("any", false, true),
            ("read-write", false, true),
            ("read-write", true, false),
            ("read-only", true, true),
            ("read-only", false, false),
        ] {
            let url = format!("postgres://u@a/d?target_session_attrs={wanted}");
            let hosts = Hosts::new(&config(&url), Duration::from_secs(6));
            assert_eq!(hosts.suits(&hosts.places[0], replica).is_ok(), good, "{wanted} {replica}");
        }
    }

    #[test]
    fn a_host_has_its_share_of_the_time_or_what_the_url_says() {
        for (url, patience, want) in [
            ("postgres://u@a/d", 5, 5),
            ("postgres://u@a,b/d", 5, 2),
            ("postgres://u@a,b,c,d,e,f,g,h/d", 5, 1),
            ("postgres://u@a,b/d?connect_timeout=3", 5, 3),
            ("postgres://u@a,b/d?connect_timeout=60", 5, 5),
        ] {
            let each = Hosts::new(&config(url), Duration::from_secs(patience)).patience();
            assert_eq!(each.as_secs(), want, "{url}");
        }
    }

    #[test]
    fn one_host_alone_has_the_whole_login_and_no_other_host() {
        let all =
            config("postgres://u:p@a:1,b:2/d?application_name=x&connect_timeout=3&target_session_attrs=read-write");
        let alone = Place::all(&all)[1].alone(&all);
        assert_eq!((alone.get_hosts(), alone.get_ports()), (&[Host::Tcp("b".to_owned())][..], &[2][..]));
        assert_eq!((alone.get_user(), alone.get_password()), (Some("u"), Some(&b"p"[..])));
        assert_eq!((alone.get_dbname(), alone.get_application_name()), (Some("d"), Some("x")));
        assert_eq!(alone.get_target_session_attrs(), TargetSessionAttrs::Any);
        for (url, want) in
            [("postgres://u@a/d", TargetSessionAttrs::Any), ("postgres://u@a,b/d", TargetSessionAttrs::ReadWrite)]
        {
            assert_eq!(writing(&config(url)).get_target_session_attrs(), want, "{url}");
        }
    }

    #[tokio::test]
    async fn a_host_that_says_nothing_does_not_keep_the_next_from_being_asked() {
        // Takes connections and never says a word.
        let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (mute_port, gone_port) = (mute.local_addr().unwrap().port(), gone.local_addr().unwrap().port());
        drop(gone);
        let patience = Duration::from_secs(2);
        let ask = |ports: String| async move {
            let config = config(&format!("host=127.0.0.1,127.0.0.1 port={ports} user=u"));
            connect(&config, patience).await.err().unwrap()
        };
        assert!(
            matches!(ask(format!("{mute_port},{gone_port}")).await, Error::Refused(place, _) if place.port == gone_port)
        );
        assert!(
            matches!(ask(format!("{gone_port},{mute_port}")).await, Error::Late(place, _) if place.port == mute_port)
        );
        assert!(matches!(connect(&config("user=u"), patience).await, Err(Error::Nowhere)));
    }
}
