//! Statements and the cells they give.

use crate::{
    bindings::{
        exports::rowhouse::plugin::tools::ToolError,
        rowhouse::plugin::{sql, types::Value},
    },
    date::Date,
    money::Money,
};

/// Rows asked of the host at a time: a page of this plugin's widest rows stays well below a mebibyte.
const PAGE: u32 = 500;

/// One row.
pub(crate) struct Row(Vec<Value>);

/// Every row of a statement. Callers' words go in as `$1`, `$2`, ...
///
/// # Errors
/// What the database says; or more rows than the host keeps, where a part would be a wrong answer.
pub(crate) fn read(statement: &str, parameters: &[Value]) -> Result<Vec<Row>, ToolError> {
    let rows = sql::query(statement, parameters).map_err(ToolError::Sql)?;
    if rows.truncated() {
        return Err(ToolError::InvalidArguments(
            "too much for one answer: ask for a shorter or coarser period".to_owned(),
        ));
    }
    let mut all = Vec::with_capacity(rows.count() as usize);
    loop {
        let page = rows.next(PAGE);
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page.into_iter().map(Row));
    }
}

/// The last day that has an order of a store the caller may see.
///
/// # Errors
/// What the database says, or that there is no order at all.
pub(crate) fn newest() -> Result<Date, ToolError> {
    let rows = read("SELECT max(order_date) FROM retail.orders", &[])?;
    let date = rows.first().map(|row| row.date(0)).transpose()?.flatten();
    date.ok_or_else(|| ToolError::NotFound("there are no orders in the stores you may see".to_owned()))
}

/// A category by its name, whatever the case of its letters, as the catalogue writes it.
///
/// # Errors
/// What the database says, or the names there are.
pub(crate) fn category(asked: Option<&str>) -> Result<Option<String>, ToolError> {
    let Some(asked) = asked else { return Ok(None) };
    let rows = read("SELECT category_name FROM retail.categories ORDER BY category_name", &[])?;
    let names = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
    match names.iter().find(|name| name.to_lowercase() == asked.trim().to_lowercase()) {
        Some(name) => Ok(Some(name.clone())),
        None => Err(ToolError::NotFound(format!("no such category; there are: {}", names.join(", ")))),
    }
}

/// A day as a parameter.
pub(crate) fn day(date: Date) -> Value {
    Value::Date(date.to_string())
}

/// A text as a parameter, or null.
pub(crate) fn maybe(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| Value::Text(text.to_owned()))
}

impl Row {
    /// The text in a cell.
    ///
    /// # Errors
    /// A cell of another kind, for this and the others: the database is not the one this plugin was written for.
    pub(crate) fn text(&self, cell: usize) -> Result<String, ToolError> {
        match self.0.get(cell) {
            Some(Value::Text(text)) => Ok(text.clone()),
            _ => Err(unexpected(cell)),
        }
    }

    /// The whole number in a cell; null is zero.
    pub(crate) fn int(&self, cell: usize) -> Result<i64, ToolError> {
        match self.0.get(cell) {
            Some(Value::Int(number)) => Ok(*number),
            Some(Value::Null) => Ok(0),
            _ => Err(unexpected(cell)),
        }
    }

    /// The amount in a cell, which the statement has rounded to cents; null is zero.
    pub(crate) fn money(&self, cell: usize) -> Result<Money, ToolError> {
        match self.0.get(cell) {
            Some(Value::Numeric(text)) => Money::parse(text).ok_or_else(|| unexpected(cell)),
            Some(Value::Null) => Ok(Money::default()),
            _ => Err(unexpected(cell)),
        }
    }

    /// The day in a cell, or none.
    pub(crate) fn date(&self, cell: usize) -> Result<Option<Date>, ToolError> {
        match self.0.get(cell) {
            Some(Value::Date(text)) => Date::parse(text).map(Some).ok_or_else(|| unexpected(cell)),
            Some(Value::Null) => Ok(None),
            _ => Err(unexpected(cell)),
        }
    }
}

fn unexpected(cell: usize) -> ToolError {
    ToolError::Failed(format!(
        "column {} of the answer is not what this plugin expects: its version does not fit the database's",
        cell + 1
    ))
}
