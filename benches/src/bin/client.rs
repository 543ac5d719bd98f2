//! Messages through one Java broker, beside Java's client: `client [--only TEXT] [--rounds N] [--store DIR]`.

use std::path::PathBuf;
use std::process::ExitCode;

use rewire_benches::client::{CASES, measure, run_as_client, table};
use rewire_benches::{Arguments, begin, load};

fn main() -> ExitCode {
    begin("client", run_as_client, plan, |Plan { only, rounds, store }| {
        let load_before = load();
        let mut rows = Vec::new();
        for case in CASES.iter().filter(|case| case.name.contains(&only)) {
            rows.push(measure(case, rounds, &store, |side, sample| {
                eprintln!("{}, {side}: {sample:?}", case.name);
            }));
        }
        print!("{}\nLoad of the machine before: {load_before}; after: {}\n", table(&rows), load());
    })
}

struct Plan {
    only: String,
    rounds: usize,
    /// Where the broker keeps its messages.
    store: PathBuf,
}

fn plan(mut arguments: Arguments) -> Result<Plan, String> {
    // In memory, where there is such a place: a disk that is waited for decides alone how many messages a second are
    // awaited, and one that others use as well is not the same disk from one run to the next.
    let memory = PathBuf::from("/dev/shm");
    let store = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let mut plan = Plan { only: String::new(), rounds: 5, store };
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--only" => plan.only = value,
            "--rounds" => {
                plan.rounds = value.parse().map_err(|_| format!("{option} {value}: no number"))?;
            }
            "--store" => plan.store = PathBuf::from(value),
            _unknown => return Err(format!("unknown option {option}")),
        }
    }
    Ok(plan)
}
