//! Tests without a host and without WebAssembly.
//!
//! On any target that is not WebAssembly the functions of the contract are those of a fake host, which a test sets up:
//! what it answers to which statement, who calls, what time it is. A tool is called by its name, through the same
//! dispatch as in the component, and held to its own schemas as the real host holds it. What the fake host cannot say is
//! whether PostgreSQL takes a statement: that is for a test against a real one.
//!
//! ```
//! # use rowhouse_plugin::{prelude::*, rows, testing};
//! # #[derive(Serialize, JsonSchema)] struct Stores { stores: Vec<String> }
//! # mod plugin { use super::*;
//! # /// The stores the caller may see.
//! # #[tool] pub fn stores() -> Result<Json<Stores>> {
//! #     Ok(Json(Stores { stores: sql!("SELECT store_name FROM retail.stores").all()? })) }
//! # rowhouse_plugin::plugin! { name: "demo", tools: [stores] } }
//! # use plugin::Plugin;
//! # fn main() {
//! let host = testing::host::<Plugin>().on("FROM retail.stores", rows![["store_name"]; ["Seattle"], ["Tacoma"]]);
//! host.check();
//! let answer = host.call("stores", json!({})).expect("an answer");
//! assert_eq!(answer.json(), json!({ "stores": ["Seattle", "Tacoma"] }));
//! # }
//! ```

use std::{cell::RefCell, marker::PhantomData, rc::Rc};

use serde_json::Value as JsonValue;

pub use crate::bindings::{
    exports::rowhouse::plugin::{prompts::Prompt, resources::Described, tools::PluginInfo},
    rowhouse::plugin::schema::Table as SchemaTable,
};
use crate::{
    context::Principal,
    dialogue::{Dialogue, Question},
    embedding::NoVectors,
    error::{Error, Result},
    log::Level,
    plugin::{self, Ended, Plugin},
    prompt::Filled,
    resource::Body,
    sql::{SqlError, SqlErrorCode},
    value::{Timestamp, ToValue, Value},
};

mod check;
pub(crate) mod imports;
mod outcome;
mod table;

pub use outcome::Outcome;
pub use table::{Table, date, numeric};

/// A statement that the plugin ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// As it was written, with single spaces.
    pub statement: String,
    /// `$1`, `$2`, ...
    pub parameters: Vec<Value>,
}

/// What a test says about some statements.
#[derive(Debug)]
pub(crate) struct Rule {
    /// What they contain.
    part: String,
    /// A parameter they have.
    parameter: Option<Value>,
    result: std::result::Result<Table, SqlError>,
}

/// What the fake host knows and has seen.
#[derive(Debug, Default)]
pub(crate) struct State {
    rules: Vec<Rule>,
    asked: Vec<Asked>,
    tables: Vec<SchemaTable>,
    samples: Vec<(String, String, Vec<String>)>,
    now: i64,
    caller: Option<Principal>,
    model: Option<(String, u32)>,
    vectors: Vec<(String, Vec<f32>)>,
    no_vectors: Option<NoVectors>,
    embedded: Vec<String>,
    lines: Vec<(Level, String)>,
    progress: Vec<f64>,
}

/// A fake host that has loaded one plugin.
#[derive(Debug)]
pub struct Host<P> {
    state: Rc<RefCell<State>>,
    of: PhantomData<P>,
}

/// A fake host with the plugin `P`, a clock that stands at 1970-01-01T00:00:00Z, and nothing in its database.
#[must_use]
pub fn host<P: Plugin>() -> Host<P> {
    Host { state: Rc::default(), of: PhantomData }
}

fn single_spaces(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl<P: Plugin> Host<P> {
    /// Answer every statement that contains `part` (however it is spaced) with `table`. The first that fits answers.
    #[must_use]
    pub fn on(self, part: &str, table: Table) -> Self {
        self.rule(part, None, Ok(table))
    }

    /// The same, for those that also have `parameter` among their parameters.
    #[must_use]
    pub fn on_with(self, part: &str, parameter: impl ToValue, table: Table) -> Self {
        self.rule(part, Some(parameter.to_value()), Ok(table))
    }

    /// Refuse every statement that contains `part`.
    #[must_use]
    pub fn fails(self, part: &str, code: SqlErrorCode, message: &str) -> Self {
        let error = SqlError { code, message: message.to_owned(), sqlstate: None, position: None };
        self.rule(part, None, Err(error))
    }

    fn rule(self, part: &str, parameter: Option<Value>, result: std::result::Result<Table, SqlError>) -> Self {
        self.state.borrow_mut().rules.push(Rule { part: single_spaces(part), parameter, result });
        self
    }

    /// Let `schema.tables` name this table, too.
    #[must_use]
    pub fn table(self, table: SchemaTable) -> Self {
        self.state.borrow_mut().tables.push(table);
        self
    }

    /// The values `schema.samples` gives for a column; none by default.
    #[must_use]
    pub fn samples(self, table: &str, column: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|&value| value.to_owned()).collect();
        self.state.borrow_mut().samples.push((table.to_owned(), column.to_owned(), values));
        self
    }

    /// Set the clock.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        self.state.borrow_mut().now = now.timestamp_micros();
        self
    }

    /// Say who calls. By default somebody without a name or role who may see one tenant.
    #[must_use]
    pub fn caller(self, caller: Principal) -> Self {
        self.state.borrow_mut().caller = Some(caller);
        self
    }

    /// Set up an embedding model. Its vectors are zeros, but for the texts of [`vector`](Self::vector).
    #[must_use]
    pub fn model(self, name: &str, dimensions: u32) -> Self {
        self.state.borrow_mut().model = Some((name.to_owned(), dimensions));
        self
    }

    /// The vector of a text, of whatever length. Needs a [`model`](Self::model), as a vector does.
    #[must_use]
    pub fn vector(self, text: &str, vector: &[f32]) -> Self {
        self.state.borrow_mut().vectors.push((text.to_owned(), vector.to_vec()));
        self
    }

    /// Refuse every text, although there may be a model. Without one the reason is that there is none.
    #[must_use]
    pub fn no_vectors(self, why: NoVectors) -> Self {
        self.state.borrow_mut().no_vectors = Some(why);
        self
    }

    /// Run `inside` with this host as the host: for functions that are no tool.
    pub fn run<T>(&self, inside: impl FnOnce() -> T) -> T {
        imports::with(&self.state, inside)
    }

    /// Call a tool by its name.
    ///
    /// # Errors
    /// The tool's; or arguments that do not fit its input schema, as the real host refuses them.
    ///
    /// # Panics
    /// The answer does not fit the output schema; a statement that no rule answers; a tool that asks the user, which
    /// [`converse`](Self::converse) is for.
    pub fn call(&self, name: &str, arguments: JsonValue) -> Result<Outcome> {
        self.converse(name, arguments, |question| panic!("`{name}` asks: {question:?}"))
    }

    /// Call a tool that asks the user back; `reply` gives the result of each question, as MCP has it.
    ///
    /// # Errors
    /// As with [`call`](Self::call).
    ///
    /// # Panics
    /// As with [`call`](Self::call).
    pub fn converse(
        &self,
        name: &str,
        arguments: JsonValue,
        mut reply: impl FnMut(&Question) -> JsonValue,
    ) -> Result<Outcome> {
        let description = plugin::describe::<P>();
        let tool = description.tools.iter().find(|tool| tool.name == name);
        let tool = tool.ok_or_else(|| Error::not_found(format!("there is no tool `{name}`")))?;
        check::arguments(tool, &arguments)?;
        let arguments = arguments.to_string();
        let answer = self.rounds(|dialogue| plugin::call::<P>(name, &arguments, dialogue), &mut reply)?;
        let outcome = Outcome::of(answer);
        check::answer(tool, &outcome);
        Ok(outcome)
    }

    /// Round after round, each an instance of its own: only the state goes on.
    fn rounds<T>(
        &self,
        run: impl Fn(Dialogue) -> Result<Ended<T>>,
        reply: &mut dyn FnMut(&Question) -> JsonValue,
    ) -> Result<T> {
        use crate::bindings::exports::rowhouse::plugin::dialogue::{Reply, Round};

        let mut round = Round { state: None, replies: Vec::new() };
        loop {
            let dialogue = Dialogue::resume(&round)?;
            match self.run(|| run(dialogue))? {
                Ended::Done(done) => return Ok(done),
                Ended::Asks(question, dialogue) => {
                    let answer = Reply { id: question.id.clone(), result: reply(&question).to_string() };
                    round = Round { state: dialogue.ask_with(question).state, replies: vec![answer] };
                }
            }
        }
    }

    /// Fill in a prompt.
    ///
    /// # Errors
    /// The prompt's.
    ///
    /// # Panics
    /// It asks the user, which [`converse_prompt`](Self::converse_prompt) is for.
    pub fn prompt(&self, name: &str, arguments: &[(&str, &str)]) -> Result<Filled> {
        self.converse_prompt(name, arguments, |question| panic!("`{name}` asks: {question:?}"))
    }

    /// Fill in a prompt that asks the user back; `reply` gives the result of each question, as MCP has it.
    ///
    /// # Errors
    /// The prompt's.
    pub fn converse_prompt(
        &self,
        name: &str,
        arguments: &[(&str, &str)],
        mut reply: impl FnMut(&Question) -> JsonValue,
    ) -> Result<Filled> {
        let arguments = owned(arguments);
        self.rounds(|dialogue| plugin::get::<P>(name, &arguments, dialogue), &mut reply)
    }

    /// Complete an argument of a prompt.
    ///
    /// # Errors
    /// The completing function's.
    pub fn complete(&self, prompt: &str, argument: &str, value: &str) -> Result<Vec<String>> {
        self.run(|| plugin::complete_argument::<P>(prompt, argument, value, &[]))
    }

    /// Complete a variable of a resource template.
    ///
    /// # Errors
    /// The completing function's.
    pub fn complete_variable(&self, template: &str, variable: &str, value: &str) -> Result<Vec<String>> {
        self.run(|| plugin::complete_variable::<P>(template, variable, value, &[]))
    }

    /// Read a resource: its MIME type, and what it holds.
    ///
    /// # Errors
    /// The resource's.
    pub fn read(&self, uri: &str) -> Result<(String, Body)> {
        use crate::bindings::exports::rowhouse::plugin::resources::Body as Wit;

        let content = self.run(|| plugin::read::<P>(uri))?;
        let body = match content.body {
            Wit::Text(text) => Body::Text(text),
            Wit::Bytes(bytes) => Body::Bytes(bytes),
        };
        Ok((content.mime_type, body))
    }

    /// What the plugin says of itself.
    #[must_use]
    pub fn describe(&self) -> PluginInfo {
        // As when it is loaded: without this host, whose data `describe` may not ask for.
        plugin::describe::<P>()
    }

    /// Fails unless the real host would take what the plugin says of itself: names, schemas, views.
    ///
    /// # Panics
    /// It would not; the text says why.
    pub fn check(&self) {
        check::plugin::<P>();
    }

    /// The statements that were run, in their order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.state.borrow().asked.clone()
    }

    /// The texts vectors were asked of, in their order, whether there were any or not.
    #[must_use]
    pub fn embedded(&self) -> Vec<String> {
        self.state.borrow().embedded.clone()
    }

    /// The lines that were logged.
    #[must_use]
    pub fn lines(&self) -> Vec<(Level, String)> {
        self.state.borrow().lines.clone()
    }

    /// How far the caller was told the call had come, report by report.
    #[must_use]
    pub fn progress(&self) -> Vec<f64> {
        self.state.borrow().progress.clone()
    }
}

fn owned(arguments: &[(&str, &str)]) -> Vec<(String, String)> {
    arguments.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect()
}
