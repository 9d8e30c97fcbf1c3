//! Fingerprints of hellos: JA4, and the older JA3 and JA3S.

use md5::Digest as _;

use super::names::is_grease;
use super::wire::Hello;

/// JA4 of a client's hello over TCP: `t13d1516h2_8daaf6152771_e5627efa2ab1`.
#[must_use]
pub(super) fn ja4(h: &Hello) -> String {
    let real = |list: &[u16]| -> Vec<u16> {
        list.iter().copied().filter(|v| !is_grease((*v).into())).collect()
    };
    let version = real(&h.versions).into_iter().max().unwrap_or(h.version);
    let version = match version {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    };
    let (suites, extensions) = (real(&h.suites), real(&h.extensions));
    let alpn =
        h.alpn.first().filter(|a| !a.is_empty()).map_or_else(|| "00".to_owned(), |a| ends(a));
    let mut sorted = suites.clone();
    sorted.sort_unstable();
    // The name and the ALPN are in the first part already.
    let mut rest: Vec<u16> = extensions.iter().copied().filter(|e| !matches!(e, 0 | 16)).collect();
    rest.sort_unstable();
    let mut last = list(&rest);
    if !h.signatures.is_empty() && !rest.is_empty() {
        last.push('_');
        last.push_str(&list(&real(&h.signatures)));
    }
    format!(
        "t{version}{}{:02}{:02}{alpn}_{}_{}",
        if h.has(0) { 'd' } else { 'i' },
        suites.len().min(99),
        extensions.len().min(99),
        hash(&list(&sorted)),
        hash(&last),
    )
}

/// The first and the last character of a protocol's name; of its hex where they are
/// no letters or digits.
fn ends(name: &[u8]) -> String {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return "00".to_owned() };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(*first), char::from(*last)].iter().collect();
    }
    let nibble = |n: u8| char::from_digit(n.into(), 16).unwrap_or('0');
    [nibble(first >> 4), nibble(last & 15)].iter().collect()
}

fn list(values: &[u16]) -> String {
    values.iter().map(|v| format!("{v:04x}")).collect::<Vec<_>>().join(",")
}

/// Twelve digits of the SHA-256; zeros of nothing.
fn hash(text: &str) -> String {
    if text.is_empty() {
        return "000000000000".to_owned();
    }
    let sum = sha2::Sha256::digest(text.as_bytes());
    sum.iter().take(6).map(|b| format!("{b:02x}")).collect()
}

/// JA3 of a client's hello.
#[must_use]
pub(super) fn ja3(h: &Hello) -> String {
    let formats: Vec<u16> = h.formats.iter().map(|f| u16::from(*f)).collect();
    let text = format!(
        "{},{},{},{},{}",
        h.version,
        dashed(&h.suites),
        dashed(&h.extensions),
        dashed(&h.groups),
        dashed(&formats)
    );
    sum(&text)
}

/// JA3S of a server's hello.
#[must_use]
pub(super) fn ja3s(h: &Hello) -> String {
    sum(&format!("{},{},{}", h.version, dashed(&h.suites), dashed(&h.extensions)))
}

fn dashed(values: &[u16]) -> String {
    let real = values.iter().filter(|v| !is_grease((**v).into()));
    real.map(u16::to_string).collect::<Vec<_>>().join("-")
}

fn sum(text: &str) -> String {
    md5::Md5::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification of JA4.
    #[test]
    fn ja4_as_its_specification_has_it() {
        let h = Hello {
            version: 0x0303,
            suites: vec![
                0x0a0a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8,
                0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
            ],
            extensions: vec![
                0x1a1a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005,
                0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0x2a2a,
            ],
            versions: vec![0x3a3a, 0x0304, 0x0303],
            signatures: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            ..Hello::default()
        };
        assert_eq!(ja4(&h), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    }
}
