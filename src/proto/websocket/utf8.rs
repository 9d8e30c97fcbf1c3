//! UTF-8 checked as it comes (RFC 6455 §8.1): a character may be cut by a
//! chunk, by a frame or by a block of inflated data.

/// The check of one message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Utf8Check {
    /// The beginning of a character whose rest has not come.
    carry: [u8; 4],
    carried: u8,
    /// Bytes known to be whole characters.
    good: u64,
    bad: bool,
}

impl Utf8Check {
    /// More bytes. Says whether all is well so far.
    pub(super) fn push(&mut self, mut data: &[u8]) -> bool {
        if self.bad {
            return false;
        }
        while self.carried > 0 {
            let Some((first, rest)) = data.split_first() else {
                return true;
            };
            // A carried beginning is 1 to 3 bytes.
            let n = usize::from(self.carried);
            let Some(slot) = self.carry.get_mut(n) else {
                self.bad = true;
                return false;
            };
            *slot = *first;
            data = rest;
            self.carried += 1;
            match std::str::from_utf8(self.carry.get(..=n).unwrap_or_default()) {
                Ok(_) => {
                    self.good += u64::from(self.carried);
                    self.carried = 0;
                }
                Err(e) if e.error_len().is_some() => {
                    self.bad = true;
                    return false;
                }
                Err(_) => {}
            }
        }
        match simdutf8::compat::from_utf8(data) {
            Ok(_) => self.good += data.len() as u64,
            Err(e) => {
                self.good += e.valid_up_to() as u64;
                let tail = data.get(e.valid_up_to()..).unwrap_or_default();
                if e.error_len().is_some() || tail.len() > 3 {
                    self.bad = true;
                    return false;
                }
                for (slot, b) in self.carry.iter_mut().zip(tail) {
                    *slot = *b;
                }
                // At most 3.
                self.carried = tail.len() as u8;
            }
        }
        true
    }

    /// The offset of the first byte that belongs to no character, whatever may follow.
    #[must_use]
    pub(super) const fn bad(&self) -> Option<u64> {
        if self.bad { Some(self.good) } else { None }
    }

    /// The end of the text: the offset of the first byte that belongs to no
    /// character, if there is one.
    #[must_use]
    pub(super) const fn finish(&self) -> Option<u64> {
        if self.bad || self.carried > 0 { Some(self.good) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parts: &[&[u8]]) -> Option<u64> {
        let mut c = Utf8Check::default();
        for p in parts {
            c.push(p);
        }
        c.finish()
    }

    #[test]
    fn characters_may_be_cut_anywhere() {
        let text = "aé€😀z".repeat(20).into_bytes();
        for cut in 0..=text.len() {
            let (a, b) = text.split_at(cut);
            assert_eq!(check(&[a, b]), None, "cut at {cut}");
        }
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(check(&single), None);
    }

    #[test]
    fn the_offset_is_that_of_the_first_bad_byte() {
        // A surrogate (ED A0 80), an overlong form, a lone continuation, a cut end.
        for (bad, at) in [
            (&b"ab\xed\xa0\x80"[..], 2),
            (b"\xc0\xaf", 0),
            (b"abc\x80", 3),
            (b"\xe2\x82", 0),
            (b"ok\xf0\x9f\x98", 2),
            (b"\xf4\x90\x80\x80", 0),
            ("é€".as_bytes(), 99),
        ] {
            let want = (at != 99).then_some(at);
            assert_eq!(check(&[bad]), want, "{bad:x?}");
            let single: Vec<&[u8]> = bad.chunks(1).collect();
            assert_eq!(check(&single), want, "{bad:x?} byte by byte");
        }
    }
}
