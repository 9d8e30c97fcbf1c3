//! Records that stay closed: what there is to say of them, and how they are known.

use super::Tls;
use crate::base::Side;
use crate::finding::Finding;
use crate::proto::Out;
use crate::proto::tls::open::Why;
use crate::proto::tls::{findings as g, names, secret_help};

impl Tls {
    /// What there is to say of a record that stays closed; once.
    pub(super) fn closed_because(
        &mut self,
        side: Side,
        why: Why,
        out: &dyn Out,
    ) -> Option<Finding> {
        let t = &mut self.told;
        let finding = |told: &mut bool, f: Finding| (!std::mem::replace(told, true)).then_some(f);
        match why {
            Why::NoSecret(label) => {
                let text = secret_help::missing(&self.session, label, out.secrets());
                finding(&mut t.no_secret, Finding::new(&g::NO_SECRET).with(text))
            }
            Why::Nobody => {
                let text = "the hellos were not captured, so that the session has no name, and no \
                            secret that is known opens its records";
                finding(&mut t.no_secret, Finding::new(&g::NO_SECRET).with(text))
            }
            Why::Wrong => {
                let text = secret_help::wrong(&self.session);
                finding(&mut t.wrong, Finding::new(&g::WRONG_SECRET).with(text))
            }
            Why::NotVerified => {
                let text = format!("of the {}, and perhaps others after it", side.name());
                finding(&mut t.not_verified, Finding::new(&g::NOT_VERIFIED).with(text))
            }
            Why::Lost => {
                let text = format!("of the {}", side.name());
                finding(&mut t.lost, Finding::new(&g::SEQUENCE_LOST).with(text))
            }
            Why::Suite => {
                let text = self.session.suite_name();
                finding(&mut t.suite, Finding::new(&g::UNKNOWN_SUITE).with(text))
            }
            Why::Compressed => finding(&mut t.suite, Finding::new(&g::COMPRESSED)),
        }
    }
}

/// Whether bytes may be handshake messages in clear: types that there are, and lengths
/// that can be. The last one may go on in the next record.
pub(super) fn is_plain_handshake(mut body: &[u8]) -> bool {
    let longest = |kind: u8| if matches!(kind, 1 | 2 | 11) { 1 << 18 } else { 1 << 12 };
    loop {
        let Some(kind) = body.first().copied() else { return true };
        if names::handshake(kind.into()).is_none() {
            return false;
        }
        let [_, a, b, c, rest @ ..] = body else { return true };
        let len = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        if len > longest(kind) {
            return false;
        }
        match rest.get(len..) {
            Some(next) => body = next,
            None => return true,
        }
    }
}
