//! The fields of Modbus: one table, named as Wireshark names them.

use framescope::field::{FieldSpec, Kind};

const MBAP: &str = "MODBUS on TCP/IP V1.0b §3.1.3";
const PDU: &str = "MODBUS V1.1b3 §4.1";

pub static TRANSACTION: FieldSpec = FieldSpec::new(
    "mbtcp.trans_id",
    "Transaction",
    16,
    Kind::Unsigned,
    MBAP,
    "Chosen by the client; the response has the same.",
);
pub static PROTOCOL_ID: FieldSpec =
    FieldSpec::new("mbtcp.prot_id", "Protocol", 16, Kind::Unsigned, MBAP, "0 for Modbus.");
pub static LENGTH: FieldSpec = FieldSpec::new(
    "mbtcp.len",
    "Length",
    16,
    Kind::Unsigned,
    MBAP,
    "Bytes that follow, the unit included.",
);
pub static UNIT: FieldSpec = FieldSpec::new(
    "mbtcp.unit_id",
    "Unit",
    8,
    Kind::Unsigned,
    MBAP,
    "The device behind a gateway.",
);
pub static EXCEPTION: FieldSpec = FieldSpec::new(
    "modbus.exception",
    "Exception",
    1,
    Kind::Flag,
    "MODBUS V1.1b3 §7",
    "Set in a response that says why the request was refused.",
);
pub static FUNCTION: FieldSpec =
    FieldSpec::new("modbus.func_code", "Function", 7, Kind::Enumerated, PDU, "What is to be done.")
        .named(function_name);
pub static EXCEPTION_CODE: FieldSpec = FieldSpec::new(
    "modbus.exception_code",
    "Exception code",
    8,
    Kind::Enumerated,
    "MODBUS V1.1b3 §7",
    "Why the request was refused.",
)
.named(exception_name);
pub static DATA: FieldSpec =
    FieldSpec::new("modbus.data", "Data", 0, Kind::Data, PDU, "What the function takes or gives.");
pub static DURATION: FieldSpec = FieldSpec::new(
    "duration_ns",
    "Duration",
    0,
    Kind::Duration,
    "framescope",
    "From the first packet of the request to the last of the response.",
);

pub static FIELDS: &[&FieldSpec] = &[
    &TRANSACTION,
    &PROTOCOL_ID,
    &LENGTH,
    &UNIT,
    &EXCEPTION,
    &FUNCTION,
    &EXCEPTION_CODE,
    &DATA,
    &DURATION,
];

pub const fn function_name(code: u64) -> Option<&'static str> {
    Some(match code {
        1 => "read coils",
        2 => "read discrete inputs",
        3 => "read holding registers",
        4 => "read input registers",
        5 => "write single coil",
        6 => "write single register",
        15 => "write multiple coils",
        16 => "write multiple registers",
        _ => return None,
    })
}

pub const fn exception_name(code: u64) -> Option<&'static str> {
    Some(match code {
        1 => "illegal function",
        2 => "illegal data address",
        3 => "illegal data value",
        4 => "server device failure",
        _ => return None,
    })
}
