//! The codec beside Java's, in one run: `codec [--only TEXT] [--slices N] [--slice-ms N] [--warm-ms N]`.

use std::process::ExitCode;
use std::time::Duration;

use rewire_benches::codec::{JavaCodec, Plan, Rewire, compare, table};
use rewire_test_support::java_requirements;

fn main() -> ExitCode {
    let plan = match plan(std::env::args().skip(1)) {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!("codec: {why}");
            return ExitCode::from(2);
        }
    };
    if let Err(missing) = java_requirements() {
        eprintln!("codec: {missing}");
        return ExitCode::FAILURE;
    }
    let mut rows = Vec::new();
    compare(&mut JavaCodec::start(), &Rewire, &plan, |row| {
        eprintln!("{} {} {}", row.case.command, row.case.encoding, row.case.operation);
        rows.push(row.clone());
    });
    print!("{}", table(&rows));
    ExitCode::SUCCESS
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Result<Plan, String> {
    let mut plan = Plan {
        warm: Duration::from_secs(1),
        slice: Duration::from_millis(250),
        slices: 5,
        only: String::new(),
    };
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        let number = || value.parse::<u32>().map_err(|_| format!("{option} {value}: not a number"));
        match option.as_str() {
            "--only" => plan.only = value,
            "--slices" => plan.slices = number()? as usize,
            "--slice-ms" => plan.slice = Duration::from_millis(number()?.into()),
            "--warm-ms" => plan.warm = Duration::from_millis(number()?.into()),
            _unknown => return Err(format!("unknown option {option}")),
        }
    }
    Ok(plan)
}
