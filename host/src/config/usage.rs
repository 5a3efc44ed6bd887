//! What usage costs.

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// What reports of usage say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// What each thing costs.
    pub prices: Prices,
}

/// What each thing costs. A price is 0 or more, with twelve decimals at the most; one that is not set is 0. Write it as a
/// text (`"0.0002"`) or a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// What the numbers are of, for people: it is printed and nothing is done with it.
    pub currency: String,
    /// A call, however it ends.
    pub call: Price,
    /// A thousand rows read.
    pub thousand_rows: Price,
    /// A gigabyte (1,000,000,000 bytes) of answers.
    pub gigabyte: Price,
    /// A second in which a statement held a connection.
    pub database_second: Price,
    /// A second in which a call held a thread.
    pub cpu_second: Price,
    /// A thousand million of fuel.
    pub billion_fuel: Price,
    /// A million tokens sent to the model that makes vectors.
    pub million_embedding_tokens: Price,
}

impl Default for Prices {
    fn default() -> Self {
        let free = Price::default();
        Self {
            currency: "EUR".to_owned(),
            call: free,
            thousand_rows: free,
            gigabyte: free,
            database_second: free,
            cpu_second: free,
            billion_fuel: free,
            million_embedding_tokens: free,
        }
    }
}

/// A price, in millionths of a millionth of the currency's unit: an integer, so that nothing is lost in adding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price(u64);

/// Decimals of a price. A call of a cheap plugin may cost the millionth part of a cent.
const DECIMALS: usize = 12;

/// The dearest: a million a call. More is a typing error, and sums stay far from what fits.
const DEAREST: u64 = 1_000_000 * 10_u64.pow(12);

impl Price {
    /// In millionths of a millionth.
    pub const fn pico(self) -> u64 {
        self.0
    }

    /// As it is written: digits, and up to twelve more after a point.
    fn read(text: &str) -> Option<Self> {
        let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(rest) || rest.len() > DECIMALS {
            return None;
        }
        let pico = format!("{whole}{rest:0<DECIMALS$}").parse::<u64>().ok()?;
        (pico <= DEAREST).then_some(Self(pico))
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_u64.pow(12);
        let text = format!("{}.{:012}", self.0 / unit, self.0 % unit);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Price;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a price such as \"0.0002\": 0 to 1000000, with twelve decimals at the most")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Price, E> {
                Price::read(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Price, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Price, E> {
                self.visit_str(&number.to_string())
            }

            // The shortest decimal that is this number is the one that was written, up to fifteen digits.
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Price, E> {
                self.visit_str(&number.to_string())
            }
        }
        from.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_exactly_what_was_written() {
        let check = |written: &str, pico: Option<u64>, shown: &str| {
            let read = toml::from_str::<Prices>(&format!("call = {written}"));
            assert_eq!(read.as_ref().ok().map(|prices| prices.call.pico()), pico, "{written}: {read:?}");
            if let Ok(prices) = read {
                assert_eq!(prices.call.to_string(), shown, "{written}");
                let again = serde_json::from_value(serde_json::to_value(&prices).unwrap()).unwrap();
                assert_eq!(prices, again, "{written}");
            }
        };
        check("0", Some(0), "0");
        check("3", Some(3_000_000_000_000), "3");
        check("'0.0002'", Some(200_000_000), "0.0002");
        check("0.0002", Some(200_000_000), "0.0002");
        check("0.1", Some(100_000_000_000), "0.1");
        check("1e-7", Some(100_000), "0.0000001");
        check("'0.000000000001'", Some(1), "0.000000000001");
        check("1000000", Some(DEAREST), "1000000");
        for wrong in
            ["-1", "-0.5", "'0.0000000000001'", "1000000.5", "'1,5'", "''", "'.5'", "'5.'", "nan", "inf", "'+1'"]
        {
            check(wrong, None, "");
        }
    }
}
