//! The crate's one monotonic clock, and the two time formats of the APIs.

use std::sync::Arc;
use std::time::Instant;

use jiff::civil::{DateTime, date};
use jiff::fmt::temporal::DateTimeParser;

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

/// Now, on a clock that nobody can set.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the crate that reads a clock: token lifetimes and durations"
)]
pub(crate) fn monotonic_now() -> Instant {
    Instant::now()
}

/// The beginning of the seconds of both formats.
const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

/// Seconds since 1970 of an ISO 8601 time as OpenStack writes it: `2026-01-01T00:00:00Z`,
/// `2026-01-01T00:00:00.000000` (UTC is meant), or with an offset.
pub(crate) fn parse_iso8601(text: &str) -> Option<u64> {
    // In pieces, since a point in time of this library needs an offset, and ends a day before the year 10000.
    let pieces = DateTimeParser::new().parse_pieces(text.trim()).ok()?;
    let offset = pieces
        .to_numeric_offset()
        .map_or(0, |offset| i64::from(offset.seconds()));
    let time = pieces.date().to_datetime(pieces.time()?);
    u64::try_from(time.duration_since(EPOCH).as_secs() - offset).ok()
}

/// Seconds since 1970 of an HTTP date in its one current form: `Sun, 06 Nov 1994 08:49:37 GMT`
/// (RFC 9110, section 5.6.7). The day of the week is passed over, right or wrong.
pub(crate) fn parse_http_date(text: &str) -> Option<u64> {
    let (_, rest) = text.trim().split_once(", ")?;
    let time = DateTime::strptime("%d %b %Y %H:%M:%S GMT", rest).ok()?;
    u64::try_from(time.duration_since(EPOCH).as_secs()).ok()
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
            ("2026-01-01 00:00:00", Some(1_767_225_600)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_799)),
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
            ("Mon, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_799)),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_http_date(text), *expected, "{text}");
        }
    }
}
