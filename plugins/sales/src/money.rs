//! Money, exact to the cent, and shares of it.
//!
//! In JSON an amount is a number with two decimals (`12345.60`): a reader that keeps digits keeps these, and a binary
//! double holds every amount below 90 thousand million exactly to the cent.

use std::{borrow::Cow, fmt, iter::Sum};

use rowhouse_plugin::{
    FromValue,
    prelude::*,
    rust_decimal::{self, RoundingStrategy, prelude::ToPrimitive as _},
};
use schemars::{Schema, SchemaGenerator};
use serde::Serializer;

/// An amount of US dollars, of at most two decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Money(pub(crate) rust_decimal::Decimal);

impl Money {
    /// This amount divided among `count`, to the nearest cent; zero among none.
    pub(crate) fn among(self, count: i64) -> Money {
        let each = if count > 0 { self.0 / rust_decimal::Decimal::from(count) } else { rust_decimal::Decimal::ZERO };
        Money(each.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero))
    }

    /// In dollars, for drawing and for shares.
    pub(crate) fn dollars(self) -> f64 {
        self.0.to_f64().unwrap_or_default()
    }
}

impl FromValue for Money {
    /// An amount that the statement has rounded to cents.
    fn from_value(value: Value) -> std::result::Result<Money, Value> {
        Decimal::from_value(value).map(|amount| Money(amount.0))
    }
}

impl std::ops::Sub for Money {
    type Output = Money;

    fn sub(self, other: Money) -> Money {
        Money(self.0 - other.0)
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        Money(amounts.map(|amount| amount.0).sum())
    }
}

/// For people: `$1,234.50`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:.2}", self.0.abs());
        let (whole, cents) = digits.split_once('.').unwrap_or((&digits, "00"));
        f.write_str(if self.0.is_sign_negative() && !self.0.is_zero() { "-$" } else { "$" })?;
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        write!(f, ".{cents}")
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut amount = self.0;
        amount.rescale(2);
        Decimal(amount).serialize(serializer)
    }
}

impl JsonSchema for Money {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Money".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Decimal::json_schema(generator)
    }
}

/// `part` of `whole` in percent, to one decimal. None where there is no whole.
pub(crate) fn percent(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| (part / whole * 1_000.0).round() / 10.0)
}

/// How much of `whole` an amount is, in percent.
pub(crate) fn share(part: Money, whole: Money) -> Option<f64> {
    percent(part.dollars(), whole.dollars())
}

/// How much `now` is above `before`, in percent of it, to one decimal. None where there was nothing before.
pub(crate) fn growth(now: Money, before: Money) -> Option<f64> {
    share(now - before, before)
}

/// A growth in words: `up 3.2%`.
pub(crate) fn in_words(growth: f64) -> String {
    match growth {
        g if g > 0.0 => format!("up {g:.1}%"),
        g if g < 0.0 => format!("down {:.1}%", -g),
        _ => "unchanged".to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// That many cents.
    pub(crate) fn cents(cents: i64) -> Money {
        Money(rust_decimal::Decimal::new(cents, 2))
    }

    #[test]
    fn digits_are_kept() {
        for (text, amount, json, words) in [
            ("0", 0, "0.00", "$0.00"),
            ("12.5", 1_250, "12.50", "$12.50"),
            ("-0.07", -7, "-0.07", "-$0.07"),
            ("999.99", 99_999, "999.99", "$999.99"),
            ("1234567.89", 123_456_789, "1234567.89", "$1,234,567.89"),
            ("-1000", -100_000, "-1000.00", "-$1,000.00"),
        ] {
            let money = Money::from_value(Value::Numeric(text.to_owned())).expect(text);
            assert_eq!(money, cents(amount), "{text}");
            assert_eq!(serde_json::to_string(&money).expect(text), json);
            assert_eq!(money.to_string(), words);
        }
    }

    #[test]
    fn shares_and_averages_round_to_the_nearest() {
        for (amount, count, each) in [(1_000, 3, 333), (200, 3, 67), (-200, 3, -67), (5, 0, 0), (0, 9, 0)] {
            assert_eq!(cents(amount).among(count), cents(each), "{amount} / {count}");
        }
        for (now, before, expected) in
            [(110, 100, Some(10.0)), (50, 100, Some(-50.0)), (1, 3, Some(-66.7)), (7, 0, None)]
        {
            assert_eq!(growth(cents(now), cents(before)), expected, "{now} after {before}");
        }
        for (growth, words) in [(3.24, "up 3.2%"), (-0.5, "down 0.5%"), (0.0, "unchanged")] {
            assert_eq!(in_words(growth), words);
        }
    }
}
