//! Naming what was found where a capture was expected.

/// What a user may open.
pub(super) const EXPECTED: &str = "expected a pcap or pcapng capture, plain or in gzip or zstd";

/// What the first bytes of a file say it is: `a PNG image (89 50 4e 47 …)`.
pub(super) fn describe(first: &[u8]) -> String {
    let name = match first {
        [0x89, b'P', b'N', b'G', ..] => "a PNG image",
        [0xff, 0xd8, 0xff, ..] => "a JPEG image",
        [b'G', b'I', b'F', b'8', ..] => "a GIF image",
        [b'%', b'P', b'D', b'F', ..] => "a PDF document",
        [b'P', b'K', 3, 4, ..] => "a zip archive",
        [0x7f, b'E', b'L', b'F', ..] => "an ELF program",
        [b'B', b'Z', b'h', ..] => "bzip2 data",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "xz data",
        [0x04, 0x22, 0x4d, 0x18, ..] => "lz4 data",
        [b'7', b'z', 0xbc, 0xaf, ..] => "a 7z archive",
        [0x1f, 0x8b, ..] => "gzip within compressed data",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd within compressed data",
        [b's', b'n', b'o', b'o', b'p', 0, ..] => "a snoop capture",
        [b'T', b'R', b'S', b'N', ..] => "a NetXRay capture",
        [b'X', b'C', b'P', 0, ..] => "a NetXRay capture",
        [b'R', b'T', b'S', b'S', ..] | [b'G', b'M', b'B', b'U', ..] => "a Network Monitor capture",
        [0x1c, 0, 1, 0xac, ..] | [0xac, 1, 0, 0x1c, ..] => "an IXIA capture",
        _ if is_text(first) => "text",
        _ => "unknown data",
    };
    let shown = first.get(..first.len().min(8)).unwrap_or(first);
    let hex: Vec<String> = shown.iter().map(|b| format!("{b:02x}")).collect();
    format!("found {name} ({}); {EXPECTED}", hex.join(" "))
}

/// Printable characters and white space; the last character may be cut.
fn is_text(bytes: &[u8]) -> bool {
    let bytes = bytes.get(..bytes.len().min(512)).unwrap_or(bytes);
    let (text, whole) = match std::str::from_utf8(bytes) {
        Ok(t) => (t, true),
        Err(e) => {
            let good = bytes.get(..e.valid_up_to()).unwrap_or_default();
            (std::str::from_utf8(good).unwrap_or_default(), e.error_len().is_none())
        }
    };
    whole && !text.is_empty() && text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_things_are_named() {
        assert!(
            describe(b"\x89PNG\r\n\x1a\n")
                .starts_with("found a PNG image (89 50 4e 47 0d 0a 1a 0a)")
        );
        assert!(describe(b"GET / HTTP/1.1\r\n").starts_with("found text (47 45 54"));
        assert!(describe("Grüße".as_bytes()).contains("text"));
        assert!(describe(&"Grü".as_bytes()[..3]).contains("text"));
        assert!(describe(&[0, 1, 2, 3]).starts_with("found unknown data (00 01 02 03)"));
        assert!(!describe(&[]).contains("text"));
    }
}
