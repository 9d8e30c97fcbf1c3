//! Neither hello was captured: whose the records are is found by trying the sessions of the
//! key log, and the tag is the proof. Which secret fits proves who sent the record as well.

use super::crypto::{Keys, Opened, Sealed};
use super::session::Epoch;
use super::suites;
use crate::base::Side;
use crate::base::limits::{MAX_SEQUENCE_TRIALS, MAX_TRIAL_SESSIONS};
use crate::proto::Secrets;
use crate::proto::secrets::{ClientRandom, Fit, RecordTag, Tried};

/// Sequence numbers that are tried with the keys of a handshake, and first of all with all
/// keys: a flight has few records.
const FIRST: u64 = 15;

/// The suites of TLS 1.3 (RFC 8446 §B.4).
const SUITES: [u16; 5] = [0x1301, 0x1302, 0x1303, 0x1304, 0x1305];

/// What is known of a connection whose hellos were not captured: the session, its suite, and
/// who sends.
pub(super) type Known = (ClientRandom, u16, Side);

/// Whose a record is.
#[derive(Clone)]
pub(super) struct Whose {
    pub(super) fit: Fit,
    pub(super) epoch: Epoch,
    /// Who sent it, by the secret that opens it.
    pub(super) side: Side,
    pub(super) keys: Keys,
    pub(super) opened: Opened,
}

/// Why that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// No secret opens it.
    Nobody,
    /// Too much has been tried already for others.
    Spent,
}

/// Looks for the session of a record, or with `known` for the record's number in it. What
/// that costs is taken off `left`.
pub(super) fn whose(
    secrets: &Secrets,
    record: &Sealed<'_>,
    known: Option<Known>,
    left: &mut u64,
    plain: &mut Vec<u8>,
) -> Result<Whose, Unknown> {
    let tag = tag(record).ok_or(Unknown::Nobody)?;
    if let Some(tried) = secrets.tried(&tag) {
        *left = left.saturating_sub(tried.cost);
        let fit = tried.fit.ok_or(Unknown::Nobody)?;
        let keys = keys_of(secrets, &fit.random, &[fit.suite], known.map(|(.., s)| s));
        return keys
            .into_iter()
            .find_map(|(_, _, epoch, side, keys)| {
                let opened = keys.open(record, fit.seq, plain)?;
                Some(Whose { fit, epoch, side, keys, opened })
            })
            .ok_or(Unknown::Nobody);
    }
    let most = secrets.trials_left().min(*left);
    if most == 0 {
        return Err(Unknown::Spent);
    }
    let all: Vec<_> = match known {
        Some((random, suite, side)) => keys_of(secrets, &random, &[suite], Some(side)),
        None => {
            let latest = secrets.randoms().into_iter().rev().take(MAX_TRIAL_SESSIONS);
            latest.flat_map(|r| keys_of(secrets, &r, &SUITES, None)).collect()
        }
    };
    if all.is_empty() {
        return Err(Unknown::Nobody);
    }
    let mut budget = most;
    let found = among(&all, record, &mut budget, plain);
    let cost = most.saturating_sub(budget);
    *left = left.saturating_sub(cost);
    secrets.note_tried(tag, Tried { cost, fit: found.as_ref().map(|w| w.fit) });
    found.ok_or(Unknown::Nobody)
}

/// Whether it is known already whose a record is.
pub(super) fn is_found(secrets: &Secrets, record: &Sealed<'_>) -> bool {
    tag(record).and_then(|t| secrets.tried(&t)).is_some_and(|t| t.fit.is_some())
}

/// The tag, or with the short one of `TLS_AES_128_CCM_8_SHA256` what is before it as well.
fn tag(record: &Sealed<'_>) -> Option<RecordTag> {
    let body = record.body;
    if let Some(tag) = body.last_chunk() {
        return Some(*tag);
    }
    let mut tag = RecordTag::default();
    // A byte of content or its type, and eight of the tag.
    let place = tag.get_mut(..body.len()).filter(|p| p.len() > 8)?;
    place.copy_from_slice(body);
    Some(tag)
}

type Candidate = (ClientRandom, u16, Epoch, Side, Keys);

/// First the beginnings of all of them: captures rarely begin far behind.
fn among(
    all: &[Candidate],
    record: &Sealed<'_>,
    budget: &mut u64,
    plain: &mut Vec<u8>,
) -> Option<Whose> {
    for (first, reach) in
        [(0, FIRST), (FIRST + 1, 255 - FIRST - 1), (256, 4095), (4352, MAX_SEQUENCE_TRIALS)]
    {
        for (random, suite, epoch, side, keys) in all {
            if first > 0 && *epoch == Epoch::Handshake {
                continue;
            }
            if let Some((seq, opened)) = search(keys, record, first, reach, budget, plain) {
                let fit = Fit { random: *random, suite: *suite, seq };
                let (epoch, side, keys) = (*epoch, *side, keys.clone());
                return Some(Whose { fit, epoch, side, keys, opened });
            }
        }
    }
    None
}

/// The keys of a session, of all epochs that may be met, for one side or for both.
fn keys_of(
    secrets: &Secrets,
    random: &ClientRandom,
    suites: &[u16],
    side: Option<Side>,
) -> Vec<Candidate> {
    let mut all = Vec::new();
    for epoch in [Epoch::Traffic(0), Epoch::Handshake] {
        for side in Side::BOTH.into_iter().filter(|s| side.is_none_or(|known| known == *s)) {
            let Some(secret) = secrets.get(epoch.label(side), random) else { continue };
            for suite in suites {
                let keys = suites::of(*suite).and_then(|s| Keys::of_secret(s, secret.bytes(), 0));
                all.extend(keys.map(|k| (*random, *suite, epoch, side, k)));
            }
        }
    }
    all
}

/// Tries the numbers `first ..= first + reach` on a record.
pub(super) fn search(
    keys: &Keys,
    record: &Sealed<'_>,
    first: u64,
    reach: u64,
    budget: &mut u64,
    plain: &mut Vec<u8>,
) -> Option<(u64, Opened)> {
    // What a trial costs besides its bytes: a nonce, a tag, and a call.
    let cost = record.body.len() as u64 + 256;
    for seq in first..=first.saturating_add(reach.min(MAX_SEQUENCE_TRIALS)) {
        *budget = budget.checked_sub(cost).or_else(|| {
            *budget = 0;
            None
        })?;
        if let Some(opened) = keys.open(record, seq, plain) {
            return Some((seq, opened));
        }
    }
    None
}
