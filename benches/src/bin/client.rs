//! Messages through one Java broker, beside Java's client: `client [--only TEXT] [--rounds N]`.

use std::process::ExitCode;

use rewire_benches::client::{CASES, PROGRAM, measure, run_as_client, table};
use rewire_benches::load;
use rewire_test_support::java_requirements;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|argument| argument == PROGRAM).is_some() {
        run_as_client(arguments);
        return ExitCode::SUCCESS;
    }
    let (only, rounds) = match plan(arguments) {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!("client: {why}");
            return ExitCode::from(2);
        }
    };
    if let Err(missing) = java_requirements() {
        eprintln!("client: {missing}");
        return ExitCode::FAILURE;
    }
    let load_before = load();
    let mut rows = Vec::new();
    for case in CASES.iter().filter(|case| case.name.contains(&only)) {
        rows.push(measure(case, rounds, |side, sample| {
            eprintln!("{}, {side}: {sample:?}", case.name);
        }));
    }
    print!("{}\nLoad of the machine before: {load_before}; after: {}\n", table(&rows), load());
    ExitCode::SUCCESS
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Result<(String, usize), String> {
    let (mut only, mut rounds) = (String::new(), 5);
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--only" => only = value,
            "--rounds" => {
                rounds = value.parse().map_err(|_| format!("{option} {value}: no number"))?;
            }
            _unknown => return Err(format!("unknown option {option}")),
        }
    }
    Ok((only, rounds))
}
