//! How far a producer may be ahead of the broker: the bytes that have left and were not acknowledged.

use rewire_protocol::Message;
use tokio::sync::watch;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Window {
    limit: u64,
    used: watch::Sender<u64>,
}

impl Window {
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit: limit.into(), used: watch::Sender::new(0) }
    }

    /// Waits until there is room. One message more may be sent then, whatever its size, as in Java.
    pub(crate) async fn room(&self) {
        // The sender lives as long as this.
        let _ = self.used.subscribe().wait_for(|used| *used < self.limit).await;
    }

    pub(crate) fn sent(&self, size: u64) {
        self.used.send_modify(|used| *used = used.saturating_add(size));
    }

    /// The broker has taken in so many bytes.
    pub(crate) fn on_ack(&self, size: i32) {
        let size = u64::try_from(size).unwrap_or_default();
        self.used.send_modify(|used| *used = used.saturating_sub(size));
    }

    /// Nothing is under way: the link is gone, or the broker has taken in all.
    pub(crate) fn clear(&self) {
        self.used.send_replace(0);
    }
}

/// The size of a message as a broker counts it. Java: `Message.getSize`.
pub(crate) fn size(message: &Message) -> u64 {
    const AT_LEAST: usize = 1024;
    let part = |bytes: Option<&bytes::Bytes>| bytes.map_or(0, bytes::Bytes::len);
    let size =
        AT_LEAST + part(message.content.as_ref()) + part(message.marshalled_properties.as_ref());
    u64::try_from(size).unwrap_or(u64::MAX)
}
