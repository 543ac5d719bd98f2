//! What is answered here while there is no broker, as Java does (`FailoverTransport.oneway`).

use rewire_protocol::Command;

/// Whether a command needs no broker when there is none.
///
/// Whatever ends has ended with the link already; a sign of life or a goodbye has nobody to go to.
pub(crate) const fn is_done_without_a_broker(command: &Command) -> bool {
    matches!(command, Command::RemoveInfo(_) | Command::ShutdownInfo(_) | Command::KeepAliveInfo(_))
}
