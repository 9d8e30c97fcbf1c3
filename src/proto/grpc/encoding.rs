//! How messages are compressed (`grpc-encoding`), and undoing it.

use std::io::Read;

use flate2::bufread::{GzDecoder, ZlibDecoder};

use crate::proto::codings::{Failure, unzstd};
use crate::proto::grpc::snappy;

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
    /// Zstandard (RFC 8878).
    Zstd,
    /// Snappy, raw or framed.
    Snappy,
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
            Some(b"zstd") => Self::Zstd,
            Some(b"snappy" | b"x-snappy-framed") => Self::Snappy,
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
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
            Self::Unknown(name) => name,
        }
    }

    /// Whether messages may come compressed.
    pub(super) const fn compresses(&self) -> bool {
        !matches!(self, Self::NotSeen | Self::Identity)
    }

    /// The encoding that the bytes themselves speak for.
    pub(super) fn guess(data: &[u8]) -> Option<Self> {
        match data {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0xff, 6, 0, 0, b's', b'N', ..] => Some(Self::Snappy),
            // The two bytes that zlib begins with are a multiple of 31 (RFC 1950 §2.2).
            [0x78, flags, ..] if (0x7800 + u32::from(*flags)) % 31 == 0 => Some(Self::Deflate),
            _ => None,
        }
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
        Encoding::Zstd => zstd(data, into, limit),
        Encoding::Snappy => snappy::inflate(data, into, limit),
        _ => Inflated::Broken("not a known encoding".to_owned()),
    }
}

/// Frames of Zstandard, one after another (RFC 8878 §3).
fn zstd(data: &[u8], into: &mut Vec<u8>, limit: usize) -> Inflated {
    if data.is_empty() {
        return Inflated::Broken("no frame".to_owned());
    }
    let mut keep = |made: &[u8]| {
        let room = limit.saturating_sub(into.len());
        into.extend_from_slice(made.get(..made.len().min(room)).unwrap_or_default());
        if made.len() > room {
            Err(Failure::Limit(format!("more than {limit} bytes")))
        } else {
            Ok(())
        }
    };
    match unzstd(data, &mut keep) {
        Ok(()) => Inflated::Whole,
        Err(Failure::Limit(_)) => Inflated::Limit,
        Err(Failure::Cut) => Inflated::Broken("a frame is cut off".to_owned()),
        Err(Failure::Checksum(_)) => Inflated::Broken("its checksum is wrong".to_owned()),
        Err(other) => Inflated::Broken(other.to_string()),
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

    #[test]
    fn zstd_with_its_bombs_and_faults() {
        use ruzstd::encoding::{CompressionLevel, compress_to_vec};
        let data = compress_to_vec(&[7; 100_000][..], CompressionLevel::Fastest);
        let mut out = Vec::new();
        assert_eq!(inflate(&Encoding::Zstd, &data, &mut out, 100_000), Inflated::Whole);
        assert_eq!(out, vec![7; 100_000]);
        assert_eq!(inflate(&Encoding::Zstd, &data, &mut out, 99_999), Inflated::Limit);
        assert_eq!(out.len(), 99_999);
        let twice = [data.clone(), data.clone()].concat();
        assert_eq!(inflate(&Encoding::Zstd, &twice, &mut out, 1 << 20), Inflated::Whole);
        assert_eq!(out.len(), 200_000);
        for bad in [&data[..data.len() / 2], b"", b"nothing of the kind"] {
            let how = inflate(&Encoding::Zstd, bad, &mut out, 1 << 20);
            assert!(matches!(how, Inflated::Broken(_)), "{how:?}");
        }
    }

    #[test]
    fn encodings_by_name_and_by_content() {
        let of = |name: &[u8]| Encoding::from_header(Some(name), false);
        for (name, is) in [
            (&b"gzip"[..], Encoding::Gzip),
            (b"zstd", Encoding::Zstd),
            (b"snappy", Encoding::Snappy),
            (b"lz4", Encoding::Unknown("lz4".into())),
        ] {
            assert_eq!(of(name), is);
            assert!(is.compresses());
        }
        assert_eq!(Encoding::guess(&gzip(b"a")), Some(Encoding::Gzip));
        assert_eq!(Encoding::guess(b"\x28\xb5\x2f\xfd\0"), Some(Encoding::Zstd));
        assert_eq!(Encoding::guess(b"\xff\x06\0\0sNaPpY"), Some(Encoding::Snappy));
        assert_eq!(Encoding::guess(b"\x08\x01"), None);
    }
}
