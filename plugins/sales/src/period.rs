//! Which days a question is about.

use rowhouse_plugin::{
    chrono::{Datelike as _, Days, Month, Months, Weekday},
    prelude::*,
};

/// A period of the calendar. Weeks begin on Monday.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    Day,
    Week,
    #[default]
    Month,
    Quarter,
    Year,
}

impl Unit {
    /// Its name, which is also `date_trunc`'s.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Day => "day",
            Unit::Week => "week",
            Unit::Month => "month",
            Unit::Quarter => "quarter",
            Unit::Year => "year",
        }
    }

    /// The period of this kind that `date` lies in.
    pub(crate) fn around(self, date: Date) -> Span {
        let months = |count: u32| {
            let first = date - Days::new(u64::from(date.day0())) - Months::new(date.month0() % count);
            Span { first, last: first + Months::new(count) - Days::new(1) }
        };
        match self {
            Unit::Day => Span { first: date, last: date },
            Unit::Week => {
                let week = date.week(Weekday::Mon);
                Span { first: week.first_day(), last: week.last_day() }
            }
            Unit::Month => months(1),
            Unit::Quarter => months(3),
            Unit::Year => months(12),
        }
    }

    /// The period of this kind just before the one that begins on `first`.
    pub(crate) fn before(self, first: Date) -> Span {
        self.around(first - Days::new(1))
    }

    /// The last whole period of this kind that ends on or before `newest`.
    pub(crate) fn last_full(self, newest: Date) -> Span {
        let span = self.around(newest);
        if span.last <= newest { span } else { self.before(span.first) }
    }
}

/// The name of the month that `date` lies in. (chrono's formats would be a twentieth of this plugin's code.)
pub(crate) fn month_of(date: Date) -> &'static str {
    u8::try_from(date.month()).ok().and_then(|month| Month::try_from(month).ok()).map_or("", |month| month.name())
}

/// Days, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Span {
    /// First day.
    #[serde(rename = "from")]
    pub(crate) first: Date,
    /// Last day, included.
    #[serde(rename = "to")]
    pub(crate) last: Date,
}

impl Span {
    /// As many days, just before.
    fn just_before(self) -> Span {
        let last = self.first - Days::new(1);
        Span { first: last - (self.last - self.first), last }
    }
}

/// How a caller may name a period; every part may be left out.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct When {
    /// Kind of calendar period (default month). Without `date`, the last whole one that has data. Not together with `from`
    /// and `to`.
    period: Option<Unit>,
    /// Any day inside the period wanted, e.g. 2026-08-15 with period quarter for 2026-07-01 to 2026-09-30.
    date: Option<Date>,
    /// First day, instead of `period`.
    from: Option<Date>,
    /// Last day, included. Default: the last day with data.
    to: Option<Date>,
}

/// The period asked for and the one to compare it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) span: Span,
    /// The period of the calendar before; as many days before where the ends were given.
    pub(crate) before: Span,
}

/// Settle on days. `newest` gives the last day of data; it is asked only where the answer depends on it.
///
/// # Errors
/// Parts that contradict each other, or whatever `newest` says.
pub(crate) fn choose(when: &When, newest: impl FnOnce() -> Result<Date>) -> Result<Chosen> {
    if when.from.is_some() || when.to.is_some() {
        if when.period.is_some() || when.date.is_some() {
            bail!(invalid, "give either `from` and `to`, or `period` (with `date`), not both");
        }
        let span = between(when.from, when.to, newest)?;
        return Ok(Chosen { span, before: span.just_before() });
    }
    let unit = when.period.unwrap_or_default();
    let span = match when.date {
        Some(date) => unit.around(date),
        None => unit.last_full(newest()?),
    };
    Ok(Chosen { span, before: unit.before(span.first) })
}

/// The days from `from` to `to`; up to the last day of data where `to` is missing.
///
/// # Errors
/// No `from`, or an end before the beginning.
pub(crate) fn between(from: Option<Date>, to: Option<Date>, newest: impl FnOnce() -> Result<Date>) -> Result<Span> {
    let first = from.or_invalid("`to` needs `from`: give both, or neither")?;
    let last = to.map_or_else(newest, Ok)?;
    if first > last {
        bail!(invalid, "`from` ({first}) is after `to` ({last}): swap them");
    }
    Ok(Span { first, last })
}

#[cfg(test)]
mod tests;
