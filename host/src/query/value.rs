//! One cell of a row, or one parameter of a statement, as the host sees it.
//!
//! Parameters travel in PostgreSQL's text format beside the statement, each with a concrete type, so nothing in them
//! can be read as SQL and no type has to be looked up in the catalog first.

use crate::error::BoxError;
use bytes::{BufMut, BytesMut};
use std::fmt::Write;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

/// A cell or a parameter. The cases are those of `types.value` in the plugin contract.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL NULL. As a parameter its type follows from where it stands.
    Null,
    /// `boolean`
    Boolean(bool),
    /// `bigint`, `integer`, `smallint`
    Int(i64),
    /// `double precision`, `real`; may be NaN or infinite.
    Float(f64),
    /// `numeric` in decimal notation; text, so that no digit is lost.
    Numeric(String),
    /// `text`, and every type without a case of its own in PostgreSQL's notation.
    Text(String),
    /// `timestamptz` or `timestamp` in ISO 8601, as PostgreSQL writes it.
    Timestamp(String),
    /// `date` as `2026-01-31`.
    Date(String),
    /// `uuid` in lower case with hyphens.
    Uuid(String),
    /// `jsonb` or `json` as JSON text.
    Json(String),
    /// `bytea`
    Bytes(Vec<u8>),
    /// `boolean[]`
    BooleanArray(Vec<bool>),
    /// `bigint[]`, `integer[]`, `smallint[]`
    IntArray(Vec<i64>),
    /// `double precision[]`, `real[]`
    FloatArray(Vec<f64>),
    /// `text[]`
    TextArray(Vec<String>),
    /// `uuid[]`
    UuidArray(Vec<String>),
    /// pgvector's `vector`. As a parameter its type follows from where it stands.
    Vector(Vec<f32>),
}

/// Which case of [`Value`] the cells of a column arrive as, where they are not null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after the cases of `Value`, where each is explained")]
pub enum Kind {
    Boolean,
    Int,
    Float,
    Numeric,
    Text,
    Timestamp,
    Date,
    Uuid,
    Json,
    Bytes,
    BooleanArray,
    IntArray,
    FloatArray,
    TextArray,
    UuidArray,
    Vector,
}

impl Kind {
    /// The kind of a column, from PostgreSQL's type number. `vector` is the number pgvector's type has in this
    /// database: an extension's types are numbered when it is installed.
    pub(super) fn of(oid: u32, vector: Option<u32>) -> Self {
        if vector == Some(oid) {
            return Kind::Vector;
        }
        match Type::from_oid(oid) {
            Some(Type::BOOL) => Kind::Boolean,
            Some(Type::INT2 | Type::INT4 | Type::INT8) => Kind::Int,
            Some(Type::FLOAT4 | Type::FLOAT8) => Kind::Float,
            Some(Type::NUMERIC) => Kind::Numeric,
            Some(Type::TIMESTAMP | Type::TIMESTAMPTZ) => Kind::Timestamp,
            Some(Type::DATE) => Kind::Date,
            Some(Type::UUID) => Kind::Uuid,
            Some(Type::JSON | Type::JSONB) => Kind::Json,
            Some(Type::BYTEA) => Kind::Bytes,
            Some(Type::BOOL_ARRAY) => Kind::BooleanArray,
            Some(Type::INT2_ARRAY | Type::INT4_ARRAY | Type::INT8_ARRAY) => Kind::IntArray,
            Some(Type::FLOAT4_ARRAY | Type::FLOAT8_ARRAY) => Kind::FloatArray,
            Some(Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY | Type::NAME_ARRAY) => Kind::TextArray,
            Some(Type::UUID_ARRAY) => Kind::UuidArray,
            _ => Kind::Text,
        }
    }
}

impl Value {
    /// The type a parameter is declared with. `UNKNOWN` lets PostgreSQL infer it from the statement.
    pub(super) fn declared(&self) -> Type {
        match self {
            Value::Null | Value::Vector(_) => Type::UNKNOWN,
            Value::Boolean(_) => Type::BOOL,
            Value::Int(_) => Type::INT8,
            Value::Float(_) => Type::FLOAT8,
            Value::Numeric(_) => Type::NUMERIC,
            Value::Text(_) => Type::TEXT,
            Value::Timestamp(_) => Type::TIMESTAMPTZ,
            Value::Date(_) => Type::DATE,
            Value::Uuid(_) => Type::UUID,
            Value::Json(_) => Type::JSONB,
            Value::Bytes(_) => Type::BYTEA,
            Value::BooleanArray(_) => Type::BOOL_ARRAY,
            Value::IntArray(_) => Type::INT8_ARRAY,
            Value::FloatArray(_) => Type::FLOAT8_ARRAY,
            Value::TextArray(_) => Type::TEXT_ARRAY,
            Value::UuidArray(_) => Type::UUID_ARRAY,
        }
    }

    /// Bytes the value holds, about as many as it takes on the wire.
    pub(super) fn size(&self) -> usize {
        match self {
            Value::Null | Value::Boolean(_) => 1,
            Value::Int(_) | Value::Float(_) => 8,
            Value::Numeric(t)
            | Value::Text(t)
            | Value::Timestamp(t)
            | Value::Date(t)
            | Value::Uuid(t)
            | Value::Json(t) => t.len(),
            // Two hexadecimal digits a byte.
            Value::Bytes(b) => b.len() * 2,
            Value::BooleanArray(a) => a.len() * 2,
            Value::IntArray(a) => a.len() * 8,
            Value::FloatArray(a) => a.len() * 8,
            Value::TextArray(a) | Value::UuidArray(a) => a.iter().map(|t| t.len() + 3).sum(),
            Value::Vector(a) => a.len() * 8,
        }
    }

    fn write(&self, out: &mut BytesMut) -> Result<(), std::fmt::Error> {
        match self {
            Value::Null => {}
            Value::Boolean(b) => out.put_slice(if *b { b"t" } else { b"f" }),
            Value::Int(n) => write!(out, "{n}")?,
            // `{:?}` keeps the shortest digits that read back the same; PostgreSQL reads `inf` and `NaN`.
            Value::Float(x) => write!(out, "{x:?}")?,
            Value::Numeric(t)
            | Value::Text(t)
            | Value::Timestamp(t)
            | Value::Date(t)
            | Value::Uuid(t)
            | Value::Json(t) => out.put_slice(t.as_bytes()),
            Value::Bytes(b) => {
                out.put_slice(b"\\x");
                out.put_slice(hex::encode(b).as_bytes());
            }
            Value::BooleanArray(a) => list(out, "{}", a, |out, b| out.write_str(if *b { "t" } else { "f" }))?,
            Value::IntArray(a) => list(out, "{}", a, |out, n| write!(out, "{n}"))?,
            Value::FloatArray(a) => list(out, "{}", a, |out, x| write!(out, "{x:?}"))?,
            Value::TextArray(a) | Value::UuidArray(a) => list(out, "{}", a, |out, t| quoted(out, t))?,
            Value::Vector(a) => list(out, "[]", a, |out, x| write!(out, "{x:?}"))?,
        }
        Ok(())
    }
}

fn list<T>(
    out: &mut BytesMut,
    brackets: &str,
    items: &[T],
    mut each: impl FnMut(&mut BytesMut, &T) -> std::fmt::Result,
) -> std::fmt::Result {
    let (open, close) = brackets.split_at(1);
    out.write_str(open)?;
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.write_char(',')?;
        }
        each(out, item)?;
    }
    out.write_str(close)
}

/// An array element in quotes, so that `NULL`, commas, braces and the empty text stay what they are.
fn quoted(out: &mut BytesMut, text: &str) -> std::fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.write_char('\\')?;
        }
        out.write_char(c)?;
    }
    out.write_char('"')
}

impl ToSql for Value {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        out.reserve(self.size());
        self.write(out)?;
        Ok(if matches!(self, Value::Null) { IsNull::Yes } else { IsNull::No })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: Value, text: &str) {
        let mut out = BytesMut::new();
        value.to_sql(&value.declared(), &mut out).expect("every value has a text form");
        assert_eq!(std::str::from_utf8(&out).expect("text"), text);
    }

    #[test]
    fn parameters_are_written_as_postgresql_reads_them() {
        check(Value::Null, "");
        check(Value::Boolean(true), "t");
        check(Value::Int(i64::MIN), "-9223372036854775808");
        check(Value::Float(0.1 + 0.2), "0.30000000000000004");
        check(Value::Float(1e300), "1e300");
        check(Value::Float(f64::NEG_INFINITY), "-inf");
        check(Value::Text("o'clock\\".into()), "o'clock\\");
        check(Value::Bytes(vec![0, 255]), "\\x00ff");
        check(Value::BooleanArray(vec![true, false]), "{t,f}");
        check(Value::IntArray(vec![]), "{}");
        check(Value::FloatArray(vec![1.5, f64::NAN]), "{1.5,NaN}");
        check(Value::TextArray(vec!["".into(), "NULL".into(), "a,\"b\"\\}".into()]), r#"{"","NULL","a,\"b\"\\}"}"#);
        check(Value::Vector(vec![1.0, -0.5]), "[1.0,-0.5]");
    }
}
