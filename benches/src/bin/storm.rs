//! Many connections that lose their broker, beside Java's client: `storm [--connections N] [--rounds N]`.

use std::process::ExitCode;

use rewire_benches::storm::{Plan, measure, run_as_client, table};
use rewire_benches::{Arguments, begin, load};

fn main() -> ExitCode {
    begin("storm", run_as_client, plan, |plan| {
        let load_before = load();
        let storms = measure(plan, |side, sample| eprintln!("{side}: {sample:?}"));
        print!(
            "{}\nLoad of the machine before: {load_before}; after: {}\n",
            table(&storms),
            load()
        );
    })
}

fn plan(mut arguments: Arguments) -> Result<Plan, String> {
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
