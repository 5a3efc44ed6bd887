//! A whole Rowhouse in this process.
//!
//! One private PostgreSQL serves the whole run: started once, migrated, hardened and seeded once. An [`App`] is a house
//! of its own on it: own plugins, own port, own pool. The server ends with the process.

use rowhouse::config::{self, Settings};
use rowhouse::house::{Ground, House, Watcher};
use rowhouse::identity::Principal;
use rowhouse::keys::Keys;
use rowhouse::{embedded, mcp};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use xtask::guests::{self, Which};

/// Customers and orders, as a share of the demo's: a thousand and four thousand.
pub const SCALE: f64 = 0.02;

/// What the run shares.
pub struct Shared {
    /// Keys, compiled code, the database cluster's binaries.
    pub state: PathBuf,
    /// The superuser's way into the shared database.
    pub url: String,
    /// Where PostgreSQL's socket is.
    pub socket: PathBuf,
    /// The superuser's password.
    pub password: String,
    /// Kept alive as long as the process.
    _server: embedded::Server,
}

impl Shared {
    /// The superuser's way into another database of the same server.
    pub fn url_of(&self, database: &str) -> String {
        let host = self.socket.display().to_string().replace('/', "%2F");
        format!("postgres://postgres:{}@{host}/{database}", self.password)
    }

    /// Connect as the superuser.
    pub async fn admin(&self, database: &str) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.url_of(database), tokio_postgres::NoTls)
            .await
            .expect("the shared server answers");
        tokio::spawn(connection);
        client
    }
}

/// Says nothing: a test's output is its failure.
pub struct Silent;

impl Watcher for Silent {
    fn step(&mut self, _name: &str, _detail: &str) {}
    fn count(&mut self, _name: &str, _what: &str, _done: u64, _total: u64) {}
}

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("host/ has a parent")
}

/// The built host.
pub fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_rowhouse"))
}

/// The component of a guest, built from its sources in this run.
pub fn guest(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        for which in [Which::Plugins, Which::Tests] {
            guests::build(root(), which, &mut |_| {}).expect("the guests build");
        }
    });
    let places = ["target/plugins", "target/test-guests"].map(|dir| root().join(dir).join(format!("{name}.wasm")));
    places.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("there is no guest `{name}`"))
}

/// The shared server, started on first use, on a runtime of its own that outlives every test.
pub async fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    tokio::task::spawn_blocking(|| {
        SHARED.get_or_init(|| {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
            let shared = runtime.block_on(start());
            // Its tasks serve the server; it must not end before the process does.
            std::mem::forget(runtime);
            shared
        })
    })
    .await
    .expect("the shared server starts")
}

async fn start() -> Shared {
    // Root's database runs as another user, who cannot look into a checkout below /root: the state goes where that
    // user can. Its own directory per user and run of the suite's binary; the last run's is removed.
    let user = rustix::process::geteuid().as_raw();
    let state = std::env::temp_dir().join(format!("rowhouse-suite-{user}"));
    let cluster = format!("cluster-{}", std::process::id());
    sweep(&state);
    let options = embedded::Options {
        state_dir: Some(state.clone()),
        cluster,
        durable: false,
        max_connections: 200,
        bin_dir: std::env::var_os("ROWHOUSE_PG_BIN_DIR").map(PathBuf::from),
        ..embedded::Options::default()
    };
    let server = embedded::Server::start(&options, &mut |_| {}).await.expect("an embedded PostgreSQL");
    let password = server.admin().get_password().expect("the superuser has a password").to_vec();
    let mut shared = Shared {
        url: String::new(),
        socket: server.socket_dir().to_owned(),
        password: String::from_utf8(password).expect("a password in ASCII"),
        state,
        _server: server,
    };
    shared.url = shared.url_of(embedded::DATABASE);
    let settings = settings(&shared);
    let keys = Keys::open(&shared.state).expect("keys");
    let ground = Ground::find(&settings, false, &mut Silent).await.expect("the shared database");
    ground.prepare(&settings, &keys, &mut Silent).await.expect("a migrated database");
    ground.seed(SCALE, &mut Silent).await.expect("a seeded database");
    shared
}

/// Remove the clusters of runs that are over.
fn sweep(state: &Path) {
    for entry in std::fs::read_dir(state).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let over = name.strip_prefix("cluster-").is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if over {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    // What runs before approved is not what this run's processes serve.
    let _ = std::fs::remove_dir_all(state.join("plugins"));
}

/// Settings of a house on the shared database.
pub fn settings(shared: &Shared) -> Settings {
    let mut settings = Settings { state: Some(shared.state.clone()), ..Settings::default() };
    settings.database.url = Some(shared.url.clone().into());
    settings.database.harden = Some(true);
    // Logins of the one server are shared by every house of the run.
    settings.database.pool.max = Some(60);
    settings.database.pool.min = 1;
    settings.plugins.concurrent_calls = 8;
    settings.plugins.watch = false;
    // A model in memory for each house of the run would be gigabytes; tests/embedding.rs has those with one.
    settings.embedding.model = "none".to_owned();
    // Guests of the suite come from the compiler, not from a publisher; tests/signing.rs has those that do.
    settings.plugins.signatures = Some(config::Signatures::Optional);
    settings.http.listen = ([127, 0, 0, 1], 0).into();
    // Tests knock faster than any agent; the ones about limits set their own.
    (settings.traffic.principal, settings.traffic.tenant) = (None, None);
    settings
}

/// A house of its own, serving.
pub struct App {
    pub host: Arc<rowhouse::call::Host>,
    /// The directory plugins are loaded from. Change it, then [`App::look`].
    pub plugins: tempfile::TempDir,
    http: reqwest::Client,
    address: std::net::SocketAddr,
    shutdown: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
    house: Option<House>,
}

/// What to change before an [`App`] opens.
pub struct Plan {
    pub settings: Settings,
    /// Guests by name.
    pub guests: Vec<&'static str>,
    /// The plugin directory of a house that was closed, with all that was decided about what is in it.
    pub plugins: Option<tempfile::TempDir>,
}

impl App {
    /// The demo's plugins and two well-behaved guests.
    pub async fn start() -> Self {
        Self::plan(|_| {}).await
    }

    /// The same, behind another door.
    pub async fn with(change: impl FnOnce(&mut config::Http)) -> Self {
        Self::plan(|plan| change(&mut plan.settings.http)).await
    }

    /// The same, with whatever changed.
    pub async fn plan(change: impl FnOnce(&mut Plan)) -> Self {
        let shared = shared().await;
        let mut plan =
            Plan { settings: settings(shared), guests: vec!["sales", "search", "conformance", "echo"], plugins: None };
        change(&mut plan);
        let plugins = plan.plugins.take().unwrap_or_else(|| tempfile::tempdir().expect("a directory"));
        for name in &plan.guests {
            std::fs::copy(guest(name), plugins.path().join(format!("{name}.wasm"))).expect("a copy of the guest");
        }
        plan.settings.plugins.directory = plugins.path().to_owned();
        // What is decided about a house's plugins is no other house's business.
        let pins = plugins.path().join("pins");
        plan.settings.plugins.lock.get_or_insert_with(|| pins.join("rowhouse.lock"));
        plan.settings.plugins.kept.get_or_insert_with(|| pins.join("kept"));
        let keys = Keys::open(&plan.settings.state_dir()).expect("keys");
        // The tests' own HTTP client needs it, too; whoever comes first installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind(plan.settings.http.listen).await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        plan.settings.http.listen = address;
        let ground = Ground::find(&plan.settings, false, &mut Silent).await.expect("the shared database");
        let house = House::open(&plan.settings, &keys, ground, binary(), &mut Silent).await.expect("an open house");
        let shutdown = CancellationToken::new();
        let host = Arc::clone(&house.host);
        let serve = mcp::http::run(listener, Arc::clone(&host), plan.settings.http.clone(), shutdown.clone());
        let served = tokio::spawn(serve);
        Self { host, plugins, http: reqwest::Client::new(), address, shutdown, served, house: Some(house) }
    }

    /// The endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// A token of one of the demo's identities.
    pub fn token(&self, name: &str) -> String {
        self.host.identity().issue(name, Duration::from_secs(600)).expect("a known identity")
    }

    /// One of the demo's identities.
    pub fn principal(&self, name: &str) -> Arc<Principal> {
        Arc::new(self.host.identity().local(name).expect("a known identity"))
    }

    /// Put a guest into the plugin directory, under a name.
    pub fn install(&self, guest_name: &str, as_name: &str) {
        std::fs::copy(guest(guest_name), self.plugins.path().join(format!("{as_name}.wasm")))
            .expect("a copy of the guest");
    }

    /// Look at the plugin directory now.
    pub async fn look(&self) {
        self.host.plugins.look().await.expect("the plugin directory");
    }

    /// Call a tool over HTTP, in the modern revision, as one of the demo's identities; the JSON-RPC reply.
    pub async fn post(&self, who: &str, tool: &str, arguments: Value) -> Value {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        let reply = self
            .http
            .post(self.url())
            .bearer_auth(self.token(who))
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool)
            .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
            .send()
            .await
            .expect("a reply");
        reply.json().await.expect("a JSON reply")
    }

    /// The structured answer of a call that must succeed.
    pub async fn answer(&self, who: &str, tool: &str, arguments: Value) -> Value {
        let mut reply = self.post(who, tool, arguments).await;
        assert_eq!(reply["result"]["isError"], false, "{reply}");
        reply["result"]["structuredContent"].take()
    }

    /// The rows of a statement that must succeed.
    pub async fn rows(&self, who: &str, statement: &str) -> Vec<Value> {
        let mut answer = self.answer(who, "execute_sales_query", json!({ "query": statement })).await;
        match answer["r"].take() {
            Value::Array(rows) => rows,
            other => panic!("no rows: {other}"),
        }
    }

    /// The stable code and the text of a call that must fail.
    pub async fn failure(&self, who: &str, tool: &str, arguments: Value) -> (String, String) {
        let reply = self.post(who, tool, arguments).await;
        assert_eq!(reply["result"]["isError"], true, "{reply}");
        let code = reply["result"]["_meta"]["rowhouse/error"]["code"].as_str().expect("a code").to_owned();
        (code, reply["result"]["content"][0]["text"].as_str().expect("a text").to_owned())
    }

    /// What the endpoint says of whether calls can be answered, as a status.
    pub async fn ready(&self) -> u16 {
        let asked = self.http.get(format!("http://{}/health/ready", self.address)).send();
        asked.await.expect("a reply").status().as_u16()
    }

    /// Stop serving, wait until it is over, and leave the plugin directory to another house.
    pub async fn leave(mut self) -> tempfile::TempDir {
        let empty = tempfile::tempdir().expect("a directory");
        let plugins = std::mem::replace(&mut self.plugins, empty);
        self.stop().await;
        plugins
    }

    /// Stop serving and wait until it is over.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        (&mut self.served).await.expect("the server's task").expect("a clean end");
        if let Some(house) = self.house.take() {
            house.close().await.expect("a closed house");
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
