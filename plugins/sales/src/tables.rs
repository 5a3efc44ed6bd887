//! `get_multiple_table_schemas`: what a model has to know before it writes a statement.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::{
    answer,
    bindings::{
        exports::rowhouse::plugin::tools::{Answer, ToolError},
        rowhouse::plugin::schema,
    },
    database,
    date::Date,
};

/// Columns of few values, whose values say more than any comment.
const TELLING: &[(&str, &str)] = &[
    ("retail.stores", "store_name"),
    ("retail.stores", "region"),
    ("retail.categories", "category_name"),
    ("retail.product_types", "type_name"),
];

/// Values of one column: every store, region and category, and most product types.
const SAMPLES: u32 = 60;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    tables: Vec<Table>,
    data: Data,
}

#[derive(Debug, Serialize)]
struct Table {
    name: String,
    description: Option<String>,
    columns: Vec<Column>,
    primary_key: Vec<String>,
    foreign_keys: Vec<ForeignKey>,
    rows_kept_apart_by: Option<String>,
}

#[derive(Debug, Serialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    data_type: String,
    nullable: bool,
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ForeignKey {
    columns: Vec<String>,
    references: String,
    references_columns: Vec<String>,
}

/// The time the orders cover.
#[derive(Debug, Default, Serialize)]
struct Data {
    first_order: Option<Date>,
    last_order: Option<Date>,
    years: Vec<i64>,
}

/// Answer a call.
///
/// # Errors
/// A name that is no table, or what the database says.
pub(crate) fn call(arguments: &str) -> Result<Answer, ToolError> {
    #[derive(Deserialize)]
    struct Arguments {
        table_names: Option<Vec<String>>,
    }
    let Arguments { table_names } = answer::arguments(arguments)?;
    let mut tables = schema::tables().map_err(ToolError::Sql)?;
    if let Some(asked) = table_names.filter(|names| !names.is_empty()) {
        let known: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let wanted = choose(&known, &asked).map_err(ToolError::NotFound)?;
        tables.retain(|table| wanted.contains(&table.name));
    }
    let described = tables.into_iter().map(describe).collect::<Result<Vec<_>, _>>()?;
    let report = Report { data: data()?, tables: described };
    let text = report.text();
    answer::structured(&report, text)
}

/// The full names of those asked for, with or without their schema.
fn choose(known: &[&str], asked: &[String]) -> Result<Vec<String>, String> {
    let of = |name: &String| {
        let name = name.trim().to_lowercase();
        let found =
            known.iter().find(|full| **full == name || full.split_once('.').is_some_and(|(_, bare)| bare == name));
        match found {
            Some(full) => Ok((*full).to_owned()),
            None => Err(format!("no such table; there are: {}", known.join(", "))),
        }
    };
    asked.iter().map(of).collect()
}

fn describe(table: schema::Table) -> Result<Table, ToolError> {
    let schema::Table { name, comment, columns, primary_key, foreign_keys, tenant_key } = table;
    let described = columns
        .into_iter()
        .map(|column| {
            let telling = TELLING.contains(&(name.as_str(), column.name.as_str()));
            let values = if telling { schema::samples(&name, &column.name, SAMPLES) } else { Ok(Vec::new()) };
            Ok(Column {
                name: column.name,
                data_type: column.data_type,
                nullable: column.nullable,
                description: column.comment,
                values: values.map_err(ToolError::Sql)?,
            })
        })
        .collect::<Result<_, ToolError>>()?;
    let foreign_keys = foreign_keys
        .into_iter()
        .map(|key| ForeignKey {
            columns: key.columns,
            references: key.references_table,
            references_columns: key.references_columns,
        })
        .collect();
    Ok(Table {
        name,
        description: comment,
        columns: described,
        primary_key,
        foreign_keys,
        rows_kept_apart_by: tenant_key,
    })
}

fn data() -> Result<Data, ToolError> {
    let rows = database::read("SELECT min(order_date), max(order_date) FROM retail.orders", &[])?;
    let Some(row) = rows.first() else { return Ok(Data::default()) };
    Ok(Data::between(row.date(0)?, row.date(1)?))
}

impl Data {
    fn between(first_order: Option<Date>, last_order: Option<Date>) -> Data {
        let years = match (first_order, last_order) {
            (Some(first), Some(last)) => (first.year_month_day().0..=last.year_month_day().0).collect(),
            _ => Vec::new(),
        };
        Data { first_order, last_order, years }
    }
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
    use crate::catalogue::tests::fits;

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
            assert!(error.ends_with("there are: retail.orders, retail.stores"), "{error}");
        }
    }

    #[test]
    fn the_text_says_all_a_statement_needs() {
        let day = |text| Date::parse(text).expect(text);
        let report = Report {
            tables: vec![Table {
                name: "retail.stores".to_owned(),
                description: Some("The stores you may see.".to_owned()),
                columns: vec![Column {
                    name: "store_name".to_owned(),
                    data_type: "text".to_owned(),
                    nullable: false,
                    description: None,
                    values: vec!["Seattle".to_owned(), "Tacoma".to_owned()],
                }],
                primary_key: vec!["store_id".to_owned()],
                foreign_keys: Vec::new(),
                rows_kept_apart_by: Some("store_id".to_owned()),
            }],
            data: Data::between(Some(day("2024-11-01")), Some(day("2026-10-31"))),
        };
        assert_eq!(
            report.text(),
            "retail.stores: The stores you may see.\n  store_name text [Seattle | Tacoma]\n  primary key (store_id)\n\
             Orders run from 2024-11-01 to 2026-10-31.\n"
        );
        assert_eq!(report.data.years, [2024, 2025, 2026]);
        fits("get_multiple_table_schemas", &report);
    }
}
