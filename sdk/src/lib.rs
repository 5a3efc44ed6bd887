//! Write tools for Rowhouse in Rust.
//!
//! A plugin is one WebAssembly component. It can ask the database, look at the schema, log and report progress, and
//! nothing else: no files, no network, no clock but the host's, no memory from one call to the next. Which tenants' rows
//! exist at all is decided before a statement sees any; a tool never filters by tenant.
//!
//! # A plugin
//!
//! ```
//! use rowhouse_plugin::prelude::*;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct LowStock {
//!     /// At most so many left.
//!     #[serde(default = "few")]
//!     #[schemars(range(min = 0))]
//!     at_most: i64,
//! }
//!
//! fn few() -> i64 {
//!     5
//! }
//!
//! /// Products of which few are left, fewest first.
//! #[tool]
//! fn low_stock(LowStock { at_most }: LowStock) -> Result<Rows> {
//!     sql!(
//!         "SELECT store_name, product_name, stock_level FROM retail.inventory
//!          JOIN retail.stores USING (store_id) JOIN retail.products USING (product_id)
//!          WHERE stock_level <= {at_most} ORDER BY stock_level, product_name LIMIT 10"
//!     )
//!     .rows()
//! }
//!
//! plugin! { name: "stock", tools: [low_stock] }
//!
//! # fn main() {
//! // Natively the host is a fake one, and a test is an ordinary test.
//! use rowhouse_plugin::{rows, testing};
//!
//! let host = testing::host::<Plugin>()
//!     .on("FROM retail.inventory", rows![["store_name", "product_name", "stock_level"]; ["Seattle", "Mallet", 2]]);
//! let answer = host.call("low_stock", json!({ "at_most": 3 })).expect("an answer");
//! assert_eq!(answer.json(), json!({ "c": ["store_name", "product_name", "stock_level"], "r": [["Seattle", "Mallet", 2]], "n": 1 }));
//! // The caller's number went beside the statement, as `$1`.
//! assert_eq!(host.asked()[0].parameters, [Value::Int(3)]);
//! assert!(host.asked()[0].statement.contains("stock_level <= $1"));
//! # }
//! ```
//!
//! The doc comment is the tool's description, the struct its input schema, the return type its output schema. `plugin!`
//! exports it all; the crate needs `crate-type = ["cdylib"]`, `rowhouse-plugin`, `serde` and `schemars`, and is built for
//! `wasm32-unknown-unknown`.
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | tools, prompts, resources | [`macro@tool`], [`macro@prompt`], [`macro@resource`], [`plugin!`] |
//! | statements and their rows | [`sql!`], [`Statement`], [`Rows`], [`FromRow`], [`join!`] |
//! | what a tool can return | [`IntoAnswer`](answer::IntoAnswer): [`Rows`], [`Json`], [`Worded`], [`Image`](answer::Image), ... |
//! | why there is no answer | [`Error`], [`bail!`], [`OrError`] |
//! | asking the user back | [`Dialogue`] |
//! | who is calling, and when | [`context`] |
//! | tables and vectors | [`schema`], [`embedding`] |
//! | word to operator and caller | [`info!`] and its like, [`progress`] |
//! | tests | [`testing`] |
//!
//! The contract itself, interface by interface, is the WIT of this crate's `wit/`: a copy of Rowhouse's own, so that the
//! crate builds outside of its repository; a test holds the two to be the same.

// The macros write `::rowhouse_plugin`, here as anywhere else.
extern crate self as rowhouse_plugin;

#[doc(hidden)]
pub mod bindings;
mod decimal;
mod error;
mod value;
mod row;
mod imports;
pub mod sql;
pub mod schemas;
pub mod answer;
pub mod dialogue;
pub mod tool;
pub mod prompt;
pub mod resource;
mod plugin;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod exports;
pub mod context;
pub mod embedding;
pub mod log;
pub mod progress;
pub mod schema;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use answer::{Worded, table};
pub use chrono;
pub use decimal::Decimal;
pub use dialogue::Dialogue;
pub use error::{Error, OrError, Result};
pub use plugin::{Given, Plugin, View};
pub use row::{Cells, FromRow};
pub use rust_decimal;
pub use sql::{Rows, Statement};
pub use uuid::Uuid;
pub use value::{Bytes, Column, Date, DateAndTime, FromValue, Json, Kind, Timestamp, ToValue, Value, Vector};

/// Makes a function a tool.
///
/// ```
/// # use rowhouse_plugin::prelude::*;
/// # #[derive(Deserialize, JsonSchema)] struct Asked { name: String }
/// # #[derive(Serialize, JsonSchema)] struct Store { region: String }
/// /// The region of a store, by the store's name. For its revenue use get_store_performance instead.
/// #[tool(title = "Region of a store")]
/// fn region(asked: Asked) -> Result<Json<Store>> {
///     let region = sql!("SELECT region FROM retail.stores WHERE store_name = {asked.name}").one()?;
///     Ok(Json(Store { region }))
/// }
/// ```
///
/// - The **doc comment** is the description: what a model reads to decide whether and how to call it. It ends at the
///   first heading, so `# Errors` is for readers of the source.
/// - **Arguments** are one struct that is `Deserialize` and `JsonSchema`; its fields' doc comments, `#[serde(default)]` and
///   `#[schemars(range(...))]` go into the schema. The host holds every call to it before the function runs.
/// - The **return type** gives the output schema: see [`IntoAnswer`](answer::IntoAnswer).
/// - In brackets: `title` (else made of the name), `name` (else the function's), and the hints `read_only`, `destructive`,
///   `idempotent`, `open_world`. A plugin can only read, and only its host's database, so by default the first and third
///   are true, the others false.
/// - A parameter `&mut Dialogue` makes it a tool that asks the user back: see [`Dialogue`].
pub use rowhouse_plugin_macros::tool;

/// Makes a function a prompt: a text that a person picks from a menu.
///
/// ```
/// # use rowhouse_plugin::prelude::*;
/// #[derive(Deserialize, JsonSchema)]
/// struct Review {
///     /// The store to look at; all of them where it is left out.
///     store: Option<String>,
/// }
///
/// /// Goes through last month with the numbers at hand.
/// #[prompt(complete(store = stores))]
/// fn monthly_review(review: Review) -> String {
///     format!("Review last month for {}.", review.store.as_deref().unwrap_or("all stores"))
/// }
///
/// fn stores(_begun: &str, _given: &Given<'_>) -> Result<Vec<String>> {
///     sql!("SELECT store_name FROM retail.stores ORDER BY store_name").all()
/// }
/// ```
///
/// As with [`tool`](macro@tool), the doc comment is the description and the struct's fields are the arguments; they are texts. A
/// completing function may give all there is: what does not begin as the caller's text does is left out. A parameter
/// `&mut Dialogue` makes it a prompt that asks the user back: see [`Dialogue`].
pub use rowhouse_plugin_macros::prompt;

/// Makes a function a resource: a document that a client reads by its URI. With variables in the URI, many.
///
/// ```
/// # use rowhouse_plugin::prelude::*;
/// /// What a store sold, as CSV.
/// #[resource(uri = "report://store/{name}", mime_type = "text/csv")]
/// fn report(name: String) -> Result<String> {
///     let sold: i64 = sql!("SELECT count(*) FROM retail.orders JOIN retail.stores USING (store_id) WHERE store_name = {name}").one()?;
///     Ok(format!("store,orders\n{name},{sold}\n"))
/// }
/// ```
///
/// In brackets: `uri`, `title`, `name`, `mime_type` (else `text/plain`) and `complete(variable = function)`. `ui://`
/// names a view (MCP Apps), whose `mime_type` is `text/html;profile=mcp-app`.
pub use rowhouse_plugin_macros::resource;

/// Puts a plugin together, and exports it.
///
/// ```
/// # mod stock {
/// # use rowhouse_plugin::prelude::*;
/// # /// A.
/// # #[tool] fn low_stock() -> String { String::new() }
/// # /// A.
/// # #[tool] fn draft_order(_: &mut Dialogue) -> String { String::new() }
/// # /// A.
/// # #[prompt] fn monthly_review() -> String { String::new() }
/// # /// A.
/// # #[prompt] fn order_letter(_: &mut Dialogue) -> String { String::new() }
/// # /// A.
/// # #[resource(uri = "ui://stock/low", mime_type = "text/html;profile=mcp-app")] fn low_view() -> String { String::new() }
/// plugin! {
///     name: "stock",                    // the file has this name, too; else the crate's
///     tools: [low_stock],
///     dialogues: [draft_order],         // tools that take `&mut Dialogue`
///     prompts: [monthly_review],
///     prompt_dialogues: [order_letter], // prompts that take `&mut Dialogue`
///     resources: [low_view],
///     views: [low_stock => low_view],   // which `ui://` resource shows which tool's answers
/// }
/// # }
/// ```
///
/// The version is the crate's. Only the interfaces that are used are exported, and only what is called is imported. It
/// also makes a type `Plugin`, by which [`testing::host`] knows the plugin.
pub use rowhouse_plugin_macros::plugin;

/// Makes a [`Statement`] whose parameters stand where they are used.
///
/// ```
/// # use rowhouse_plugin::prelude::*;
/// # struct Asked { category: String, by_price: bool }
/// # let asked = Asked { category: "Paint".to_owned(), by_price: true };
/// let order = if asked.by_price { "base_price" } else { "product_name" };
/// let statement = sql!("SELECT product_name FROM retail.products WHERE category = {asked.category} ORDER BY {order:sql}");
/// assert_eq!(statement.text(), "SELECT product_name FROM retail.products WHERE category = $1 ORDER BY base_price");
/// assert_eq!(statement.parameters(), [Value::Text("Paint".to_owned())]);
/// ```
///
/// - `{expression}` becomes `$1`, `$2`, ... and is sent beside the statement: nothing in it can be read as SQL. The same
///   variable or field twice is one parameter.
/// - `{expression:sql}` is a piece of SQL that the plugin itself wrote: a `&'static str`, so that no caller's words can
///   get there.
/// - `{{` and `}}` are the brackets themselves.
///
/// ```compile_fail
/// # use rowhouse_plugin::prelude::*;
/// let from_a_caller = String::from("product_name; --");
/// let statement = sql!("SELECT product_name FROM retail.products ORDER BY {from_a_caller.as_str():sql}");
/// ```
pub use rowhouse_plugin_macros::sql;

/// All that a plugin usually names.
pub mod prelude {
    pub use crate::{
        Bytes, Date, DateAndTime, Decimal, Dialogue, Error, FromRow, Given, Json, OrError, Result, Rows, Statement,
        Timestamp, Uuid, Value, Vector, Worded, answer::Image, answer::Part, bail, context, debug, embedding, error,
        info, join, plugin, progress, prompt, prompt::Message, resource, schema, sql, table, tool, warn,
    };
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::json;
}

/// What the macros write; no part of what this crate promises.
#[doc(hidden)]
pub mod __private {
    pub use wit_bindgen::rt;

    #[cfg(target_arch = "wasm32")]
    pub use crate::exports;
    pub use crate::{answer::arguments, bindings, prompt::texts, resource::variable, row::by_name, sql::Wait};

    /// A piece of SQL of the plugin's own: no text that came from a caller lives for ever.
    #[must_use]
    pub const fn fragment(sql: &'static str) -> &'static str {
        sql
    }

    /// What tells the linker of an interface's exports, from `build.rs`.
    pub mod worlds {
        macro_rules! worlds {
            ($($name:ident $file:literal)*) => {$(
                pub const $name: &[u8; include_bytes!(concat!(env!("OUT_DIR"), "/", $file, ".world")).len()] =
                    include_bytes!(concat!(env!("OUT_DIR"), "/", $file, ".world"));
            )*};
        }
        worlds!(TOOLS "tools" PROMPTS "prompts" RESOURCES "resources" DIALOGUE "dialogue" PROMPT_DIALOGUE "prompt-dialogue" VIEWS "views");
    }
}
