//! Capture time: what the recorder's clock said, never ours.

use std::fmt;

use crate::base::PacketId;

/// Nanoseconds since 1970-01-01T00:00:00Z, by the clock of the recorder.
///
/// Covers the years 1678 to 2262; a reader saturates beyond and says so in a
/// finding. Clocks in captures step backwards: differences saturate at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaptureTime(pub i64);

impl CaptureTime {
    /// From whole seconds and nanoseconds; saturates at the ends of the range.
    #[must_use]
    pub const fn from_parts(seconds: i64, nanoseconds: u32) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds as i64))
    }

    /// Nanoseconds from `earlier` to `self`, zero where the clock stepped back.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        let d = self.0.saturating_sub(earlier.0);
        if d > 0 { d.unsigned_abs() } else { 0 }
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Nanoseconds within the second, 0 to 999,999,999.
    #[must_use]
    pub const fn subsec_nanos(self) -> u32 {
        // The remainder is below 10^9, so it fits.
        self.0.rem_euclid(1_000_000_000) as u32
    }
}

impl fmt::Display for CaptureTime {
    /// RFC 3339 in UTC with nine digits: `2026-11-20T21:23:45.123456789Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(t) => write!(f, "{t:.9}"),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

/// A duration as people say it, with three digits: `850 ns`, `420 µs`, `3.2 ms`,
/// `1.25 s`, `2 min 5 s`. JSON has all digits.
#[must_use]
pub fn human(ns: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    let (unit, name) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..SECOND => (1_000_000, "ms"),
        _ if ns < 60 * SECOND => (SECOND, "s"),
        _ => {
            let s = ns / SECOND;
            return match s {
                0..3600 => format!("{} min {} s", s / 60, s % 60),
                _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
            };
        }
    };
    let whole = ns / unit;
    let hundredths = ns % unit * 100 / unit;
    match (whole, hundredths) {
        (100.., _) | (_, 0) => format!("{whole} {name}"),
        (10.., h) => format!("{whole}.{} {name}", h / 10),
        (_, h) if h % 10 == 0 => format!("{whole}.{} {name}", h / 10),
        (_, h) => format!("{whole}.{h:02} {name}"),
    }
}

/// A point in the capture: a packet and its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// The packet.
    pub packet: PacketId,
    /// Its time.
    pub time: CaptureTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_nine_digits_in_utc() {
        let t = CaptureTime::from_parts(1_795_209_825, 123_456_789);
        assert_eq!(t.to_string(), "2026-11-20T21:23:45.123456789Z");
        assert_eq!(CaptureTime(0).to_string(), "1970-01-01T00:00:00.000000000Z");
    }

    #[test]
    fn a_clock_that_steps_back_gives_zero() {
        assert_eq!(CaptureTime(5).since(CaptureTime(9)), 0);
        assert_eq!(CaptureTime(9).since(CaptureTime(5)), 4);
        assert_eq!(CaptureTime(-1).seconds(), -1);
        assert_eq!(CaptureTime(-1).subsec_nanos(), 999_999_999);
    }

    #[test]
    fn durations_have_three_digits() {
        for (n, text) in [
            (0, "0 ns"),
            (850, "850 ns"),
            (420_000, "420 µs"),
            (3_200_000, "3.2 ms"),
            (3_250_000, "3.25 ms"),
            (10_040_000, "10.0 ms"),
            (12_345_678, "12.3 ms"),
            (1_250_000_000, "1.25 s"),
            (5_000_000_000, "5 s"),
            (65_000_000_000, "1 min 5 s"),
            (7_260_000_000_000, "2 h 1 min"),
        ] {
            assert_eq!(human(n), text);
        }
    }
}
