//! What can be wrong with a connection.
//!
//! The first of a kind is told where it happens; if more follow on the same
//! direction, one finding at the end tells how many.

use crate::finding::{Finding, FindingSpec};

/// Two copies of the same stream bytes differ.
pub static OVERLAP_CONFLICT: FindingSpec = FindingSpec::warning(
    "tcp.overlap-conflict",
    "RFC 9293 §3.4",
    "A segment repeats stream bytes with other content; the copy captured first is used. \
     Bytes that were handed on long ago are no longer there to compare with.",
);
/// Bytes of the stream were not captured.
pub static GAP: FindingSpec = FindingSpec::error(
    "tcp.gap",
    "RFC 9293 §3.4",
    "Bytes of the stream were not captured, or so late that they could no longer be put in place.",
);
/// Bytes came after their gap had been declared.
pub static LATE_DATA: FindingSpec = FindingSpec::note(
    "tcp.late-data",
    "RFC 9293 §3.4",
    "Bytes came after their place in the stream had been passed over as a gap, or lie before \
     the first byte that was captured.",
);
/// The buffer for segments out of order is full.
pub static REORDER_LIMIT: FindingSpec = FindingSpec::warning(
    "tcp.reorder-limit",
    "framescope",
    "So much data waits behind a hole that the hole was declared a gap (MAX_REORDER_BYTES).",
);
/// Data beyond the sequence number of FIN.
pub static DATA_AFTER_FIN: FindingSpec = FindingSpec::warning(
    "tcp.data-after-fin",
    "RFC 9293 §3.6",
    "A sender that has sent FIN sends no more data; what lies beyond is not part of the stream.",
);
/// A SYN that is answered with RST.
pub static REFUSED: FindingSpec = FindingSpec::warning(
    "tcp.refused",
    "RFC 9293 §3.5.2",
    "The connection was refused: its SYN was answered with RST, mostly because nobody listens \
     on that port.",
);
/// Data after RST.
pub static DATA_AFTER_RESET: FindingSpec = FindingSpec::note(
    "tcp.data-after-reset",
    "RFC 9293 §3.5.3",
    "Data captured after one end had reset the connection; it is not read.",
);
/// A reset that the receiver must ignore.
pub static RST_OUT_OF_WINDOW: FindingSpec = FindingSpec::warning(
    "tcp.rst-out-of-window",
    "RFC 9293 §3.5.3",
    "A reset whose sequence number is outside the window has no effect: late, or forged.",
);
/// A reset that carries bytes.
pub static RST_DATA: FindingSpec = FindingSpec::note(
    "tcp.rst-data",
    "RFC 9293 §3.5.3",
    "A reset carries bytes: perhaps a reason for people, but not part of the stream.",
);
/// Data far from where the stream is.
pub static OUT_OF_WINDOW: FindingSpec = FindingSpec::warning(
    "tcp.out-of-window",
    "RFC 9293 §3.4",
    "Data whose sequence number no window can reach; it is not part of the stream.",
);
/// A SYN in the middle of a connection.
pub static SYN_IN_CONNECTION: FindingSpec = FindingSpec::warning(
    "tcp.syn-in-connection",
    "RFC 9293 §3.10.7.4",
    "A SYN with another sequence number in an open connection: one end has lost its state, \
     or somebody forges.",
);
/// Packets were captured in part.
pub static SNAPPED: FindingSpec = FindingSpec::note(
    "tcp.snapped",
    "framescope",
    "The recorder kept only the beginning of a segment (snap length).",
);
/// The table of conversations is full.
pub static CONVERSATION_LIMIT: FindingSpec = FindingSpec::warning(
    "flow.conversation-limit",
    "framescope",
    "Too many conversations are open; the state of the one that was quiet longest was let go \
     (MAX_CONVERSATIONS, --mem).",
);

/// All of them.
pub static FINDINGS: &[&FindingSpec] = &[
    &OVERLAP_CONFLICT,
    &GAP,
    &LATE_DATA,
    &REORDER_LIMIT,
    &DATA_AFTER_FIN,
    &REFUSED,
    &DATA_AFTER_RESET,
    &RST_OUT_OF_WINDOW,
    &RST_DATA,
    &OUT_OF_WINDOW,
    &SYN_IN_CONNECTION,
    &SNAPPED,
    &CONVERSATION_LIMIT,
];

/// Counts what could repeat with every packet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    times: u64,
    bytes: u64,
}

impl Tally {
    /// One more; the finding, if it is the first.
    pub(super) fn once(
        &mut self,
        spec: &'static FindingSpec,
        bytes: u64,
        detail: impl FnOnce() -> String,
    ) -> Option<Finding> {
        self.times = self.times.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        (self.times == 1).then(|| Finding::new(spec).with(detail()))
    }

    /// The sum, if there was more than the one that has been told.
    pub(super) fn sum(&mut self, spec: &'static FindingSpec) -> Option<Finding> {
        let Self { times, bytes } = std::mem::take(self);
        (times > 1).then(|| {
            let f = Finding::new(spec);
            if bytes > 0 {
                f.with(format!("{times} times in all, {bytes} bytes"))
            } else {
                f.with(format!("{times} times in all"))
            }
        })
    }
}
