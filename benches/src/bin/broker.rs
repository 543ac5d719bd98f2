//! The reference broker beside ActiveMQ, in one run: `broker [--only TEXT] [--rounds N] [--stored N]`.

use std::process::ExitCode;

use rewire_benches::broker::{CASES, PROGRAM, measure, run_as_client, stored, table};
use rewire_benches::load;
use rewire_test_support::java_requirements;

struct Plan {
    only: String,
    rounds: usize,
    stored: u64,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|argument| argument == PROGRAM).is_some() {
        run_as_client(arguments);
        return ExitCode::SUCCESS;
    }
    let plan = match plan(arguments) {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!("broker: {why}");
            return ExitCode::from(2);
        }
    };
    if let Err(missing) = java_requirements() {
        eprintln!("broker: {missing}");
        return ExitCode::FAILURE;
    }
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
    ExitCode::SUCCESS
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Result<Plan, String> {
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
