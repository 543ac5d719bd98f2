//! The reference broker beside ActiveMQ, in one run: `broker [--only TEXT] [--rounds N] [--stored N]`.

use std::process::ExitCode;

use rewire_benches::broker::{CASES, measure, run_as_client, stored, table};
use rewire_benches::{Arguments, begin, load};

struct Plan {
    only: String,
    rounds: usize,
    stored: u64,
}

fn main() -> ExitCode {
    begin("broker", run_as_client, plan, |plan| {
        let load_before = load();
        let mut rows = Vec::new();
        for case in CASES.iter().filter(|case| case.name.contains(&plan.only)) {
            rows.extend(measure(case, plan.rounds, |side, sample| {
                eprintln!("{}: {side}: {sample:?}", case.name);
            }));
        }
        print!("{}", table(&rows));
        if plan.stored > 0 {
            print!("\n{}", stored(plan.stored, plan.rounds));
        }
        println!("Load of the machine before: {load_before}; after: {}", load());
    })
}

fn plan(mut arguments: Arguments) -> Result<Plan, String> {
    let mut plan = Plan { only: String::new(), rounds: 3, stored: 1_000_000 };
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        let number = || value.parse::<u32>().map_err(|_| format!("{option} {value}: no number"));
        match option.as_str() {
            "--only" => plan.only = value,
            "--rounds" => plan.rounds = number()?.max(1) as usize,
            "--stored" => plan.stored = u64::from(number()?),
            _unknown => return Err(format!("unknown option {option}")),
        }
    }
    Ok(plan)
}
