//! The table of the recovery times, in Markdown.

use super::{Row, Sample};

/// One line a case, in milliseconds, medians with the least and the most.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| case | deaths | Java: after its end | Rewire: after its end | aim | Rewire/Java | \
         Java: whole pause | Rewire: whole pause |\n|---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for Row { case, java, rewire } in rows {
        let after = |samples: &[Sample]| spread(samples.iter().map(|sample| sample.after_end_ms));
        let pause = |samples: &[Sample]| spread(samples.iter().map(|sample| sample.pause_ms));
        let ratio = match (after(java), after(rewire)) {
            (Some(java), Some(rewire)) => format!("{:.2}", rewire.median / java.median),
            _ => "-".to_owned(),
        };
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

struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

fn spread(values: impl Iterator<Item = f64>) -> Option<Spread> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let median = match values.len() {
        0 => return None,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    };
    Some(Spread { median, least: *values.first()?, most: *values.last()? })
}

fn show(spread: Option<Spread>) -> String {
    match spread {
        Some(Spread { median, least, most }) => format!("{median:.2} ({least:.2}..{most:.2})"),
        None => "-".to_owned(),
    }
}
