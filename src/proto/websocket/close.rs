//! Close codes: the IANA registry `WebSocket Close Code Number`.

/// What a code is allowed to do (RFC 6455 §7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// May be sent.
    Sendable,
    /// Must not be in a close frame (§7.4.1: 1004, 1005, 1006, 1015; §7.4.2: below
    /// 1000 and, since nothing defines them, 5000 and above).
    Forbidden,
    /// Reserved for the protocol or registered by nobody.
    Unassigned,
}

/// A code, its name and the reason that was given, for sentences:
/// `4000 (private) "kicked by admin"`.
#[must_use]
pub(super) fn told(code: u16, reason: &str) -> String {
    let mut s = code.to_string();
    if let Some(name) = name(u64::from(code)) {
        s.push_str(&format!(" ({name})"));
    }
    if !reason.is_empty() {
        s.push_str(&format!(" \"{reason}\""));
    }
    s
}

/// The name of a code, where the registry has one; 4000 to 4999 are private.
#[must_use]
pub const fn name(code: u64) -> Option<&'static str> {
    Some(match code {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1004 => "reserved",
        1005 => "no status received",
        1006 => "abnormal closure",
        1007 => "invalid frame payload data",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "mandatory extension",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        1015 => "TLS handshake",
        3000 => "unauthorized",
        3003 => "forbidden",
        3008 => "timeout",
        4000..=4999 => "private",
        _ => return None,
    })
}

/// Whether a code may be sent.
#[must_use]
pub const fn standing(code: u16) -> Standing {
    match code {
        1004 | 1005 | 1006 | 1015 => Standing::Forbidden,
        1000..=1014 | 3000..=4999 => Standing::Sendable,
        1016..=2999 => Standing::Unassigned,
        _ => Standing::Forbidden,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_where_the_rfc_puts_them() {
        for c in [0, 999, 1004, 1005, 1006, 1015, 5000, 65535] {
            assert_eq!(standing(c), Standing::Forbidden, "{c}");
        }
        for c in [1000, 1003, 1007, 1014, 3000, 3999, 4000, 4999] {
            assert_eq!(standing(c), Standing::Sendable, "{c}");
        }
        for c in [1016, 2999] {
            assert_eq!(standing(c), Standing::Unassigned, "{c}");
        }
        assert_eq!(name(1012), Some("service restart"));
        assert_eq!(name(4321), Some("private"));
        assert_eq!(name(3001), None);
    }
}
