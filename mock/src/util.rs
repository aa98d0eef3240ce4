//! Dates, identifiers and chance, without crates.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Locks, whatever happened to another holder.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Year, month, day, hour, minute, second and weekday (0: Thursday) of a Unix time.
fn civil(seconds: u64) -> (u64, u64, u64, u64, u64, u64, u64) {
    let days = seconds / 86400;
    // Howard Hinnant's civil_from_days, for dates after 1970.
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    (
        year,
        month,
        day,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        days % 7,
    )
}

/// `Tue, 24 Nov 2026 06:49:10 GMT`
pub(crate) fn http_date(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (year, month, day, hour, minute, second, weekday) = civil(seconds);
    let (weekday, month) = (DAYS[index(weekday)], MONTHS[index(month - 1)]);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// `2026-11-24T06:49:10` of a Unix time in milliseconds, without zone.
pub(crate) fn iso(unix_ms: u64) -> String {
    let (year, month, day, hour, minute, second, _) = civil(unix_ms / 1000);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// `2026-11-24T06:49:10Z`
pub(crate) fn iso_z(unix_ms: u64) -> String {
    iso(unix_ms) + "Z"
}

/// `2026-11-24T06:49:10.123000`
pub(crate) fn iso_micros(unix_ms: u64) -> String {
    format!("{}.{:03}000", iso(unix_ms), unix_ms % 1000)
}

fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or_default()
}

/// A duration in seconds, fractions allowed, as milliseconds.
pub(crate) fn millis(seconds: f64) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // Clamped before; a mock's times are short.
    let ms = (seconds * 1000.0).round().clamp(0.0, 1e15) as u64;
    ms
}

/// A seeded generator (`SplitMix64`): the same seed gives the same identifiers and the same faults.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // 53 bits fit.
        let value = (self.next() >> 11) as f64;
        value / 9_007_199_254_740_992.0
    }

    /// In `0..limit`; 0 if `limit` is 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        index(self.next() % (limit.max(1) as u64))
    }

    /// Exponentially distributed with this mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// A version 4 UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            (low >> 48 & 0x3fff) | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }

    /// A UUID without dashes, as Keystone's identifiers are.
    pub(crate) fn hex_id(&mut self) -> String {
        self.uuid().replace('-', "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let time = UNIX_EPOCH + Duration::from_secs(1_795_502_950);
        assert_eq!(http_date(time), "Tue, 24 Nov 2026 06:49:10 GMT");
        assert_eq!(iso_z(1_795_502_950_000), "2026-11-24T06:49:10Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00");
    }

    #[test]
    fn a_seed_gives_the_same_identifiers() {
        assert_eq!(Rng::new(7).uuid(), Rng::new(7).uuid());
        assert_eq!(Rng::new(7).uuid().len(), 36);
        assert!((0.0..1.0).contains(&Rng::new(3).unit()));
    }
}
