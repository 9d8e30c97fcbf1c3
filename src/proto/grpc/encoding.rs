//! How messages are compressed (`grpc-encoding`), and undoing it.

use std::io::Read;

use flate2::bufread::{GzDecoder, ZlibDecoder};

/// The message encoding of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    /// The head of this direction has not been seen.
    #[default]
    NotSeen,
    /// None, stated or by default.
    Identity,
    /// gzip (RFC 1952).
    Gzip,
    /// deflate, which is zlib's format (RFC 1950), as in HTTP.
    Deflate,
    /// Another one.
    Unknown(Box<str>),
}

impl Encoding {
    /// From the value of `grpc-encoding`, if there was one.
    /// Without one, none is used, unless `unsure`: it may be among the fields
    /// that were not captured.
    pub(super) fn from_header(value: Option<&[u8]>, unsure: bool) -> Self {
        match value.map(<[u8]>::trim_ascii) {
            None if unsure => Self::NotSeen,
            None | Some(b"identity") => Self::Identity,
            Some(b"gzip") => Self::Gzip,
            Some(b"deflate") => Self::Deflate,
            Some(other) => Self::Unknown(String::from_utf8_lossy(other).into()),
        }
    }

    /// As in the header.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::NotSeen => "",
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Unknown(name) => name,
        }
    }

    /// Whether messages may come compressed.
    pub(super) const fn compresses(&self) -> bool {
        matches!(self, Self::Gzip | Self::Deflate | Self::Unknown(_))
    }
}

/// How decompressing went. What came out until then is kept in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Inflated {
    /// To the end.
    Whole,
    /// To the end, with so many bytes left over.
    Trailing(usize),
    /// Not to the end, for this reason.
    Broken(String),
    /// To the limit.
    Limit,
}

/// Decompresses `data` into `into`, which is emptied first and grows to `limit`
/// bytes at most.
pub(super) fn inflate(
    encoding: &Encoding,
    data: &[u8],
    into: &mut Vec<u8>,
    limit: usize,
) -> Inflated {
    into.clear();
    match encoding {
        Encoding::Gzip => {
            let mut r = GzDecoder::new(data);
            match run(&mut r, into, limit) {
                Inflated::Whole => rest(r.into_inner()),
                other => other,
            }
        }
        Encoding::Deflate => {
            let mut r = ZlibDecoder::new(data);
            match run(&mut r, into, limit) {
                Inflated::Whole => rest(r.into_inner()),
                other => other,
            }
        }
        _ => Inflated::Broken("not a known encoding".to_owned()),
    }
}

fn rest(left: &[u8]) -> Inflated {
    if left.is_empty() { Inflated::Whole } else { Inflated::Trailing(left.len()) }
}

fn run(r: &mut dyn Read, into: &mut Vec<u8>, limit: usize) -> Inflated {
    let mut chunk = [0; 8192];
    loop {
        match r.read(&mut chunk) {
            Ok(0) => return Inflated::Whole,
            Ok(n) => {
                let room = limit.saturating_sub(into.len());
                into.extend_from_slice(chunk.get(..n.min(room)).unwrap_or_default());
                if n > room {
                    return Inflated::Limit;
                }
            }
            Err(e) => return Inflated::Broken(e.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        w.write_all(data).unwrap();
        w.finish().unwrap()
    }

    #[test]
    fn bombs_and_leftovers_are_named() {
        let data = gzip(&[0; 100_000]);
        let mut out = Vec::new();
        assert_eq!(inflate(&Encoding::Gzip, &data, &mut out, 100_000), Inflated::Whole);
        assert_eq!(out.len(), 100_000);
        assert_eq!(inflate(&Encoding::Gzip, &data, &mut out, 99_999), Inflated::Limit);
        assert_eq!(out.len(), 99_999);
        let mut longer = data.clone();
        longer.extend([1, 2]);
        assert_eq!(inflate(&Encoding::Gzip, &longer, &mut out, 1 << 20), Inflated::Trailing(2));
        let cut = &data[..data.len() - 9];
        assert!(matches!(inflate(&Encoding::Gzip, cut, &mut out, 1 << 20), Inflated::Broken(_)));
    }
}
