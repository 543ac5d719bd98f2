//! Some measured values: the one in the middle, the least and the most.

use std::fmt;

/// The median, the least and the most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { median, least, most })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, least, most } = self;
        if *most >= 100.0 {
            write!(f, "{median:.0} ({least:.0}..{most:.0})")
        } else {
            write!(f, "{median:.2} ({least:.2}..{most:.2})")
        }
    }
}

/// As text, a dash for nothing.
pub(crate) fn show(spread: Option<Spread>) -> String {
    spread.map_or_else(|| "-".to_owned(), |spread| spread.to_string())
}

/// One median divided by another, a dash where one is missing.
pub(crate) fn ratio(over: Option<Spread>, under: Option<Spread>) -> String {
    match (over, under) {
        (Some(over), Some(under)) => format!("{:.2}", over.median / under.median),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two_middles() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]).map(|spread| spread.median), Some(2.0));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).map(|spread| spread.median), Some(2.5));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn small_values_have_more_places() {
        assert_eq!(show(Spread::of([1.0, 2.0])), "1.50 (1.00..2.00)");
        assert_eq!(show(Spread::of([1.0, 200.0, 300.0])), "200 (1..300)");
        assert_eq!(ratio(Spread::of([1.0]), Spread::of([2.0])), "0.50");
    }
}
