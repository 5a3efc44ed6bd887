//! From PostgreSQL's text of a cell to a [`Value`].
//!
//! Total: a text that does not read as its kind (an array with a NULL or with two dimensions, say) stays text.

use super::value::{Kind, Value};

/// The value of a cell of this kind.
pub(super) fn value(kind: Kind, cell: Option<&str>) -> Value {
    let Some(text) = cell else { return Value::Null };
    typed(kind, text).unwrap_or_else(|| Value::Text(text.to_owned()))
}

fn typed(kind: Kind, text: &str) -> Option<Value> {
    let owned = || text.to_owned();
    Some(match kind {
        Kind::Boolean => Value::Boolean(boolean(text)?),
        Kind::Int => Value::Int(text.parse().ok()?),
        Kind::Float => Value::Float(text.parse().ok()?),
        Kind::Numeric => Value::Numeric(owned()),
        Kind::Text => Value::Text(owned()),
        Kind::Timestamp => Value::Timestamp(owned()),
        Kind::Date => Value::Date(owned()),
        Kind::Uuid => Value::Uuid(owned()),
        Kind::Json => Value::Json(owned()),
        Kind::Bytes => Value::Bytes(hex::decode(text.strip_prefix("\\x")?).ok()?),
        Kind::BooleanArray => Value::BooleanArray(scalars(text, boolean)?),
        Kind::IntArray => Value::IntArray(scalars(text, |t| t.parse().ok())?),
        Kind::FloatArray => Value::FloatArray(scalars(text, |t| t.parse().ok())?),
        Kind::TextArray => Value::TextArray(elements(text)?),
        Kind::UuidArray => Value::UuidArray(elements(text)?),
        Kind::Vector => {
            Value::Vector(inside(text, '[', ']')?.split(',').map(|t| t.parse().ok()).collect::<Option<_>>()?)
        }
    })
}

/// PostgreSQL's `t` and `f`.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "t" => Some(true),
        "f" => Some(false),
        _ => None,
    }
}

fn inside(text: &str, open: char, close: char) -> Option<&str> {
    text.strip_prefix(open)?.strip_suffix(close)
}

/// The elements of a one-dimensional array whose elements are never quoted.
fn scalars<T>(text: &str, each: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    match inside(text, '{', '}')? {
        "" => Some(Vec::new()),
        list => list.split(',').map(each).collect(),
    }
}

/// The elements of a one-dimensional array. `None` where one is NULL, or there are more dimensions or other bounds.
fn elements(text: &str) -> Option<Vec<String>> {
    let list = inside(text, '{', '}')?;
    let mut items = Vec::new();
    if list.is_empty() {
        return Some(items);
    }
    let mut chars = list.chars();
    loop {
        let (mut item, mut quoted, mut more) = (String::new(), false, false);
        let mut within = false;
        while let Some(c) = chars.next() {
            match c {
                '"' => {
                    within = !within;
                    quoted = true;
                }
                '\\' => item.push(chars.next()?),
                ',' if !within => {
                    more = true;
                    break;
                }
                '{' | '}' if !within => return None,
                c => item.push(c),
            }
        }
        // PostgreSQL quotes a text that merely looks like NULL.
        if within || (!quoted && item.eq_ignore_ascii_case("null")) {
            return None;
        }
        items.push(item);
        if !more {
            return Some(items);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, text: &str, expected: Value) {
        assert_eq!(value(kind, Some(text)), expected);
    }

    #[test]
    fn cells_read_as_their_kind_or_stay_text() {
        let texts = |list: &[&str]| Value::TextArray(list.iter().map(|t| (*t).to_owned()).collect());
        let text = |t: &str| Value::Text(t.to_owned());
        assert_eq!(value(Kind::Int, None), Value::Null);
        check(Kind::Boolean, "f", Value::Boolean(false));
        check(Kind::Int, "-42", Value::Int(-42));
        check(Kind::Float, "1e-07", Value::Float(1e-7));
        check(Kind::Float, "-Infinity", Value::Float(f64::NEG_INFINITY));
        check(Kind::Numeric, "0.10", Value::Numeric("0.10".into()));
        check(Kind::Bytes, "\\x00ff", Value::Bytes(vec![0, 255]));
        check(Kind::BooleanArray, "{t,f}", Value::BooleanArray(vec![true, false]));
        check(Kind::IntArray, "{}", Value::IntArray(vec![]));
        check(Kind::IntArray, "{1,NULL}", text("{1,NULL}"));
        check(Kind::IntArray, "{{1},{2}}", text("{{1},{2}}"));
        check(Kind::IntArray, "[0:1]={1,2}", text("[0:1]={1,2}"));
        check(Kind::FloatArray, "{1.5,-2}", Value::FloatArray(vec![1.5, -2.0]));
        check(Kind::TextArray, r#"{a,"b,c","d\"e\\f","",null2}"#, texts(&["a", "b,c", "d\"e\\f", "", "null2"]));
        check(Kind::TextArray, r#"{"NULL"}"#, texts(&["NULL"]));
        check(Kind::TextArray, "{a,NULL}", text("{a,NULL}"));
        check(Kind::TextArray, "{{a},{b}}", text("{{a},{b}}"));
        check(Kind::Vector, "[1,-0.5]", Value::Vector(vec![1.0, -0.5]));
    }
}
