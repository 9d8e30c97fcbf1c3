//! Bytes as people have them: hex in any dress, the dumps of other programs, or themselves.

/// Bytes from standard input: hex or dumps where it is text, else as they are.
///
/// # Errors
/// Text that is neither: one line with its place.
pub(super) fn input(data: Vec<u8>) -> Result<Vec<Vec<u8>>, String> {
    match std::str::from_utf8(&data) {
        Ok(text) if text.chars().all(|c| !c.is_control() || c.is_whitespace()) => bytes(text),
        _ => Ok(vec![data]),
    }
}

/// Bytes written in hex, or as dumps with offsets, each of which begins with 0.
///
/// # Errors
/// At which column, counted from 1, and in which line where there are several.
pub(super) fn bytes(text: &str) -> Result<Vec<Vec<u8>>, String> {
    if let Some(found) = dump(text) {
        return found;
    }
    let mut out = Vec::new();
    let mut high: Option<(u32, usize, usize)> = None;
    let (mut line, mut column) = (1, 0);
    let several = text.trim_end().contains('\n');
    let place = |line: usize, column: usize| {
        if several { format!("line {line}, column {column}") } else { format!("column {column}") }
    };
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        column += 1;
        match c.to_digit(16) {
            // 0x before a byte.
            Some(0) if high.is_none() && matches!(chars.peek(), Some('x' | 'X')) => {
                chars.next();
                column += 1;
            }
            Some(d) => match high.take() {
                None => high = Some((d, line, column)),
                Some((h, _, _)) => out.push((h * 16 + d) as u8),
            },
            None if c.is_whitespace() || matches!(c, ':' | ',' | '-') => {
                if let Some((_, l, at)) = high {
                    return Err(format!("{}: half a byte; two hex digits make one", place(l, at)));
                }
                if c == '\n' {
                    line += 1;
                    column = 0;
                }
            }
            None => return Err(format!("{}: {c:?} is no hex digit", place(line, column))),
        }
    }
    match high {
        Some((_, l, at)) => Err(format!("{}: half a byte; two hex digits make one", place(l, at))),
        None => Ok(vec![out]),
    }
}

/// Reads what xxd, `hexdump -C`, `od -tx1` and `tcpdump -x` write, one dump or several; `None`
/// where it is no such dump. Each line begins with the offset that fits what came before, or
/// with 0; between dumps may stand text, as tcpdump tells of each packet.
fn dump(text: &str) -> Option<Result<Vec<Vec<u8>>, String>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut text_before = true;
    for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let Some((offset, rest)) = offset(line) else {
            // Hex, of which another line looks like that of a dump.
            let fits = |c: char| c.is_ascii_hexdigit() || c.is_whitespace() || ":,-".contains(c);
            if line.chars().all(fits) && line.contains(|c: char| c.is_ascii_hexdigit()) {
                return None;
            }
            text_before = true;
            continue;
        };
        let before = all.last().map_or(0, Vec::len);
        if offset == 0 && (text_before || before > 0) {
            all.push(Vec::new());
        } else if offset != before || text_before {
            // Without 0x and a colon it may be hex of any kind.
            let is_offset = line.trim_start().starts_with("0x") && rest.starts_with(':');
            let before = if text_before { 0 } else { before };
            return is_offset.then(|| {
                Err(format!(
                    "line {}: the offset is {offset:#x}, but {before:#x} bytes stand before it",
                    n + 1
                ))
            });
        }
        text_before = false;
        let groups = match rest.strip_prefix(':') {
            // Behind two blanks stand the same bytes as text.
            Some(rest) => rest.trim_start().split("  ").next().unwrap_or_default(),
            None => rest.split('|').next().unwrap_or_default(),
        };
        let out = all.last_mut()?;
        for group in groups.split_whitespace() {
            if !group.len().is_multiple_of(2) {
                return None;
            }
            for pair in group.as_bytes().chunks(2) {
                let pair = std::str::from_utf8(pair).ok()?;
                out.push(u8::from_str_radix(pair, 16).ok()?);
            }
        }
    }
    let begun = !all.is_empty();
    // hexdump without -C and od without -tx1 write words, of which the bytes are swapped.
    let words = |l: &str| {
        let mut w = l.split_whitespace();
        let is = |t: &str, n| t.len() == n && t.bytes().all(|b| b.is_ascii_hexdigit());
        w.next().is_some_and(|o| is(o, 7)) && w.next().is_some_and(|x| is(x, 4) || is(x, 6))
    };
    if begun && text.lines().any(words) {
        let what = "words, not bytes: use `xxd`, `hexdump -C` or `od -tx1`";
        return Some(Err(what.to_owned()));
    }
    begun.then_some(Ok(all))
}

/// The offset at the front of a line of a dump, and the rest: `00000010: 8185` of xxd,
/// `0x0010:  8185` of tcpdump, `00000010  81 85` of hexdump, `0000020 81 85` of od, in octal.
fn offset(line: &str) -> Option<(usize, &str)> {
    let line = line.trim();
    let digits = line.strip_prefix("0x").unwrap_or(line);
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    let (number, rest) = digits.split_at_checked(end)?;
    // The last line of hexdump and of od is the offset alone.
    let radix = match number.len() {
        4.. if rest.starts_with(": ") => 16,
        8 if rest.starts_with("  ") || rest.is_empty() => 16,
        7 if rest.starts_with(' ') || rest.is_empty() => 8,
        _ => return None,
    };
    Some((usize::from_str_radix(number, radix).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, String> {
        Ok(vec![bytes])
    }

    #[test]
    fn hex_in_all_its_forms() {
        let hello = vec![0x81, 0x05, 0x48];
        for t in
            ["81 05 48", "810548", "81:05:48", "0x81, 0x05, 0x48\n", " 81\n05\t48 ", "0x810548"]
        {
            assert_eq!(bytes(t), one(hello.clone()), "{t}");
        }
        assert_eq!(bytes("8 1").unwrap_err(), "column 1: half a byte; two hex digits make one");
        assert_eq!(bytes("81 0").unwrap_err(), "column 4: half a byte; two hex digits make one");
        assert_eq!(bytes("81 zz").unwrap_err(), "column 4: 'z' is no hex digit");
        assert_eq!(bytes("81\n0g").unwrap_err(), "line 2, column 2: 'g' is no hex digit");
        assert_eq!(bytes("0x"), one(Vec::new()));
    }

    /// 18 bytes, of which two are on the second line; text that looks like hex stands beside.
    #[test]
    fn dumps_of_other_programs() {
        let want: Vec<u8> = [&b"\x81\x90be ef: 00|  12"[..], b"|\x05"].concat();
        let xxd = "\
00000000: 8190 6265 2065 663a 2030 307c 2020 3132  ..be ef: 00|  12
00000010: 7c05                                     |.
";
        let plain = "\
00000000: 81 90 62 65 20 65 66 3a 20 30 30 7c 20 20 31 32  ..be ef: 00.  12
00000010: 7c 05                                            ..
";
        let hexdump = "\
00000000  81 90 62 65 20 65 66 3a  20 30 30 7c 20 20 31 32  |..be ef: 00|  12|
00000010  7c 05                                             ||.|
00000012
";
        let od = "\
0000000 81 90 62 65 20 65 66 3a 20 30 30 7c 20 20 31 32
0000020 7c 05
0000022
";
        let tcpdump = "\
12:00:00.000000 IP 127.0.0.1.1 > 127.0.0.1.2: Flags [P.], length 18
\t0x0000:  8190 6265 2065 663a 2030 307c 2020 3132  ..be.ef:.00|..12
\t0x0010:  7c05                                     |.
";
        assert_eq!(want.len(), 18);
        for (name, text) in [
            ("xxd -g1", plain),
            ("hexdump -C", hexdump),
            ("od", od),
            ("tcpdump", tcpdump),
            ("xxd", xxd),
        ] {
            assert_eq!(bytes(text), one(want.clone()), "{name}");
            assert_eq!(input(text.as_bytes().to_vec()), one(want.clone()), "{name}");
        }
        let words = "0000000 9081 6562\n0000004\n";
        assert!(bytes(words).unwrap_err().contains("hexdump -C"));
    }

    /// Pasted from `tcpdump -x`: a line of text before each, or nothing between them.
    #[test]
    fn several_dumps_are_several_things() {
        let head = "12:00:00.000000 IP 127.0.0.1.1 > 127.0.0.1.2: Flags [P.], length 2\n";
        let verbose = "12:00:00.1 IP (tos 0x0, ttl 64, id 1, proto TCP (6), length 52)\n    \
                       10.0.0.1.1 > 10.0.0.2.2: Flags [.], cksum 0x6a1c (correct)\n";
        let (one, two) = ("\t0x0000:  8190 7c05    ..|.\n", "\t0x0000:  7c05    |.\n");
        let want = vec![vec![0x81, 0x90, 0x7c, 0x05], vec![0x7c, 0x05]];
        for (name, text) in [
            ("lines of text", format!("{head}{one}{head}{two}")),
            ("-v", format!("{verbose}{one}{verbose}{two}")),
            ("only between", format!("{one}{head}{two}")),
            ("blank lines", format!("{head}{one}\n\n{two}")),
            ("nothing", format!("{one}{two}")),
            ("more text behind", format!("{head}{one}{head}{two}2 packets captured\n")),
            ("Windows", format!("{head}{one}{head}{two}").replace('\n', "\r\n")),
            ("hexdump", "00000000  81 90 7c 05\n00000004\n00000000  7c 05\n00000002\n".to_owned()),
        ] {
            assert_eq!(bytes(&text).as_ref(), Ok(&want), "{name}");
            assert_eq!(input(text.into_bytes()).as_ref(), Ok(&want), "{name}");
        }
        // Hex may look like a dump at first.
        let hex = "00000000  81 90\n81 90 62";
        assert_eq!(bytes(hex), Ok(vec![vec![0, 0, 0, 0, 0x81, 0x90, 0x81, 0x90, 0x62]]));
        let hex = "81:90\n00000000  81 90";
        assert_eq!(bytes(hex), Ok(vec![vec![0x81, 0x90, 0, 0, 0, 0, 0x81, 0x90]]));
        // What is missing within a dump is told.
        let torn = format!("{head}{one}\t0x0010:  7c05    |.\n");
        let e = bytes(&torn).unwrap_err();
        assert_eq!(e, "line 3: the offset is 0x10, but 0x4 bytes stand before it");
        for torn in [format!("{head}\t0x0010:  7c05\n"), format!("\t0x0010:  7c05\n{head}{one}")] {
            let e = bytes(&torn).unwrap_err();
            assert!(e.ends_with("the offset is 0x10, but 0x0 bytes stand before it"), "{e}");
        }
    }

    #[test]
    fn bytes_as_they_are() {
        let raw = vec![0x81, 0x85, 0x37, 0xfa];
        assert_eq!(input(raw.clone()), one(raw));
        assert_eq!(input(vec![0x01, b'a']), one(vec![0x01, b'a']), "a control character");
        assert_eq!(input(b"81 85\n".to_vec()), one(vec![0x81, 0x85]));
        assert!(input(b"hello".to_vec()).is_err(), "text is taken for hex");
    }
}
