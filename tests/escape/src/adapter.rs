//! How a server wants to be asked: names of its tool and argument, headers, and where rows are in its answers.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// What differs from server to server. Every field has a default, which is Rowhouse's own way.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Adapter {
    /// `stateless` (MCP 2026-07-28) or `session` (`initialize` first).
    pub(crate) protocol: Protocol,
    /// The revision sent.
    pub(crate) version: String,
    /// The tool that takes SQL.
    pub(crate) tool: String,
    /// Its argument.
    pub(crate) argument: String,
    /// Arguments it needs besides.
    pub(crate) arguments: Map<String, Value>,
    /// Headers of the attacker's requests. `{own}` stands for its tenant.
    pub(crate) headers: BTreeMap<String, String>,
    /// Headers of the requests of whoever sees everything.
    pub(crate) oracle_headers: BTreeMap<String, String>,
    /// JSON pointer to the rows, in the structured answer or in the answer's text read as JSON.
    pub(crate) rows: String,
    /// The attacker's tenant, where the server gives no other proof of it; several with commas between.
    pub(crate) own: Option<String>,
    /// The setting that carries the tenant in the database: what attacks try to forge.
    pub(crate) setting: String,
    /// A value of it that would mean other tenants. `{scope}` stands for another store's scope as Rowhouse writes it.
    pub(crate) forged: String,
    /// Names of the server's inside that no error may show, besides the usual ones.
    pub(crate) inside: Vec<String>,
}

/// How a conversation begins.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// It does not: each request says all there is to say.
    Stateless,
    /// With a handshake that gives a session.
    Session,
}

impl Default for Adapter {
    fn default() -> Self {
        Self {
            protocol: Protocol::Stateless,
            version: "2026-07-28".to_owned(),
            tool: "execute_sales_query".to_owned(),
            argument: "query".to_owned(),
            arguments: Map::new(),
            headers: BTreeMap::new(),
            oracle_headers: BTreeMap::new(),
            rows: "/r".to_owned(),
            own: None,
            setting: "rowhouse.ctx".to_owned(),
            // A context as the database writes it, with a signature of zeros.
            forged: format!("c1|{{scope}}|00|1|1|{}", "0".repeat(64)),
            inside: vec!["rowhouse_".to_owned()],
        }
    }
}

impl Adapter {
    /// Read it, or take Rowhouse's.
    ///
    /// # Errors
    /// When the file cannot be read or is not an adapter.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self> {
        let Some(file) = file else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(file).with_context(|| format!("read the adapter {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not an adapter; see the README", file.display()))
    }

    /// The arguments of one statement.
    pub(crate) fn statement(&self, sql: &str) -> Value {
        let mut arguments = self.arguments.clone();
        arguments.insert(self.argument.clone(), Value::from(sql));
        Value::Object(arguments)
    }

    /// Rows as texts, from a tool's result; none where there are no rows to be found.
    pub(crate) fn rows(&self, result: &Value) -> Option<Vec<Vec<String>>> {
        let structured = result.get("structuredContent").cloned();
        let texts = result.get("content").and_then(Value::as_array).into_iter().flatten();
        let written = texts.filter_map(|part| serde_json::from_str(part.get("text")?.as_str()?).ok());
        structured.into_iter().chain(written).find_map(|value: Value| {
            let rows = value.pointer(&self.rows).or(Some(&value))?.as_array()?;
            Some(rows.iter().map(cells).collect())
        })
    }
}

fn cells(row: &Value) -> Vec<String> {
    match row {
        Value::Array(cells) => cells.iter().map(cell).collect(),
        Value::Object(cells) => cells.values().map(cell).collect(),
        one => vec![cell(one)],
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
