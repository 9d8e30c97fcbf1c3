//! A list that only grows and never moves: appending costs the same at a
//! hundred million entries as at ten, so a writer never holds the lock for long.
//!
//! A `Vec` would be copied whenever it is full: tens of megabytes at once, with
//! every page of the copy new, while a screen waits for the lock.

use std::ops::Range;

/// Entries of the first chunk: most conversations are short.
const FIRST: usize = 4;
/// Entries of a chunk at most.
const CHUNK: usize = 1 << 16;
/// Chunks that are smaller, each twice as large as the one before.
const STEPS: usize = CHUNK.ilog2() as usize - FIRST.ilog2() as usize;
/// Entries of all those.
const SMALL: usize = CHUNK - FIRST;

/// See the module.
#[derive(Clone, Debug)]
pub struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

/// The chunk of an entry, and its place in there.
const fn place(at: usize) -> (usize, usize) {
    if at < SMALL {
        let v = at + FIRST;
        let power = v.ilog2() as usize;
        (power - FIRST.ilog2() as usize, v - (1 << power))
    } else {
        (STEPS + (at - SMALL) / CHUNK, (at - SMALL) % CHUNK)
    }
}

/// Entries that a chunk has room for.
const fn room(chunk: usize) -> usize {
    if chunk < STEPS { FIRST << chunk } else { CHUNK }
}

impl<T> Chunks<T> {
    /// Appends.
    pub fn push(&mut self, value: T) {
        let (chunk, _) = place(self.len);
        if self.chunks.len() == chunk {
            self.chunks.push(Vec::with_capacity(room(chunk)));
        }
        if let Some(c) = self.chunks.last_mut() {
            c.push(value);
            self.len += 1;
        }
    }

    /// Number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entry at `at`.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&T> {
        let (chunk, within) = place(at);
        self.chunks.get(chunk)?.get(within)
    }

    /// The entry at `at`, to be changed.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        let (chunk, within) = place(at);
        self.chunks.get_mut(chunk)?.get_mut(within)
    }

    /// The first entry.
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.get(0)
    }

    /// The last entry.
    #[must_use]
    pub fn last(&self) -> Option<&T> {
        self.get(self.len.checked_sub(1)?)
    }

    /// All entries.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + '_ {
        self.range(0..self.len)
    }

    /// All entries, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> + '_ {
        self.chunks.iter_mut().flatten()
    }

    /// The entries at these places, those beyond the end left out. To begin
    /// somewhere costs nothing.
    pub fn range(&self, places: Range<usize>) -> impl DoubleEndedIterator<Item = &T> + '_ {
        let end = places.end.min(self.len);
        (places.start.min(end)..end).filter_map(|at| self.get(at))
    }

    /// The place of the first entry of which `before` does not hold, where it
    /// holds of all before that one.
    pub fn partition_point(&self, before: impl Fn(&T) -> bool) -> usize {
        self.partition_point_in(0..self.len, before)
    }

    /// The same among the entries at these places.
    pub fn partition_point_in(&self, places: Range<usize>, before: impl Fn(&T) -> bool) -> usize {
        let (mut low, mut high) = (places.start, places.end.min(self.len));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(&before) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Memory held, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum::<usize>() * size_of::<T>()
    }

    /// Chunks that were asked for so far, and their largest room in entries: what
    /// appending may cost at once.
    #[cfg(test)]
    pub(super) fn largest(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).max().unwrap_or(0)
    }
}

impl<T> Chunks<T> {
    /// As one list.
    pub(super) fn into_vec(self) -> Vec<T> {
        self.chunks.into_iter().flatten().collect()
    }
}

impl<T: Ord> Chunks<T> {
    /// The place of an entry of an ascending list.
    #[must_use]
    pub fn place_of(&self, value: &T) -> Option<usize> {
        let at = self.partition_point(|x| x < value);
        (self.get(at) == Some(value)).then_some(at)
    }
}

impl<T: Ord + Copy> Chunks<T> {
    /// Puts a value into an ascending list, unless it is there: at no cost but
    /// that of moving what is larger.
    pub fn insert(&mut self, value: T) {
        let at = self.partition_point(|x| *x < value);
        if self.get(at) == Some(&value) {
            return;
        }
        let mut moved = value;
        for i in at..self.len {
            if let Some(x) = self.get_mut(i) {
                std::mem::swap(x, &mut moved);
            }
        }
        self.push(moved);
    }
}

impl<T> FromIterator<T> for Chunks<T> {
    fn from_iter<I: IntoIterator<Item = T>>(iter: I) -> Self {
        let mut all = Self::default();
        iter.into_iter().for_each(|x| all.push(x));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_one_another_over_all_borders() {
        let mut list = Chunks::default();
        let n = SMALL + 2 * CHUNK + 3;
        for i in 0..n {
            assert_eq!(list.len(), i);
            list.push(i);
        }
        assert!((0..n).all(|i| list.get(i) == Some(&i)) && list.get(n).is_none());
        assert!(list.iter().copied().eq(0..n) && list.iter().rev().copied().eq((0..n).rev()));
        let border = SMALL + CHUNK;
        assert!(list.range(border - 2..border + 2).copied().eq(border - 2..border + 2));
        assert_eq!(list.range(n - 1..n + 7).count(), 1);
        assert_eq!((list.first(), list.last()), (Some(&0), Some(&(n - 1))));
        assert_eq!(list.partition_point(|x| *x < border), border);
        assert_eq!(list.place_of(&border), Some(border));
        assert_eq!(list.place_of(&n), None);
    }

    /// What the lock is held for: no entry moves when others come, and no more is
    /// asked of the allocator at once than a chunk.
    #[test]
    fn what_is_there_never_moves() {
        let mut list = Chunks::default();
        list.push(7_u32);
        let first: *const u32 = list.get(0).unwrap();
        let mut mid = None;
        for i in 0..1_000_000_u32 {
            list.push(i);
            if i == 70_000 {
                mid = list.last().map(std::ptr::from_ref);
            }
        }
        assert_eq!(list.get(0).map(std::ptr::from_ref), Some(first));
        assert_eq!(list.get(70_001).map(std::ptr::from_ref), mid);
        assert_eq!(list.largest(), CHUNK);
        // And a short one is small.
        let short: Chunks<u32> = (0..3).collect();
        assert_eq!(short.memory(), 16);
    }

    #[test]
    fn what_comes_late_is_put_in_its_place() {
        let mut list: Chunks<u32> = (0..100).map(|x| x * 2).collect();
        list.insert(51);
        list.insert(52);
        list.insert(500);
        let mut expected: Vec<u32> = (0..100).map(|x| x * 2).chain([51, 500]).collect();
        expected.sort_unstable();
        assert!(list.iter().eq(&expected));
    }
}
