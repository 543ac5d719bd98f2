//! The program `rewire`: send and receive through a `failover:` URI, and a broker to try that on.

mod args;
mod batch;
mod bench;
mod broker;
mod browse;
mod clock;
mod completions;
mod diagnostics;
mod doctor;
mod event;
mod ledger;
mod log;
mod proxy;
mod receive;
mod request;
mod run;
mod send;
mod tally;
mod uri;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;

use crate::args::{Cli, Verb};
use crate::run::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    diagnostics::begin(&cli.verb);
    let runtime = match threads(&cli.verb).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::failed(format!("cannot start: {error}")).report(),
    };
    let done = runtime.block_on(async {
        match cli.verb {
            Verb::Send(args) => send::run(args).await,
            Verb::Receive(args) => receive::run(args).await,
            Verb::Browse(args) => browse::run(args).await,
            Verb::Request(args) => request::run(args).await,
            Verb::Bench(args) => bench::run(args).await,
            Verb::Doctor(args) => doctor::run(args).await,
            Verb::Watch(args) => watch::run(args).await,
            Verb::Uri(args) => uri::run(&args),
            Verb::Broker(args) => broker::run(args).await,
            Verb::Completions(args) => completions::run(&args),
            Verb::Proxy(args) => proxy::run(args).await,
        }
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(failure) => failure.report(),
    }
}

/// The threads that a verb is done by: one, if all it does is to pass messages on, between which and the connection there
/// is nothing to do side by side. With more each message would wake another thread, for twice the CPU.
///
/// Not one that prints messages: whoever reads them may be slow, and the connection is to be kept meanwhile.
fn threads(verb: &Verb) -> Builder {
    match verb {
        Verb::Send(_) => Builder::new_current_thread(),
        Verb::Receive(args) if args.target.json => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    }
}
