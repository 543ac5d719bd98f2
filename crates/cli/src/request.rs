//! `rewire request`: one message out, its reply back.

use std::io::Write;

use rewire::{ErrorKind, Message};

use crate::args::RequestArgs;
use crate::browse::to_json;
use crate::receive::show;
use crate::run::{self, Failure, Run};

/// Runs the verb; true when a reply came.
pub(crate) async fn run(args: RequestArgs) -> Result<bool, Failure> {
    let destination = run::destination(&args.access, &args.destination)?;
    let mut message = Message::text(args.body).persistent(false);
    for (name, value) in &args.properties {
        message = message.property(name.as_str(), value.as_str());
    }
    let run = Run::connect(&args.access).await?;
    let session = run.connection.session().await?;
    let mut requester = session.requester(&destination).await?;
    let reply = requester.request(message, args.timeout).await;
    drop(requester);
    let _ = run.connection.close().await;
    let reply = reply.map_err(|error| match error.kind() {
        ErrorKind::Timeout => Failure::failed(format!(
            "{error}; does anyone answer at {}? --timeout waits longer than {:?}",
            args.destination, args.timeout
        )),
        _ => error.into(),
    })?;
    if args.json {
        // Nobody may be reading.
        let _ = writeln!(std::io::stdout(), "{}", to_json(&reply, 0));
    } else {
        show(&reply);
    }
    Ok(true)
}
