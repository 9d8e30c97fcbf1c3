//! What is found of a WebSocket session: each finding on the capture that was crafted
//! for it and on no other, with its severity and section; none on captures of peers
//! that do nothing wrong; and why sessions ended, with the packets that prove it.

mod support;

#[path = "verdicts/alarms.rs"]
mod alarms;
#[path = "verdicts/crafted.rs"]
mod crafted;
#[path = "verdicts/ends.rs"]
mod ends;
#[path = "verdicts/peers.rs"]
mod peers;
#[path = "verdicts/wire.rs"]
mod wire;

use framescope::capture::Packet;
use framescope::engine::{Engine, Options};
use framescope::finding::Severity;
use framescope::index::check::Check;
use support::Owned;

/// What `check` finds: code, severity, section.
fn check(packets: &[Owned], options: Options) -> Vec<(&'static str, Severity, &'static str)> {
    let mut found = Check::default();
    let mut engine = Engine::new(options);
    for p in packets {
        engine.packet(&Packet { meta: p.meta, data: &p.data }, &mut found);
    }
    engine.finish(&mut found);
    let mut all: Vec<_> =
        found.groups.iter().map(|g| (g.spec.code, g.spec.severity, g.spec.reference)).collect();
    all.sort_unstable();
    all
}
