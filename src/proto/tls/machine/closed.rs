//! Records that stay closed: what there is to say of them, and how they are known.

use super::Tls;
use crate::base::Side;
use crate::base::limits::{
    MAX_KEYLOG_SECRETS, MAX_ORPHAN_TRIAL_BYTES, MAX_ORPHAN_TRIALS_BYTES, MAX_TRIAL_BYTES,
    MAX_TRIAL_SESSIONS,
};
use crate::finding::Finding;
use crate::proto::Out;
use crate::proto::tls::open::Why;
use crate::proto::tls::{findings as g, names, secret_help};

impl Tls {
    /// What there is to say of a record that stays closed; once.
    pub(super) fn closed_because(&mut self, side: Side, why: Why, out: &dyn Out) -> Vec<Finding> {
        let none_known = matches!(why, Why::NoSecret(_) | Why::Nobody | Why::TrialsSpent);
        let t = &mut self.told;
        let (told, spec, text) = match why {
            Why::NoSecret(label) => {
                (&mut t.no_secret, &g::NO_SECRET, secret_help::missing(&self.session, label))
            }
            Why::Nobody => {
                let which = match out.secrets().randoms().len() {
                    0..=MAX_TRIAL_SESSIONS => "that is known".to_owned(),
                    _ => format!("of the last {MAX_TRIAL_SESSIONS} sessions of the key log"),
                };
                let text = format!(
                    "the hellos were not captured, so that the session has no name, and no \
                     secret {which} opens its records"
                );
                (&mut t.no_secret, &g::NO_SECRET, text)
            }
            Why::TrialsSpent => {
                let text = format!(
                    "the hellos were not captured, so that the session has no name, and its \
                     secret was not looked for to the end: trials go over {} MiB for one \
                     connection, and {} GiB for all of them",
                    MAX_ORPHAN_TRIAL_BYTES >> 20,
                    MAX_ORPHAN_TRIALS_BYTES >> 30
                );
                (&mut t.no_secret, &g::NO_SECRET, text)
            }
            Why::Wrong => (&mut t.wrong, &g::WRONG_SECRET, secret_help::wrong(&self.session)),
            Why::NotVerified => {
                let text = format!("of the {}, and perhaps others after it", side.name());
                (&mut t.not_verified, &g::NOT_VERIFIED, text)
            }
            Why::Lost => (&mut t.lost, &g::SEQUENCE_LOST, format!("of the {}", side.name())),
            Why::LostSpent => {
                let text = format!(
                    "of the {}; not all numbers were tried: trials go over {} MiB for one \
                     direction, and {} GiB for all of them",
                    side.name(),
                    MAX_TRIAL_BYTES >> 20,
                    MAX_ORPHAN_TRIALS_BYTES >> 30
                );
                (&mut t.lost, &g::SEQUENCE_LOST, text)
            }
            Why::Suite => (&mut t.suite, &g::UNKNOWN_SUITE, self.session.suite_name()),
            Why::Compressed => (&mut t.suite, &g::COMPRESSED, String::new()),
        };
        if std::mem::replace(told, true) {
            return Vec::new();
        }
        let finding = Finding::new(spec);
        let mut found = vec![if text.is_empty() { finding } else { finding.with(text) }];
        if none_known && out.secrets().is_full() {
            let text = format!("{MAX_KEYLOG_SECRETS} secrets are kept");
            found.push(Finding::new(&g::KEY_LOG_FULL).with(text));
        }
        found
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
