//! What is answered here while there is no broker, as Java does (`FailoverTransport.oneway`).

use rewire_protocol::Command;

use super::io::{Output, RequestId};
use super::{FailoverCore, done_response};

/// Whether a command needs no broker when there is none.
///
/// Whatever ends has ended with the link already; a sign of life or a goodbye has nobody to go to.
pub(crate) fn is_done_without_a_broker(command: &Command) -> bool {
    match command {
        Command::RemoveInfo(_) | Command::ShutdownInfo(_) | Command::KeepAliveInfo(_) => true,
        // It finds nothing, and is not to wait until it can.
        Command::MessagePull(pull) => pull.timeout != 0,
        _ => false,
    }
}

impl FailoverCore {
    /// A request is done without a broker.
    pub(super) fn answer_here(&mut self, id: RequestId, number: i32) {
        self.outputs.stats.requests_answered_here += 1;
        self.outputs.push_uncounted(Output::Complete(id, Ok(done_response(number))));
    }
}
