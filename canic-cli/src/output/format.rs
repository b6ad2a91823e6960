//! Numbers as people read them.

use serde::{Serialize, Serializer};

/// Cycles. In JSON they are a string of digits: numbers of JSON are too small in many readers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cycles(pub(crate) u128);

impl Serialize for Cycles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_string())
    }
}

/// Cycles with four digits or so and a unit: `1.234 T`.
pub(crate) fn cycles(cycles: u128) -> String {
    scaled(
        cycles,
        &[
            (1_000_000_000_000, "T"),
            (1_000_000_000, "B"),
            (1_000_000, "M"),
        ],
    )
}

/// Bytes with a unit: `1.234 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    scaled(
        u128::from(bytes),
        &[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")],
    )
}

fn scaled(number: u128, units: &[(u128, &str)]) -> String {
    for (unit, name) in units {
        if number >= *unit {
            let thousandths = number % unit * 1_000 / unit;
            let text = format!("{}.{thousandths:03}", number / unit);
            let text = text.trim_end_matches('0').trim_end_matches('.');
            return format!("{text} {name}");
        }
    }
    number.to_string()
}

/// A duration in the largest fitting unit: `45 s`, `12 min`, `3 h`, `9 d`.
pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The first bytes of a hash, for tables; `-` if root does not know it.
pub(crate) fn short_hash(hash: &str) -> &str {
    match hash {
        "" => "-",
        hash => hash.get(..12).unwrap_or(hash),
    }
}

/// Nanoseconds since 1970 in seconds.
pub(crate) fn seconds(nanoseconds: u64) -> u64 {
    nanoseconds / 1_000_000_000
}

/// The day of a time in seconds since 1970, in UTC: `2026-11-28`. None beyond the year 9999.
pub(crate) fn date(seconds: u64) -> Option<String> {
    let days = i64::try_from(seconds / 86_400).ok()?;
    // Years begin with March here, so that a leap day is the last day of one. 400 of them have
    // 146,097 days.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + next;
    (year <= 9_999).then(|| format!("{year}-{month:02}-{day:02}"))
}

/// The time of day of a time in seconds since 1970, in UTC: `17:04:59Z`.
pub(crate) fn clock(seconds: u64) -> String {
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    format!("{:02}:{:02}:{seconds:02}Z", minutes / 60 % 24, minutes % 60)
}

/// A count with its noun: `1 member`, `2 members`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// An amount of cycles that a person wrote: `2T`, `500B`, `1_000_000`, `0.5T`.
///
/// # Errors
/// It is no amount.
pub(crate) fn parse_cycles(text: &str) -> Result<u128, String> {
    let wrong = || format!("`{text}` is no amount of cycles; write `2T`, `0.5T`, `500B` or digits");
    let plain: String = text.chars().filter(|c| !matches!(c, '_' | ' ')).collect();
    let units = [
        ('T', 1_000_000_000_000),
        ('B', 1_000_000_000),
        ('M', 1_000_000),
    ];
    let unit = units
        .iter()
        .find(|(name, _)| plain.to_ascii_uppercase().ends_with(*name));
    let (digits, factor) = match unit {
        Some((_, factor)) => (&plain[..plain.len() - 1], *factor),
        None => (plain.as_str(), 1_u128),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || fraction.len() > 12 {
        return Err(wrong());
    }
    let whole: u128 = whole.parse().map_err(|_| wrong())?;
    let scale = 10_u128.pow(fraction.len() as u32);
    let part: u128 = format!("0{fraction}").parse().map_err(|_| wrong())?;
    if !(part * factor).is_multiple_of(scale) {
        return Err(wrong());
    }
    whole
        .checked_mul(factor)
        .and_then(|cycles| cycles.checked_add(part * factor / scale))
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_few_digits_and_a_unit() {
        assert_eq!(cycles(1_234_567_000_000), "1.234 T");
        assert_eq!(cycles(2_000_000_000_000), "2 T");
        assert_eq!(cycles(999_999), "999999");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(duration(119), "119 s");
        assert_eq!(duration(7_199), "119 min");
        assert_eq!(duration(172_800), "2 d");
        assert_eq!(count(1, "member"), "1 member");
        assert_eq!(count(0, "member"), "0 members");
        assert_eq!(clock(3 * 86_400 - 1), "23:59:59Z");
    }

    #[test]
    fn a_time_has_a_date_of_the_calendar() {
        const DAY: u64 = 86_400;
        for (days, text) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_453, "2025-12-31"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
            (2_932_896, "9999-12-31"),
        ] {
            assert_eq!(date(days * DAY + DAY - 1).as_deref(), Some(text));
        }
        assert_eq!(date(2_932_897 * DAY), None);
        assert_eq!(date(u64::MAX), None);
    }

    #[test]
    fn amounts_of_cycles_are_read_exactly_or_refused() {
        assert_eq!(parse_cycles("2T"), Ok(2_000_000_000_000));
        assert_eq!(parse_cycles("0.5t"), Ok(500_000_000_000));
        assert_eq!(parse_cycles("1_000"), Ok(1_000));
        for wrong in [
            "",
            "T",
            "-1T",
            "1.5",
            "2 K",
            "0.0000001M",
            "9".repeat(50).as_str(),
        ] {
            assert!(parse_cycles(wrong).is_err(), "{wrong}");
        }
    }
}
