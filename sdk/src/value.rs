//! Cells and parameters: Rust's types on one side, the contract's [`Value`] on the other.

use std::ops::{Deref, DerefMut};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

pub use crate::bindings::rowhouse::plugin::types::{Column, Kind, Value};
use crate::decimal::Decimal;

/// A day of the calendar (`date`): chrono's, with nothing added.
pub type Date = NaiveDate;

/// A moment (`timestamptz`), in UTC: chrono's, with nothing added.
pub type Timestamp = DateTime<Utc>;

/// A day and a time of no zone (`timestamp`): chrono's, with nothing added.
pub type DateAndTime = NaiveDateTime;

/// JSON: a `json` or `jsonb` cell or parameter; or a structured answer, whose schema is that of `T`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Json<T>(pub T);

/// `bytea`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// pgvector's `vector`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vector(pub Vec<f32>);

macro_rules! transparent {
    ($($name:ident of $inner:ty),*) => {$(
        impl Deref for $name {
            type Target = $inner;

            fn deref(&self) -> &$inner {
                &self.0
            }
        }

        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut $inner {
                &mut self.0
            }
        }
    )*};
}
transparent!(Bytes of Vec<u8>, Vector of Vec<f32>);

/// What can be a parameter of a statement. It is sent beside the statement and never becomes part of its text.
pub trait ToValue {
    /// The parameter.
    fn to_value(&self) -> Value;
}

/// What a cell can be read into.
///
/// `null` is read into an [`Option`] only, and nothing is converted that could lose something: a `numeric` is a
/// [`Decimal`] and no `f64`.
pub trait FromValue: Sized {
    /// The cell; the value back where it is of another kind.
    ///
    /// # Errors
    /// The value, unread.
    fn from_value(value: Value) -> Result<Self, Value>;
}

impl ToValue for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl FromValue for Value {
    fn from_value(value: Value) -> Result<Value, Value> {
        Ok(value)
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Option<T>, Value> {
        if matches!(value, Value::Null) { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

macro_rules! as_it_is {
    ($($ty:ty: $case:ident),* $(,)?) => {$(
        impl ToValue for $ty {
            fn to_value(&self) -> Value {
                Value::$case(self.clone().into())
            }
        }

        impl FromValue for $ty {
            fn from_value(value: Value) -> Result<$ty, Value> {
                match value {
                    Value::$case(inner) => Ok(inner),
                    other => Err(other),
                }
            }
        }
    )*};
}
as_it_is!(
    bool: Boolean, i64: Int, f64: Float, String: Text,
    Vec<bool>: BooleanArray, Vec<i64>: IntArray, Vec<f64>: FloatArray, Vec<String>: TextArray,
);

macro_rules! whole {
    ($($ty:ty),*) => {$(
        impl ToValue for $ty {
            fn to_value(&self) -> Value {
                Value::Int(i64::from(*self))
            }
        }

        impl FromValue for $ty {
            fn from_value(value: Value) -> Result<$ty, Value> {
                match value {
                    Value::Int(inner) => inner.try_into().map_err(|_| Value::Int(inner)),
                    other => Err(other),
                }
            }
        }
    )*};
}
whole!(i16, i32, u16, u32);

macro_rules! wrapped {
    ($($ty:ident: $case:ident),*) => {$(
        impl ToValue for $ty {
            fn to_value(&self) -> Value {
                Value::$case(self.0.clone())
            }
        }

        impl FromValue for $ty {
            fn from_value(value: Value) -> Result<$ty, Value> {
                match value {
                    Value::$case(inner) => Ok($ty(inner)),
                    other => Err(other),
                }
            }
        }
    )*};
}
wrapped!(Bytes: Bytes, Vector: Vector);

macro_rules! written {
    ($($ty:ty: $case:ident, $read:expr;)*) => {$(
        impl ToValue for $ty {
            fn to_value(&self) -> Value {
                Value::$case(self.to_string())
            }
        }

        impl FromValue for $ty {
            fn from_value(value: Value) -> Result<$ty, Value> {
                let Value::$case(text) = &value else { return Err(value) };
                let read: fn(&str) -> Option<$ty> = $read;
                read(text).ok_or(value)
            }
        }
    )*};
}
written!(
    NaiveDate: Date, |text| text.parse().ok();
    Uuid: Uuid, |text| text.parse().ok();
    Decimal: Numeric, |text| text.parse().ok();
);

impl ToValue for str {
    fn to_value(&self) -> Value {
        Value::Text(self.to_owned())
    }
}

/// `2026-01-31 13:45:00.25+00`: chrono wants `+00:00`, which is read here as what is left out.
fn moment(text: &str) -> Option<Timestamp> {
    let padded = if text.len() > 3 && matches!(text.as_bytes()[text.len() - 3], b'+' | b'-') {
        format!("{text}:00")
    } else {
        text.to_owned()
    };
    padded.parse().ok()
}

impl ToValue for Timestamp {
    fn to_value(&self) -> Value {
        Value::Timestamp(self.to_rfc3339())
    }
}

impl FromValue for Timestamp {
    fn from_value(value: Value) -> Result<Timestamp, Value> {
        let Value::Timestamp(text) = &value else { return Err(value) };
        moment(text).ok_or(value)
    }
}

impl ToValue for DateAndTime {
    fn to_value(&self) -> Value {
        Value::Timestamp(self.to_string())
    }
}

impl FromValue for DateAndTime {
    fn from_value(value: Value) -> Result<DateAndTime, Value> {
        let Value::Timestamp(text) = &value else { return Err(value) };
        text.replacen(' ', "T", 1).parse().map_err(|_| value)
    }
}

impl ToValue for Vec<Uuid> {
    fn to_value(&self) -> Value {
        Value::UuidArray(self.iter().map(Uuid::to_string).collect())
    }
}

impl FromValue for Vec<Uuid> {
    fn from_value(value: Value) -> Result<Vec<Uuid>, Value> {
        let Value::UuidArray(texts) = &value else { return Err(value) };
        texts.iter().map(|text| text.parse().ok()).collect::<Option<_>>().ok_or(value)
    }
}

/// What cannot be written as JSON (a map whose keys are no texts) becomes JSON's `null`.
impl<T: Serialize> ToValue for Json<T> {
    fn to_value(&self) -> Value {
        Value::Json(serde_json::to_string(&self.0).unwrap_or_else(|_| "null".to_owned()))
    }
}

impl<T: DeserializeOwned> FromValue for Json<T> {
    fn from_value(value: Value) -> Result<Json<T>, Value> {
        let Value::Json(text) = &value else { return Err(value) };
        serde_json::from_str(text).map(Json).map_err(|_| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn both<T: ToValue + FromValue + PartialEq + std::fmt::Debug>(rust: T, value: Value) {
        assert_eq!(rust.to_value(), value);
        assert_eq!(T::from_value(value), Ok(rust));
    }

    fn text(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn values_go_there_and_back() {
        both(true, Value::Boolean(true));
        both(-7_i64, Value::Int(-7));
        both(7_u32, Value::Int(7));
        both(0.5, Value::Float(0.5));
        both(text("O'Hara"), Value::Text(text("O'Hara")));
        both(None::<i64>, Value::Null);
        both(Some(1_i64), Value::Int(1));
        both(vec![1_i64, 2], Value::IntArray(vec![1, 2]));
        both(vec![text("a")], Value::TextArray(vec![text("a")]));
        both(Bytes(vec![0, 255]), Value::Bytes(vec![0, 255]));
        both(Vector(vec![0.5]), Value::Vector(vec![0.5]));
        both(Json(vec![1, 2]), Value::Json(text("[1,2]")));
        both("12.50".parse::<Decimal>().expect("a number"), Value::Numeric(text("12.50")));
        both("2026-01-31".parse::<Date>().expect("a day"), Value::Date(text("2026-01-31")));
        let uuid = text("0b9f6a3e-6c0a-4e7e-9f0e-0c9a5a1d2e3f");
        both(uuid.parse::<Uuid>().expect("a uuid"), Value::Uuid(uuid.clone()));
        both(vec![uuid.parse::<Uuid>().expect("a uuid")], Value::UuidArray(vec![uuid]));
    }

    #[test]
    fn moments_are_read_as_postgresql_writes_them() {
        for (written, expected) in [
            ("2026-01-31 13:45:00.25+00", "2026-01-31T13:45:00.250+00:00"),
            ("2026-01-31 13:45:00-08", "2026-01-31T21:45:00+00:00"),
            ("2026-01-31 13:45:00+05:30", "2026-01-31T08:15:00+00:00"),
        ] {
            let read = Timestamp::from_value(Value::Timestamp(text(written))).expect(written);
            assert_eq!(read.to_rfc3339(), expected);
        }
        let plain = DateAndTime::from_value(Value::Timestamp(text("2026-01-31 13:45:00"))).expect("no zone");
        assert_eq!(plain.to_value(), Value::Timestamp(text("2026-01-31 13:45:00")));
        assert!(Timestamp::from_value(Value::Timestamp(text("infinity"))).is_err());
    }

    #[test]
    fn nothing_is_converted_that_could_lose_something() {
        assert!(f64::from_value(Value::Numeric(text("0.1"))).is_err());
        assert!(i64::from_value(Value::Float(1.0)).is_err());
        assert!(i64::from_value(Value::Null).is_err());
        assert!(u32::from_value(Value::Int(-1)).is_err());
        assert!(Decimal::from_value(Value::Numeric(text("NaN"))).is_err());
        assert!(String::from_value(Value::Date(text("2026-01-31"))).is_err());
    }
}
