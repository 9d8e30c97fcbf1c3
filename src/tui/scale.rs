//! From times to columns and back.

use crate::base::CaptureTime;

/// A part of the capture's time: `span` nanoseconds from `start` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// The first moment.
    pub(super) start: i64,
    /// How long, at least 1.
    pub(super) span: u64,
}

impl View {
    /// All from `first` to `last`, so that both have a column.
    pub(super) const fn all(first: CaptureTime, last: CaptureTime) -> Self {
        Self { start: first.0, span: last.since(first).saturating_add(1) }
    }

    /// The column of a moment, where column `c` of `width` stands for the times
    /// from `start + c·span/width` on up to, not including, `start + (c+1)·span/width`:
    /// a moment is rounded down to the beginning of its column. Columns before the
    /// view are negative, those behind it `width` or more.
    pub(super) fn column(self, time: CaptureTime, width: u16) -> i64 {
        let since = i128::from(time.0) - i128::from(self.start);
        let column = (since * i128::from(width)).div_euclid(i128::from(self.span.max(1)));
        i64::try_from(column).unwrap_or(if column < 0 { i64::MIN } else { i64::MAX })
    }

    /// The first moment of a column: `column(moment(c)) == c` wherever a column
    /// is no shorter than a nanosecond.
    pub(super) fn moment(self, column: i64, width: u16) -> CaptureTime {
        let width = i128::from(width.max(1));
        // Rounded up: the first whole nanosecond inside.
        let since = -(-i128::from(column) * i128::from(self.span)).div_euclid(width);
        let time = i128::from(self.start) + since;
        CaptureTime(i64::try_from(time).unwrap_or(if time < 0 { i64::MIN } else { i64::MAX }))
    }

    /// The same with `span` multiplied by `by/of`, `anchor` staying in its column.
    pub(super) fn zoomed(self, anchor: CaptureTime, by: u64, of: u64, width: u16) -> Self {
        let span = (u128::from(self.span) * u128::from(by) / u128::from(of.max(1)))
            .clamp(u128::from(width.max(1)), u128::from(u64::MAX >> 1));
        let before = i128::from(anchor.0) - i128::from(self.start);
        let scaled = before * i128::try_from(span).unwrap_or(1) / i128::from(self.span.max(1));
        let start = i128::from(anchor.0) - scaled;
        Self {
            start: i64::try_from(start).unwrap_or(self.start),
            span: u64::try_from(span).unwrap_or(self.span),
        }
    }

    /// The same, later by so many columns.
    pub(super) fn panned(self, columns: i64, width: u16) -> Self {
        let by = i128::from(columns) * i128::from(self.span) / i128::from(width.max(1));
        let start = i128::from(self.start) + by;
        Self { start: i64::try_from(start).unwrap_or(self.start), ..self }
    }
}

/// Distance of the marks of the axis in nanoseconds: 1, 2 or 5 times a power of
/// ten, and no closer than `columns` columns.
pub(super) fn step(view: View, width: u16, columns: u16) -> u64 {
    let least = u128::from(view.span) * u128::from(columns) / u128::from(width.max(1));
    let mut unit: u64 = 1;
    loop {
        for n in [1, 2, 5] {
            if u128::from(unit) * n >= least {
                return unit.saturating_mul(u64::try_from(n).unwrap_or(1));
            }
        }
        match unit.checked_mul(10) {
            Some(u) => unit = u,
            None => return u64::MAX,
        }
    }
}

/// A time of the axis, in the unit that its step wants: `0`, `250 µs`, `3 s`.
pub(super) fn label(ns: i128, step: u64) -> String {
    if ns == 0 {
        return "0".to_owned();
    }
    let (unit, name) = match step {
        0..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    format!("{} {name}", ns / unit)
}

/// Marks of the axis: columns and labels, counted from `origin`.
pub(super) fn marks(view: View, width: u16, origin: CaptureTime) -> Vec<(u16, String)> {
    // The later the view, the longer its labels: as wide as the widest of a try.
    let mut columns = 10;
    for _ in 0..3 {
        let s = step(view, width, columns);
        let end = i128::from(view.start) + i128::from(view.span) - i128::from(origin.0);
        let longest = label(end / i128::from(s) * i128::from(s), s).chars().count();
        columns = columns.max(u16::try_from(longest + 2).unwrap_or(u16::MAX));
    }
    let s = step(view, width, columns);
    let since = i128::from(view.start) - i128::from(origin.0);
    let mut n = -(-since).div_euclid(i128::from(s));
    let mut out = Vec::new();
    while out.len() < usize::from(width) {
        let ns = n * i128::from(s);
        let Ok(time) = i64::try_from(ns + i128::from(origin.0)) else { break };
        let column = view.column(CaptureTime(time), width);
        let Ok(column) = u16::try_from(column) else { break };
        if column >= width {
            break;
        }
        out.push((column, label(ns, s)));
        n += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T: fn(i64) -> CaptureTime = CaptureTime;

    #[test]
    fn first_and_last_have_the_outer_columns() {
        let v = View::all(T(1_000), T(2_000));
        assert_eq!(v.column(T(1_000), 80), 0);
        assert_eq!(v.column(T(2_000), 80), 79);
        assert_eq!(v.column(T(999), 80), -1);
        assert_eq!(v.column(T(2_001), 80), 80);
        // A capture of one moment.
        assert_eq!(View::all(T(5), T(5)).column(T(5), 80), 0);
    }

    #[test]
    fn moments_are_rounded_down_to_their_column() {
        // 100 ns in 10 columns: ten a column.
        let v = View { start: 0, span: 100 };
        for (t, c) in
            [(0, 0), (9, 0), (10, 1), (19, 1), (99, 9), (100, 10), (-1, -1), (-10, -1), (-11, -2)]
        {
            assert_eq!(v.column(T(t), 10), c, "at {t}");
        }
        // 10 ns in 3 columns: borders at 3.33 and 6.67.
        let v = View { start: 0, span: 10 };
        let columns: Vec<i64> = (0..10).map(|t| v.column(T(t), 3)).collect();
        assert_eq!(columns, [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]);
    }

    #[test]
    fn steps_are_nice() {
        let v = View { start: 0, span: 1_000_000 };
        assert_eq!(step(v, 100, 10), 100_000);
        assert_eq!(step(v, 100, 11), 200_000);
        assert_eq!(step(v, 100, 21), 500_000);
        assert_eq!(label(1_500_000, 500_000), "1500 µs");
        assert_eq!(label(0, 1), "0");
        let all = marks(v, 100, T(0));
        assert_eq!(all[0], (0, "0".to_owned()));
        assert_eq!(all[1], (10, "100 µs".to_owned()));
        assert_eq!(all.len(), 10);
    }

    proptest! {
        #[test]
        fn a_column_begins_with_its_moment(start in any::<i32>(), span in 1_u64..1 << 40, width in 1_u16..400, c in -500_i64..500) {
            let v = View { start: i64::from(start), span: span.max(u64::from(width)) };
            let t = v.moment(c, width);
            prop_assert_eq!(v.column(t, width), c);
            prop_assert_eq!(v.column(T(t.0 - 1), width), c - 1);
        }

        #[test]
        fn zooming_keeps_the_anchor_where_it_is(span in 1_000_u64..1 << 40, at in 0_u64..1000, by in 1_u64..5, of in 1_u64..5) {
            let v = View { start: 7, span };
            let anchor = T(7 + i64::try_from(span * at / 1000).unwrap());
            let z = v.zoomed(anchor, by, of, 100);
            let (a, b) = (v.column(anchor, 100), z.column(anchor, 100));
            prop_assert!((a - b).abs() <= 1, "{} {}", a, b);
        }

        #[test]
        fn nothing_overflows(start in any::<i64>(), span in 1_u64.., t in any::<i64>(), width in any::<u16>(), c in any::<i64>(), by in any::<u64>()) {
            let v = View { start, span };
            let _ = (v.column(T(t), width), v.moment(c, width), v.panned(c, width));
            let _ = (v.zoomed(T(t), by, 3, width), step(v, width, 10), marks(v, width, T(t)));
        }
    }
}
