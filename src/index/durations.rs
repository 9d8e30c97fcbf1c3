//! Percentiles of durations in bounded memory.

use crate::base::limits::MAX_EXACT_DURATIONS;

/// Steps that each power of two is divided into: a value that falls into one is
/// off by less than 1 in 128.
const STEPS: u64 = 64;
/// Bits of [`STEPS`].
const STEP_BITS: u32 = 6;
/// Steps of all 64 powers.
const BUCKETS: usize = (64 - STEP_BITS as usize + 1) * STEPS as usize;

/// Durations in nanoseconds: one by one as long as there are few, then counted in
/// a log-linear histogram.
///
/// Percentiles are by nearest rank: the smallest value such that at least so much
/// of all is not above it. From the histogram they are the middle of a step,
/// within 0.8 %; the largest value is always exact.
#[derive(Clone, Debug)]
pub struct Durations {
    held: Held,
    count: u64,
    max: u64,
}

#[derive(Clone, Debug)]
enum Held {
    Exact(Vec<u64>),
    Counted(Box<[u64]>),
}

impl Default for Durations {
    fn default() -> Self {
        Self { held: Held::Exact(Vec::new()), count: 0, max: 0 }
    }
}

impl Durations {
    /// Adds one. `room` is how many may still be held one by one, of all that
    /// share it.
    pub fn add(&mut self, ns: u64, room: &mut usize) {
        self.count += 1;
        self.max = self.max.max(ns);
        if let Held::Exact(all) = &mut self.held {
            if all.len() < MAX_EXACT_DURATIONS && *room > 0 {
                *room -= 1;
                all.push(ns);
                return;
            }
            *room += all.len();
            let mut counts = vec![0_u64; BUCKETS].into_boxed_slice();
            for v in all.iter() {
                count(&mut counts, *v);
            }
            self.held = Held::Counted(counts);
        }
        if let Held::Counted(counts) = &mut self.held {
            count(counts, ns);
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// Whether percentiles are exact.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        matches!(self.held, Held::Exact(_))
    }

    /// The values below which so many of a hundred lie, for ascending `percents`
    /// of 0 to 100; `None` where there is no value.
    #[must_use]
    pub fn percentiles<const N: usize>(&self, percents: [u64; N]) -> Option<[u64; N]> {
        if self.count == 0 {
            return None;
        }
        let ranks = percents.map(|p| {
            let rank = (u128::from(self.count) * u128::from(p)).div_ceil(100);
            u64::try_from(rank).unwrap_or(u64::MAX).clamp(1, self.count)
        });
        Some(match &self.held {
            Held::Exact(all) => {
                let mut sorted = all.clone();
                sorted.sort_unstable();
                ranks.map(|r| {
                    let at = usize::try_from(r - 1).unwrap_or(usize::MAX);
                    sorted.get(at).copied().unwrap_or(self.max)
                })
            }
            Held::Counted(counts) => ranks.map(|rank| {
                let mut below = 0;
                let found = counts.iter().position(|n| {
                    below += n;
                    below >= rank
                });
                found.map_or(self.max, middle).min(self.max)
            }),
        })
    }
}

fn count(counts: &mut [u64], ns: u64) {
    if let Some(n) = counts.get_mut(bucket(ns)) {
        *n += 1;
    }
}

/// The step that a value falls into: values below [`STEPS`] have one each, then
/// every power of two has [`STEPS`].
const fn bucket(v: u64) -> usize {
    if v < STEPS {
        return v as usize;
    }
    let shift = 63 - STEP_BITS - v.leading_zeros();
    ((shift as u64 + 1) * STEPS + (v >> shift) - STEPS) as usize
}

/// The middle of a step.
const fn middle(bucket: usize) -> u64 {
    let b = bucket as u64;
    if b < STEPS {
        return b;
    }
    let shift = b / STEPS - 1;
    let first = (STEPS + b % STEPS) << shift;
    first + ((1 << shift) - 1) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_exact() {
        let mut d = Durations::default();
        assert_eq!(d.percentiles([50]), None);
        assert_eq!(d.max(), None);
        let mut room = 1000;
        for v in (1..=100).rev() {
            d.add(v * 10, &mut room);
        }
        assert_eq!(room, 900);
        assert_eq!(d.percentiles([0, 50, 90, 99, 100]), Some([10, 500, 900, 990, 1000]));
        assert_eq!((d.count(), d.max(), d.is_exact()), (100, Some(1000), true));
        let mut one = Durations::default();
        one.add(7, &mut room);
        assert_eq!(one.percentiles([50, 99]), Some([7, 7]));
    }

    #[test]
    fn steps_follow_one_another_and_hold_their_middle() {
        let mut last = 0;
        for shift in 0..64 {
            let power = 1_u64 << shift;
            for v in [power, power + power / 2, power + (power - 1)] {
                let b = bucket(v);
                assert!(b >= last && b < BUCKETS, "{v}");
                last = b;
                let m = middle(b);
                assert_eq!(bucket(m), b, "{v}");
                assert!(m.abs_diff(v) as f64 <= v as f64 / 128.0, "{v}: {m}");
            }
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn many_are_near() {
        let mut d = Durations::default();
        let mut room = usize::MAX / 2;
        let n = MAX_EXACT_DURATIONS as u64 + 1;
        for v in 1..=n {
            d.add(v * 1_000, &mut room);
        }
        assert!(!d.is_exact());
        assert_eq!(room, usize::MAX / 2, "what was held is given back");
        let [p50, p90, p99] = d.percentiles([50, 90, 99]).unwrap();
        for (got, percent) in [(p50, 50), (p90, 90), (p99, 99)] {
            let exact = n * percent / 100 * 1_000;
            assert!(got.abs_diff(exact) as f64 <= exact as f64 / 100.0, "{percent}: {got}");
        }
        assert_eq!(d.max(), Some(n * 1_000));
    }

    #[test]
    fn without_room_all_is_counted() {
        let mut d = Durations::default();
        for v in [5, 6, 7] {
            d.add(v, &mut 0);
        }
        assert!(!d.is_exact());
        assert_eq!(d.percentiles([50, 100]), Some([6, 7]));
    }
}
