//! Where packets come from: capture files, standard input, live interfaces.
//!
//! [`open_all`] finds out what each file is and gives a [`Source`]; a source
//! hands out [`Batch`]es; a [`PacketStore`] reads packets again; [`write`](mod@write)
//! makes captures. [`bpf`] lets only those packets through that are asked for.
//!
//! Bytes are read a chunk at a time (`stream`), decompressed on the way
//! (`compressed`), and cut into packets where they lie (`pcap`, `pcapng`): a
//! batch is a chunk and a list of places in it.

pub mod bpf;
mod build;
mod compressed;
pub mod findings;
mod foreign;
#[cfg(all(feature = "live", unix))]
pub mod live;
mod local;
mod packet;
mod pcap;
mod pcapng;
mod process;
mod reader;
mod secrets;
mod store;
mod stream;
mod temporary;
#[cfg(test)]
mod tests;
pub mod write;

pub use build::ByteOrder;
pub use packet::{
    Batch, CaptureError, LinkType, Packet, PacketMeta, Polled, Secrets, Source, TLS_KEY_LOG,
};
pub use process::{Ends, Process, Processes};
pub use reader::{OpenOptions, open, open_all, open_bytes, open_reader};
pub use secrets::secrets_of;
pub use store::PacketStore;
pub use temporary::Folder;
