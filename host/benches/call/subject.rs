//! What is measured: a whole call, and ever less of it.

use crate::bare::Bare;
use crate::harness::{self, App};
use crate::keeping::{keeping, kept, within_house};
use crate::load::{self, Lap};
use rowhouse::identity::Principal;
use rowhouse::keys::Keys;
use rowhouse::policy::{Permit, Scope};
use rowhouse::query::Bounds;
use rowhouse::query::gate::Gate;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Whose rows.
const WHO: &str = "seattle";
/// The tool that passes rows through.
const QUERY: &str = "execute_sales_query";
/// The tool that does nothing.
const NOTHING: &str = "echo";

/// Ten rows, as a model would ask for them: an index scan that costs PostgreSQL little.
const TEN: &str = "SELECT order_id, order_date, total_amount FROM retail.orders ORDER BY order_date DESC LIMIT 10";
/// As many rows as an answer may have, of five columns.
const THOUSAND: &str =
    "SELECT order_id, product_id, quantity, unit_price, total_amount FROM retail.order_items LIMIT 1000";

/// One way to ask, from the whole street down to one room of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// The whole call, over HTTP.
    Whole(Size),
    /// The call without HTTP and the protocol.
    Call(Size),
    /// The call without HTTP, asked before: its rows are kept.
    Again(Size),
    /// The statement through the host's own door: gate, ticket, pool, one round trip.
    Path(Size),
    /// The statement by the bare driver, in the same transaction.
    Bare(Size),
    /// Over HTTP, a tool that asks the database nothing.
    WholeNothing,
    /// The same without HTTP: policy, schemas, a fresh sandbox.
    CallNothing(Language),
    /// Without HTTP, a tool that reads ten rows itself instead of passing them on.
    CallReading(Language),
    /// The gate alone: parse, walk, fingerprint.
    Gate,
    /// The bearer token alone: from text to principal.
    Token,
}

/// How many rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Size {
    Ten,
    Thousand,
}

/// What a guest is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Language {
    Rust,
    JavaScript,
    Python,
}

impl Language {
    /// The tool that does nothing, and what it is told.
    fn nothing(self) -> (&'static str, Value) {
        let tool = match self {
            Self::Rust => NOTHING,
            Self::JavaScript => "js_echo",
            Self::Python => "py_echo",
        };
        (tool, json!({ "text": "x" }))
    }

    /// The tool that reads rows, and what it is told.
    fn reading(self) -> (&'static str, Value) {
        match self {
            Self::Rust => ("echo_rows", json!({ "statement": TEN, "how": "batch" })),
            Self::JavaScript => ("js_read", json!({ "statement": TEN })),
            Self::Python => ("py_read", json!({ "statement": TEN })),
        }
    }
}

impl Size {
    fn statement(self) -> &'static str {
        match self {
            Self::Ten => TEN,
            Self::Thousand => THOUSAND,
        }
    }

    fn rows(self) -> usize {
        match self {
            Self::Ten => 10,
            Self::Thousand => 1_000,
        }
    }
}

impl Subject {
    /// In the order they are measured and shown.
    pub(crate) const ALL: [Self; 19] = [
        Self::Whole(Size::Ten),
        Self::Call(Size::Ten),
        Self::Again(Size::Ten),
        Self::Path(Size::Ten),
        Self::Bare(Size::Ten),
        Self::Whole(Size::Thousand),
        Self::Call(Size::Thousand),
        Self::Again(Size::Thousand),
        Self::Path(Size::Thousand),
        Self::Bare(Size::Thousand),
        Self::WholeNothing,
        Self::CallNothing(Language::Rust),
        Self::CallNothing(Language::JavaScript),
        Self::CallNothing(Language::Python),
        Self::CallReading(Language::Rust),
        Self::CallReading(Language::JavaScript),
        Self::CallReading(Language::Python),
        Self::Gate,
        Self::Token,
    ];

    /// How many calls of the lightest kind one of these stands for, so that laps last about as long.
    pub(crate) fn weight(self) -> usize {
        match self {
            Self::Whole(Size::Thousand) | Self::Call(Size::Thousand) | Self::Again(Size::Thousand) => 10,
            Self::Path(Size::Thousand) | Self::Bare(Size::Thousand) => 10,
            Self::CallNothing(Language::Python) | Self::CallReading(Language::Python) => 10,
            _ => 1,
        }
    }

    /// The bare driver doing the same, where there is such a thing.
    pub(crate) fn baseline(self) -> Option<Self> {
        match self {
            Self::Whole(size) | Self::Call(size) | Self::Again(size) | Self::Path(size) | Self::Bare(size) => {
                Some(Self::Bare(size))
            }
            _ => None,
        }
    }

    /// For programs.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Whole(Size::Ten) => "whole_10",
            Self::Call(Size::Ten) => "call_10",
            Self::Again(Size::Ten) => "again_10",
            Self::Path(Size::Ten) => "path_10",
            Self::Bare(Size::Ten) => "bare_10",
            Self::Whole(Size::Thousand) => "whole_1000",
            Self::Call(Size::Thousand) => "call_1000",
            Self::Again(Size::Thousand) => "again_1000",
            Self::Path(Size::Thousand) => "path_1000",
            Self::Bare(Size::Thousand) => "bare_1000",
            Self::WholeNothing => "whole_nothing",
            Self::CallNothing(Language::Rust) => "call_nothing",
            Self::CallNothing(Language::JavaScript) => "call_nothing_javascript",
            Self::CallNothing(Language::Python) => "call_nothing_python",
            Self::CallReading(Language::Rust) => "call_reading",
            Self::CallReading(Language::JavaScript) => "call_reading_javascript",
            Self::CallReading(Language::Python) => "call_reading_python",
            Self::Gate => "gate",
            Self::Token => "token",
        }
    }

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Whole(Size::Ten) => "whole call over HTTP, 10 rows",
            Self::Call(Size::Ten) => "call without HTTP, 10 rows",
            Self::Again(Size::Ten) => "the same again, out of the cache",
            Self::Path(Size::Ten) => "context and query path, 10 rows",
            Self::Bare(Size::Ten) => "tokio-postgres alone, 10 rows",
            Self::Whole(Size::Thousand) => "whole call over HTTP, 1,000 rows",
            Self::Call(Size::Thousand) => "call without HTTP, 1,000 rows",
            Self::Again(Size::Thousand) => "the same again, out of the cache",
            Self::Path(Size::Thousand) => "context and query path, 1,000 rows",
            Self::Bare(Size::Thousand) => "tokio-postgres alone, 1,000 rows",
            Self::WholeNothing => "over HTTP, a tool that does nothing",
            Self::CallNothing(Language::Rust) => "the same without HTTP (sandbox)",
            Self::CallNothing(Language::JavaScript) => "the same in JavaScript",
            Self::CallNothing(Language::Python) => "the same in Python",
            Self::CallReading(Language::Rust) => "a tool that reads 10 rows itself",
            Self::CallReading(Language::JavaScript) => "the same in JavaScript",
            Self::CallReading(Language::Python) => "the same in Python",
            Self::Gate => "gate check of the 10 rows' statement",
            Self::Token => "check of the bearer token",
        }
    }
}

/// Everything a lap needs, open.
pub(crate) struct Bench {
    app: App,
    /// Another house over the same rows, which keeps answers.
    keeps: App,
    server: SocketAddr,
    who: Arc<Principal>,
    permit: Permit,
    bare: Arc<[Bare]>,
    gate: Arc<Gate>,
}

impl Bench {
    /// Open a house and a bare connection for each caller, and make sure that every way gives the same rows.
    pub(crate) async fn open(callers: usize) -> Self {
        let shared = harness::shared().await;
        let app = App::plan(|plan| {
            plan.guests = vec!["sales", "echo", "in_javascript", "in_python"];
            // What a server has by default: nobody here is to wait for a place.
            plan.settings.plugins.concurrent_calls = 64;
        })
        .await;
        let keeps = keeping(shared).await;
        let server = app.url().trim_start_matches("http://").trim_end_matches("/mcp").parse().expect("an address");
        let who = app.principal(WHO);
        let permit = app.host.policy.current().permit(&who, "sales", QUERY, None).expect("a store manager may ask");
        let Scope::One(tenant) = *permit.scope() else { panic!("a store manager has one store") };
        let keys = Keys::open(&shared.state).expect("the keys of the shared state");
        let config = shared.url.parse().expect("the shared database's URL");
        let mut bare = Vec::new();
        for _ in 0..callers {
            bare.push(Bare::open(&config, &keys, tenant).await);
        }
        let relations = app.host.catalog.load().relations();
        let gate = Arc::new(Gate::new(rowhouse_migrations::ALLOWED_FUNCTIONS, relations));
        let bench = Self { app, keeps, server, who, permit, bare: bare.into(), gate };
        bench.check().await;
        bench
    }

    /// The same number of rows by every way: what is compared below does the same work.
    async fn check(&self) {
        for size in [Size::Ten, Size::Thousand] {
            let answer = load::ask(self.server, &self.request(QUERY, json!({ "query": size.statement() }))).await;
            assert!(answer.contains(&format!("\"n\":{}", size.rows())), "{answer}");
            assert_eq!(self.bare[0].run(size.statement()).await, size.rows());
        }
    }

    pub(crate) async fn close(self) {
        drop(self.bare);
        self.keeps.stop().await;
        self.app.stop().await;
    }

    /// One lap of one subject.
    pub(crate) async fn lap(&self, subject: Subject, callers: usize, calls: usize) -> Lap {
        match subject {
            Subject::Whole(size) => {
                let request = self.request(QUERY, json!({ "query": size.statement() }));
                load::over_http(callers, calls, self.server, &request).await
            }
            Subject::WholeNothing => {
                let (tool, arguments) = Language::Rust.nothing();
                load::over_http(callers, calls, self.server, &self.request(tool, arguments)).await
            }
            Subject::Call(size) => self.calls(callers, calls, QUERY, json!({ "query": size.statement() })).await,
            Subject::Again(size) => {
                let before = kept(&self.keeps);
                let arguments = json!({ "query": size.statement() });
                let lap = within_house(&self.keeps, &self.who, callers, calls, QUERY, arguments).await;
                // All but the first: the lap measures what it says.
                assert!(kept(&self.keeps) - before + 1 >= (calls / callers * callers) as u64, "answers were kept");
                lap
            }
            Subject::CallNothing(language) => {
                let (tool, arguments) = language.nothing();
                self.calls(callers, calls, tool, arguments).await
            }
            Subject::CallReading(language) => {
                let (tool, arguments) = language.reading();
                self.calls(callers, calls, tool, arguments).await
            }
            Subject::Path(size) => {
                let (host, permit) = (Arc::clone(&self.app.host), self.permit.clone());
                load::within(callers, calls, move |_| {
                    let bounds = Bounds {
                        rows: 1_000,
                        bytes: 4 << 20,
                        time: Duration::from_secs(30),
                        database: Duration::from_secs(30),
                    };
                    let transaction = Arc::new(
                        host.database.open(&permit, bounds, CancellationToken::new()).expect("a safe database"),
                    );
                    async move {
                        let rows = transaction.run(size.statement(), &[]).await.expect("the statement runs");
                        assert_eq!(rows.len(), size.rows());
                    }
                })
                .await
            }
            Subject::Bare(size) => {
                let bare = Arc::clone(&self.bare);
                load::within(callers, calls, move |caller| {
                    let bare = Arc::clone(&bare);
                    async move { assert_eq!(bare[caller].run(size.statement()).await, size.rows()) }
                })
                .await
            }
            Subject::Gate => {
                let gate = Arc::clone(&self.gate);
                load::within(callers, calls, move |_| {
                    let gate = Arc::clone(&gate);
                    async move { assert_eq!(gate.check(TEN).expect("an honest statement").parameters, 0) }
                })
                .await
            }
            Subject::Token => {
                let (host, token) = (Arc::clone(&self.app.host), Arc::<str>::from(self.app.token(WHO)));
                load::within(callers, calls, move |_| {
                    let (host, token) = (Arc::clone(&host), Arc::clone(&token));
                    async move {
                        assert_eq!(
                            host.identity().from_bearer(&token).await.expect("our own token").principal.subject(),
                            WHO
                        )
                    }
                })
                .await
            }
        }
    }

    async fn calls(&self, callers: usize, calls: usize, tool: &'static str, arguments: Value) -> Lap {
        within_house(&self.app, &self.who, callers, calls, tool, arguments).await
    }

    /// A `tools/call` of the revision without sessions, as bytes.
    fn request(&self, tool: &str, arguments: Value) -> Arc<[u8]> {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
        let (server, token, length) = (self.server, self.app.token(WHO), body.len());
        let head = [
            "POST /mcp HTTP/1.1".to_owned(),
            format!("host: {server}"),
            format!("authorization: Bearer {token}"),
            "accept: application/json, text/event-stream".to_owned(),
            "content-type: application/json".to_owned(),
            "mcp-protocol-version: 2026-07-28".to_owned(),
            "mcp-method: tools/call".to_owned(),
            format!("mcp-name: {tool}"),
            format!("content-length: {length}"),
        ];
        format!("{}\r\n\r\n{body}", head.join("\r\n")).into_bytes().into()
    }
}
