//! Functions and types that turn a short statement into a very large value. The server's time-out does not stop
//! some of them in the middle, so their size must be plain to see in the statement.

use pg_query::protobuf::MinMaxOp;
use serde_json::Value;

use super::refusal::{Reason, Stop, stop};

/// Functions whose arguments are looked at.
pub(super) const SIZED: [&str; 7] = ["repeat", "lpad", "rpad", "format", "array_fill", "generate_series", "bpchar"];

/// Largest count of `repeat`, length of `lpad` and `rpad`: more than a line of any report.
const MAX_TIMES: f64 = 10_000.0;

/// Largest product of all `repeat` counts in a statement: 10 MB of one-byte text.
const MAX_REPEATS: u64 = 10_000_000;

/// Largest width in a `format` string, likewise.
const MAX_WIDTH: u32 = 1_000;

/// Longest `char(n)`, `varchar(n)`, `bit(n)`: every value of such a type may be padded to its length.
const MAX_LENGTH: f64 = 4_000.0;

/// Most rows of a `generate_series` with constant ends; a minute series over nineteen years.
const MAX_SERIES: f64 = 10_000_000.0;

/// Checks the arguments of one of the [`SIZED`] functions; `repeats` is the product so far, and the new one is
/// given back.
pub(super) fn check(function: &str, arguments: &Value, repeats: u64) -> Result<u64, Stop> {
    let argument = |index: usize| arguments.get(index);
    match function {
        "repeat" | "lpad" | "rpad" => {
            let Some(times) = argument(1).and_then(at_most).filter(|times| *times <= MAX_TIMES) else {
                let message = format!(
                    "{function}: how large its second argument may become must be plain to see: write a number up to \
                     {MAX_TIMES}, or least(…, 100) around it"
                );
                return stop(Reason::Size, message);
            };
            if function != "repeat" {
                return Ok(repeats);
            }
            // At most `MAX_TIMES`, so the cast loses nothing that matters.
            let product = repeats.saturating_mul(times.max(1.0) as u64);
            if product > MAX_REPEATS {
                return stop(Reason::Size, "the counts of all repeat() calls multiply to too much: lower them");
            }
            return Ok(product);
        }
        "format" => {
            let text = argument(0).and_then(|value| value.pointer("/node/AConst/val/Sval/sval")?.as_str());
            if !text.is_some_and(has_small_widths) {
                let message = format!("format: its first argument must be a constant with widths up to {MAX_WIDTH}");
                return stop(Reason::Size, message);
            }
        }
        "array_fill" => return stop(Reason::Size, "array_fill is not offered: use array_agg over generate_series"),
        // The function behind `char(n)`: its second argument is the length, which it does not limit.
        "bpchar" if argument(1).is_some() => return stop(Reason::Size, "bpchar: write a cast, value::char(n)"),
        "generate_series" => {
            let ends = (argument(0).and_then(cast_constant), argument(1).and_then(cast_constant));
            let step = argument(2).map_or(Some(1.0), cast_constant);
            if let ((Some(from), Some(to)), Some(step)) = (ends, step)
                && step != 0.0
                && (to - from) / step > MAX_SERIES
            {
                let message = format!("generate_series: at most {MAX_SERIES} rows; use a larger step or nearer ends");
                return stop(Reason::Size, message);
            }
        }
        _ => {}
    }
    Ok(repeats)
}

/// What `left(text, n)` leaves at most.
pub(super) fn left(arguments: &Value) -> Option<usize> {
    let [_, kept] = arguments.as_array()?.as_slice() else { return None };
    // Below zero it counts from the other end.
    let kept = constant(kept).filter(|kept| (0.0..=MAX_TIMES).contains(kept))?;
    // Within the bounds above, so the cast loses nothing.
    Some(kept as usize)
}

/// Checks the length of a type that pads its values.
pub(super) fn check_length(name: &str, modifiers: &Value) -> Result<(), Stop> {
    let modifiers = modifiers.as_array().map(Vec::as_slice).unwrap_or_default();
    match modifiers.iter().all(|modifier| constant(modifier).is_some_and(|length| length <= MAX_LENGTH)) {
        true => Ok(()),
        false => stop(Reason::Size, format!("{name}(n): n is a number up to {MAX_LENGTH}; use text for more")),
    }
}

/// The value of a numeric constant.
fn constant(value: &Value) -> Option<f64> {
    let value = value.pointer("/node/AConst/val")?;
    match value.pointer("/Ival/ival") {
        Some(number) => number.as_f64(),
        // Numbers past 32 bits, and those with a point or an exponent.
        None => value.pointer("/Fval/fval")?.as_str()?.parse().ok(),
    }
}

/// The value of a numeric constant, through casts to a number: `'5'::int8`, `-(5::bigint)`.
fn cast_constant(value: &Value) -> Option<f64> {
    let operand = |node: &Value| node.get("rexpr").filter(|_| node.get("lexpr").is_none_or(Value::is_null)).cloned();
    if let Some(node) = value.pointer("/node/AExpr").filter(|node| node.get("name").and_then(last_word) == Some("-")) {
        return cast_constant(&operand(node)?).map(std::ops::Neg::neg);
    }
    let Some(cast) = value.pointer("/node/TypeCast") else { return constant(value) };
    let argument = cast.get("arg").filter(|_| is_number(cast.pointer("/type_name/names").unwrap_or(&Value::Null)))?;
    match argument.pointer("/node/AConst/val/Sval/sval") {
        Some(text) => text.as_str()?.trim().replace('_', "").parse().ok(),
        None => cast_constant(argument),
    }
}

/// The largest value an expression can have if it is not null, where that is plain to see in it: a constant,
/// `least(…)` of one, what is left of a division by one, and whatever chooses among such or rounds one.
fn at_most(value: &Value) -> Option<f64> {
    let node = value.get("node")?;
    let (kind, node) = node.as_object()?.iter().next()?;
    let list = |field: &str| node.get(field)?.as_array().map(Vec::as_slice);
    // Of several that it may be, the largest; none, where one of them has no bound.
    let largest = |values: &[&Value]| {
        let bounds: Option<Vec<f64>> = values.iter().map(|value| at_most(value)).collect();
        bounds?.into_iter().reduce(f64::max)
    };
    match kind.as_str() {
        // It passes over nulls, so only what is never null bounds it.
        "MinMaxExpr" if node.get("op")?.as_i64()? == i64::from(MinMaxOp::IsLeast as i32) => {
            list("args")?.iter().filter_map(constant).reduce(f64::min)
        }
        "MinMaxExpr" | "CoalesceExpr" => largest(&list("args")?.iter().collect::<Vec<_>>()),
        "TypeCast" if is_number(node.pointer("/type_name/names")?) => at_most(node.get("arg")?).map(f64::ceil),
        "CaseExpr" => {
            let results: Option<Vec<&Value>> =
                list("args")?.iter().map(|when| when.pointer("/node/CaseWhen/result")).collect();
            // Without ELSE it is null, and the whole with it.
            largest(
                &results?.into_iter().chain(node.get("defresult").filter(|value| !value.is_null())).collect::<Vec<_>>(),
            )
        }
        "AExpr" if last_word(node.get("name")?)? == "%" => constant(node.get("rexpr")?).map(f64::abs),
        "FuncCall" => match (last_word(node.get("funcname")?)?, list("args")?) {
            ("mod", [_, of]) => constant(of).map(f64::abs),
            ("round" | "ceil" | "ceiling" | "floor" | "trunc", [value]) => at_most(value).map(f64::ceil),
            _ => None,
        },
        _ => constant(value),
    }
}

/// The last part of a name of one or more.
pub(super) fn last_word(name: &Value) -> Option<&str> {
    name.as_array()?.last()?.pointer("/node/String/sval")?.as_str()
}

fn is_number(type_name: &Value) -> bool {
    matches!(last_word(type_name), Some("int2" | "int4" | "int8" | "float4" | "float8" | "numeric"))
}

/// Reads a `format` string: `%[position$][-][width]type`. A width taken from an argument (`*`) is never small.
fn has_small_widths(text: &str) -> bool {
    text.split('%').skip(1).all(|piece| {
        let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
        let first = number(piece);
        let rest = &piece[first.len()..];
        let (rest, width) = match rest.strip_prefix('$') {
            Some(rest) => (rest.trim_start_matches('-'), None),
            None if first.is_empty() => (rest.trim_start_matches('-'), None),
            None => (rest, Some(first)),
        };
        let width = width.unwrap_or_else(|| number(rest));
        !rest.starts_with('*') && (width.is_empty() || width.parse().is_ok_and(|width: u32| width <= MAX_WIDTH))
    })
}
