//! Fuzzes the whole pipeline with the bytes of a capture file.

#![no_main]

use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use framescope::capture::{OpenOptions, Polled, open_reader};
use framescope::engine::{ConversationInfo, Engine, EventSink, FindingEvent, Options};
use framescope::event::{Event, Level};
use framescope::proto::PayloadDecoder;
use framescope::proto::protobuf::Decoder;
use framescope::view::{json, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| dissect(data));

/// **The one function to change when the pipeline grows**: everything that a
/// command would do with a file of these bytes, with every event looked at (trees,
/// pieces, payloads, as text and as JSON), since most code is behind that.
///
/// The first byte, taken away, says how: bit 0 whether anybody looks (or the hot
/// path runs), bit 1 whether state is short, bit 2 whether schemas are known.
fn dissect(data: &[u8]) {
    let Some((how, data)) = data.split_first() else { return };
    let mut options = Options::default();
    if how & 1 == 0 {
        options = options.wanting(&Level::ALL);
    }
    if how & 2 != 0 {
        options.state_bytes = 64 << 10;
    }
    if how & 4 == 0 {
        options.decoders = decoders();
    }
    options.checkpoints = true;
    let reader = Box::new(Cursor::new(data.to_vec()));
    let Ok(mut source) = open_reader("fuzz", reader, OpenOptions::default()) else { return };
    let mut engine = Engine::new(options);
    let mut sink = Everything::default();
    // What is no capture is an error, and one line for the user.
    while let Ok(Polled::Batch(batch)) = source.poll() {
        engine.batch(&batch, &mut sink);
    }
    engine.finish(&mut sink);
}

/// Decoders with the schemas of the fixtures.
fn decoders() -> Arc<Vec<Box<dyn PayloadDecoder>>> {
    static DECODERS: OnceLock<Arc<Vec<Box<dyn PayloadDecoder>>>> = OnceLock::new();
    DECODERS
        .get_or_init(|| {
            let protos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/proto");
            let schema = framescope::schema::load(&[protos], &[], &[]).expect("they are ours");
            Arc::new(vec![Box::new(Decoder { schema, learnt: None })])
        })
        .clone()
}

/// Writes everything, and holds what must be so of every output.
#[derive(Default)]
struct Everything {
    lines: text::Lines,
    text: String,
    json: Vec<u8>,
}

impl Everything {
    fn written(&mut self) {
        // Nothing from the wire reaches a terminal as a control character.
        let control = |c: char| c.is_control() && c != '\n';
        assert!(!self.text.contains(control), "{:?}", self.text);
        let newline = self.json.iter().position(|b| *b == b'\n');
        assert_eq!(newline, self.json.len().checked_sub(1), "one line an object");
        self.text.clear();
        self.json.clear();
    }
}

impl EventSink for Everything {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        self.lines.event(&mut self.text, &event, conversation);
        json::event(&mut self.json, &event, conversation);
        self.written();
    }

    fn finding(&mut self, found: FindingEvent, conversation: Option<&ConversationInfo>) {
        self.lines.finding(&mut self.text, &found, conversation);
        json::finding(&mut self.json, &found, conversation);
        self.written();
    }
}
