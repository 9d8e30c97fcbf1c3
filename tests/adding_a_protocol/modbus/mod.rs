//! Modbus over TCP.

use framescope::base::BufferId;
use framescope::field::{In, NoSink};
use framescope::proto::{Probe, Protocol, Verdict};

pub mod fields;
pub mod findings;
mod machine;
pub mod wire;

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "modbus",
    label: "Modbus/TCP",
    fields: &[fields::FIELDS],
    findings: findings::FINDINGS,
    probe: Some(probe),
    claims: None,
    datagram: None,
    tokens: &[],
    glimpse: None,
    start: Some(|| Box::new(machine::Modbus::default())),
};

/// Known by its first unit: protocol 0, and one of the functions whose requests
/// are 12 bytes long, just so long. A weak probe is worse than none: it takes
/// streams from others.
fn probe(p: &Probe<'_>) -> Verdict {
    let mut verdict = Verdict::No;
    for data in p.data.into_iter().filter(|d| !d.is_empty()) {
        match wire::head(In::new(data, BufferId(0), 0, &NoSink)) {
            Ok((_, h)) => {
                let request = h.length == 6 && !h.exception && matches!(h.function, 1..=6);
                // A response may look the same, so this does not tell who the client is.
                return if h.is_sound() && request {
                    Verdict::Yes { client: None }
                } else {
                    Verdict::No
                };
            }
            Err(_) if p.last || data.get(2..4).is_some_and(|p| p != [0, 0]) => return Verdict::No,
            Err(_) => verdict = Verdict::More,
        }
    }
    verdict
}
