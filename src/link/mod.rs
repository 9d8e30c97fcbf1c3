//! From the link layer to the transport: what a packet is.

mod decoded;

pub use decoded::{Content, Decoded, Endpoints, PayloadOrigin, TcpFlags, TcpSegment, UdpDatagram};
