//! What is wrong with a head by itself.

use super::{Half, Shared};
use crate::base::{BufferId, Side, Span};
use crate::finding::{Finding, FindingSpec};
use crate::proto::websocket::fields::opcode_name;
use crate::proto::websocket::findings::{
    CLIENT_UNMASKED, CONTROL_TOO_LONG, FRAGMENTED_CONTROL, FRAME_AFTER_CLOSE, LENGTH_NOT_MINIMAL,
    LENGTH_TOP_BIT, RSV_WITHOUT_EXTENSION, RSV1_MISPLACED, SERVER_MASKED,
};
use crate::proto::websocket::handshake::Extensions;
use crate::proto::websocket::wire::{FrameHead, RSV1_BIT, opcode};

impl Half {
    /// What is wrong with a head by itself (RFC 6455 §5.1, §5.2, §5.5).
    pub(super) fn judge(&self, h: &FrameHead, shared: &Shared<'_>, findings: &mut Vec<Finding>) {
        let mask_bit = Span::bit_field(BufferId(0), 1, 0, 1);
        match (self.side, h.key.is_some()) {
            (Side::Client, false) => findings.push(Finding::new(&CLIENT_UNMASKED).at(mask_bit)),
            (Side::Server, true) => findings.push(Finding::new(&SERVER_MASKED).at(mask_bit)),
            _ => {}
        }
        if h.rsv != 0 {
            judge_rsv(h, shared.extensions, findings);
        }
        if h.is_control() && opcode_name(u64::from(h.opcode)) != Some("reserved") {
            if !h.fin {
                let fin = Span::bit_field(BufferId(0), 0, 0, 1);
                findings.push(Finding::new(&FRAGMENTED_CONTROL).at(fin));
            }
            if h.length > 125 {
                let f = Finding::new(&CONTROL_TOO_LONG).with(format!("{} bytes", h.length));
                findings.push(f.at(length_span(h)));
            }
        }
        if h.is_length_wasteful() {
            let f = Finding::new(&LENGTH_NOT_MINIMAL);
            let f = f.with(format!("{} written behind {}", h.length, h.length7));
            findings.push(f.at(length_span(h)));
        }
        if h.length >> 63 != 0 {
            findings.push(Finding::new(&LENGTH_TOP_BIT).at(length_span(h)));
        }
        // The peer discards pings and pongs as well, but they are not forbidden.
        if shared.session.has_closed(self.side) && !matches!(h.opcode, opcode::PING | opcode::PONG)
        {
            findings.push(opcode_finding(&FRAME_AFTER_CLOSE));
        }
    }
}

/// Reserved bits that are set (RFC 6455 §5.2, RFC 7692 §6).
fn judge_rsv(h: &FrameHead, extensions: Extensions, findings: &mut Vec<Finding>) {
    let place = Span::bit_field(BufferId(0), 0, 1, 3);
    let stray = match extensions {
        // RSV1 is told with the message.
        Extensions::Unknown => h.rsv & !RSV1_BIT,
        Extensions::Agreed { others: true, .. } => 0,
        Extensions::Agreed { deflate: None, .. } => h.rsv,
        Extensions::Agreed { deflate: Some(_), .. } => {
            let begins = matches!(h.opcode, opcode::TEXT | opcode::BINARY);
            if h.rsv & RSV1_BIT != 0 && !begins {
                findings.push(Finding::new(&RSV1_MISPLACED).at(place));
            }
            h.rsv & !RSV1_BIT
        }
    };
    if stray != 0 {
        findings.push(Finding::new(&RSV_WITHOUT_EXTENSION).at(place));
    }
}

pub(super) fn opcode_finding(spec: &'static FindingSpec) -> Finding {
    Finding::new(spec).at(Span::bit_field(BufferId(0), 0, 4, 4))
}

/// Where the length is written.
const fn length_span(h: &FrameHead) -> Span {
    match h.length7 {
        126 => Span::bytes(BufferId(0), 2, 2),
        127 => Span::bytes(BufferId(0), 2, 8),
        _ => Span::bit_field(BufferId(0), 1, 1, 7),
    }
}
