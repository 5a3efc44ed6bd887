//! Money in whole cents, so that sums and differences are exact, and shares of it.
//!
//! In JSON an amount is a number with two decimals (`12345.60`): a reader that keeps digits keeps these, and a binary
//! double holds every amount below 90 thousand million exactly to the cent.

use std::{fmt, iter::Sum};

use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::value::RawValue;

/// An amount in cents of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Money(pub(crate) i64);

impl Money {
    /// The amount of PostgreSQL's decimal notation with at most two decimals: `-12.5`.
    pub(crate) fn parse(text: &str) -> Option<Money> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || part.len() > 2 || !plain(whole) || !plain(part) {
            return None;
        }
        let cents: i64 = format!("{part:0<2}").parse().ok()?;
        let amount = whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents)?;
        Some(Money(sign * amount))
    }

    /// This amount divided among `count`, to the nearest cent; zero among none.
    pub(crate) fn among(self, count: i64) -> Money {
        if count <= 0 {
            return Money(0);
        }
        let half = if self.0 < 0 { -count / 2 } else { count / 2 };
        Money((self.0 + half) / count)
    }

    fn digits(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        format!("{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl std::ops::Sub for Money {
    type Output = Money;

    fn sub(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        // More money than there is; a wrong total would be worse than a capped one.
        Money(amounts.fold(0_i64, |sum, amount| sum.saturating_add(amount.0)))
    }
}

/// For people: `$1,234.50`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        let digits = digits.strip_prefix('-').unwrap_or(&digits);
        let (whole, cents) = digits.split_once('.').unwrap_or((digits, "00"));
        f.write_str(if self.0 < 0 { "-$" } else { "$" })?;
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
        RawValue::from_string(self.digits()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// `part` of `whole` in percent, to one decimal. None where there is no whole.
pub(crate) fn percent(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 1_000.0).round() / 10.0)
}

/// How much `now` is above `before`, in percent of it, to one decimal. None where there was nothing before.
pub(crate) fn growth(now: Money, before: Money) -> Option<f64> {
    percent((now - before).0, before.0)
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
mod tests {
    use super::*;

    #[test]
    fn digits_are_kept() {
        for (text, cents, json, words) in [
            ("0", 0, "0.00", "$0.00"),
            ("12.5", 1_250, "12.50", "$12.50"),
            ("-0.07", -7, "-0.07", "-$0.07"),
            ("999.99", 99_999, "999.99", "$999.99"),
            ("1234567.89", 123_456_789, "1234567.89", "$1,234,567.89"),
            ("-1000", -100_000, "-1000.00", "-$1,000.00"),
        ] {
            let money = Money::parse(text).expect(text);
            assert_eq!(money, Money(cents), "{text}");
            assert_eq!(serde_json::to_string(&money).expect(text), json);
            assert_eq!(money.to_string(), words);
        }
        for text in ["", "NaN", "1.234", "1e5", ".5", "--1", "1.-1", "99999999999999999999"] {
            assert_eq!(Money::parse(text), None, "{text}");
        }
    }

    #[test]
    fn shares_and_averages_round_to_the_nearest() {
        for (amount, count, each) in [(1_000, 3, 333), (200, 3, 67), (-200, 3, -67), (5, 0, 0), (0, 9, 0)] {
            assert_eq!(Money(amount).among(count), Money(each), "{amount} / {count}");
        }
        for (now, before, expected) in
            [(110, 100, Some(10.0)), (50, 100, Some(-50.0)), (1, 3, Some(-66.7)), (7, 0, None)]
        {
            assert_eq!(growth(Money(now), Money(before)), expected, "{now} after {before}");
        }
        for (growth, words) in [(3.24, "up 3.2%"), (-0.5, "down 0.5%"), (0.0, "unchanged")] {
            assert_eq!(in_words(growth), words);
        }
    }
}
