//! What there is to ask about: tables, columns, keys and comments.
//!
//! Statements may not read PostgreSQL's catalog. The host reads it for them, once, as administrator, and keeps what
//! the agent roles may read as an immutable value: it feeds the gate and the `schema` interface of plugins.

use super::Error;
use super::fault::{SqlCode, SqlError};
use super::gate::{MayRead, Names, Relations};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio_postgres::{Client, Row};

/// Samples of a column one may ask for at most.
pub const MAX_SAMPLES: u32 = 100;

/// Columns that every agent role may read, with their tables. $1: schemas.
const COLUMNS: &str = include_str!("catalog/columns.sql");
/// Primary and foreign keys of the same tables. $1: schemas.
const KEYS: &str = include_str!("catalog/keys.sql");
/// Names that decide what a text means. $1: the columns above, $2: schemas.
const NAMES: &str = include_str!("catalog/names.sql");
/// The search path of the agent roles in this database.
const SEARCH_PATH: &str = include_str!("catalog/search_path.sql");

/// The schemas with tables that agents may read, in any configuration.
const REGISTERED: &str = "SELECT DISTINCT n.nspname FROM rowhouse.tenant_tables t
    JOIN pg_catalog.pg_class c ON c.oid = t.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace";

/// Every table agents may read, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    tables: Vec<Table>,
    search_path: Vec<String>,
    names: Arc<Names>,
}

/// A table or view agents may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// As it is written in a statement: `retail.orders`.
    pub name: String,
    /// Its schema, unquoted.
    pub schema: String,
    /// Its own name, unquoted.
    pub relation: String,
    /// What its owner says of it.
    pub comment: Option<String>,
    /// Its columns, left to right.
    pub columns: Vec<ColumnInfo>,
    /// Columns of the primary key, in order. Empty where there is none.
    pub primary_key: Vec<String>,
    /// Its references to tables of this catalog.
    pub foreign_keys: Vec<ForeignKey>,
    /// The column that says whose row it is. `None`: rows are not kept apart by tenant.
    pub tenant_key: Option<String>,
}

/// A column agents may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its name, unquoted.
    pub name: String,
    /// PostgreSQL's name of its type, with modifiers: `numeric(10,2)`.
    pub data_type: String,
    /// Whether it may be null. Always true for a view's columns.
    pub nullable: bool,
    /// What its owner says of it.
    pub comment: Option<String>,
}

/// A reference to another table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// Columns of this table, in order.
    pub columns: Vec<String>,
    /// The other table as it is written in a statement.
    pub references_table: String,
    /// Columns of the other table, in the same order.
    pub references_columns: Vec<String>,
}

/// Read what the agent roles may read in these schemas. `admin` must be able to read `rowhouse.tenant_tables`.
///
/// # Errors
/// [`Error::Catalog`].
pub async fn read(admin: &Client, schemas: &[String]) -> Result<Catalog, Error> {
    let columns = admin.query(COLUMNS, &[&schemas]).await.map_err(Error::Catalog)?;
    let keys = admin.query(KEYS, &[&schemas]).await.map_err(Error::Catalog)?;
    let path = admin.query_opt(SEARCH_PATH, &[]).await.map_err(Error::Catalog)?;
    let registered = admin.query(REGISTERED, &[]).await.map_err(Error::Catalog)?;
    let tables = tables(&columns).map_err(Error::Catalog)?;
    let columns: BTreeSet<&str> = tables.iter().flat_map(|t| t.columns.iter().map(|c| c.name.as_str())).collect();
    let columns: Vec<&str> = columns.into_iter().collect();
    let found = admin.query(NAMES, &[&columns, &schemas]).await.map_err(Error::Catalog)?;
    let mut names = names(&found).map_err(Error::Catalog)?;
    names.dated = dated(&tables);
    let names = Arc::new(names);
    let mut catalog = Catalog { tables, search_path: schemas.to_vec(), names };
    catalog.add_keys(&keys).map_err(Error::Catalog)?;
    let path: Option<String> = path.map(|row| row.try_get(0)).transpose().map_err(Error::Catalog)?;
    let path = path.map(|path| split_path(&path)).unwrap_or_default();
    let registered: Vec<String> =
        registered.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(Error::Catalog)?;
    // What else is on the agents' path holds extensions. A schema with tables that is not to be read stays off: the
    // database would find there what the gate looked for elsewhere.
    catalog.search_path.extend(path.into_iter().filter(|name| !schemas.contains(name) && !registered.contains(name)));
    Ok(catalog)
}

impl Catalog {
    /// Every table, by name.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The part of it a reader may read. References to tables outside that part are not told either.
    #[must_use]
    pub fn seen_by(&self, may_read: MayRead<'_>) -> Self {
        let mut tables = self.tables.clone();
        tables.retain(|table| may_read(&table.schema, &table.relation));
        let names: BTreeSet<String> = tables.iter().map(|table| table.name.clone()).collect();
        for table in &mut tables {
            table.foreign_keys.retain(|key| names.contains(&key.references_table));
        }
        Self { tables, search_path: self.search_path.clone(), names: Arc::clone(&self.names) }
    }

    /// The table a statement means by this name, qualified or found by the search path.
    pub fn table(&self, name: &str) -> Option<&Table> {
        let named = |full: &str| self.tables.iter().find(|t| t.name == full);
        named(name).or_else(|| {
            let hits = |schema: &String| self.tables.iter().find(|t| t.schema == *schema && t.relation == name);
            self.search_path.iter().find_map(hits)
        })
    }

    /// Where an unqualified name is looked for, by the gate and by the database.
    pub fn search_path(&self) -> &[String] {
        &self.search_path
    }

    /// What the gate should let statements read.
    pub fn relations(&self) -> Relations {
        let mut readable: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for table in &self.tables {
            readable.entry(table.schema.clone()).or_default().insert(table.relation.clone());
        }
        Relations { search_path: self.search_path.clone(), readable }
    }

    /// What the gate should know of the database's names.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The statement that samples a column: built from names this catalog lists, never from the caller's text.
    pub(super) fn samples(&self, table: &str, column: &str, max: u32) -> Result<String, SqlError> {
        let unknown = |what: &str, name: &str| {
            // The name comes from the caller; it goes back bounded.
            let name: String = name.chars().take(64).collect();
            SqlError::new(SqlCode::Invalid, format!("there is no {what} named {name}"))
        };
        let table = self.table(table).ok_or_else(|| unknown("table", table))?;
        let column = table.columns.iter().find(|c| c.name == column).ok_or_else(|| unknown("column", column))?;
        let (schema, relation, column) = (quote(&table.schema), quote(&table.relation), quote(&column.name));
        let max = max.clamp(1, MAX_SAMPLES);
        Ok(format!(
            "SELECT DISTINCT {column}::text FROM {schema}.{relation} WHERE {column} IS NOT NULL ORDER BY 1 LIMIT {max}"
        ))
    }

    fn add_keys(&mut self, keys: &[Row]) -> Result<(), tokio_postgres::Error> {
        for key in keys {
            let (owner, columns): (String, Vec<String>) = (key.try_get(0)?, key.try_get(1)?);
            let references: Option<String> = key.try_get(2)?;
            let known = references.as_ref().is_none_or(|name| self.tables.iter().any(|t| t.name == *name));
            let Some(table) = self.tables.iter_mut().find(|t| t.name == owner).filter(|_| known) else { continue };
            match references {
                None => table.primary_key = columns,
                Some(references_table) => {
                    let references_columns = key.try_get(3)?;
                    table.foreign_keys.push(ForeignKey { columns, references_table, references_columns });
                }
            }
        }
        Ok(())
    }
}

/// Rows come by table, then by place.
fn tables(columns: &[Row]) -> Result<Vec<Table>, tokio_postgres::Error> {
    let mut tables: Vec<Table> = Vec::new();
    for row in columns {
        let name: String = row.try_get(0)?;
        if tables.last().is_none_or(|t| t.name != name) {
            tables.push(Table {
                name,
                schema: row.try_get(1)?,
                relation: row.try_get(2)?,
                comment: row.try_get(3)?,
                columns: Vec::new(),
                primary_key: Vec::new(),
                foreign_keys: Vec::new(),
                tenant_key: row.try_get(4)?,
            });
        }
        let (name, data_type, nullable, comment) = (row.try_get(5)?, row.try_get(6)?, row.try_get(7)?, row.try_get(8)?);
        if let Some(table) = tables.last_mut() {
            table.columns.push(ColumnInfo { name, data_type, nullable, comment });
        }
    }
    Ok(tables)
}

/// Column names that mean a date or a time wherever they occur.
fn dated(tables: &[Table]) -> BTreeSet<String> {
    let all = || tables.iter().flat_map(|table| &table.columns);
    let is = |column: &&ColumnInfo| {
        let plain = column.data_type.split(['(', ' ']).next().unwrap_or_default();
        matches!(plain, "date" | "timestamp" | "time") && !column.data_type.ends_with(']')
    };
    let other: BTreeSet<&str> = all().filter(|column| !is(column)).map(|column| column.name.as_str()).collect();
    all().filter(is).map(|column| column.name.clone()).filter(|name| !other.contains(name.as_str())).collect()
}

fn names(rows: &[Row]) -> Result<Names, tokio_postgres::Error> {
    let mut names = Names::default();
    for row in rows {
        let (kind, schema, name): (&str, Option<String>, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        match (kind, schema) {
            ("field", _) => names.fields.insert(name),
            ("enum", Some(schema)) => names.enums.entry(schema).or_default().insert(name),
            // Whatever else there is only refuses more.
            _ => names.callable.insert(name),
        };
    }
    Ok(names)
}

/// `retail, "Odd Name", "$user"` to its names. `$user` stands for a schema no agent role has.
fn split_path(path: &str) -> Vec<String> {
    path.split(',')
        .map(|part| part.trim().trim_matches('"').replace("\"\"", "\""))
        .filter(|name| !name.is_empty() && name != "$user")
        .collect()
}

pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let column =
            |name: &str| ColumnInfo { name: name.into(), data_type: "text".into(), nullable: true, comment: None };
        let table = Table {
            name: "retail.orders".into(),
            schema: "retail".into(),
            relation: "orders".into(),
            comment: None,
            columns: vec![column("status"), column("odd\"name")],
            primary_key: vec![],
            foreign_keys: vec![],
            tenant_key: None,
        };
        Catalog { tables: vec![table], search_path: split_path("\"$user\", retail, \"Ext\""), names: Arc::default() }
    }

    #[test]
    fn samples_are_made_of_listed_names() {
        let check = |table: &str, column: &str, part: &str| {
            let made = catalog().samples(table, column, 1_000).unwrap_or_else(|error| error.message);
            assert!(made.contains(part), "{made}");
        };
        check("retail.orders", "status", "SELECT DISTINCT \"status\"::text FROM \"retail\".\"orders\"");
        check("orders", "status", "LIMIT 100");
        check("orders", "odd\"name", "\"odd\"\"name\"");
        check("orders", "status\" FROM x --", "no column");
        check("pg_class", "relname", "no table named pg_class");
    }

    #[test]
    fn what_may_not_be_read_is_not_there() {
        let mut catalog = catalog();
        let mut items = catalog.tables[0].clone();
        (items.name, items.relation) = ("retail.items".into(), "items".into());
        let words = |word: &str| vec![word.to_owned()];
        let (columns, references_columns) = (words("status"), words("status"));
        items.foreign_keys = vec![ForeignKey { columns, references_table: "retail.orders".into(), references_columns }];
        catalog.tables.push(items);
        assert_eq!(catalog.seen_by(&|_, _| true), catalog);
        let part = catalog.seen_by(&|_, name| name == "items");
        assert_eq!(part.tables.iter().map(|table| &*table.name).collect::<Vec<_>>(), ["retail.items"]);
        assert!(part.tables[0].foreign_keys.is_empty());
    }

    #[test]
    fn the_search_path_is_read() {
        assert_eq!(catalog().search_path, ["retail", "Ext"]);
        assert!(catalog().relations().readable["retail"].contains("orders"));
    }
}
