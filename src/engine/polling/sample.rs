//! Times of a series, in bounded memory.

use crate::base::limits::MAX_POLL_TIMES;

/// Nanoseconds, evenly chosen over the whole series: where there are too many, every
/// second one is dropped, and so on.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    kept: Vec<u64>,
    /// Every so many is kept.
    stride: u64,
    min: u64,
    sums: Sums,
}

/// Nanoseconds of which only the sum is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    count: u64,
    sum: u64,
    max: u64,
}

impl Sums {
    pub(super) fn add(&mut self, ns: u64) {
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(ns);
        self.max = self.max.max(ns);
    }

    /// Of `n` that were 0 it is as if they had not been there; one is left.
    pub(super) fn forget(&mut self, n: u64) {
        self.count = self.count.saturating_sub(n).max(self.count.min(1));
    }

    /// Those of another as well.
    pub(super) fn merge(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) const fn mean(&self) -> Option<u64> {
        self.sum.checked_div(self.count)
    }

    pub(super) const fn max(&self) -> u64 {
        self.max
    }
}

impl Default for Sample {
    fn default() -> Self {
        Self { kept: Vec::new(), stride: 1, min: u64::MAX, sums: Sums::default() }
    }
}

impl Sample {
    pub(super) fn add(&mut self, ns: u64) {
        if self.sums.count.is_multiple_of(self.stride) {
            if self.kept.len() >= MAX_POLL_TIMES {
                let mut at = 0_usize;
                self.kept.retain(|_| {
                    at += 1;
                    !at.is_multiple_of(2)
                });
                self.stride = self.stride.saturating_mul(2);
            }
            if self.sums.count.is_multiple_of(self.stride) {
                self.kept.push(ns);
            }
        }
        self.min = self.min.min(ns);
        self.sums.add(ns);
    }

    pub(super) const fn count(&self) -> u64 {
        self.sums.count
    }

    pub(super) const fn mean(&self) -> Option<u64> {
        self.sums.mean()
    }

    /// The least; the greatest number where there is none.
    pub(super) const fn min(&self) -> u64 {
        self.min
    }

    pub(super) const fn max(&self) -> u64 {
        self.sums.max
    }

    /// By nearest rank.
    pub(super) fn median(&self) -> Option<u64> {
        let mut sorted = self.kept.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) / 2).copied()
    }

    /// How many of a hundred lie within `percent` of `middle`.
    pub(super) fn near(&self, middle: u64, percent: u64) -> u64 {
        let off = (u128::from(middle) * u128::from(percent) / 100) as u64;
        let near = self.kept.iter().filter(|v| v.abs_diff(middle) <= off).count();
        (near as u64 * 100).checked_div(self.kept.len() as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_thinned_evenly() {
        let mut s = Sample::default();
        assert_eq!((s.median(), s.mean(), s.near(5, 50)), (None, None, 0));
        for v in 1..=10_000 {
            s.add(v);
        }
        assert!(s.kept.len() <= MAX_POLL_TIMES);
        let median = s.median().unwrap();
        assert!(median.abs_diff(5_000) <= 128, "{median}");
        assert_eq!((s.count(), s.mean(), s.min(), s.max()), (10_000, Some(5_000), 1, 10_000));
        assert!(s.near(5_000, 50).abs_diff(50) <= 2);
    }
}
