//! Extensions (RFC 8446 §4.2, RFC 6066, RFC 7301).

use nom::Input as _;
use nom::number::streaming::{be_u8, be_u16, be_u32};

use super::{Hello, keep, numbers, opaque, rest, vector};
use crate::field::input::{bytes, group, uint};
use crate::field::{In, Parsed, Sink};
use crate::proto::tls::fields as f;
use crate::proto::tls::names;

/// Reads a list of extensions with its length, of the message of this type, and notes
/// what is of use.
///
/// # Errors
/// `Incomplete` where a length lies.
pub fn extensions<'a, S: Sink + 'a>(
    i: In<'a, S>,
    message: u8,
    hello: &mut Hello,
) -> Parsed<'a, S, ()> {
    let (after, mut list) = vector(&f::EXTENSIONS_LENGTH, i)?;
    while !list.data().is_empty() {
        let (next, ()) = group(&f::EXTENSION, |i| extension(i, message, hello))(list)?;
        list = next;
    }
    Ok((after, ()))
}

fn extension<'a, S: Sink + 'a>(i: In<'a, S>, message: u8, hello: &mut Hello) -> Parsed<'a, S, ()> {
    let (i, kind) = uint(&f::EXTENSION_TYPE, be_u16)(i)?;
    if S::ON {
        // The group is named after what is in it.
        i.sink().note(names::extension(kind.into()).unwrap_or("not assigned"));
    }
    keep(&mut hello.extensions, kind);
    let (i, len) = uint(&f::EXTENSION_LENGTH, be_u16)(i)?;
    let len = usize::from(len);
    if i.data().len() < len {
        return bytes(&f::EXTENSION_DATA, len)(i).map(|(i, _)| (i, ()));
    }
    // nom gives what is left first.
    let (after, data) = i.take_split(len);
    if data.data().is_empty() {
        return Ok((after, ()));
    }
    // What cannot be read of it is shown as trailing bytes.
    let left = match known(data, kind, message, hello) {
        Ok((left, ())) => left,
        Err(_) => data.take_from(len),
    };
    if !left.data().is_empty() {
        rest(&f::EXTENSION_DATA, left)?;
    }
    Ok((after, ()))
}

/// The data of an extension, as far as it is known.
fn known<'a, S: Sink + 'a>(
    i: In<'a, S>,
    kind: u16,
    message: u8,
    hello: &mut Hello,
) -> Parsed<'a, S, ()> {
    let from_client = message == 1;
    match kind {
        0 => server_name(i, hello),
        1 => uint(&f::FRAGMENT_LENGTH, be_u8)(i).map(|(i, _)| (i, ())),
        5 if from_client => uint(&f::STATUS_TYPE, be_u8)(i).map(|(i, _)| (i, ())),
        10 => {
            let (after, list) = vector(&f::GROUPS_LENGTH, i)?;
            numbers(&f::GROUP, list, &mut hello.groups)?;
            Ok((after, ()))
        }
        11 => {
            let (after, mut list) = vector(&f::FORMATS_LENGTH, i)?;
            while !list.data().is_empty() {
                let (next, n) = uint(&f::FORMAT, be_u8)(list)?;
                keep(&mut hello.formats, n);
                list = next;
            }
            Ok((after, ()))
        }
        13 | 50 => {
            let (after, list) = vector(&f::SIGNATURES_LENGTH, i)?;
            let mut other = Vec::new();
            let into = if kind == 13 { &mut hello.signatures } else { &mut other };
            numbers(&f::SIGNATURE, list, into)?;
            Ok((after, ()))
        }
        16 => {
            let (after, mut list) = vector(&f::ALPN_LENGTH, i)?;
            while !list.data().is_empty() {
                let (next, name) = opaque(&f::ALPN_STR_LENGTH, &f::ALPN, list)?;
                keep(&mut hello.alpn, name.to_vec());
                list = next;
            }
            Ok((after, ()))
        }
        27 => {
            let (after, list) = vector(&f::CERT_COMPRESSIONS_LENGTH, i)?;
            numbers(&f::CERT_COMPRESSION, list, &mut Vec::new())?;
            Ok((after, ()))
        }
        28 => uint(&f::SIZE_LIMIT, be_u16)(i).map(|(i, _)| (i, ())),
        41 if from_client => pre_shared_key(i),
        41 => {
            let (i, n) = uint(&f::PSK_SELECTED, be_u16)(i)?;
            hello.psk = Some(n);
            Ok((i, ()))
        }
        42 if message == 4 => uint(&f::EARLY_DATA_SIZE, be_u32)(i).map(|(i, _)| (i, ())),
        43 if from_client => {
            let (after, list) = vector(&f::VERSIONS_LENGTH, i)?;
            numbers(&f::SUPPORTED_VERSION, list, &mut hello.versions)?;
            Ok((after, ()))
        }
        43 => {
            let (i, n) = uint(&f::SUPPORTED_VERSION, be_u16)(i)?;
            keep(&mut hello.versions, n);
            Ok((i, ()))
        }
        44 => opaque(&f::COOKIE_LENGTH, &f::COOKIE, i).map(|(i, _)| (i, ())),
        45 => {
            let (after, mut list) = vector(&f::PSK_MODES_LENGTH, i)?;
            while !list.data().is_empty() {
                list = uint(&f::PSK_MODE, be_u8)(list)?.0;
            }
            Ok((after, ()))
        }
        // Before draft 23 it had another number.
        40 | 51 => key_share(i, message, hello),
        0xff01 => opaque(&f::RENEGOTIATION_LENGTH, &f::RENEGOTIATION, i).map(|(i, _)| (i, ())),
        _ => Ok((i, ())),
    }
}

fn server_name<'a, S: Sink + 'a>(i: In<'a, S>, hello: &mut Hello) -> Parsed<'a, S, ()> {
    let (after, mut list) = vector(&f::SNI_LIST_LENGTH, i)?;
    while !list.data().is_empty() {
        let (next, _) = uint(&f::SNI_TYPE, be_u8)(list)?;
        let (next, name) = opaque(&f::SNI_LENGTH, &f::SNI, next)?;
        if hello.sni.is_none() {
            hello.sni = Some(String::from_utf8_lossy(name).into_owned());
        }
        list = next;
    }
    Ok((after, ()))
}

fn pre_shared_key<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, ()> {
    let (after, mut list) = vector(&f::PSK_IDENTITIES_LENGTH, i)?;
    while !list.data().is_empty() {
        let (next, _) = opaque(&f::PSK_IDENTITY_LENGTH, &f::PSK_IDENTITY, list)?;
        list = uint(&f::PSK_AGE, be_u32)(next)?.0;
    }
    opaque(&f::PSK_BINDERS_LENGTH, &f::PSK_BINDERS, after).map(|(i, _)| (i, ()))
}

fn key_share<'a, S: Sink + 'a>(i: In<'a, S>, message: u8, hello: &mut Hello) -> Parsed<'a, S, ()> {
    // A retry request has the group alone (RFC 8446 §4.2.8).
    if i.data().len() == 2 && message != 1 {
        let (i, n) = uint(&f::SELECTED_GROUP, be_u16)(i)?;
        keep(&mut hello.shares, n);
        return Ok((i, ()));
    }
    let (after, mut list) = if message == 1 {
        vector(&f::KEY_SHARES_LENGTH, i)?
    } else {
        (i.take_from(i.data().len()), i)
    };
    while !list.data().is_empty() {
        let (next, n) = uint(&f::KEY_SHARE_GROUP, be_u16)(list)?;
        keep(&mut hello.shares, n);
        list = opaque(&f::KEY_SHARE_LENGTH, &f::KEY_SHARE, next)?.0;
    }
    Ok((after, ()))
}
