//! Bytes as hex and ASCII, sixteen a line.

use std::fmt::Write;

/// Bytes of a line.
const WIDTH: usize = 16;

/// Appends lines such as `0010  48 65 6c 6c 6f …  Hello…`, each behind `indent`,
/// offsets counted from `first`.
pub fn dump(out: &mut String, bytes: &[u8], first: usize, indent: &str) {
    for (i, line) in bytes.chunks(WIDTH).enumerate() {
        // Writing to a string does not fail.
        let _ = write!(out, "{indent}{:04x} ", first + i * WIDTH);
        for at in 0..WIDTH {
            if at == WIDTH / 2 {
                out.push(' ');
            }
            match line.get(at) {
                Some(b) => {
                    let _ = write!(out, " {b:02x}");
                }
                None => out.push_str("   "),
            }
        }
        out.push_str("  ");
        let shown = |b: &u8| if (0x20..0x7f).contains(b) { char::from(*b) } else { '.' };
        out.extend(line.iter().map(shown));
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_of_sixteen() {
        let mut out = String::new();
        dump(&mut out, b"\x81\x05Hello, wire\x1b\xff!?", 0, "  ");
        assert_eq!(
            out,
            "  0000  81 05 48 65 6c 6c 6f 2c  20 77 69 72 65 1b ff 21  ..Hello, wire..!\n  \
             0010  3f                                                ?\n"
        );
    }
}
