//! What can be wrong with a capture file.

use crate::finding::FindingSpec;

/// The file ends in the middle of a record or of compressed data.
pub static CUT_SHORT: FindingSpec = FindingSpec::error(
    "capture.cut-short",
    "draft-ietf-opsawg-pcap §5; draft-ietf-opsawg-pcapng §3.1",
    "The capture ends in the middle of a packet or block: what lies before it is shown, the rest was never written.",
);

/// A pcap record that cannot be believed.
pub static BAD_RECORD: FindingSpec = FindingSpec::error(
    "capture.bad-record",
    "draft-ietf-opsawg-pcap §5",
    "A packet record states an impossible length. Nothing marks where the next one begins, so the rest of the file is not read.",
);

/// A pcapng block that contradicts itself.
pub static BAD_BLOCK: FindingSpec = FindingSpec::error(
    "capture.bad-block",
    "draft-ietf-opsawg-pcapng §3.1",
    "A block lies about a length, or refers to an interface that was not described.",
);

/// More bytes in one packet than are believed.
pub static PACKET_TOO_LONG: FindingSpec = FindingSpec::error(
    "capture.packet-too-long",
    "draft-ietf-opsawg-pcapng §4.3",
    "A packet is longer than this program takes in; its beginning is shown.",
);

/// The length on the wire is below the captured length.
pub static BAD_LENGTH: FindingSpec = FindingSpec::warning(
    "capture.bad-length",
    "draft-ietf-opsawg-pcap §5; draft-ietf-opsawg-pcapng §4.3",
    "A packet is said to have been shorter on the wire than what was captured of it; told once for a file.",
);

/// A time that cannot be.
pub static BAD_TIME: FindingSpec = FindingSpec::warning(
    "capture.bad-time",
    "draft-ietf-opsawg-pcap §5; draft-ietf-opsawg-pcapng §4.2",
    "A time has a fraction of a second or more, or lies outside the years 1678 to 2262; told once for an interface.",
);

/// A block type that nobody has registered.
pub static UNKNOWN_BLOCK: FindingSpec = FindingSpec::note(
    "capture.unknown-block",
    "draft-ietf-opsawg-pcapng §3.1",
    "A block of a type that is not known here was passed over; told once for a section.",
);

/// More interfaces than are kept.
pub static TOO_MANY_INTERFACES: FindingSpec = FindingSpec::error(
    "capture.too-many-interfaces",
    "draft-ietf-opsawg-pcapng §4.2",
    "A section describes more interfaces than are kept; packets of the others are not shown.",
);

/// More findings than are told.
pub static MORE_FINDINGS: FindingSpec = FindingSpec::warning(
    "capture.more-findings",
    "framescope",
    "So many packets or blocks of the file are odd that no more of them are told.",
);

/// gzip or zstd data that does not decompress.
pub static BAD_COMPRESSION: FindingSpec = FindingSpec::error(
    "capture.bad-compression",
    "RFC 1952 §2.3; RFC 8878 §3.1",
    "The compressed data is damaged: what was decompressed before that is shown.",
);

/// The system refused to read on.
pub static READ_FAILED: FindingSpec = FindingSpec::error(
    "capture.read-failed",
    "framescope",
    "The system failed to read on in the middle of the capture.",
);

/// The copy that packets are read again from could not be written.
pub static SPOOL_FAILED: FindingSpec = FindingSpec::error(
    "capture.spool-failed",
    "framescope",
    "The temporary copy of this capture could not be written: packets from here on cannot be shown again.",
);

/// The kernel threw packets away while capturing.
pub static KERNEL_DROPS: FindingSpec = FindingSpec::error(
    "capture.kernel-drops",
    "packet(7), PACKET_STATISTICS",
    "Packets came faster than they were read, and the kernel had no room for them: they are lost, before this place.",
);

/// The file of `-w` cannot be written.
pub static WRITE_FAILED: FindingSpec = FindingSpec::error(
    "capture.write-failed",
    "framescope",
    "The file that packets are kept in could not be written: packets from here on are not in it.",
);

/// All of them, for `docs/FINDINGS.md`.
pub static FINDINGS: &[&FindingSpec] = &[
    &CUT_SHORT,
    &BAD_RECORD,
    &BAD_BLOCK,
    &PACKET_TOO_LONG,
    &BAD_LENGTH,
    &BAD_TIME,
    &UNKNOWN_BLOCK,
    &TOO_MANY_INTERFACES,
    &MORE_FINDINGS,
    &BAD_COMPRESSION,
    &READ_FAILED,
    &SPOOL_FAILED,
    &KERNEL_DROPS,
    &WRITE_FAILED,
];
