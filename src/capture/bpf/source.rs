//! A source that lets only matching packets through.

use std::sync::Arc;

use super::Filter;
use crate::capture::{Batch, CaptureError, PacketStore, Polled, Source};

/// Drops the packets of a source that do not match.
///
/// Those that are left keep the numbers that they have in the capture, so that
/// they can be found there; the count has holes.
pub struct Filtered {
    inner: Box<dyn Source>,
    filter: Filter,
    /// The link type seen last, which was checked.
    checked: Option<u16>,
}

impl Filtered {
    /// The packets of `inner` that match `filter`.
    #[must_use]
    pub fn new(inner: Box<dyn Source>, filter: Filter) -> Self {
        Self { inner, filter, checked: None }
    }

    /// `inner`, behind `filter` where there is one.
    #[must_use]
    pub fn wrap(inner: Box<dyn Source>, filter: Option<Filter>) -> Box<dyn Source> {
        match filter {
            Some(f) => Box::new(Self::new(inner, f)),
            None => inner,
        }
    }

    fn check(&mut self, batch: &Batch) -> Result<(), CaptureError> {
        for p in batch.packets() {
            let link = p.meta.link.0;
            if self.checked != Some(link) {
                self.filter.check(link).map_err(|e| CaptureError {
                    name: format!("capture filter `{}`", self.filter.text()),
                    what: format!("packet {}: {}", p.meta.id, e.message),
                })?;
                self.checked = Some(link);
            }
        }
        Ok(())
    }
}

impl Source for Filtered {
    /// A batch may be empty.
    ///
    /// # Errors
    /// Those of the source, and where the filter cannot be applied to the link type
    /// of a packet.
    fn poll(&mut self) -> Result<Polled, CaptureError> {
        let polled = self.inner.poll()?;
        let Polled::Batch(mut batch) = polled else { return Ok(polled) };
        self.check(&batch)?;
        let f = &self.filter;
        batch.retain(|p| f.matches(p.meta.link.0, p.data, p.meta.original_len));
        Ok(Polled::Batch(batch))
    }

    fn progress(&self) -> Option<(u64, u64)> {
        self.inner.progress()
    }

    fn store(&self) -> Option<Arc<PacketStore>> {
        self.inner.store()
    }
}
