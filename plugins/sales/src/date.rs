//! Days of the calendar: as much of it as periods need, and no clock.

use std::fmt;

/// A day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date(i64);

impl Date {
    /// The day of a count of days since 1970-01-01.
    pub(crate) fn from_days(days: i64) -> Date {
        Date(days)
    }

    /// `2026-01-31`, and no other notation; nothing where there is no such day.
    pub(crate) fn parse(text: &str) -> Option<Date> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return None;
        }
        let number = |range: std::ops::Range<usize>| -> Option<i64> {
            let digits = text.get(range)?;
            if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None }
        };
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let date = Date::of(year, month, day);
        // A day that does not exist comes back as another one.
        (date.year_month_day() == (year, month, day)).then_some(date)
    }

    /// The day of the Gregorian calendar; months and days beyond their range run on into the next.
    pub(crate) fn of(year: i64, month: i64, day: i64) -> Date {
        // Years begin in March here, so that a leap day is the last of its year; 400 years are 146 097 days, and
        // 1970-01-01 is 719 468 days after 0000-03-01.
        let year = year + (month - 1).div_euclid(12);
        let month = (month - 1).rem_euclid(12) + 1;
        let (year, shifted) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let of_year = (153 * shifted + 2) / 5 + day - 1;
        Date(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
    }

    /// Year, month and day.
    pub(crate) fn year_month_day(self) -> (i64, i64, i64) {
        // The way back of `of`.
        let days = self.0 + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        (era * 400 + year + i64::from(month <= 2), month, day)
    }

    /// That many days later.
    pub(crate) fn plus(self, days: i64) -> Date {
        Date(self.0 + days)
    }

    /// Days from `earlier` to this one.
    pub(crate) fn since(self, earlier: Date) -> i64 {
        self.0 - earlier.0
    }

    /// 0 is Monday.
    pub(crate) fn weekday(self) -> i64 {
        (self.0 + 3).rem_euclid(7) // 1970-01-01 was a Thursday
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.year_month_day();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl serde::Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_eight_centuries_goes_there_and_back() {
        let mut day = Date::of(1600, 1, 1);
        assert_eq!(day.weekday(), 5, "a Saturday");
        while day < Date::of(2400, 1, 1) {
            let (y, m, d) = day.year_month_day();
            assert_eq!(Date::of(y, m, d), day);
            assert_eq!(Date::parse(&day.to_string()), Some(day));
            day = day.plus(1);
        }
    }

    #[test]
    fn only_real_days_are_read() {
        for (text, days) in [("1970-01-01", Some(0)), ("2000-02-29", Some(11_016)), ("2026-10-31", Some(20_757))] {
            assert_eq!(Date::parse(text).map(|date| date.0), days, "{text}");
        }
        for text in [
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-1-1",
            "20261031",
            "2026-10-31T00:00:00",
            "+026-10-31",
            "2026-10-3\u{e9}",
            "",
        ] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
    }
}
