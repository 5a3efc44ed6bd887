//! `get_multiple_table_schemas` and `schema://retail/tables`: what a model has to know before it writes a statement.

use std::fmt::Write as _;

use rowhouse_plugin::{chrono::Datelike as _, prelude::*};

/// Columns of few values, whose values say more than any comment.
const TELLING: &[(&str, &str)] = &[
    ("retail.stores", "store_name"),
    ("retail.stores", "region"),
    ("retail.categories", "category_name"),
    ("retail.product_types", "type_name"),
];

/// Values of one column: every store, region and category, and most product types.
const SAMPLES: u32 = 60;

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Asked {
    /// Tables to describe, e.g. ["retail.orders", "retail.order_items"]. Leave out for all.
    #[serde(default)]
    #[schemars(length(max = 50), inner(length(min = 1, max = 128)))]
    table_names: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    tables: Vec<Table>,
    data: Data,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Table {
    /// As it is written in a query.
    name: String,
    description: Option<String>,
    columns: Vec<Column>,
    primary_key: Vec<String>,
    foreign_keys: Vec<ForeignKey>,
    /// Column that says whose row it is. You see your own rows only; do not filter on it for that.
    rows_kept_apart_by: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Column {
    name: String,
    /// PostgreSQL's name.
    #[serde(rename = "type")]
    data_type: String,
    nullable: bool,
    description: Option<String>,
    /// Every value, or the first ones, of a column of few values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ForeignKey {
    columns: Vec<String>,
    /// A table.
    references: String,
    references_columns: Vec<String>,
}

/// The time the orders cover.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Data {
    /// First day with an order.
    first_order: Option<Date>,
    /// Last day with an order: count periods back from here.
    last_order: Option<Date>,
    years: Vec<i32>,
}

/// Tables of the retail data with columns, types, keys, foreign keys and comments, the values of columns such as store and
/// category names, and the days the orders cover. Call it once before the first execute_sales_query; without arguments it
/// describes every table.
///
/// # Errors
/// A name that is no table, or what the database says.
#[tool(title = "Describe the tables")]
pub(crate) fn get_multiple_table_schemas(Asked { table_names }: Asked) -> Result<Worded<Report>> {
    Ok(Worded::new(report(&table_names)?, Report::text))
}

/// The tables of the retail data, as a statement may use them: columns, types, keys, comments, the names there are of
/// stores, regions, categories and product types, and the days the orders cover.
///
/// # Errors
/// What the database says.
#[resource(uri = "schema://retail/tables", title = "Tables of the retail data")]
pub(crate) fn retail_tables() -> Result<String> {
    Ok(report(&[])?.text())
}

fn report(asked: &[String]) -> Result<Report> {
    let mut tables = schema::tables()?;
    if !asked.is_empty() {
        let known: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let wanted = choose(&known, asked)?;
        tables.retain(|table| wanted.contains(&table.name));
    }
    let tables = tables.into_iter().map(describe).collect::<Result<Vec<_>>>()?;
    Ok(Report { tables, data: data()? })
}

/// The full names of those asked for, with or without their schema.
fn choose(known: &[&str], asked: &[String]) -> Result<Vec<String>> {
    let of = |name: &String| {
        let name = name.trim().to_lowercase();
        let is = |full: &&&str| **full == name || full.split_once('.').is_some_and(|(_, bare)| bare == name);
        let found = known.iter().find(is).map(|full| (*full).to_owned());
        found.ok_or_else(|| Error::not_found(format!("no such table; there are: {}", known.join(", "))))
    };
    asked.iter().map(of).collect()
}

fn describe(table: schema::Table) -> Result<Table> {
    let schema::Table { name, comment, columns, primary_key, foreign_keys, tenant_key } = table;
    let column = |column: schema::ColumnInfo| {
        let telling = TELLING.contains(&(name.as_str(), column.name.as_str()));
        Ok(Column {
            values: if telling { schema::samples(&name, &column.name, SAMPLES)? } else { Vec::new() },
            name: column.name,
            data_type: column.data_type,
            nullable: column.nullable,
            description: column.comment,
        })
    };
    let key = |key: schema::ForeignKey| ForeignKey {
        columns: key.columns,
        references: key.references_table,
        references_columns: key.references_columns,
    };
    Ok(Table {
        columns: columns.into_iter().map(column).collect::<Result<_>>()?,
        foreign_keys: foreign_keys.into_iter().map(key).collect(),
        name,
        description: comment,
        primary_key,
        rows_kept_apart_by: tenant_key,
    })
}

fn data() -> Result<Data> {
    let (first_order, last_order): (Option<Date>, Option<Date>) =
        sql!("SELECT min(order_date), max(order_date) FROM retail.orders").one()?;
    let years = first_order.zip(last_order).map(|(first, last)| (first.year()..=last.year()).collect());
    Ok(Data { first_order, last_order, years: years.unwrap_or_default() })
}

impl Report {
    /// One line a table and one a column.
    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        for table in &self.tables {
            let _ = writeln!(text, "{}: {}", table.name, table.description.as_deref().unwrap_or("(no description)"));
            for column in &table.columns {
                let null = if column.nullable { " null" } else { "" };
                let _ = write!(text, "  {} {}{null}", column.name, column.data_type);
                if let Some(description) = &column.description {
                    let _ = write!(text, " -- {description}");
                }
                if !column.values.is_empty() {
                    let _ = write!(text, " [{}]", column.values.join(" | "));
                }
                text.push('\n');
            }
            if !table.primary_key.is_empty() {
                let _ = writeln!(text, "  primary key ({})", table.primary_key.join(", "));
            }
            for key in &table.foreign_keys {
                let (from, to) = (key.columns.join(", "), key.references_columns.join(", "));
                let _ = writeln!(text, "  ({from}) references {} ({to})", key.references);
            }
        }
        if let (Some(first), Some(last)) = (self.data.first_order, self.data.last_order) {
            let _ = writeln!(text, "Orders run from {first} to {last}.");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plugin;
    use rowhouse_plugin::{
        rows,
        testing::{self, date},
    };

    const TEXT: &str = "retail.stores: The stores you may see.\n  store_name text [Seattle | Tacoma]\n  primary key (store_id)\n\
                        Orders run from 2024-11-01 to 2026-10-31.\n";

    fn host() -> testing::Host<Plugin> {
        let column = schema::ColumnInfo {
            name: "store_name".to_owned(),
            data_type: "text".to_owned(),
            nullable: false,
            comment: None,
        };
        let table = |name: &str, columns| schema::Table {
            name: name.to_owned(),
            comment: Some("The stores you may see.".to_owned()),
            columns,
            primary_key: vec!["store_id".to_owned()],
            foreign_keys: Vec::new(),
            tenant_key: Some("store_id".to_owned()),
        };
        testing::host()
            .table(table("retail.orders", Vec::new()))
            .table(table("retail.stores", vec![column]))
            .samples("retail.stores", "store_name", &["Seattle", "Tacoma"])
            .on("min(order_date)", rows![["min", "max"]; [date("2024-11-01"), date("2026-10-31")]])
    }

    #[test]
    fn the_text_says_all_a_statement_needs() {
        let answer = host().call("get_multiple_table_schemas", json!({ "table_names": ["stores"] })).expect("a report");
        assert_eq!(answer.text(), TEXT);
        assert_eq!(answer.json()["data"]["years"], json!([2024, 2025, 2026]));
    }

    #[test]
    fn the_resource_says_the_same_of_every_table() {
        let (_, body) = host().read("schema://retail/tables").expect("a text");
        let rowhouse_plugin::resource::Body::Text(text) = body else { panic!("{body:?}") };
        assert!(text.starts_with("retail.orders: ") && text.ends_with(TEXT), "{text}");
    }

    #[test]
    fn tables_go_by_either_name() {
        let known = ["retail.orders", "retail.stores"];
        for (asked, expected) in
            [("orders", "retail.orders"), ("retail.stores", "retail.stores"), (" Orders ", "retail.orders")]
        {
            assert_eq!(choose(&known, &[asked.to_owned()]), Ok(vec![expected.to_owned()]));
        }
        for asked in ["order", "public.orders", "retail.", ""] {
            let error = choose(&known, &[asked.to_owned()]).expect_err(asked);
            assert_eq!(error, Error::not_found("no such table; there are: retail.orders, retail.stores"));
        }
    }
}
