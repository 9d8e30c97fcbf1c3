//! The codings of a body, undone as it comes: what is wrong with them is found whether
//! somebody looks or not.

use crate::base::limits::MAX_BODY_RATIO;
use crate::proto::codings::{Codings, Decoder, Failure, Inflated};
use crate::proto::http::nothing::Small;
use crate::proto::{Headers, Out};

/// What is undone of one body.
#[derive(Debug)]
pub(in crate::proto::http) struct Undo {
    pub(in crate::proto::http) codings: Codings,
    /// The body is a range of something (RFC 9110 §14.4), and may begin anywhere.
    partial: bool,
    /// `None` where it does not go on.
    decoder: Option<Decoder>,
    bytes: Vec<u8>,
    total: u64,
    failure: Option<Failure>,
}

impl Undo {
    /// Of the body behind this head, where something has to be undone.
    pub(in crate::proto::http) fn of(headers: &Headers) -> Option<Box<Self>> {
        let codings = Codings::of_message(headers);
        if codings == Codings::Known(Vec::new()) {
            return None;
        }
        let decoder = codings.decoder().map(Decoder::patient);
        let partial = headers.get("content-range").is_some();
        let (bytes, total, failure) = (Vec::new(), 0, None);
        Some(Box::new(Self { codings, partial, decoder, bytes, total, failure }))
    }

    /// More of the body; the first `cap` bytes of what it comes to are kept.
    pub(in crate::proto::http) fn feed(
        &mut self,
        data: &[u8],
        cap: usize,
        small: &mut Small,
        out: &mut dyn Out,
    ) {
        if let Some(d) = &mut self.decoder {
            d.allow(data.len(), MAX_BODY_RATIO);
        }
        self.run(Some(data), cap, small, out);
    }

    /// Bytes are missing: what follows cannot be undone without them.
    pub(in crate::proto::http) fn lose(&mut self) {
        self.decoder = None;
    }

    /// The body has ended, as a whole or not.
    pub(in crate::proto::http) fn finish(
        mut self,
        whole: bool,
        cap: usize,
        small: &mut Small,
        out: &mut dyn Out,
    ) -> Undone {
        self.run(None, cap, small, out);
        // A part of a body ends early, and may begin late.
        let fault = self.failure.clone().filter(|f| !self.partial && (whole || *f != Failure::Cut));
        let known = matches!(self.codings, Codings::Known(_));
        let (bytes, total, failure) = (self.bytes, self.total, self.failure);
        let inflated = known.then_some(Inflated { bytes, total, failure });
        Undone { codings: self.codings, inflated, fault }
    }

    fn run(&mut self, data: Option<&[u8]>, cap: usize, small: &mut Small, out: &mut dyn Out) {
        let Some(decoder) = &mut self.decoder else { return };
        let (bytes, before) = (&mut self.bytes, self.total);
        let total = &mut self.total;
        let mut keep = |made: &[u8]| {
            small.add(made);
            let room = cap.saturating_sub(bytes.len()).min(made.len());
            bytes.extend_from_slice(made.get(..room).unwrap_or_default());
            *total = total.saturating_add(made.len() as u64);
        };
        let went = match data {
            Some(data) => decoder.feed(data, &mut keep),
            None => decoder.finish(&mut keep),
        };
        out.inflated(self.total.saturating_sub(before));
        if let Err(why) = went {
            self.failure = Some(why);
            self.decoder = None;
        }
    }

    /// A copy. A decoder has none: what was begun before a copy is not opened from it, and
    /// so it need not go on.
    pub(in crate::proto::http) fn fork(&self) -> Box<Self> {
        Box::new(Self {
            codings: self.codings.clone(),
            partial: self.partial,
            decoder: None,
            bytes: self.bytes.clone(),
            total: self.total,
            failure: self.failure.clone(),
        })
    }

    /// Memory held, in bytes, about.
    pub(in crate::proto::http) fn memory(&self) -> usize {
        let decoder = self.decoder.as_ref().map_or(0, Decoder::memory);
        size_of::<Self>() + decoder + self.bytes.capacity()
    }
}

/// What came of it.
pub(in crate::proto::http) struct Undone {
    pub(in crate::proto::http) codings: Codings,
    /// `None` where a coding is not known.
    pub(in crate::proto::http) inflated: Option<Inflated>,
    /// What is wrong, where that is not for want of bytes.
    pub(in crate::proto::http) fault: Option<Failure>,
}
