//! gzip (RFC 1952), zlib (RFC 1950) and DEFLATE alone (RFC 1951).

use flate2::{Decompress, FlushDecompress, Status};

use super::{Failure, On, STEP};

/// The wrappings of DEFLATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Gzip,
    /// Called "deflate", which means zlib's format; some senders leave its head away,
    /// and the first two bytes tell. The first of them waits here.
    Deflate(Option<u8>),
}

pub(super) struct Inflate {
    format: Format,
    codec: Option<Decompress>,
    ended: bool,
    /// Zero bytes behind the end.
    padding: u64,
}

impl Inflate {
    pub(super) fn new(format: Format) -> Self {
        Self { format, codec: None, ended: false, padding: 0 }
    }

    fn name(&self) -> &'static str {
        if self.format == Format::Gzip { "gzip" } else { "deflate" }
    }

    pub(super) fn feed(&mut self, data: &[u8], on: On<'_>) -> Result<(), Failure> {
        if data.is_empty() {
            return Ok(());
        }
        if let (Format::Deflate(first), None) = (self.format, &self.codec) {
            let (a, b, rest) = match (first, data) {
                (Some(a), [b, ..]) => (a, *b, None),
                (None, [a, b, ..]) => (*a, *b, None),
                (None, [a]) => (*a, 0, Some(*a)),
                (_, []) => return Ok(()),
            };
            if rest.is_some() {
                self.format = Format::Deflate(rest);
                return Ok(());
            }
            // RFC 1950 §2.2: the method is 8, and the two are a multiple of 31.
            let zlib = a & 0x0f == 8 && (u16::from(a) << 8 | u16::from(b)).is_multiple_of(31);
            self.codec = Some(Decompress::new(zlib));
            if let Some(a) = first {
                self.pump(&[a], on)?;
            }
        }
        self.pump(data, on)
    }

    fn pump(&mut self, mut data: &[u8], on: On<'_>) -> Result<(), Failure> {
        let name = self.name();
        let mut out = [0; STEP];
        loop {
            if self.ended {
                // RFC 1952 §2.2: members follow one another.
                if data.is_empty() {
                    return Ok(());
                }
                // Tools fill up blocks with zeros, and gzip(1) takes no notice of them.
                if self.format == Format::Gzip && data.iter().all(|b| *b == 0) {
                    self.padding = self.padding.saturating_add(data.len() as u64);
                    return Ok(());
                }
                let member = data.first() == Some(&0x1f) && self.padding == 0;
                if self.format != Format::Gzip || !member {
                    return Err(Failure::Trailing);
                }
                self.codec = None;
                self.ended = false;
            }
            let codec = self.codec.get_or_insert_with(|| Decompress::new_gzip(15));
            let (before_in, before_out) = (codec.total_in(), codec.total_out());
            let went = codec.decompress(data, &mut out, FlushDecompress::Sync);
            let took = usize::try_from(codec.total_in() - before_in).unwrap_or(usize::MAX);
            let made = usize::try_from(codec.total_out() - before_out).unwrap_or(usize::MAX);
            data = data.get(took..).unwrap_or_default();
            if made > 0 {
                on(out.get(..made).unwrap_or_default())?;
            }
            let status = went.map_err(|e| match e.message() {
                Some("incorrect data check" | "incorrect length check") => Failure::Checksum(name),
                _ => Failure::Corrupt(name),
            })?;
            match status {
                Status::StreamEnd => self.ended = true,
                _ if took == 0 && made == 0 => return Ok(()),
                _ => {}
            }
        }
    }

    pub(super) fn finish(&mut self, on: On<'_>) -> Result<(), Failure> {
        if let (Format::Deflate(Some(a)), None) = (self.format, &self.codec) {
            self.codec = Some(Decompress::new(false));
            self.pump(&[a], on)?;
        }
        match self.padding {
            0 if self.ended || self.codec.is_none() => Ok(()),
            0 => Err(Failure::Cut),
            n => Err(Failure::Padding(n)),
        }
    }
}
