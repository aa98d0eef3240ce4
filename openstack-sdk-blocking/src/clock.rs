//! The crate's one monotonic clock, and the two time formats of the APIs.

use std::sync::Arc;
use std::time::Instant;

/// Where a session has its time from.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl Clock {
    pub(crate) fn of(now: Arc<dyn Fn() -> Instant + Send + Sync>) -> Self {
        Self(now)
    }

    pub(crate) fn now(&self) -> Instant {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(monotonic_now))
    }
}

const DAYS_BEFORE_MONTH: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const SECONDS_PER_DAY: u64 = 86_400;

/// Now, on a clock that nobody can set.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the crate that reads a clock: token lifetimes and durations"
)]
pub(crate) fn monotonic_now() -> Instant {
    Instant::now()
}

/// Seconds since 1970 of an ISO 8601 time as OpenStack writes it: `2026-01-01T00:00:00Z`,
/// `2026-01-01T00:00:00.000000` (UTC is meant), or with an offset.
pub(crate) fn parse_iso8601(text: &str) -> Option<u64> {
    let text = text.trim();
    let (date, rest) = text.split_once(['T', ' '])?;
    let (time, offset_seconds) = split_offset(rest)?;
    let mut date_parts = date.splitn(3, '-');
    let year = number(date_parts.next()?, 4)?;
    let month = number(date_parts.next()?, 2)?;
    let day = number(date_parts.next()?, 2)?;
    let whole = time.split_once('.').map_or(time, |(whole, _)| whole);
    let seconds = unix_seconds(year, month, day, whole)?;
    seconds.checked_add_signed(-offset_seconds)
}

/// Seconds since 1970 of an HTTP date in its one current form: `Sun, 06 Nov 1994 08:49:37 GMT`
/// (RFC 9110, section 5.6.7).
pub(crate) fn parse_http_date(text: &str) -> Option<u64> {
    let (_, rest) = text.trim().split_once(", ")?;
    let mut parts = rest.split(' ');
    let day = number(parts.next()?, 2)?;
    let month_name = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month_name)?;
    let year = number(parts.next()?, 4)?;
    let time = parts.next()?;
    if parts.next() != Some("GMT") || parts.next().is_some() {
        return None;
    }
    unix_seconds(year, u64::try_from(month).ok()? + 1, day, time)
}

fn split_offset(rest: &str) -> Option<(&str, i64)> {
    if let Some(time) = rest.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(at) = rest.rfind(['+', '-']) else {
        return Some((rest, 0));
    };
    let (time, offset) = (rest.get(..at)?, rest.get(at + 1..)?);
    let digits: String = offset.chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 {
        return None;
    }
    let hours = i64::try_from(number(digits.get(..2)?, 2)?).ok()?;
    let minutes = i64::try_from(number(digits.get(2..)?, 2)?).ok()?;
    let seconds = hours * 3600 + minutes * 60;
    Some((
        time,
        if rest.get(at..=at) == Some("-") {
            -seconds
        } else {
            seconds
        },
    ))
}

fn number(text: &str, digits: usize) -> Option<u64> {
    if text.len() != digits || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn unix_seconds(year: u64, month: u64, day: u64, time: &str) -> Option<u64> {
    let mut parts = time.splitn(3, ':');
    let hour = number(parts.next()?, 2)?;
    let minute = number(parts.next()?, 2)?;
    let second = number(parts.next()?, 2)?;
    let known = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !known {
        return None;
    }
    let leap_year =
        (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let years_before = year - 1;
    let leap_days = |years: u64| years / 4 - years / 100 + years / 400;
    let before_month = DAYS_BEFORE_MONTH.get(usize::try_from(month - 1).ok()?)?;
    let days = (year - 1970) * 365 + leap_days(years_before) - leap_days(1969)
        + before_month
        + u64::from(leap_year && month > 2)
        + day
        - 1;
    Some(days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::{parse_http_date, parse_iso8601};

    #[test]
    fn iso_8601_as_openstack_writes_it() {
        let cases: &[(&str, Option<u64>)] = &[
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-01-01T00:00:00Z", Some(1_767_225_600)),
            ("2026-01-01T00:00:00.000000", Some(1_767_225_600)),
            ("2026-01-01T00:00:00.999999Z", Some(1_767_225_600)),
            ("2026-01-01T01:00:00+01:00", Some(1_767_225_600)),
            ("2025-12-31T22:30:00-0130", Some(1_767_225_600)),
            ("2024-02-29T12:34:56Z", Some(1_709_210_096)),
            ("2024-03-01T00:00:00Z", Some(1_709_251_200)),
            ("2000-03-01T00:00:00Z", Some(951_868_800)),
            ("1969-12-31T23:59:59Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-01-01", None),
            ("2026-01-01T24:00:00Z", None),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799)),
            ("2026-01-01T00:00:00+é1", None),
            ("", None),
            ("null", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_iso8601(text), *expected, "{text}");
        }
    }

    #[test]
    fn http_dates() {
        let cases: &[(&str, Option<u64>)] = &[
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Tue, 24 Nov 2026 06:49:17 GMT", Some(1_795_502_957)),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_http_date(text), *expected, "{text}");
        }
    }
}
