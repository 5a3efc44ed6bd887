//! Between the host's values and the contract's.

use super::super::bindings::rowhouse::plugin::{log, schema, sql, types};
use super::super::listener::LogLevel;
use crate::query::catalog::Table;
use crate::query::{Batch, Column, Kind, PackedData, SqlCode, SqlError, Value};

pub(super) fn level(level: log::Level) -> LogLevel {
    match level {
        log::Level::Debug => LogLevel::Debug,
        log::Level::Info => LogLevel::Info,
        log::Level::Warn => LogLevel::Warn,
        log::Level::Error => LogLevel::Error,
    }
}

/// A guest's parameter as the host's.
pub(super) fn parameter(value: types::Value) -> Value {
    match value {
        types::Value::Null => Value::Null,
        types::Value::Boolean(it) => Value::Boolean(it),
        types::Value::Int(it) => Value::Int(it),
        types::Value::Float(it) => Value::Float(it),
        types::Value::Numeric(it) => Value::Numeric(it),
        types::Value::Text(it) => Value::Text(it),
        types::Value::Timestamp(it) => Value::Timestamp(it),
        types::Value::Date(it) => Value::Date(it),
        types::Value::Uuid(it) => Value::Uuid(it),
        types::Value::Json(it) => Value::Json(it),
        types::Value::Bytes(it) => Value::Bytes(it),
        types::Value::BooleanArray(it) => Value::BooleanArray(it),
        types::Value::IntArray(it) => Value::IntArray(it),
        types::Value::FloatArray(it) => Value::FloatArray(it),
        types::Value::TextArray(it) => Value::TextArray(it),
        types::Value::UuidArray(it) => Value::UuidArray(it),
        types::Value::Vector(it) => Value::Vector(it),
    }
}

/// A cell as the guest's.
pub(super) fn value(value: Value) -> types::Value {
    match value {
        Value::Null => types::Value::Null,
        Value::Boolean(it) => types::Value::Boolean(it),
        Value::Int(it) => types::Value::Int(it),
        Value::Float(it) => types::Value::Float(it),
        Value::Numeric(it) => types::Value::Numeric(it),
        Value::Text(it) => types::Value::Text(it),
        Value::Timestamp(it) => types::Value::Timestamp(it),
        Value::Date(it) => types::Value::Date(it),
        Value::Uuid(it) => types::Value::Uuid(it),
        Value::Json(it) => types::Value::Json(it),
        Value::Bytes(it) => types::Value::Bytes(it),
        Value::BooleanArray(it) => types::Value::BooleanArray(it),
        Value::IntArray(it) => types::Value::IntArray(it),
        Value::FloatArray(it) => types::Value::FloatArray(it),
        Value::TextArray(it) => types::Value::TextArray(it),
        Value::UuidArray(it) => types::Value::UuidArray(it),
        Value::Vector(it) => types::Value::Vector(it),
    }
}

pub(super) fn column(column: &Column) -> types::Column {
    types::Column { name: column.name.clone(), kind: kind(column.kind) }
}

fn kind(kind: Kind) -> types::Kind {
    match kind {
        Kind::Boolean => types::Kind::Boolean,
        Kind::Int => types::Kind::Int,
        Kind::Float => types::Kind::Float,
        Kind::Numeric => types::Kind::Numeric,
        Kind::Text => types::Kind::Text,
        Kind::Timestamp => types::Kind::Timestamp,
        Kind::Date => types::Kind::Date,
        Kind::Uuid => types::Kind::Uuid,
        Kind::Json => types::Kind::Json,
        Kind::Bytes => types::Kind::Bytes,
        Kind::BooleanArray => types::Kind::BooleanArray,
        Kind::IntArray => types::Kind::IntArray,
        Kind::FloatArray => types::Kind::FloatArray,
        Kind::TextArray => types::Kind::TextArray,
        Kind::UuidArray => types::Kind::UuidArray,
        Kind::Vector => types::Kind::Vector,
    }
}

pub(super) fn batch(batch: Batch) -> sql::Batch {
    let columns = batch.columns.into_iter();
    sql::Batch {
        rows: batch.rows,
        columns: columns.map(|packed| sql::Packed { validity: packed.validity, data: data(packed.data) }).collect(),
    }
}

fn data(data: PackedData) -> sql::PackedData {
    match data {
        PackedData::Booleans(cells) => sql::PackedData::Booleans(cells),
        PackedData::Ints(cells) => sql::PackedData::Ints(cells),
        PackedData::Floats(cells) => sql::PackedData::Floats(cells),
        PackedData::Texts { offsets, data } => sql::PackedData::Texts(sql::PackedTexts { offsets, data }),
    }
}

/// An error as the guest may see it. What only the operator may see is logged here, where it is handed over.
pub(super) fn sql_error(plugin: &str, error: SqlError) -> types::SqlError {
    if let Some(cause) = &error.cause {
        tracing::warn!(plugin.name = %plugin, sqlstate = error.sqlstate.as_deref().unwrap_or(""), "{}: {cause}", error.message);
    }
    types::SqlError {
        code: match error.code {
            SqlCode::Rejected => types::SqlErrorCode::Rejected,
            SqlCode::Invalid => types::SqlErrorCode::Invalid,
            SqlCode::Timeout => types::SqlErrorCode::Timeout,
            SqlCode::Limit => types::SqlErrorCode::Limit,
            SqlCode::Cancelled => types::SqlErrorCode::Cancelled,
            SqlCode::Unavailable => types::SqlErrorCode::Unavailable,
        },
        message: error.message,
        sqlstate: error.sqlstate,
        position: error.position,
    }
}

pub(super) fn waited_twice() -> types::SqlError {
    types::SqlError {
        code: types::SqlErrorCode::Invalid,
        message: "this statement was waited for already".to_owned(),
        sqlstate: None,
        position: None,
    }
}

pub(super) fn table(table: &Table) -> schema::Table {
    schema::Table {
        name: table.name.clone(),
        comment: table.comment.clone(),
        columns: table
            .columns
            .iter()
            .map(|column| schema::ColumnInfo {
                name: column.name.clone(),
                data_type: column.data_type.clone(),
                nullable: column.nullable,
                comment: column.comment.clone(),
            })
            .collect(),
        primary_key: table.primary_key.clone(),
        foreign_keys: table
            .foreign_keys
            .iter()
            .map(|key| schema::ForeignKey {
                columns: key.columns.clone(),
                references_table: key.references_table.clone(),
                references_columns: key.references_columns.clone(),
            })
            .collect(),
        tenant_key: table.tenant_key.clone(),
    }
}
