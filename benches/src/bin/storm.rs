//! Many connections that lose their broker, beside Java's client: `storm [--connections N] [--rounds N]`.

use std::process::ExitCode;

use rewire_benches::load;
use rewire_benches::storm::{PROGRAM, Plan, measure, run_as_client, table};
use rewire_test_support::java_requirements;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|argument| argument == PROGRAM).is_some() {
        run_as_client(arguments);
        return ExitCode::SUCCESS;
    }
    let plan = match plan(arguments) {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!("storm: {why}");
            return ExitCode::from(2);
        }
    };
    if let Err(missing) = java_requirements() {
        eprintln!("storm: {missing}");
        return ExitCode::FAILURE;
    }
    let load_before = load();
    let storms = measure(plan, |side, sample| eprintln!("{side}: {sample:?}"));
    print!("{}\nLoad of the machine before: {load_before}; after: {}\n", table(&storms), load());
    ExitCode::SUCCESS
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Result<Plan, String> {
    let mut plan = Plan { connections: 1000, rounds: 3 };
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        let number = || value.parse::<u32>().map_err(|_| format!("{option} {value}: no number"));
        match option.as_str() {
            "--connections" => plan.connections = u64::from(number()?.max(1)),
            "--rounds" => plan.rounds = number()? as usize,
            _unknown => return Err(format!("unknown option {option}")),
        }
    }
    Ok(plan)
}
