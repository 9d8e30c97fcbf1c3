//! What can be wrong with Modbus.

use framescope::finding::FindingSpec;

pub static EXCEPTION: FindingSpec =
    FindingSpec::warning("modbus.exception", "MODBUS V1.1b3 §7", "The device refused the request.");
pub static NO_RESPONSE: FindingSpec = FindingSpec::warning(
    "modbus.no-response",
    "MODBUS on TCP/IP V1.0b §4.4.1",
    "The request has no response: the device gave none, or it was not captured.",
);
pub static TOO_MANY: FindingSpec = FindingSpec::note(
    "modbus.request-limit",
    "MODBUS on TCP/IP V1.0b §4.2.2",
    "More requests wait than a connection has transactions; the oldest is no longer waited for.",
);
pub static BAD_HEAD: FindingSpec = FindingSpec::error(
    "modbus.bad-head",
    "MODBUS on TCP/IP V1.0b §3.1.3",
    "The protocol is not 0 or the length impossible; this direction is not followed further.",
);
pub static CUT: FindingSpec = FindingSpec::warning(
    "modbus.cut",
    "framescope",
    "Bytes of the stream are missing; this direction is not followed further.",
);

pub static FINDINGS: &[&FindingSpec] = &[&EXCEPTION, &NO_RESPONSE, &TOO_MANY, &BAD_HEAD, &CUT];
