//! Moments as the protocol writes them: RFC 3339 to 100 ns, with the year 9999 for "never".
//!
//! Deliberately no more than that: no local zones, no leap seconds (`:60` is refused), no years
//! beyond four digits. Every client writes the last moment of 9999 for "no end", and that moment
//! overflows 64-bit nanoseconds, so it never becomes a point in time here.
//!
//! Source: RFC 3339, section 5.6; the calendar arithmetic is Howard Hinnant's `days_from_civil`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When something ends: a lease, or the time in which an expected state must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiration {
    /// The maximal moment: any in the year 9999.
    Never,
    /// A point in time; written to 100 ns, so finer digits are cut.
    At(SystemTime),
}

/// The same notion where a goal state uses it: when the expected state must hold.
pub type Deadline = Expiration;

impl Expiration {
    /// Renders the moment in UTC with seven digits of fraction.
    ///
    /// What lies outside the years 1 to 9998 is written as the nearer end of that range.
    pub fn render(self) -> String {
        match self {
            Self::Never => NEVER.to_owned(),
            Self::At(time) => render_time(time),
        }
    }

    /// Reads a moment with any offset and up to nine digits of fraction.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        parse_moment(text)
    }
}

fn render_time(time: SystemTime) -> String {
    let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (
            i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            after.subsec_nanos(),
        ),
        Err(before) => before_epoch(before.duration()),
    };
    if seconds >= NEVER_SECONDS {
        return NEVER.to_owned();
    }
    let (seconds, nanos) = if seconds < FIRST_SECONDS {
        (FIRST_SECONDS, 0)
    } else {
        (seconds, nanos)
    };
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY_SECONDS));
    let second_of_day = seconds.rem_euclid(DAY_SECONDS);
    let (hour, minute, second) = (
        second_of_day / 3600,
        second_of_day / 60 % 60,
        second_of_day % 60,
    );
    let ticks = nanos / NANOS_PER_TICK;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ticks:07}Z")
}

/// Seconds rounded down and the nanoseconds above them, `before` before 1970.
fn before_epoch(before: Duration) -> (i64, u32) {
    let seconds = i64::try_from(before.as_secs()).map_or(i64::MIN, |seconds| -seconds);
    match before.subsec_nanos() {
        0 => (seconds, 0),
        nanos => (seconds.saturating_sub(1), 1_000_000_000 - nanos),
    }
}

fn parse_moment(text: &str) -> Option<Expiration> {
    let mut rest = text;
    let year = number(&mut rest, 4, 1..=9999)?;
    literal(&mut rest, b"-")?;
    let month = number(&mut rest, 2, 1..=12)?;
    literal(&mut rest, b"-")?;
    let day = number(&mut rest, 2, 1..=days_in_month(year, month))?;
    literal(&mut rest, b"Tt ")?;
    let hour = number(&mut rest, 2, 0..=23)?;
    literal(&mut rest, b":")?;
    let minute = number(&mut rest, 2, 0..=59)?;
    literal(&mut rest, b":")?;
    let second = number(&mut rest, 2, 0..=59)?;
    let nanos = fraction(&mut rest)?;
    let offset_seconds = offset(rest)?;
    if year == 9999 {
        return Some(Expiration::Never);
    }
    let days = days_from_civil(year, month, day);
    let seconds = days * DAY_SECONDS + hour * 3600 + minute * 60 + second - offset_seconds;
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    Some(Expiration::At(
        time?.checked_add(Duration::from_nanos(nanos))?,
    ))
}

/// Takes exactly `digits` ASCII digits off the front of `rest`, as a number in `range`.
fn number(rest: &mut &str, digits: usize, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let (head, tail) = rest.split_at_checked(digits)?;
    *rest = tail;
    let all_digits = head.bytes().all(|byte| byte.is_ascii_digit());
    head.parse()
        .ok()
        .filter(|value| all_digits && range.contains(value))
}

/// Takes one byte, which must be among `allowed`, off the front of `rest`.
fn literal(rest: &mut &str, allowed: &[u8]) -> Option<()> {
    let first = rest.bytes().next().filter(|byte| allowed.contains(byte))?;
    debug_assert!(first.is_ascii());
    *rest = &rest[1..];
    Some(())
}

/// Takes an optional fraction of a second off the front of `rest`, in nanoseconds.
fn fraction(rest: &mut &str) -> Option<u64> {
    let Some(tail) = rest.strip_prefix('.') else {
        return Some(0);
    };
    let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
    let (head, tail) = tail.split_at(digits);
    *rest = tail;
    let in_range = (1..=9).contains(&digits);
    in_range.then(|| format!("{head:0<9}").parse().ok())?
}

/// The zone that ends a moment, in seconds east of UTC.
fn offset(text: &str) -> Option<i64> {
    if text == "Z" || text == "z" {
        return Some(0);
    }
    let mut rest = text;
    let sign = if rest.starts_with('-') { -1 } else { 1 };
    literal(&mut rest, b"+-")?;
    let hours = number(&mut rest, 2, 0..=23)?;
    literal(&mut rest, b":")?;
    let minutes = number(&mut rest, 2, 0..=59)?;
    rest.is_empty()
        .then_some(sign * (hours * 3600 + minutes * 60))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + days.div_euclid(146_097) * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The form that goal states carry; every published client takes it.
const NEVER: &str = "9999-12-31T23:59:59.9999999Z";
/// 9999-01-01T00:00:00Z: from here on a moment counts as never.
const NEVER_SECONDS: i64 = 253_370_764_800;
/// 0001-01-01T00:00:00Z: the first moment that four digits of year can say.
const FIRST_SECONDS: i64 = -62_135_596_800;
const DAY_SECONDS: i64 = 86_400;
/// The clients' clock counts in steps of 100 ns.
const NANOS_PER_TICK: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, nanos: u32) -> Expiration {
        Expiration::At(UNIX_EPOCH + Duration::new(seconds, nanos))
    }

    #[track_caller]
    fn check(text: &str, expected: Option<Expiration>) {
        assert_eq!(parse_moment(text), expected, "{text}");
    }

    #[test]
    fn reads_every_form_that_clients_write() {
        check("1970-01-01T00:00:00Z", Some(at(0, 0)));
        check(
            "2012-02-29T12:30:45.5Z",
            Some(at(1_330_518_645, 500_000_000)),
        );
        check(
            "2026-11-20T08:19:00.1234567Z",
            Some(at(1_795_162_740, 123_456_700)),
        );
        check("2026-11-20T09:19:00+01:00", Some(at(1_795_162_740, 0)));
        check("2026-11-20T07:49:00-00:30", Some(at(1_795_162_740, 0)));
        check("9999-12-31T23:59:59.9999999Z", Some(Expiration::Never));
        check("9999-12-31T23:59:59.000Z", Some(Expiration::Never));
        let year_one = UNIX_EPOCH - Duration::from_secs(62_135_596_800);
        check("0001-01-01T00:00:00Z", Some(Expiration::At(year_one)));
    }

    #[test]
    fn refuses_what_is_no_moment() {
        for text in [
            "",
            "never",
            "2026-11-20",
            "2026-11-20T08:19:00",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20T08:60:00Z",
            "2026-11-20T08:19:60Z",
            "2026-11-20T08:19:00.Z",
            "2026-11-20T08:19:00.1234567890Z",
            "2026-11-20T08:19:00+1:00",
            "2026-11-20T08:19:00+01:00x",
            "+026-11-20T08:19:00Z",
            "20é6-11-20T08:19:00Z",
            "99999-12-31T23:59:59Z",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn renders_to_a_tick_and_reads_back() {
        for (moment, expected) in [
            (Expiration::Never, "9999-12-31T23:59:59.9999999Z"),
            (at(0, 199), "1970-01-01T00:00:00.0000001Z"),
            (at(951_782_400, 0), "2000-02-29T00:00:00.0000000Z"),
            (
                at(253_370_764_799, 999_999_999),
                "9998-12-31T23:59:59.9999999Z",
            ),
            (at(253_370_764_800, 0), "9999-12-31T23:59:59.9999999Z"),
            (at(u64::MAX >> 2, 0), "9999-12-31T23:59:59.9999999Z"),
            (
                Expiration::At(UNIX_EPOCH - Duration::from_nanos(100)),
                "1969-12-31T23:59:59.9999999Z",
            ),
            (
                Expiration::At(UNIX_EPOCH - Duration::from_secs(1 << 40)),
                "0001-01-01T00:00:00.0000000Z",
            ),
        ] {
            assert_eq!(moment.render(), expected);
            let again = parse_moment(expected).expect("a rendered moment is one");
            assert_eq!(again.render(), expected);
        }
    }

    #[test]
    fn every_day_of_four_centuries_survives() {
        for day in 0..146_097 {
            let moment = at(day * 86_400, 0);
            assert_eq!(parse_moment(&moment.render()), Some(moment), "day {day}");
        }
    }
}
