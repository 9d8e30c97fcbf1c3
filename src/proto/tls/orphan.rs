//! Neither hello was captured: whose the records are is found by trying the sessions of the
//! key log, and the tag is the proof. Which secret fits proves who sent the record as well.

use super::crypto::{Keys, Opened, Sealed};
use super::session::Epoch;
use super::suites;
use crate::base::Side;
use crate::base::limits::{MAX_KEY_UPDATE_TRIALS, MAX_SEQUENCE_TRIALS, MAX_TRIAL_SESSIONS};
use crate::proto::Secrets;
use crate::proto::secrets::{Asked, Came, ClientRandom, Fit, RecordTag, Tried};

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
    /// None has so far: what trials may cost is spent.
    Spent,
}

/// What making the next keys of a secret costs, in bytes that are gone over.
const UPDATE: u64 = 1024;

/// Looks for the session of a record, or with `known` for the record's number in it. What
/// that costs is taken off `left`.
pub(super) fn whose(
    secrets: &Secrets,
    record: &Sealed<'_>,
    known: Option<Known>,
    left: &mut u64,
    plain: &mut Vec<u8>,
) -> Result<Whose, Unknown> {
    let asked = Asked { record: tag(record).ok_or(Unknown::Nobody)?, known };
    if let Some(tried) = secrets.tried(&asked, *left) {
        *left = left.saturating_sub(tried.cost);
        let fit = match tried.came {
            Came::Fit(fit) => fit,
            Came::Nobody => return Err(Unknown::Nobody),
            Came::Spent => return Err(Unknown::Spent),
        };
        let keys = keys_of(secrets, &fit.random, &[fit.suite], known.map(|(.., s)| s));
        return keys
            .into_iter()
            .flat_map(|c| std::iter::successors(Some(c), updated))
            .find_map(|(_, _, epoch, side, keys)| {
                let opened = keys.open(record, fit.seq, plain)?;
                Some(Whose { fit, epoch, side, keys, opened })
            })
            .ok_or(Unknown::Nobody);
    }
    let version = secrets.version();
    let most = secrets.trials_left().min(*left);
    if most == 0 && !secrets.is_empty() {
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
    let found = among(&all, known.is_some(), record, &mut budget, plain);
    let cost = most.saturating_sub(budget);
    *left = left.saturating_sub(cost);
    let came = match &found {
        Some(whose) => Came::Fit(whose.fit),
        None if budget == 0 => Came::Spent,
        None => Came::Nobody,
    };
    secrets.note_tried(asked, Tried { cost, came }, version);
    found.ok_or(if budget == 0 { Unknown::Spent } else { Unknown::Nobody })
}

/// This record told who the client is, before its connection was given to anybody.
pub(super) fn note_told(secrets: &Secrets, record: &Sealed<'_>) {
    if let Some(tag) = tag(record) {
        secrets.note_told(tag);
    }
}

/// Whether it did.
pub(super) fn has_told(secrets: &Secrets, record: &Sealed<'_>) -> bool {
    tag(record).is_some_and(|t| secrets.has_told(&t))
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

/// First the beginnings of all of them: captures rarely begin far behind. Of each stretch of
/// numbers the first keys come first, and those after the fewest updates. Far behind an update
/// only one session is looked for.
fn among(
    all: &[Candidate],
    known: bool,
    record: &Sealed<'_>,
    budget: &mut u64,
    plain: &mut Vec<u8>,
) -> Option<Whose> {
    let near = [(0, FIRST), (FIRST + 1, 255 - FIRST - 1)];
    let far = [(256, 4095), (4352, MAX_SEQUENCE_TRIALS)];
    within(near, all, record, budget, plain).or_else(|| {
        let later = later(all, budget);
        within(near, &later, record, budget, plain)
            .or_else(|| within(far, all, record, budget, plain))
            .or_else(|| within(far, if known { &later } else { &[] }, record, budget, plain))
    })
}

/// Tries stretches of numbers (first, and how many more) with all keys.
fn within(
    stretches: [(u64, u64); 2],
    all: &[Candidate],
    record: &Sealed<'_>,
    budget: &mut u64,
    plain: &mut Vec<u8>,
) -> Option<Whose> {
    for (first, reach) in stretches {
        for (random, suite, epoch, side, keys) in all {
            if *budget == 0 {
                return None;
            }
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

/// The keys after each update that may have been, the fewest first.
fn later(all: &[Candidate], budget: &mut u64) -> Vec<Candidate> {
    let mut later: Vec<Candidate> = Vec::new();
    for n in 0..MAX_KEY_UPDATE_TRIALS {
        let before = if n == 0 { all } else { &later };
        let mut next = Vec::new();
        for c in before.iter().filter(|c| c.2 == Epoch::Traffic(n)) {
            *budget = budget.saturating_sub(UPDATE);
            if *budget == 0 {
                return later;
            }
            next.extend(updated(c));
        }
        later.extend(next);
    }
    later
}

/// The keys after one more update (RFC 8446 §7.2), if that is tried.
fn updated((random, suite, epoch, side, keys): &Candidate) -> Option<Candidate> {
    match epoch {
        Epoch::Traffic(n) if *n < MAX_KEY_UPDATE_TRIALS => {
            Some((*random, *suite, Epoch::Traffic(n + 1), *side, keys.updated()?))
        }
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    use super::super::bench_support::{Records, Suite};
    use super::*;
    use crate::base::limits::MAX_ORPHAN_TRIAL_BYTES;

    const RANDOM: ClientRandom = [1; 32];
    const SUITE: u16 = 0x1303;

    /// A key log of the session that the records are sealed with, and of another one.
    fn secrets() -> Secrets {
        let secrets = Secrets::default();
        for (random, secret) in [(RANDOM, 7), ([2; 32], 8)] {
            let hex = |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
            let line = format!("CLIENT_TRAFFIC_SECRET_0 {} {}\n", hex(&random), hex(&[secret; 32]));
            secrets.add(line.as_bytes());
        }
        secrets
    }

    /// The record of that number.
    fn bytes(seq: u64) -> Vec<u8> {
        let all = Records::new(Suite::ChaCha20, seq + 1, 100).unwrap().sealed;
        let each = all.len() / (seq as usize + 1);
        all[seq as usize * each..].to_vec()
    }

    fn sealed(record: &[u8]) -> Sealed<'_> {
        Sealed { head: &record[..5], content_type: 23, version: [3, 3], body: &record[5..] }
    }

    fn ask(
        secrets: &Secrets,
        record: &[u8],
        known: Option<Known>,
        left: &mut u64,
    ) -> Result<(ClientRandom, u64), Unknown> {
        let found = whose(secrets, &sealed(record), known, left, &mut Vec::new());
        found.map(|w| (w.fit.random, w.fit.seq))
    }

    /// A search among the keys of one session says nothing of those of another.
    #[test]
    fn what_was_searched_is_part_of_what_came_of_it() {
        let (secrets, record) = (secrets(), bytes(3));
        let all = MAX_ORPHAN_TRIAL_BYTES;
        for other in [([2; 32], SUITE, Side::Client), (RANDOM, 0x1301, Side::Client)] {
            assert_eq!(ask(&secrets, &record, Some(other), &mut all.clone()), Err(Unknown::Nobody));
        }
        assert_eq!(ask(&secrets, &record, None, &mut all.clone()), Ok((RANDOM, 3)));
        for other in [([2; 32], SUITE, Side::Client), (RANDOM, 0x1301, Side::Client)] {
            assert_eq!(ask(&secrets, &record, Some(other), &mut all.clone()), Err(Unknown::Nobody));
        }
        let own = Some((RANDOM, SUITE, Side::Client));
        assert_eq!(ask(&secrets, &record, own, &mut all.clone()), Ok((RANDOM, 3)));
    }

    /// Who had less to spend and did not find it says so; who has more finds it; and each of
    /// them is told the same when it asks again, whatever the other one has found.
    #[test]
    fn a_search_that_was_cut_short_is_no_answer_to_a_longer_one() {
        let (secrets, record) = (secrets(), bytes(40));
        for _ in 0..2 {
            let mut little = 10_000;
            assert_eq!(ask(&secrets, &record, None, &mut little), Err(Unknown::Spent));
            assert_eq!(little, 0);
            let mut more = MAX_ORPHAN_TRIAL_BYTES;
            assert_eq!(ask(&secrets, &record, None, &mut more), Ok((RANDOM, 40)));
            assert!(more > 0 && more < MAX_ORPHAN_TRIAL_BYTES - 10_000);
        }
        // What nobody opens is known to be nobody's by who has looked at all of it.
        let strange = [&record[..30], &[0; 92]].concat();
        let mut little = 10_000;
        assert_eq!(ask(&secrets, &strange, None, &mut little), Err(Unknown::Spent));
        let mut more = u64::MAX;
        assert_eq!(ask(&secrets, &strange, None, &mut more), Err(Unknown::Nobody));
        let cost = u64::MAX - more;
        let left = secrets.trials_left();
        let mut again = u64::MAX;
        assert_eq!(ask(&secrets, &strange, None, &mut again), Err(Unknown::Nobody));
        assert_eq!((u64::MAX - again, secrets.trials_left()), (cost, left));
        let mut little = 10_000;
        assert_eq!(ask(&secrets, &strange, None, &mut little), Err(Unknown::Spent));
        assert_eq!(little, 0);
    }
}
