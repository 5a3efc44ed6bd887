//! What a line of the books costs, in integers.
//!
//! Prices are millionths of a millionth of the currency's unit; a line's amounts times their prices are added up as they are,
//! and the sum is rounded once, half up, to a millionth. Nothing is a float on the way.

use super::Used;
use crate::config::{Price, Prices};
use std::fmt;
use std::ops::AddAssign;

/// The largest of the units below, and what every product is brought to: a thousand million.
const COMMON: i128 = 1_000_000_000;

/// How many of those make a millionth of the currency's unit: prices are a million times finer.
const MICRO: i128 = COMMON * 1_000_000;

/// A line of the books that costs more than 128 bits hold: a price or a count is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of the books costs more than can be counted; look at [usage.prices]")]
pub struct Dear;

/// An amount of money, in millionths of the currency's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(i128);

impl Cost {
    /// What this costs.
    ///
    /// # Errors
    /// See [`Dear`].
    pub(super) fn of(used: &Used, prices: &Prices) -> Result<Self, Dear> {
        // Amount, price, and how many of the amount the price is for.
        let parts: [(i128, Price, i128); 7] = [
            (used.calls, prices.call, 1),
            (used.rows, prices.thousand_rows, 1_000),
            (used.bytes_out, prices.gigabyte, 1_000_000_000),
            (used.database_us, prices.database_second, 1_000_000),
            (used.cpu_us, prices.cpu_second, 1_000_000),
            (used.fuel, prices.billion_fuel, 1_000_000_000),
            (used.embedding_tokens, prices.million_embedding_tokens, 1_000_000),
        ];
        let product = |(amount, price, unit): (i128, Price, i128)| {
            // A call that was taken back after midnight's write may leave less than nothing for a moment.
            amount.max(0).checked_mul(i128::from(price.pico()))?.checked_mul(COMMON / unit)
        };
        let sum = parts.into_iter().try_fold(0_i128, |sum, part| sum.checked_add(product(part)?)).ok_or(Dear)?;
        Ok(Self(sum.checked_add(MICRO / 2).ok_or(Dear)? / MICRO))
    }

    /// In millionths.
    pub const fn micro(self) -> i128 {
        self.0
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, more: Self) {
        self.0 = self.0.saturating_add(more.0);
    }
}

/// With six decimals, always.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(toml: &str) -> Prices {
        toml::from_str(toml).expect("prices")
    }

    #[track_caller]
    fn check(toml: &str, used: Used, cost: &str) {
        assert_eq!(Cost::of(&used, &prices(toml)).map(|cost| cost.to_string()), Ok(cost.to_owned()), "{toml} {used:?}");
    }

    #[test]
    fn each_thing_has_its_price_for_its_unit() {
        let none = Used::default();
        check("", Used { calls: 9, rows: 9, ..none }, "0.000000");
        check("call = '0.25'", Used { calls: 3, errors: 2, ..none }, "0.750000");
        check("thousand_rows = '0.1'", Used { rows: 12_345, ..none }, "1.234500");
        check("gigabyte = 0.09", Used { bytes_out: 2_500_000_000, ..none }, "0.225000");
        check("database_second = 2", Used { database_us: 1_500_000, ..none }, "3.000000");
        check("cpu_second = '0.00001'", Used { cpu_us: 100_000, ..none }, "0.000001");
        check("billion_fuel = 7", Used { fuel: 1_000_000, ..none }, "0.007000");
        check("million_embedding_tokens = '0.02'", Used { embedding_tokens: 1_234_567, ..none }, "0.024691");
        check("call = 0.1\nthousand_rows = 0.2", Used { calls: 1, rows: 1_000, ..none }, "0.300000");
    }

    #[test]
    fn it_is_rounded_once_half_up_and_never_drifts() {
        let calls = |calls| Used { calls, ..Used::default() };
        check("call = '0.0000005'", calls(1), "0.000001");
        check("call = '0.0000004'", calls(1), "0.000000");
        check("call = '0.0000004'", calls(2), "0.000001");
        check("call = '0.000000000001'", calls(1_000_000_000_000), "1.000000");
        // Half a millionth each, together one: what is added is not rounded before.
        let both = Used { calls: 1, rows: 1_000, ..Used::default() };
        check("call = '0.00000025'\nthousand_rows = '0.00000025'", both, "0.000001");
        // A tenth, ten million times: floats are off by then.
        let (tenth, mut sum) = (Cost::of(&calls(1), &prices("call = 0.1")).unwrap(), Cost::default());
        (0..10_000_000).for_each(|_| sum += tenth);
        assert_eq!(sum.to_string(), "1000000.000000");
        check("call = 1000000", calls(1_000_000_000), "1000000000000000.000000");
        check("call = 1", calls(-1), "0.000000");
        assert_eq!(Cost::of(&calls(i128::from(i64::MAX)), &prices("call = 1000000")), Err(Dear));
    }
}
