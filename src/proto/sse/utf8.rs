//! Whether a line is UTF-8, in pieces.

/// A check that goes on from piece to piece.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character that the last piece broke off.
    tail: [u8; 4],
    len: usize,
    bad: bool,
}

impl Utf8 {
    pub(super) fn feed(&mut self, mut data: &[u8]) {
        while self.len > 0
            && let Some((b, rest)) = data.split_first()
        {
            data = rest;
            if let Some(t) = self.tail.get_mut(self.len) {
                *t = *b;
            }
            self.len += 1;
            let so_far = self.tail.get(..self.len).unwrap_or_default();
            match std::str::from_utf8(so_far) {
                Ok(_) => self.len = 0,
                Err(e) if e.error_len().is_none() && self.len < 4 => {}
                Err(_) => {
                    self.bad = true;
                    self.len = 0;
                }
            }
        }
        if self.bad || data.is_empty() || simdutf8::basic::from_utf8(data).is_ok() {
            return;
        }
        if let Err(e) = std::str::from_utf8(data) {
            let left = data.get(e.valid_up_to()..).unwrap_or_default();
            if e.error_len().is_some() {
                self.bad = true;
            } else if let Some(t) = self.tail.get_mut(..left.len()) {
                t.copy_from_slice(left);
                self.len = left.len();
            }
        }
    }

    /// Whether all that was fed is UTF-8; begins anew.
    pub(super) fn finish(&mut self) -> bool {
        let good = !self.bad && self.len == 0;
        *self = Self::default();
        good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_matter() {
        let cases: [(&[u8], bool); 7] = [
            ("Grüße 😀 €".as_bytes(), true),
            (b"", true),
            (b"caf\xe9", false),
            (b"caf\xe9 au lait", false),
            (b"\xf0\x9f\x98", false),
            (b"\xed\xa0\x80", false),
            (b"\xc0\x80", false),
        ];
        for (text, good) in cases {
            for size in 1..8 {
                let mut u = Utf8::default();
                text.chunks(size).for_each(|c| u.feed(c));
                assert_eq!(u.finish(), good, "{text:?} by {size}");
            }
        }
    }
}
