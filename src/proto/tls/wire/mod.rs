//! Layouts of TLS: records, handshake messages, extensions, certificates.
//!
//! Parsers judge nothing. What is behind what a message says that it has is told as
//! trailing bytes; only what is too short is an error ("need more").

mod extensions;
mod handshake;
mod record;
mod x509;

pub use extensions::extensions;
pub use handshake::{Certificate, Context, HEAD_LEN, Message, RETRY, body, message_head};
pub use record::{Head, alert, head};

use nom::Input as _;
use nom::number::streaming::{be_u8, be_u16, be_u24};

use crate::field::input::{bytes, uint};
use crate::field::{FieldSpec, In, Parsed, Sink};

/// What a hello says: of either side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// `legacy_version`.
    pub version: u16,
    /// 32 bytes.
    pub random: [u8; 32],
    /// The session id.
    pub session_id: Vec<u8>,
    /// What is offered; one in a server's.
    pub suites: Vec<u16>,
    /// Compression that a server chose; the first that a client has.
    pub compression: u8,
    /// Types of extensions, in order.
    pub extensions: Vec<u16>,
    /// What `supported_versions` says; one in a server's.
    pub versions: Vec<u16>,
    /// Groups.
    pub groups: Vec<u16>,
    /// Point formats.
    pub formats: Vec<u8>,
    /// Signature algorithms.
    pub signatures: Vec<u16>,
    /// The host.
    pub sni: Option<String>,
    /// Application protocols; one in a server's.
    pub alpn: Vec<Vec<u8>>,
    /// The groups of key shares; one in a server's.
    pub shares: Vec<u16>,
    /// The pre-shared key that a server took.
    pub psk: Option<u16>,
}

impl Hello {
    /// Whether an extension is there.
    #[must_use]
    pub fn has(&self, extension: u16) -> bool {
        self.extensions.contains(&extension)
    }

    /// The version that a server chose.
    #[must_use]
    pub fn chosen_version(&self) -> u16 {
        self.versions.first().copied().unwrap_or(self.version)
    }
}

/// Bounds of what is kept of a hello: a message may have 16 MiB of extensions.
pub(super) const MAX_LIST: usize = 4096;

/// Adds to a list within its bound.
fn keep<T>(list: &mut Vec<T>, value: T) {
    if list.len() < MAX_LIST {
        list.push(value);
    }
}

/// A length of one, two or three bytes, and what it counts.
fn vector<'a, S: Sink + 'a>(length: &'static FieldSpec, i: In<'a, S>) -> Parsed<'a, S, In<'a, S>> {
    let (i, len) = match length.bits {
        8 => uint(length, be_u8)(i).map(|(i, n)| (i, usize::from(n)))?,
        24 => uint(length, be_u24)(i).map(|(i, n)| (i, n as usize))?,
        _ => uint(length, be_u16)(i).map(|(i, n)| (i, usize::from(n)))?,
    };
    let (rest, _) = i.split(len)?;
    Ok((rest, i.take(len)))
}

/// A length, and so many bytes.
fn opaque<'a, S: Sink + 'a>(
    length: &'static FieldSpec,
    value: &'static FieldSpec,
    i: In<'a, S>,
) -> Parsed<'a, S, &'a [u8]> {
    let (i, inner) = vector(length, i)?;
    let len = inner.data().len();
    let (_, data) = bytes(value, len)(inner)?;
    Ok((i, data))
}

/// All that is left.
fn rest<'a, S: Sink + 'a>(spec: &'static FieldSpec, i: In<'a, S>) -> Parsed<'a, S, &'a [u8]> {
    let len = i.data().len();
    bytes(spec, len)(i)
}

/// Numbers of 16 bits until the end; an odd byte is left.
fn numbers<'a, S: Sink + 'a>(
    spec: &'static FieldSpec,
    mut i: In<'a, S>,
    each: &mut Vec<u16>,
) -> Parsed<'a, S, ()> {
    while i.data().len() >= 2 {
        let (next, n) = uint(spec, be_u16)(i)?;
        keep(each, n);
        i = next;
    }
    Ok((i, ()))
}
