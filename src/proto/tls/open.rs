//! Which keys open a record: those at hand, the next ones, or, behind a hole, those of
//! a sequence number that is found by trial. The tag is the proof.

use super::crypto::{Keys, Opened, Sealed};
use super::machine::Tls;
use super::orphan::{self, Unknown, search};
use super::session::Epoch;
use crate::base::Side;
use crate::base::limits::MAX_TRIAL_BYTES;
use crate::proto::Out;
use crate::proto::secrets::Label;

/// So many records of a direction without hellos are tried in vain, and one more, before it
/// takes other secrets to try another.
const MAX_VAIN: u32 = 4;

/// Bytes that are worth a trial: to make the keys of all sessions costs about as much.
const LEAST: u64 = 1 << 16;

/// What came of trying to open a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is open: the plain text is in the machine's buffer.
    Open(Opened, Epoch, u64),
    /// What is needed may come with the peer's bytes.
    Wait,
    /// It stays closed.
    Closed(Why),
}

/// Why a record stays closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// No secret of this name is known.
    NoSecret(Label),
    /// There is one, and the tag does not verify.
    Wrong,
    /// Earlier records did open.
    NotVerified,
    /// No sequence number within reach verifies.
    Lost,
    /// None has so far, and no more is tried.
    LostSpent,
    /// The suite is not known here.
    Suite,
    /// The records are compressed.
    Compressed,
    /// The hellos were not captured, and no secret that is known fits.
    Nobody,
    /// The hellos were not captured, and trials have cost what they may before all was tried.
    TrialsSpent,
}

impl Tls {
    /// Tries to open a record of `side`. With `last`, nobody is waited for.
    pub(super) fn open(
        &mut self,
        side: Side,
        record: &Sealed<'_>,
        last: bool,
        out: &mut dyn Out,
    ) -> Outcome {
        let mut plain = std::mem::take(&mut self.plain);
        let outcome = self.open_into(side, record, last, &mut plain, out);
        self.plain = plain;
        outcome
    }

    fn open_into(
        &mut self,
        side: Side,
        record: &Sealed<'_>,
        last: bool,
        plain: &mut Vec<u8>,
        out: &mut dyn Out,
    ) -> Outcome {
        let dir = self.dir(side);
        if let Some((epoch, keys)) = &mut dir.keys {
            let (epoch, seq) = (*epoch, keys.seq);
            if let Some(opened) = keys.open(record, seq, plain) {
                keys.passed(record, seq);
                dir.unopened = 0;
                return Outcome::Open(opened, epoch, seq);
            }
        }
        if self.session.is_compressed() {
            return Outcome::Closed(Why::Compressed);
        }
        if self.session.version != 0 && self.session.cipher().is_none() {
            return Outcome::Closed(Why::Suite);
        }
        let may_wait = !last && !self.dir(side).waited;
        if self.session.version != 0 && !self.session.is_v13() {
            return self.open_old(side, record, may_wait, plain, out);
        }
        let (candidates, missing) = self.candidates(side, out);
        let version = out.secrets().version();
        let dir = self.dir(side);
        let ahead = dir.unopened;
        // What was tried in vain is not tried again, unless more is known.
        let anew = dir.tried.replace(version) != Some(version);
        for (epoch, keys) in &candidates {
            if let Some(opened) = keys.open(record, 0, plain) {
                return self.found(side, record, *epoch, keys.clone(), 0, opened);
            }
        }
        let unheard = self.peer_is_silent(side)
            && (self.session.version == 0 || self.session.random.is_none());
        // Who waits is heard later, and what is said in between before that.
        let found = self.session.random.is_none() && orphan::has_told(out.secrets(), record);
        if may_wait && !found && (unheard || candidates.is_empty() && out.await_secrets()) {
            self.dir(side).tried = None;
            return Outcome::Wait;
        }
        // Nothing tells the number of its first record.
        if self.session.orphan && self.dir(side).keys.is_none() {
            return self.orphan(side, record, anew, plain, out);
        }
        let reach = self.dir(side).hole_reach.unwrap_or(0).max(if anew { ahead } else { 0 });
        if reach > 0 && (!candidates.is_empty() || self.dir(side).keys.is_some()) {
            let current = self.dir(side).keys.clone();
            let from = current.as_ref().map_or(0, |(_, k)| k.seq);
            // What is searched must not be searched again for every record.
            self.dir(side).hole_reach = None;
            let mut budget = MAX_TRIAL_BYTES;
            let runs = current
                .into_iter()
                .map(|(e, k)| (e, k, from.saturating_add(1)))
                .chain(candidates.iter().map(|(e, k)| (*e, k.clone(), 1)));
            for (epoch, keys, first) in runs {
                if let Some((seq, opened)) = search(&keys, record, first, reach, &mut budget, plain)
                {
                    self.dir(side).by_trial = true;
                    return self.found(side, record, epoch, keys, seq, opened);
                }
            }
            return self.closed(side, record, Why::Lost);
        }
        if self.session.random.is_none() {
            return self.orphan(side, record, anew, plain, out);
        }
        let why = match missing {
            Some(label) => Why::NoSecret(label),
            None if self.dir(side).opened > 0 => Why::NotVerified,
            None => Why::Wrong,
        };
        self.closed(side, record, why)
    }

    /// TLS 1.2 and before: one secret, and new keys behind each change_cipher_spec.
    fn open_old(
        &mut self,
        side: Side,
        record: &Sealed<'_>,
        may_wait: bool,
        plain: &mut Vec<u8>,
        out: &mut dyn Out,
    ) -> Outcome {
        if self.dir(side).keys.is_none() {
            let Some(mut keys) = self.session.master_keys(side, out) else {
                let unheard = self.peer_is_silent(side)
                    && (self.session.server.is_none() || self.session.random.is_none());
                if may_wait && (unheard || out.await_secrets()) {
                    return Outcome::Wait;
                }
                let why = match (&self.session.random, &self.session.server) {
                    (Some(_), Some(_)) => Why::NoSecret(Label::Master),
                    _ => Why::Nobody,
                };
                return self.closed(side, record, why);
            };
            keys.seq = self.dir(side).unopened;
            if let Some(opened) = keys.open(record, keys.seq, plain) {
                let seq = keys.seq;
                return self.found(side, record, Epoch::Master, keys, seq, opened);
            }
            self.dir(side).keys = Some((Epoch::Master, keys));
        }
        let dir = self.dir(side);
        let Some((epoch, keys)) = dir.keys.clone() else { return Outcome::Closed(Why::Wrong) };
        if let Some(reach) = dir.hole_reach.take() {
            let mut budget = MAX_TRIAL_BYTES;
            let first = keys.seq.saturating_add(1);
            if let Some((seq, opened)) = search(&keys, record, first, reach, &mut budget, plain) {
                self.dir(side).by_trial = true;
                return self.found(side, record, epoch, keys, seq, opened);
            }
            return self.closed(side, record, Why::Lost);
        }
        let why = if dir.opened > 0 { Why::NotVerified } else { Why::Wrong };
        self.closed(side, record, why)
    }

    /// A record stays closed; its number is used all the same.
    fn closed(&mut self, side: Side, record: &Sealed<'_>, why: Why) -> Outcome {
        let dir = self.dir(side);
        dir.unopened = dir.unopened.saturating_add(1);
        if let Some((_, keys)) = &mut dir.keys {
            let seq = keys.seq;
            keys.passed(record, seq);
        }
        Outcome::Closed(why)
    }

    fn found(
        &mut self,
        side: Side,
        record: &Sealed<'_>,
        epoch: Epoch,
        mut keys: Keys,
        seq: u64,
        opened: Opened,
    ) -> Outcome {
        keys.passed(record, seq);
        if self.session.version == 0 && epoch != Epoch::Early {
            self.session.version = 0x0304;
        }
        let dir = self.dir(side);
        dir.keys = Some((epoch, keys));
        dir.unopened = 0;
        dir.hole_reach = None;
        Outcome::Open(opened, epoch, seq)
    }

    /// The keys that may come next in a direction of TLS 1.3; and the first secret that
    /// is missing for them.
    fn candidates(&mut self, side: Side, out: &mut dyn Out) -> (Vec<(Epoch, Keys)>, Option<Label>) {
        let current = self.dir(side).keys.as_ref().map(|(e, _)| *e);
        if let Some(Epoch::Traffic(n)) = current {
            let next = self.dir(side).keys.as_ref().and_then(|(_, k)| k.updated());
            return (
                next.map(|k| (Epoch::Traffic(n.saturating_add(1)), k)).into_iter().collect(),
                None,
            );
        }
        let early = current.is_none() && side == Side::Client && self.session.offers_early_data();
        let mut epochs = Vec::with_capacity(3);
        if early {
            epochs.push(Epoch::Early);
        }
        if current.is_none_or(|e| e < Epoch::Handshake) {
            epochs.push(Epoch::Handshake);
        }
        epochs.push(Epoch::Traffic(0));
        // Nothing but early data comes before the server has chosen.
        if self.session.version == 0 && !self.dir(side).waited && side == Side::Client {
            epochs.retain(|e| *e == Epoch::Early);
        }
        let mut missing = None;
        let mut found = Vec::new();
        for epoch in epochs {
            let label = epoch.label(self.session.role(side));
            let keys = self.session.keys_of(epoch, side, out);
            if keys.is_empty() {
                let there = self
                    .session
                    .random
                    .as_ref()
                    .is_some_and(|r| out.secrets().get(label, r).is_some());
                if !there {
                    missing.get_or_insert(label);
                }
            }
            found.extend(keys.into_iter().map(|k| (epoch, k)));
        }
        (found, missing)
    }

    /// Neither hello was captured: whether any session of the key log fits; and once that
    /// is known, which number the first record of the other direction has.
    fn orphan(
        &mut self,
        side: Side,
        record: &Sealed<'_>,
        anew: bool,
        plain: &mut Vec<u8>,
        out: &mut dyn Out,
    ) -> Outcome {
        let known = self.session.random.map(|r| (r, self.session.suite, self.session.role(side)));
        let none = match known {
            None => Why::Nobody,
            Some((random, _, role)) => {
                let label = Epoch::Traffic(0).label(role);
                match out.secrets().get(label, &random) {
                    Some(_) => Why::Lost,
                    None => Why::NoSecret(label),
                }
            }
        };
        let spent = if known.is_none() { Why::TrialsSpent } else { Why::LostSpent };
        let left = match known {
            None => self.trial_left,
            Some(_) => MAX_TRIAL_BYTES.saturating_sub(self.dir(side).number_spent),
        };
        if left < LEAST {
            return self.closed(side, record, spent);
        }
        if !anew && self.dir(side).trials > MAX_VAIN {
            return self.closed(side, record, none);
        }
        // Small records are cheap to try: a large one leaves something for them.
        let most = left.div_ceil(2);
        let mut budget = most;
        let whose = orphan::whose(out.secrets(), record, known, &mut budget, plain);
        let cost = most.saturating_sub(budget);
        match known {
            None => self.trial_left = self.trial_left.saturating_sub(cost),
            Some(_) => {
                let dir = self.dir(side);
                dir.number_spent = dir.number_spent.saturating_add(cost);
            }
        }
        match whose {
            Ok(whose) => {
                self.dir(side).by_trial = true;
                if known.is_none() {
                    self.session.adopt(whose.fit, side != whose.side);
                    // What the peer sends is to be tried again, with these keys alone.
                    self.dir(side.peer()).trials = 0;
                }
                self.found(side, record, whose.epoch, whose.keys, whose.fit.seq, whose.opened)
            }
            Err(unknown) => {
                let dir = self.dir(side);
                dir.trials = dir.trials.saturating_add(1);
                self.closed(side, record, if unknown == Unknown::Spent { spent } else { none })
            }
        }
    }
}
