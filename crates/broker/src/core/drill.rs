//! What a test does to a broker that no client can: it refuses logins and runs out of memory when it is told to.

use super::BrokerCore;

/// What a broker is made to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Drill {
    pub(super) refuses_logins: bool,
}

impl BrokerCore {
    /// Refuses whoever connects from now on, as if the password were wrong; or does so no more.
    pub(crate) const fn refuse_logins(&mut self, refuses: bool) {
        self.drill.refuses_logins = refuses;
    }

    /// Has no memory left for messages, whatever there is; or has it again.
    pub(crate) const fn fill_memory(&mut self, is_full: bool) {
        let limit = if is_full { 0 } else { self.config.limits.memory };
        self.memory.set_limit(limit);
    }

    /// The ids of the clients that are connected, in order, without other brokers.
    pub(crate) fn client_ids(&self) -> Vec<String> {
        let connections = self.registry.connections.values();
        // A broker says so by this before it says who it is.
        let clients = connections.filter(|known| known.info.manageable);
        let mut ids: Vec<String> = clients.map(|known| known.client_id.to_string()).collect();
        ids.sort();
        ids
    }
}
