//! The client against a scripted broker, over a real socket.

use rewire_failover::core::LinkId;

pub(crate) const fn link(number: u64) -> LinkId {
    LinkId::new(number)
}
