//! Where packets come from: capture files, standard input, later live sniffing.

mod packet;

pub use packet::{Batch, CaptureError, LinkType, Packet, PacketMeta, Polled, Secrets, Source};
