//! Which days a question is about.

use serde::Deserialize;

use crate::date::Date;

/// A period of the calendar. Weeks begin on Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    Day,
    Week,
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
        let (year, month, _) = date.year_month_day();
        let months = |first: i64, count: i64| Span {
            first: Date::of(year, first, 1),
            last: Date::of(year, first + count, 1).plus(-1),
        };
        match self {
            Unit::Day => Span { first: date, last: date },
            Unit::Week => {
                let first = date.plus(-date.weekday());
                Span { first, last: first.plus(6) }
            }
            Unit::Month => months(month, 1),
            Unit::Quarter => months((month - 1) / 3 * 3 + 1, 3),
            Unit::Year => months(1, 12),
        }
    }

    /// The last whole period of this kind that ends on or before `newest`.
    pub(crate) fn last_full(self, newest: Date) -> Span {
        let span = self.around(newest);
        if span.last <= newest { span } else { self.around(span.first.plus(-1)) }
    }
}

/// Days, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: Date,
    pub(crate) last: Date,
}

impl Span {
    /// How many days.
    pub(crate) fn days(self) -> i64 {
        self.last.since(self.first) + 1
    }

    /// As many days, just before.
    fn just_before(self) -> Span {
        Span { first: self.first.plus(-self.days()), last: self.first.plus(-1) }
    }
}

/// How a caller may name a period; every part may be left out.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct When {
    pub(crate) period: Option<Unit>,
    pub(crate) date: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
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
/// A text for the caller where the parts contradict each other, or whatever `newest` says.
pub(crate) fn choose<E: From<Mistake>>(when: &When, newest: impl FnOnce() -> Result<Date, E>) -> Result<Chosen, E> {
    if when.from.is_some() || when.to.is_some() {
        if when.period.is_some() || when.date.is_some() {
            return Err(Mistake("give either `from` and `to`, or `period` (with `date`), not both".to_owned()).into());
        }
        let span = between(when.from.as_deref(), when.to.as_deref(), newest)?;
        return Ok(Chosen { span, before: span.just_before() });
    }
    let unit = when.period.unwrap_or(Unit::Month);
    let span = match &when.date {
        Some(date) => unit.around(read("date", date)?),
        None => unit.last_full(newest()?),
    };
    Ok(Chosen { span, before: unit.around(span.first.plus(-1)) })
}

/// The days from `from` to `to`; up to the last day of data where `to` is missing.
///
/// # Errors
/// A text for the caller: no `from`, an end before the beginning, or no date.
pub(crate) fn between<E: From<Mistake>>(
    from: Option<&str>,
    to: Option<&str>,
    newest: impl FnOnce() -> Result<Date, E>,
) -> Result<Span, E> {
    let Some(from) = from else {
        return Err(Mistake("`to` needs `from`: give both, or neither".to_owned()).into());
    };
    let first = read("from", from)?;
    let last = match to {
        Some(to) => read("to", to)?,
        None => newest()?,
    };
    if first > last {
        return Err(Mistake(format!("`from` ({first}) is after `to` ({last}): swap them")).into());
    }
    Ok(Span { first, last })
}

/// The day a caller wrote under `name`.
///
/// # Errors
/// A text for the caller where it is none.
pub(crate) fn read(name: &str, text: &str) -> Result<Date, Mistake> {
    Date::parse(text).ok_or_else(|| {
        Mistake(format!("`{name}` is not a day of the calendar: write it as 2026-01-31 (year-month-day)"))
    })
}

/// Arguments that make no sense; the text says what to change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake(pub(crate) String);

#[cfg(test)]
mod tests;
