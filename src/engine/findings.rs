//! Findings of the engine itself.

use crate::finding::FindingSpec;

/// See the text.
pub static PENDING_LIMIT: FindingSpec = FindingSpec::warning(
    "limit.pending",
    "framescope",
    "A protocol asked for more bytes in one piece than may be kept; the direction is opaque from here on.",
);
/// See the text.
pub static CHILD_LIMIT: FindingSpec = FindingSpec::warning(
    "limit.streams",
    "framescope",
    "Too many streams are open on one connection, or stacked on one another; this one is opaque.",
);
/// See the text.
pub static EVICTED: FindingSpec = FindingSpec::warning(
    "limit.memory",
    "framescope",
    "State of the oldest conversation was let go to stay within --mem; what it was in the middle of is cut off.",
);
/// See the text.
pub static TIME_BACKWARDS: FindingSpec = FindingSpec::note(
    "capture.time-backwards",
    "framescope",
    "The packets do not stand in the order of their times, and they are read in that in which they stand: reordercap puts them right.",
);

/// All of them.
pub static FINDINGS: &[&FindingSpec] = &[&PENDING_LIMIT, &CHILD_LIMIT, &EVICTED, &TIME_BACKWARDS];
