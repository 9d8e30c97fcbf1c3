//! JSON: a tree with the place of every member and element.
//!
//! By media type (`application/json`, `+json`), and by content where a text begins
//! and ends as an object or an array does. Other decoders build on the same
//! reader and the same fields, so that `json.key` is asked of all of them.

use crate::base::BufferId;
use crate::event::Detail;
use crate::finding::Finding;
use crate::proto::payload::common::{Sheet, json};
use crate::proto::payload::names::{JSON, json_fields, json_findings};
use crate::proto::{PayloadDecoder, PayloadHint, Protocol};

/// The registry's line.
pub static PROTOCOL: Protocol =
    super::format("json", "JSON", &[json_fields::FIELDS], json_findings::FINDINGS);

/// The decoder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder;

/// `application/json`, `text/json`, `application/problem+json`, and the subprotocol `json`.
fn is_json(media_type: &str) -> bool {
    // It is asked of every message: most end otherwise, without parameters.
    let last = media_type.as_bytes().last().map(u8::to_ascii_lowercase);
    if last != Some(b'n') && !media_type.contains([';', ' ', '\t']) {
        return false;
    }
    let base = media_type.split(';').next().unwrap_or_default().trim().as_bytes();
    base.last_chunk::<5>().is_some_and(|s| s.eq_ignore_ascii_case(b"+json"))
        || ["application/json", "text/json", "json"]
            .iter()
            .any(|name| base.eq_ignore_ascii_case(name.as_bytes()))
}

impl PayloadDecoder for Decoder {
    fn demands(&self, hint: &PayloadHint<'_>) -> bool {
        is_json(hint.media_type)
    }

    fn decode(
        &self,
        hint: &PayloadHint<'_>,
        data: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        let claimed = self.demands(hint);
        // Bodies of other media types are what they say they are.
        let text = hint.message.is_some_and(|m| !m.binary);
        if !(claimed || text && detail.is_some() && json::looks_like(data)) {
            return None;
        }
        let doc = json::parse(data, 0);
        let mut sheet = Sheet::new(detail, claimed);
        sheet.value(&doc, &JSON);
        sheet.rest(&doc, &JSON, data, 0);
        Some(sheet.finish())
    }
}
