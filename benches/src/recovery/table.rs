//! The table of the recovery times, in Markdown.

use super::{Row, Sample};
use crate::spread::{Spread, ratio, show};

/// One line a case, in milliseconds, medians with the least and the most.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| case | deaths | Java: after its end | Rewire: after its end | aim | Rewire/Java | \
         Java: whole pause | Rewire: whole pause |\n|---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for Row { case, java, rewire } in rows {
        let after =
            |samples: &[Sample]| Spread::of(samples.iter().map(|sample| sample.after_end_ms));
        let pause = |samples: &[Sample]| Spread::of(samples.iter().map(|sample| sample.pause_ms));
        let ratio = ratio(after(rewire), after(java));
        text += &format!(
            "| {} | {} | {} | {} | {} | {ratio} | {} | {} |\n",
            case.name,
            rewire.len(),
            show(after(java)),
            show(after(rewire)),
            case.aim,
            show(pause(java)),
            show(pause(rewire))
        );
    }
    text
}
