//! The two forms of the header (PROXY protocol §2.1, §2.2).
//!
//! ```text
//! PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n
//! ```
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------------------------------------------------------+
//! |                                                               |
//! |               0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a             |
//! |                                                               |
//! +-------+-------+-------+-------+-------------------------------+
//! |version|command|family |  prot.|            length             |
//! +-------+-------+-------+-------+-------------------------------+
//! |        addresses: 0, 12, 36 or 216 bytes, then TLVs ...       |
//! +---------------------------------------------------------------+
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZero;

use nom::number::streaming::{be_u8, be_u16, be_u32};

use super::fields as f;
use crate::base::Span;
use crate::field::input::{bytes, group, uint, word};
use crate::field::{FieldSpec, In, Parsed, Sink, Value};

/// What a header of version 2 begins with (§2.2).
pub const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of a header of version 2 before the addresses.
pub const FIXED: usize = 16;
/// The longest line of version 1, its end included (§2.1).
pub const MAX_LINE: usize = 107;

/// Who connected to whom, as the header says.
pub type Ends = [SocketAddr; 2];

/// A header of version 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1 {
    /// `None` for UNKNOWN, or where it cannot be read.
    pub ends: Option<Ends>,
    /// What is wrong with it.
    pub wrong: Option<&'static str>,
}

/// A word of the line, its place in it.
type Word<'a> = (usize, &'a [u8]);

/// Reads a line of version 1 with its end: `i` holds just that.
///
/// # Errors
/// `Incomplete` where it is empty.
pub fn v1<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, V1> {
    let line = i.data();
    let content = line.strip_suffix(b"\n").unwrap_or(line);
    let (content, cr) = match content.strip_suffix(b"\r") {
        Some(c) if content.len() < line.len() => (c, true),
        _ => (content, false),
    };
    let mut words: Vec<Word<'a>> = Vec::with_capacity(6);
    let mut at = 0;
    for w in content.splitn(7, |b| *b == b' ') {
        words.push((at, w));
        at += w.len() + 1;
    }
    let place = |at: usize, len: usize| Span::bytes(i.buffer(), i.at() + at as u32, len as u32);
    let tell = |spec: &'static FieldSpec, (at, w): Word<'a>, value: Option<Value>| {
        if S::ON && !w.is_empty() {
            let text = || Value::Text(String::from_utf8_lossy(w).into());
            i.sink().field(spec, place(at, w.len()), value.unwrap_or_else(text));
        }
    };
    let delimit = |(at, w): Word<'a>| {
        let at = at + w.len();
        if S::ON && at < content.len() {
            i.sink().field(&f::V1_DELIMITER, place(at, 1), Value::None);
        }
    };
    if S::ON {
        i.sink().computed(&f::VERSION, Value::U64(1));
    }
    let mut read = V1 { ends: None, wrong: None };
    if !cr {
        read.wrong = Some("it does not end in CR LF");
    }
    let mut rest = words.iter().copied();
    if let Some(w) = rest.next() {
        tell(&f::V1_MAGIC, w, None);
        delimit(w);
    }
    let family = rest.next().unwrap_or_default();
    tell(&f::V1_PROTO, family, None);
    delimit(family);
    let specs = match family.1 {
        b"TCP4" => Some([&f::SRC_IPV4, &f::DST_IPV4]),
        b"TCP6" => Some([&f::SRC_IPV6, &f::DST_IPV6]),
        b"UNKNOWN" => None,
        _ => {
            read.wrong.get_or_insert("the protocol is none of TCP4, TCP6, UNKNOWN");
            None
        }
    };
    match (specs, words.as_slice()) {
        (Some([src, dst]), &[_, _, a, b, c, d]) => {
            let address = |w: Word<'a>| address(w.1, family.1 == b"TCP6");
            let (from, to) = (address(a), address(b));
            let (from_port, to_port) = (port(c.1), port(d.1));
            for (spec, w, ok) in [(src, a, from.is_some()), (dst, b, to.is_some())] {
                tell(if ok { spec } else { &f::V1_UNKNOWN }, w, None);
                delimit(w);
            }
            for (spec, w, n) in [(&f::SRC_PORT, c, from_port), (&f::DST_PORT, d, to_port)] {
                let spec = if n.is_some() { spec } else { &f::V1_UNKNOWN };
                tell(spec, w, n.map(|n| Value::U64(u64::from(n))));
                delimit(w);
            }
            match (from, to, from_port, to_port) {
                (Some(a), Some(b), Some(c), Some(d)) => {
                    read.ends = Some([SocketAddr::new(a, c), SocketAddr::new(b, d)]);
                }
                (None, ..) | (_, None, ..) => {
                    read.wrong.get_or_insert("an address is none of its family");
                }
                _ => {
                    read.wrong.get_or_insert("a port is no number of 0 to 65535");
                }
            }
        }
        (specs, _) => {
            if specs.is_some() {
                read.wrong.get_or_insert("it has not two addresses and two ports");
            }
            let at = family.0 + family.1.len() + 1;
            if let Some(w) = content.get(at..) {
                tell(&f::V1_UNKNOWN, (at, w), None);
            }
        }
    }
    let end = line.len() - content.len();
    if S::ON && end > 0 {
        i.sink().field(&f::V1_DELIMITER, place(content.len(), end), Value::None);
    }
    let (i, _) = i.split(line.len().max(1))?;
    Ok((i, read))
}

/// An address as it must be written (§2.1).
fn address(word: &[u8], six: bool) -> Option<IpAddr> {
    let text = std::str::from_utf8(word).ok()?;
    if six { text.parse().ok().map(IpAddr::V6) } else { text.parse().ok().map(IpAddr::V4) }
}

/// A decimal number without leading zeros (§2.1).
fn port(word: &[u8]) -> Option<u16> {
    let sound = word == b"0" || !word.starts_with(b"0") && word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word).ok().filter(|_| sound)?.parse().ok()
}

/// A TLV, and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Its type; see [`f::tlv_name`].
    pub kind: u8,
    /// Offset of the value in the header.
    pub at: u32,
    /// The value.
    pub value: &'a [u8],
}

/// A header of version 2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct V2<'a> {
    /// 2, or it is faulty.
    pub version: u8,
    /// 0: LOCAL, 1: PROXY.
    pub command: u8,
    /// 0: unspecified, 1: IPv4, 2: IPv6, 3: Unix.
    pub family: u8,
    /// 0: unspecified, 1: stream, 2: datagram.
    pub transport: u8,
    /// IP addresses, where it has some.
    pub ends: Option<Ends>,
    /// There is no room for the addresses.
    pub short: bool,
    /// The TLVs, those within others behind them.
    pub tlvs: Vec<Tlv<'a>>,
    /// A TLV is longer than there is room for: its place.
    pub cut: Option<u32>,
}

/// Bytes of a whole header of version 2, once its first 16 are known.
#[must_use]
pub fn v2_len(data: &[u8]) -> Option<usize> {
    let length = data.get(14..FIXED)?;
    Some(FIXED + length.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
}

/// Reads a header of version 2.
///
/// # Errors
/// `Incomplete` where it is not whole.
pub fn v2<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, V2<'a>> {
    if S::ON {
        i.sink().computed(&f::VERSION, Value::U64(2));
    }
    if let Some(missing) = FIXED.checked_sub(i.data().len()).and_then(NonZero::new) {
        unknown(i)?;
        return Err(nom::Err::Incomplete(nom::Needed::Size(missing)));
    }
    let (i, _) = bytes(&f::V2_MAGIC, SIGNATURE.len())(i)?;
    let (i, w) = word(1)(i)?;
    let mut h = V2 {
        version: w.bits(&f::V2_VERSION, 0) as u8,
        command: w.bits(&f::V2_COMMAND, 4) as u8,
        ..V2::default()
    };
    let (i, w) = word(1)(i)?;
    h.family = w.bits(&f::V2_FAMILY, 0) as u8;
    h.transport = w.bits(&f::V2_PROTOCOL, 4) as u8;
    let (i, length) = uint(&f::V2_LENGTH, be_u16)(i)?;
    let (rest, _) = match i.split(usize::from(length)) {
        Err(e) => {
            unknown(i)?;
            return Err(e);
        }
        whole => whole?,
    };
    let body = nom::Input::take(&i, usize::from(length));
    let body = addresses(body, &mut h)?;
    tlvs(body, &mut h)?;
    Ok((rest, h))
}

/// The addresses of the family; gives what is behind them.
fn addresses<'a, S: Sink + 'a>(
    i: In<'a, S>,
    h: &mut V2<'a>,
) -> Result<In<'a, S>, nom::Err<nom::error::Error<In<'a, S>>>> {
    let need = match h.family {
        0 => 0,
        1 => 12,
        2 => 36,
        3 => 216,
        // Where the TLVs would begin cannot be known.
        _ => return unknown(i),
    };
    if i.data().len() < need {
        h.short = true;
        return unknown(i);
    }
    match h.family {
        1 => {
            let (i, a) = ip::<_, 4>(&f::SRC_IPV4, i)?;
            let (i, b) = ip::<_, 4>(&f::DST_IPV4, i)?;
            let (i, c) = uint(&f::SRC_PORT, be_u16)(i)?;
            let (i, d) = uint(&f::DST_PORT, be_u16)(i)?;
            let [a, b] = [a, b].map(|a| IpAddr::V4(Ipv4Addr::from(a)));
            h.ends = Some([SocketAddr::new(a, c), SocketAddr::new(b, d)]);
            Ok(i)
        }
        2 => {
            let (i, a) = ip::<_, 16>(&f::SRC_IPV6, i)?;
            let (i, b) = ip::<_, 16>(&f::DST_IPV6, i)?;
            let (i, c) = uint(&f::SRC_PORT, be_u16)(i)?;
            let (i, d) = uint(&f::DST_PORT, be_u16)(i)?;
            let [a, b] = [a, b].map(|a| IpAddr::V6(Ipv6Addr::from(a)));
            h.ends = Some([SocketAddr::new(a, c), SocketAddr::new(b, d)]);
            Ok(i)
        }
        3 => {
            let i = path(&f::V2_SRC_UNIX, i)?;
            path(&f::V2_DST_UNIX, i)
        }
        _ => Ok(i),
    }
}

/// An IP address of `N` bytes.
fn ip<'a, S: Sink + 'a, const N: usize>(
    spec: &'static FieldSpec,
    i: In<'a, S>,
) -> Parsed<'a, S, [u8; N]> {
    let (rest, v) = i.split(N)?;
    let mut address = [0; N];
    address.copy_from_slice(v);
    if S::ON {
        let text = match (<[u8; 4]>::try_from(v), <[u8; 16]>::try_from(v)) {
            (Ok(a), _) => Ipv4Addr::from(a).to_string(),
            (_, Ok(a)) => Ipv6Addr::from(a).to_string(),
            _ => String::new(),
        };
        i.sink().field(spec, i.span_to(&rest), Value::Text(text.into()));
    }
    Ok((rest, address))
}

/// A path of a Unix socket: 108 bytes, ended by a zero where it is shorter.
fn path<'a, S: Sink + 'a>(
    spec: &'static FieldSpec,
    i: In<'a, S>,
) -> Result<In<'a, S>, nom::Err<nom::error::Error<In<'a, S>>>> {
    let (rest, v) = i.split(108)?;
    if S::ON {
        let name = v.split(|b| *b == 0).next().unwrap_or_default();
        let text = String::from_utf8_lossy(name);
        i.sink().field(spec, i.span_to(&rest), Value::Text(text.into()));
    }
    Ok(rest)
}

/// The rest is not understood.
fn unknown<'a, S: Sink + 'a>(
    i: In<'a, S>,
) -> Result<In<'a, S>, nom::Err<nom::error::Error<In<'a, S>>>> {
    let (i, _) = bytes(&f::V2_UNKNOWN, i.data().len())(i)?;
    Ok(i)
}

/// TLVs to the end of `i`.
fn tlvs<'a, S: Sink + 'a>(
    mut i: In<'a, S>,
    h: &mut V2<'a>,
) -> Result<(), nom::Err<nom::error::Error<In<'a, S>>>> {
    while !i.data().is_empty() {
        let length = i.data().get(1..3).map(|l| l.iter().fold(0, |n, b| n << 8 | usize::from(*b)));
        if length.is_none_or(|n| n + 3 > i.data().len()) {
            h.cut.get_or_insert(i.at());
            unknown(i)?;
            return Ok(());
        }
        (i, ()) = group(&f::V2_TLV, |i| tlv(i, h))(i)?;
    }
    Ok(())
}

fn tlv<'a, S: Sink + 'a>(i: In<'a, S>, h: &mut V2<'a>) -> Parsed<'a, S, ()> {
    let (i, kind) = uint(&f::TLV_TYPE, be_u8)(i)?;
    let (i, length) = uint(&f::TLV_LENGTH, be_u16)(i)?;
    let length = usize::from(length);
    let (rest, value) = i.split(length)?;
    h.tlvs.push(Tlv { kind, at: i.at(), value });
    let inner = nom::Input::take(&i, length);
    let spec = match kind {
        0x01 => &f::ALPN,
        0x02 => &f::AUTHORITY,
        0x03 if length == 4 => {
            let _ = uint(&f::CRC32C, be_u32)(inner)?;
            return Ok((rest, ()));
        }
        0x04 => &f::NOOP,
        0x05 => &f::UNIQUE_ID,
        0x20 if length >= 5 => {
            let (inner, _) = uint(&f::SSL_CLIENT, be_u8)(inner)?;
            let (inner, _) = uint(&f::SSL_VERIFY, be_u32)(inner)?;
            // The value is at most 64 KiB and each level takes 8 bytes of it; only
            // the outermost is looked into.
            if h.tlvs.iter().filter(|t| t.kind == 0x20).count() == 1 {
                tlvs(inner, h)?;
            } else {
                unknown(inner)?;
            }
            return Ok((rest, ()));
        }
        0x21 => &f::SSL_VERSION,
        0x22 => &f::SSL_CN,
        0x23 => &f::SSL_CIPHER,
        0x24 => &f::SSL_SIG_ALG,
        0x25 => &f::SSL_KEY_ALG,
        0x26 => &f::SSL_GROUP,
        0x27 => &f::SSL_SIG_SCHEME,
        0x28 => &f::SSL_CLIENT_CERT,
        0x30 => &f::NETNS,
        _ => &f::TLV_VALUE,
    };
    let _ = bytes(spec, length)(inner)?;
    Ok((rest, ()))
}

/// CRC32c (RFC 3720 appendix B.4) of a header with the four bytes at `zero` taken
/// for zero.
#[must_use]
pub fn crc32c(header: &[u8], zero: usize) -> u32 {
    /// The polynomial 0x1edc6f41, its bits turned round.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut crc = u32::MAX;
    for (at, b) in header.iter().enumerate() {
        let b = if (zero..zero.saturating_add(4)).contains(&at) { 0 } else { *b };
        crc ^= u32::from(b);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
        }
    }
    !crc
}
