//! What is still known of conversations that have left the flow table: packets that
//! come late are shown as theirs.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::base::limits::MAX_TOMBSTONES;
use crate::base::{ConversationId, Side};
use crate::engine::ConversationInfo;

/// A conversation that has left.
#[derive(Debug)]
pub(super) struct Grave {
    /// What was known of it in the end.
    pub info: ConversationInfo,
    /// Who A was, the end that sent first.
    a: Side,
}

impl Grave {
    /// Who sent a packet.
    pub(super) const fn side(&self, from_a: bool) -> Side {
        if from_a { self.a } else { self.a.peer() }
    }
}

/// The conversations that left last: as many as the flow table knows again.
#[derive(Debug, Default)]
pub(super) struct Gone {
    all: HashMap<ConversationId, Box<Grave>>,
    order: VecDeque<ConversationId>,
}

impl Gone {
    /// Keeps what is known of one that has left; `a` sent its first packet.
    pub(super) fn bury(&mut self, info: ConversationInfo, a: Side) {
        let id = info.id;
        self.all.insert(id, Box::new(Grave { info, a }));
        self.order.push_back(id);
        while self.order.len() > MAX_TOMBSTONES
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }

    /// One that has left.
    pub(super) fn get(&self, id: ConversationId) -> Option<&Grave> {
        self.all.get(&id).map(|g| &**g)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut gone = Gone::default();
        let all = u32::try_from(MAX_TOMBSTONES).unwrap() + 10;
        for n in 1..=all {
            let info = ConversationInfo { id: ConversationId(n), ..ConversationInfo::default() };
            gone.bury(info, Side::Server);
        }
        assert_eq!(gone.all.len(), MAX_TOMBSTONES);
        assert!(gone.get(ConversationId(10)).is_none());
        let last = gone.get(ConversationId(all)).unwrap();
        assert_eq!([last.side(true), last.side(false)], [Side::Server, Side::Client]);
    }
}
