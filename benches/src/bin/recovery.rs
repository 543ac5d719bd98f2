//! Recovery time beside Java's client, in one run: `recovery [--only TEXT] [--kills N] [--warm N]`.

use std::process::ExitCode;

use rewire_benches::recovery::{CASES, Plan, measure, run_as_client, table};
use rewire_benches::{Arguments, begin, load};

fn main() -> ExitCode {
    begin("recovery", run_as_client, plan, |(plan, only)| {
        let load_before = load();
        let mut rows = Vec::new();
        for case in CASES.iter().filter(|case| case.name.contains(&only)) {
            rows.push(measure(case, plan, |side, round, sample| {
                let (after, pause) = (sample.after_end_ms, sample.pause_ms);
                eprintln!("{}, {side}, {round}: {after:.2} ms, in all {pause:.2} ms", case.name);
            }));
        }
        print!("{}\nLoad of the machine before: {load_before}; after: {}\n", table(&rows), load());
    })
}

fn plan(mut arguments: Arguments) -> Result<(Plan, String), String> {
    let mut plan = Plan { warm: 2, kills: 12 };
    let mut only = String::new();
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        let number = || value.parse::<usize>().map_err(|_| format!("{option} {value}: no number"));
        match option.as_str() {
            "--only" => only = value,
            "--kills" => plan.kills = number()?,
            "--warm" => plan.warm = number()?,
            _unknown => return Err(format!("unknown option {option}")),
        }
    }
    Ok((plan, only))
}
