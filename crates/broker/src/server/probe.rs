//! `Probe`: looks into a broker that runs, and does to it what no client can. For the test kit.

use std::collections::BTreeMap;
use std::fmt;

use rewire_protocol::Command;
use tokio::sync::{mpsc, oneshot};

use super::{Broker, Order};
use crate::core::BrokerCore;

/// What a broker under test notes down.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The address that clients are told.
    pub(super) published: Option<String>,
    /// How many commands of each kind were heard; not counted for a broker that nobody watches.
    heard: BTreeMap<&'static str, u64>,
}

impl Watch {
    pub(super) fn new(published: &str) -> Self {
        Self { published: Some(published.to_owned()), heard: BTreeMap::new() }
    }

    pub(super) fn hear(&mut self, command: &Command) {
        if self.published.is_some() {
            *self.heard.entry(kind_of(command)).or_default() += 1;
        }
    }
}

/// What a command is called: a message of whatever kind is a `Message`.
fn kind_of(command: &Command) -> &'static str {
    if matches!(command, Command::Message(_)) { "Message" } else { command.name() }
}

type Ask = dyn FnOnce(&mut BrokerCore, &Watch) + Send;

/// Something to be asked of the core, by the task that owns it.
pub(super) struct Question(Box<Ask>);

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Question").finish_non_exhaustive()
    }
}

impl Question {
    pub(super) fn ask(self, core: &mut BrokerCore, watch: &Watch) {
        (self.0)(core, watch);
    }
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub(crate) struct Probe(mpsc::Sender<Order>);

impl Broker {
    pub(crate) fn probe(&self) -> Probe {
        Probe(self.orders.clone())
    }
}

impl Probe {
    /// Does something with the core, between two inputs. None when the broker is gone.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut BrokerCore) -> T + Send + 'static,
    ) -> Option<T> {
        self.put(|core, _| question(core)).await
    }

    /// How many commands of this kind the broker has heard. None when it is gone.
    pub(crate) async fn heard(&self, kind: &str) -> Option<u64> {
        let kind = kind.to_owned();
        self.put(move |_, watch| watch.heard.get(&*kind).copied().unwrap_or_default()).await
    }

    async fn put<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut BrokerCore, &Watch) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let question = move |core: &mut BrokerCore, watch: &Watch| {
            // Whoever asked may have gone.
            let _ = reply.send(question(core, watch));
        };
        self.0.send(Order::Probe(Question(Box::new(question)))).await.ok()?;
        answer.await.ok()
    }
}
