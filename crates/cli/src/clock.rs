//! The clocks of logs and lines: monotonic, in nanoseconds, the same for all processes of a machine; and
//! the time of day.

use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC` now.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let (s, ns) = (now.tv_sec.cast_unsigned(), now.tv_nsec.cast_unsigned());
    s * 1_000_000_000 + ns
}

/// CPU that this program has used.
pub(crate) fn cpu_ns() -> u64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec.cast_unsigned() * 1_000_000_000 + used.tv_nsec.cast_unsigned()
}

/// Nanoseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "a duration for people")]
pub(crate) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// The time of day, as UTC, to the millisecond.
pub(crate) fn utc() -> String {
    let now = clock_gettime(ClockId::Realtime);
    let ms = now.tv_nsec.cast_unsigned() / 1_000_000;
    date_and_time(now.tv_sec.cast_unsigned(), ms)
}

/// Seconds since 1970, as a date and a time.
fn date_and_time(seconds: u64, ms: u64) -> String {
    let (mut day, second) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    while day >= days_of_year(year) {
        day -= days_of_year(year);
        year += 1;
    }
    let mut month = 0;
    let february = days_of_year(year) - 337;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        month += 1;
        if day < days {
            break;
        }
        day -= days;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02}.{ms:03}Z", day + 1)
}

const fn days_of_year(year: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if is_leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::date_and_time;

    #[test]
    fn a_date_is_right_at_its_first_and_its_last_moment() {
        for (seconds, date) in [
            (0, "1970-01-01 00:00:00.000Z"),
            (951_782_399, "2000-02-28 23:59:59.000Z"),
            (951_782_400, "2000-02-29 00:00:00.000Z"),
            (951_868_800, "2000-03-01 00:00:00.000Z"),
            (1_767_225_599, "2025-12-31 23:59:59.000Z"),
            (1_767_225_600, "2026-01-01 00:00:00.000Z"),
            (4_107_542_400, "2100-03-01 00:00:00.000Z"),
        ] {
            assert_eq!(date_and_time(seconds, 0), date);
        }
    }
}
