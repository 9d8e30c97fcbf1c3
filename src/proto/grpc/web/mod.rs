//! gRPC-Web: gRPC as a browser can speak it, over HTTP/1 and HTTP/2.
//!
//! Source: the gRPC project's `doc/PROTOCOL-WEB.md`, cited as "gRPC-Web". It differs
//! from gRPC over HTTP/2 in three things: the content type; the trailers, which are a
//! last frame of the body (the top bit of its flag is set); and the text form, in which
//! the whole body is base64.
//!
//! A call is the same as any other ([`Call`](crate::proto::grpc::Call)), so its events
//! are `grpc`'s. What stands here undoes the differences and hands the rest on.

mod coded;
mod frames;
mod out;
mod text;

#[cfg(test)]
mod tests;

pub use frames::Web;

use crate::proto::grpc::resync::{self, Is};
use crate::proto::grpc::wire::PREFIX_LEN;
use crate::proto::{Glimpse, Head, Protocol, Verdict};

/// The registry's line. Fields and findings are in those of `grpc`.
pub static PROTOCOL: Protocol = Protocol {
    name: "grpc-web",
    label: "gRPC-Web",
    fields: &[],
    findings: &[],
    probe: None,
    claims: Some(claims),
    glimpse: Some(glimpse),
    datagram: None,
    tokens: &[],
    start: Some(|| Box::new(Web::new())),
};

/// Whether an exchange is a gRPC-Web call, by its content type.
fn claims(head: &Head<'_>) -> bool {
    head.headers.get("content-type").is_some_and(|v| Form::of(v).is_some())
}

/// Characters of a first message that are looked at where no head says what they are.
const LOOKED_AT: usize = 400;

/// Where no content type was captured, the binary form is known as gRPC is; the text form
/// is known here.
fn glimpse(g: &Glimpse<'_>) -> Verdict {
    match g {
        Glimpse::Body { data, last, .. } => by_text(data, *last),
        Glimpse::Head(..) | Glimpse::Trailers(_) => Verdict::No,
    }
}

/// Base64, and a message in it.
fn by_text(data: &[u8], last: bool) -> Verdict {
    let text = data.get(..LOOKED_AT).unwrap_or(data);
    let mut decoded = text::Decoded::default();
    decoded.decode(text, 0, 0, last);
    if decoded.bad {
        return Verdict::No;
    }
    match resync::message(&decoded.data) {
        Is::Message(..) => Verdict::Yes { client: None },
        Is::Unknown if !last && text.len() < LOOKED_AT => Verdict::More,
        Is::Unknown | Is::Other => Verdict::No,
    }
}

/// Whether text that may begin a group begins a message that is not empty; `None` where more
/// is needed to tell.
pub(super) fn message_in_text(data: &[u8], last: bool) -> Option<bool> {
    let text = data.get(..LOOKED_AT).unwrap_or(data);
    let mut decoded = text::Decoded::default();
    decoded.decode(text, 0, 0, last);
    if decoded.bad {
        return Some(false);
    }
    match resync::message(&decoded.data) {
        Is::Message(whole, _) => Some(whole > PREFIX_LEN),
        Is::Unknown if !last && text.len() < LOOKED_AT => None,
        Is::Unknown | Is::Other => Some(false),
    }
}

/// How the body carries frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// As they are.
    #[default]
    Binary,
    /// As base64.
    Text,
}

impl Form {
    /// By a content type; `None` where it is not gRPC-Web's.
    pub(super) fn of(content_type: &[u8]) -> Option<Self> {
        const FORMS: [(&[u8], Form); 2] =
            [(b"application/grpc-web-text", Form::Text), (b"application/grpc-web", Form::Binary)];
        let value = content_type.trim_ascii();
        FORMS.into_iter().find_map(|(base, form)| {
            let (start, rest) = value.split_at_checked(base.len())?;
            let ends = matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'));
            (ends && start.eq_ignore_ascii_case(base)).then_some(form)
        })
    }

    /// As in `grpc.web`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Text => "text",
        }
    }
}
