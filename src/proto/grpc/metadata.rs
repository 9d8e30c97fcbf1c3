//! The values of gRPC's header fields: timeouts, percent-encoding, binary metadata.

pub(super) use crate::proto::headers::binary;

/// A `grpc-timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timeout {
    /// Nanoseconds.
    Nanos(u64),
    /// More nanoseconds than fit: [`u64::MAX`] stands for them.
    Saturated,
    /// Not as it must be; with a value where one can be read all the same (more
    /// than eight digits).
    Malformed(Option<u64>),
}

impl Timeout {
    /// The nanoseconds, where there are some.
    pub(super) const fn nanos(self) -> Option<u64> {
        match self {
            Self::Nanos(n) => Some(n),
            Self::Saturated => Some(u64::MAX),
            Self::Malformed(n) => n,
        }
    }
}

/// Reads `Timeout → "grpc-timeout" TimeoutValue TimeoutUnit`: at most eight
/// digits and one letter.
pub(super) fn timeout(value: &[u8]) -> Timeout {
    let Some((unit, digits)) = value.split_last() else { return Timeout::Malformed(None) };
    let unit: u64 = match unit {
        b'H' => 3_600_000_000_000,
        b'M' => 60_000_000_000,
        b'S' => 1_000_000_000,
        b'm' => 1_000_000,
        b'u' => 1_000,
        b'n' => 1,
        _ => return Timeout::Malformed(None),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Timeout::Malformed(None);
    }
    let number = digits
        .iter()
        .try_fold(0_u64, |n, d| n.checked_mul(10)?.checked_add(u64::from(d.saturating_sub(b'0'))));
    let nanos = number.and_then(|n| n.checked_mul(unit));
    if digits.len() > 8 {
        return Timeout::Malformed(Some(nanos.unwrap_or(u64::MAX)));
    }
    nanos.map_or(Timeout::Saturated, Timeout::Nanos)
}

/// Undoes the percent-encoding of `grpc-message`. The flag is `false` where it
/// was broken: such a percent sign stays as it is, and bytes that are no UTF-8
/// are replaced.
pub(super) fn percent_decode(value: &[u8]) -> (String, bool) {
    let mut bytes = Vec::with_capacity(value.len());
    let mut sound = true;
    let mut rest = value;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first == b'%' {
            let pair = tail.first().zip(tail.get(1));
            if let Some((a, b)) = pair.and_then(|(a, b)| hex(*a).zip(hex(*b))) {
                bytes.push(a << 4 | b);
                rest = tail.get(2..).unwrap_or_default();
                continue;
            }
            sound = false;
        }
        bytes.push(*first);
    }
    match String::from_utf8(bytes) {
        Ok(text) => (text, sound),
        Err(e) => (String::from_utf8_lossy(e.as_bytes()).into_owned(), false),
    }
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The values of one `-bin` field: several of one name may be joined by commas, which
/// base64 does not have; bytes as they are may.
pub(super) fn binary_parts(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let raw = value.first() == Some(&0);
    value.split(move |b| *b == b',' && !raw)
}

/// Service and method of a path: what is before and behind its last slash.
pub(super) fn split_path(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.rsplit_once('/').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_of_every_unit() {
        for (text, nanos) in [
            ("1H", 3_600_000_000_000),
            ("2M", 120_000_000_000),
            ("5S", 5_000_000_000),
            ("100m", 100_000_000),
            ("7u", 7_000),
            ("99999999n", 99_999_999),
            ("0S", 0),
        ] {
            assert_eq!(timeout(text.as_bytes()), Timeout::Nanos(nanos), "{text}");
        }
        assert_eq!(timeout(b"99999999H"), Timeout::Saturated);
        assert_eq!(timeout(b"100000000n"), Timeout::Malformed(Some(100_000_000)));
        assert_eq!(timeout(b"99999999999999999999999H"), Timeout::Malformed(Some(u64::MAX)));
        for bad in ["", "S", "5", "5s", "-5S", "5.0S", " 5S"] {
            assert_eq!(timeout(bad.as_bytes()), Timeout::Malformed(None), "{bad:?}");
        }
    }

    #[test]
    fn percent_encoding() {
        assert_eq!(percent_decode(b"no such user"), ("no such user".into(), true));
        assert_eq!(percent_decode(b"caf%C3%A9 100%25"), ("caf\u{e9} 100%".into(), true));
        assert_eq!(percent_decode(b"50% off %4"), ("50% off %4".into(), false));
        assert_eq!(percent_decode(b"%ff"), ("\u{fffd}".into(), false));
    }

    #[test]
    fn binary_values_with_and_without_padding() {
        assert_eq!(binary(b"AAEC/w=="), Some(vec![0, 1, 2, 255]));
        assert_eq!(binary(b"AAEC/w"), Some(vec![0, 1, 2, 255]));
        assert_eq!(binary(b"A?"), None);
    }

    #[test]
    fn binary_values_as_they_are_behind_a_zero() {
        // The example of gRPC proposal G1.
        assert_eq!(binary(&[0, 1]), Some(vec![1]));
        assert_eq!(binary(&[0]), Some(vec![]));
        // Neither commas nor white space mean anything in them.
        let value = b"\0\0a,b \n";
        let parts: Vec<_> = binary_parts(value).map(binary).collect();
        assert_eq!(parts, [Some(b"\0a,b \n".to_vec())]);
        let parts: Vec<_> = binary_parts(b"AQ,Ag==").map(binary).collect();
        assert_eq!(parts, [Some(vec![1]), Some(vec![2])]);
    }

    #[test]
    fn paths() {
        assert_eq!(split_path("/user.UserService/GetUser"), ("user.UserService", "GetUser"));
        assert_eq!(split_path("/a/b.C/D"), ("a/b.C", "D"));
        assert_eq!(split_path("odd"), ("", "odd"));
    }
}
