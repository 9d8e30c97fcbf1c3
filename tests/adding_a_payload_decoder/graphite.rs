//! Graphite's plain text over WebSocket: a line a sample, `PATH VALUE SECONDS`.
//!
//! By the subprotocol `graphite`.

use framescope::base::BufferId;
use framescope::event::Detail;
use framescope::field::{FieldSpec, Kind, Value};
use framescope::finding::{Finding, FindingSpec};
use framescope::proto::payload::common::Sheet;
use framescope::proto::payload::format;
use framescope::proto::{PayloadDecoder, PayloadHint, Protocol};

const S: &str = "Graphite, The plaintext protocol";

static PATH: FieldSpec =
    FieldSpec::new("graphite.path", "Path", 0, Kind::Text, S, "What is measured.").repeated();
static VALUE: FieldSpec =
    FieldSpec::new("graphite.value", "Value", 0, Kind::Text, S, "What was measured.").repeated();
static TIME: FieldSpec =
    FieldSpec::new("graphite.time", "Time", 0, Kind::Unsigned, S, "Seconds since 1970.").repeated();

static BAD_LINE: FindingSpec =
    FindingSpec::error("graphite.bad-line", S, "A line is not a path, a value and a time.");

pub static PROTOCOL: Protocol =
    format("graphite", "Graphite", &[&[&PATH, &VALUE, &TIME]], &[&BAD_LINE]);

pub struct Decoder;

impl PayloadDecoder for Decoder {
    // Whose messages these are is known without looking at them.
    fn demands(&self, hint: &PayloadHint<'_>) -> bool {
        hint.message.is_some_and(|m| !m.binary) && hint.media_type == "graphite"
    }

    fn decode(
        &self,
        hint: &PayloadHint<'_>,
        data: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        if !self.demands(hint) {
            return None; // somebody else's
        }
        let mut sheet = Sheet::new(detail, true);
        let (mut at, mut samples) = (0_u32, 0);
        for line in data.split_inclusive(|b| *b == b'\n') {
            let end = at + line.len() as u32;
            let words: Vec<&[u8]> = line.trim_ascii_end().split(|b| *b == b' ').collect();
            let time = words.get(2).and_then(|w| std::str::from_utf8(w).ok()?.parse().ok());
            match (words.as_slice(), time) {
                ([path, value, seconds], Some(time)) => {
                    let mut from = at;
                    let mut next = |word: &[u8]| {
                        let here = from;
                        from += word.len() as u32 + 1;
                        (here, here + word.len() as u32)
                    };
                    let (path_at, value_at, time_at) = (next(path), next(value), next(seconds));
                    sheet.text(&PATH, path_at.0, path_at.1, path);
                    sheet.text(&VALUE, value_at.0, value_at.1, value);
                    sheet.field(&TIME, time_at.0, time_at.1, Value::U64(time));
                    samples += 1;
                }
                _ => sheet.found(&BAD_LINE, format!("at byte {at}"), at, end),
            }
            at = end;
        }
        sheet.say(hint, &format!("Graphite {samples} samples"));
        Some(sheet.finish())
    }
}
