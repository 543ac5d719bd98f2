//! `rewire bench`: a sender and a receiver on one destination, and an account of what happened.

mod account;
mod args;
mod flow;
mod memory;
mod outage;
mod progress;
mod report;

use std::io::Write;

pub(crate) use self::args::BenchArgs;
use self::args::Plan;
use self::report::Report;
use crate::run::{self, Failure};

/// Runs the verb; true when nothing that was confirmed is missing.
pub(crate) async fn run(args: BenchArgs) -> Result<bool, Failure> {
    let plan = Plan::new(&args)?;
    let destination = run::destination(&args.access, &args.destination)?;
    let uri = run::parse_uri(&args.access)?;
    let found = flow::run(&plan, &args.access, &destination).await?;
    let has_ended_well = found.problem.is_none();
    if let Some(problem) = &found.problem {
        run::complain(problem);
    }
    let report = Report::new(&plan, &found);
    let text = if args.json {
        report.json()
    } else {
        report.text(&plan, &format!("{uri} {}", args.destination))
    };
    // Nobody may be reading.
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    Ok(report.lost == 0 && has_ended_well)
}
