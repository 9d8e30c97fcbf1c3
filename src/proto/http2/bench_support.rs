//! Doors to what `benches/` measures of this protocol and nothing else needs from outside.

use crate::base::BufferId;
use crate::field::{In, NoSink, Sink};
use crate::finding::Finding;
use crate::proto::Headers;
use crate::proto::http2::hpack::{Decoder, huffman};
use crate::proto::http2::wire;

/// The header blocks of one direction, decoded as the machine does when nobody looks.
#[derive(Debug, Default)]
pub struct HeaderBlocks {
    decoder: Decoder,
    headers: Headers,
    findings: Vec<Finding>,
}

impl HeaderBlocks {
    /// Decodes a block and gives its section.
    pub fn decode(&mut self, block: &[u8]) -> &Headers {
        self.headers.clear();
        let i = In::new(block, BufferId(0), 0, &NoSink);
        self.decoder.block(i, &mut self.headers, None, &mut self.findings);
        &self.headers
    }

    /// What was wrong with the blocks so far.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

/// Decodes a Huffman-coded string (RFC 7541 §5.2) behind what `out` holds; `false` where
/// it is wrong.
pub fn huffman_decode(coded: &[u8], out: &mut Vec<u8>) -> bool {
    huffman::decode(coded, out).is_ok()
}

/// The Huffman code of a string.
#[must_use]
pub fn huffman_encode(text: &[u8]) -> Vec<u8> {
    huffman::encode(text)
}

/// Reads a frame header (RFC 9113 §4.1): its length and its stream.
pub fn frame_head<S: Sink>(data: &[u8], sink: &S) -> Option<(u32, u32)> {
    let (_, head) = wire::frame_head(In::new(data, BufferId(0), 0, sink)).ok()?;
    Some((head.length, head.stream))
}
