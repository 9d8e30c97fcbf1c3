//! Handshake messages (RFC 8446 §4, RFC 5246 §7.4, RFC 8422 §5).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+-----------------------------------------------+
//! |     type      |                    length                     |
//! +---------------+-----------------------------------------------+
//! |                            body ...                           |
//! +---------------------------------------------------------------+
//! ```

use nom::number::streaming::{be_u8, be_u16, be_u24, be_u32};

use super::extensions::extensions;
use super::{Hello, numbers, opaque, rest, vector, x509};
use crate::field::input::{bytes, group, uint};
use crate::field::{In, Parsed, Sink};
use crate::proto::tls::fields as f;
use crate::proto::tls::names;

pub use x509::Certificate;

/// The random of a hello that is a retry request (RFC 8446 §4.1.3).
pub const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Bytes of the head of a message.
pub const HEAD_LEN: usize = 4;

/// What was read of a message.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// What a hello, encrypted extensions, or a ticket say.
    pub hello: Hello,
    /// Certificates in order.
    pub certificates: Vec<Certificate>,
    /// The group of a key exchange.
    pub group: Option<u16>,
    /// What a KeyUpdate asks of the peer.
    pub update: u8,
    /// The lifetime of a ticket in seconds.
    pub lifetime: u32,
}

/// What must be known of the session to read a message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// The version is TLS 1.3.
    pub v13: bool,
    /// The draft of TLS 1.3, 0 for the RFC.
    pub draft: u8,
    /// Chosen version.
    pub version: u16,
    /// The suite that the server chose.
    pub suite: u16,
    /// It is a message of DTLS.
    pub dtls: bool,
}

/// Reads the head: type and length.
///
/// # Errors
/// `Incomplete`.
pub fn message_head<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, (u8, u32)> {
    let (i, kind) = uint(&f::HANDSHAKE_TYPE, be_u8)(i)?;
    let (i, len) = uint(&f::HANDSHAKE_LENGTH, be_u24)(i)?;
    Ok((i, (kind, len)))
}

/// Reads the body of a message; what is behind it is told as trailing bytes.
///
/// # Errors
/// `Incomplete` where it is shorter than it says.
pub fn body<'a, S: Sink + 'a>(
    i: In<'a, S>,
    kind: u8,
    context: Context,
    m: &mut Message,
) -> Parsed<'a, S, bool> {
    let (i, ()) = known(i, kind, context, m)?;
    let clean = i.data().is_empty();
    let (i, _) = rest(&f::TRAILING, i)?;
    Ok((i, clean))
}

fn known<'a, S: Sink + 'a>(
    i: In<'a, S>,
    kind: u8,
    context: Context,
    m: &mut Message,
) -> Parsed<'a, S, ()> {
    let name = names::suite(context.suite.into()).unwrap_or_default();
    match kind {
        1 => client_hello(i, context, &mut m.hello),
        2 => server_hello(i, &mut m.hello),
        // RFC 6347 §4.2.1.
        3 if context.dtls => {
            let (i, version) = uint(&f::VERSION, be_u16)(i)?;
            m.hello.version = version;
            opaque(&f::DTLS_COOKIE_LENGTH, &f::DTLS_COOKIE, i).map(|(i, _)| (i, ()))
        }
        4 => new_session_ticket(i, context, m),
        6 => {
            let (i, version) = uint(&f::VERSION, be_u16)(i)?;
            m.hello.version = version;
            // Drafts before 19 had no suite here.
            let i = if version >= 0x7f13 { uint(&f::SUITE, be_u16)(i)?.0 } else { i };
            extensions(i, kind, &mut m.hello)
        }
        8 => extensions(i, kind, &mut m.hello),
        11 => certificate(i, context, m),
        12 if name.contains("_ECDHE_") => {
            let i = hint(i, name)?.0;
            let (i, curve) = uint(&f::CURVE_TYPE, be_u8)(i)?;
            if curve != 3 {
                return Ok((i, ()));
            }
            let (i, g) = uint(&f::NAMED_CURVE, be_u16)(i)?;
            m.group = Some(g);
            let (i, _) = opaque(&f::SERVER_POINT_LENGTH, &f::SERVER_POINT, i)?;
            signature(i, context, name)
        }
        12 if name.contains("_DHE_") => {
            let i = hint(i, name)?.0;
            let (i, _) = opaque(&f::DH_P_LENGTH, &f::DH_P, i)?;
            let (i, _) = opaque(&f::DH_G_LENGTH, &f::DH_G, i)?;
            let (i, _) = opaque(&f::DH_YS_LENGTH, &f::DH_YS, i)?;
            signature(i, context, name)
        }
        13 => certificate_request(i, context, m),
        15 => signature(i, context, "_RSA_"),
        12 if name.contains("_PSK_") => hint(i, name),
        16 if name.contains("_ECDHE_") => {
            let i = identity(i, name)?.0;
            opaque(&f::CLIENT_POINT_LENGTH, &f::CLIENT_POINT, i).map(|(i, _)| (i, ()))
        }
        16 if name.contains("_DHE_") => {
            let i = identity(i, name)?.0;
            opaque(&f::DH_YC_LENGTH, &f::DH_YC, i).map(|(i, _)| (i, ()))
        }
        16 if name.starts_with("TLS_PSK_") => identity(i, name),
        16 if name.starts_with("TLS_RSA_WITH") || name.starts_with("TLS_RSA_PSK") => {
            let i = identity(i, name)?.0;
            opaque(&f::EPMS_LENGTH, &f::EPMS, i).map(|(i, _)| (i, ()))
        }
        20 => rest(&f::VERIFY_DATA, i).map(|(i, _)| (i, ())),
        22 => {
            let (i, _) = uint(&f::STATUS_TYPE, be_u8)(i)?;
            opaque(&f::STATUS_LENGTH, &f::STATUS, i).map(|(i, _)| (i, ()))
        }
        24 => {
            let (i, n) = uint(&f::KEY_UPDATE, be_u8)(i)?;
            m.update = n;
            Ok((i, ()))
        }
        25 => {
            let (i, _) = uint(&f::CERT_COMPRESSION, be_u16)(i)?;
            let (i, _) = uint(&f::UNCOMPRESSED_LENGTH, be_u24)(i)?;
            opaque(&f::COMPRESSED_LENGTH, &f::COMPRESSED, i).map(|(i, _)| (i, ()))
        }
        0 | 5 | 14 => Ok((i, ())),
        _ => rest(&f::HANDSHAKE_BODY, i).map(|(i, _)| (i, ())),
    }
}

/// Which pre-shared key the server has in mind (RFC 4279 §2).
fn hint<'a, S: Sink + 'a>(i: In<'a, S>, name: &str) -> Parsed<'a, S, ()> {
    if !name.contains("_PSK_") {
        return Ok((i, ()));
    }
    opaque(&f::HINT_LENGTH, &f::HINT, i).map(|(i, _)| (i, ()))
}

/// Which pre-shared key the client takes (RFC 4279 §2).
fn identity<'a, S: Sink + 'a>(i: In<'a, S>, name: &str) -> Parsed<'a, S, ()> {
    if !name.contains("_PSK_") {
        return Ok((i, ()));
    }
    opaque(&f::IDENTITY_LENGTH, &f::IDENTITY, i).map(|(i, _)| (i, ()))
}

fn random<'a, S: Sink + 'a>(i: In<'a, S>, hello: &mut Hello) -> Parsed<'a, S, ()> {
    let (i, r) = bytes(&f::RANDOM, 32)(i)?;
    hello.random = r.try_into().unwrap_or_default();
    Ok((i, ()))
}

/// RFC 8446 §4.1.2; of DTLS with a cookie in it (RFC 6347 §4.2.1).
fn client_hello<'a, S: Sink + 'a>(
    i: In<'a, S>,
    context: Context,
    hello: &mut Hello,
) -> Parsed<'a, S, ()> {
    let (i, version) = uint(&f::VERSION, be_u16)(i)?;
    hello.version = version;
    let (i, ()) = random(i, hello)?;
    let (i, id) = opaque(&f::SESSION_ID_LENGTH, &f::SESSION_ID, i)?;
    hello.session_id = id.to_vec();
    let i = match context.dtls {
        true => opaque(&f::DTLS_COOKIE_LENGTH, &f::DTLS_COOKIE, i)?.0,
        false => i,
    };
    let (i, list) = vector(&f::SUITES_LENGTH, i)?;
    numbers(&f::SUITE, list, &mut hello.suites)?;
    let (i, mut list) = vector(&f::COMPRESSIONS_LENGTH, i)?;
    while !list.data().is_empty() {
        let (next, n) = uint(&f::COMPRESSION, be_u8)(list)?;
        hello.compression = n;
        list = next;
    }
    // SSL 3.0 and some of TLS 1.0 end here.
    if i.data().is_empty() { Ok((i, ())) } else { extensions(i, 1, hello) }
}

/// RFC 8446 §4.1.3; drafts before 22 have their version in front, and neither session
/// id nor compression.
fn server_hello<'a, S: Sink + 'a>(i: In<'a, S>, hello: &mut Hello) -> Parsed<'a, S, ()> {
    let (i, version) = uint(&f::VERSION, be_u16)(i)?;
    hello.version = version;
    let (i, ()) = random(i, hello)?;
    let short = version >> 8 == 0x7f;
    let i = if short {
        i
    } else {
        let (i, id) = opaque(&f::SESSION_ID_LENGTH, &f::SESSION_ID, i)?;
        hello.session_id = id.to_vec();
        i
    };
    let (i, suite) = uint(&f::SUITE, be_u16)(i)?;
    hello.suites.push(suite);
    let i = if short {
        i
    } else {
        let (i, n) = uint(&f::COMPRESSION, be_u8)(i)?;
        hello.compression = n;
        i
    };
    let kind = if hello.random == RETRY { 6 } else { 2 };
    if i.data().is_empty() { Ok((i, ())) } else { extensions(i, kind, hello) }
}

/// RFC 8446 §4.6.1, RFC 5077 §3.3.
fn new_session_ticket<'a, S: Sink + 'a>(
    i: In<'a, S>,
    context: Context,
    m: &mut Message,
) -> Parsed<'a, S, ()> {
    let (mut i, lifetime) = uint(&f::TICKET_LIFETIME, be_u32)(i)?;
    m.lifetime = lifetime;
    if context.v13 {
        i = uint(&f::TICKET_AGE_ADD, be_u32)(i)?.0;
        // Drafts before 21 had no nonce.
        if context.draft == 0 || context.draft >= 21 {
            i = opaque(&f::TICKET_NONCE_LENGTH, &f::TICKET_NONCE, i)?.0;
        }
    }
    let (i, _) = opaque(&f::TICKET_LENGTH, &f::TICKET, i)?;
    if context.v13 && !i.data().is_empty() { extensions(i, 4, &mut m.hello) } else { Ok((i, ())) }
}

/// RFC 8446 §4.4.2, RFC 5246 §7.4.2.
fn certificate<'a, S: Sink + 'a>(
    i: In<'a, S>,
    context: Context,
    m: &mut Message,
) -> Parsed<'a, S, ()> {
    let i = if context.v13 { opaque(&f::CONTEXT_LENGTH, &f::CONTEXT, i)?.0 } else { i };
    let (after, mut list) = vector(&f::CERTIFICATES_LENGTH, i)?;
    while !list.data().is_empty() {
        let (next, der) = vector(&f::CERTIFICATE_LENGTH, list)?;
        let (_, c) = group(&f::CERTIFICATE, x509::certificate)(der)?;
        if m.certificates.len() < super::MAX_LIST {
            m.certificates.push(c);
        }
        list = if context.v13 { extensions(next, 11, &mut Hello::default())?.0 } else { next };
    }
    Ok((after, ()))
}

/// RFC 8446 §4.3.2, RFC 5246 §7.4.4.
fn certificate_request<'a, S: Sink + 'a>(
    i: In<'a, S>,
    context: Context,
    m: &mut Message,
) -> Parsed<'a, S, ()> {
    if context.v13 {
        let (i, _) = opaque(&f::CONTEXT_LENGTH, &f::CONTEXT, i)?;
        return extensions(i, 13, &mut m.hello);
    }
    let (i, _) = opaque(&f::CERT_TYPES_COUNT, &f::CERT_TYPES, i)?;
    let i = if context.version >= 0x0303 {
        let (i, list) = vector(&f::SIGNATURES_LENGTH, i)?;
        numbers(&f::SIGNATURE, list, &mut m.hello.signatures)?;
        i
    } else {
        i
    };
    opaque(&f::DNAMES_LENGTH, &f::DNAMES, i).map(|(i, _)| (i, ()))
}

/// A signature with its algorithm, which TLS 1.2 added; none where nobody signs.
fn signature<'a, S: Sink + 'a>(i: In<'a, S>, context: Context, name: &str) -> Parsed<'a, S, ()> {
    if i.data().is_empty() || name.contains("_anon_") || name.contains("_PSK_") {
        return Ok((i, ()));
    }
    let i = if context.v13 || context.version >= 0x0303 {
        uint(&f::SIGNATURE, be_u16)(i)?.0
    } else {
        i
    };
    opaque(&f::SIG_LENGTH, &f::SIG, i).map(|(i, _)| (i, ()))
}
