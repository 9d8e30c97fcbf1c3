//! Fuzzes the whole pipeline with the bytes of a capture file.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| dissect(data));

/// **The one function to change when the pipeline grows**: everything that
/// `framescope check` would do with a file of these bytes, and with every event
/// looked at (trees, pieces, payloads), since most code is behind that.
///
/// Until the engine is there, it asks each protocol whether the bytes are its own.
fn dissect(data: &[u8]) {
    let (one, other) = data.split_at(data.len() / 2);
    for protocol in framescope::proto::REGISTRY {
        if let Some(probe) = protocol.probe {
            for last in [false, true] {
                std::hint::black_box(probe(&framescope::proto::Probe {
                    data: [one, other],
                    last,
                }));
            }
        }
    }
}
